"""Statements sent as one: whoever asked is answered, whatever became of those before."""

import asyncio
from collections.abc import Sequence

import pytest

from db.grouping import Grouped


async def test_fault_in_one_group_leaves_those_behind_it_answered() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def act(asked: Sequence[int]) -> Sequence[int]:
        begun.set()
        await go_on.wait()
        if 1 in asked:
            raise ValueError("at fault")
        return [2 * one for one in asked]

    grouped = Grouped(act)
    async with asyncio.timeout(20):
        first = asyncio.create_task(grouped.ask(1))
        await begun.wait()
        second = asyncio.create_task(grouped.ask(2))
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(ValueError, match="at fault"):
            await first

        assert await second == 4
