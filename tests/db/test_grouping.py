"""Statements sent as one: whoever asked is answered, whatever became of those before."""

import asyncio
import time
from collections.abc import Awaitable, Sequence

import pytest

from db.grouping import IDLE_S, MOST_TURNS, Grouped


async def test_who_is_at_work_in_the_process_goes_along_and_who_is_alone_waits_for_nobody() -> None:
    groups: list[Sequence[int]] = []

    async def act(asked: Sequence[int]) -> Sequence[int]:
        groups.append(asked)
        return asked

    async def ask_after(turns: int) -> None:
        for _ in range(turns):
            _work()
            await asyncio.sleep(0)
        await grouped.ask(turns)

    grouped = Grouped(act)
    await asyncio.gather(*map(ask_after, range(MOST_TURNS)))
    (together,) = groups
    assert sorted(together) == list(range(MOST_TURNS))

    assert await _turns_of(grouped.ask(0)) < MOST_TURNS


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


def _work() -> None:
    """For longer than a turn of an idle loop takes."""
    until = time.perf_counter() + 10 * IDLE_S
    while time.perf_counter() < until:
        pass


async def _turns_of(asked: Awaitable[object]) -> int:
    """How many turns of the loop it takes; they do nothing."""
    waiting, turns = asyncio.ensure_future(asked), 0
    while not waiting.done():
        await asyncio.sleep(0)
        turns += 1
    return turns
