"""Small statements of many callers sent as one: what is asked during the one before, or soon, goes together.

Alone, nobody waits for anybody. Whoever is cancelled leaves what they asked for to be done.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

MOST = 64
MOST_TURNS = 12
"""Of the event loop: who is ready first waits for no more of the others' steps than that."""
IDLE_S = 20e-6
"""A turn that is shorter had nothing to do."""

Asked = TypeVar("Asked")
Given = TypeVar("Given")


async def others_first() -> None:
    """Returns when nobody else in this process is ready to go on, or after some turns of its event loop: what they have
    come to ask by then goes along. With nothing else under way that is at once."""
    for _ in range(MOST_TURNS):
        began = time.perf_counter()
        await asyncio.sleep(0)
        if time.perf_counter() - began < IDLE_S:
            return


class Grouped(Generic[Asked, Given]):
    """`act` answers each of what it is given, in their order, or raises for all of them."""

    def __init__(self, act: Callable[[Sequence[Asked]], Awaitable[Sequence[Given]]]) -> None:
        self._act = act
        self._waiting: list[tuple[Asked, asyncio.Future[Given]]] = []
        self._work: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Given:
        """Raises what `act` raises of this one."""
        answer: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._until_nobody_waits())
        return await answer

    async def _until_nobody_waits(self) -> None:
        while self._waiting:
            await others_first()
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            await self._answer(group)

    async def _answer(self, group: list[tuple[Asked, asyncio.Future[Given]]]) -> None:
        try:
            given = await self._act([asked for asked, _ in group])
        except (psycopg.OperationalError, PoolTimeout) as exc:
            _refuse(group, exc)
        except psycopg.Error as exc:
            # One of them is at fault. Which, shows when each is sent alone: the others must not suffer.
            if len(group) == 1:
                _refuse(group, exc)
            else:
                for one in group:
                    await self._answer([one])
        except Exception as exc:  # noqa: BLE001  theirs, whoever they are; others wait meanwhile
            _refuse(group, exc)
        except BaseException as exc:
            _refuse(group, exc)
            raise
        else:
            for (_, answer), its in zip(group, given, strict=True):
                if not answer.done():
                    answer.set_result(its)


def _refuse(group: Sequence[tuple[object, "asyncio.Future[Given]"]], exc: BaseException) -> None:
    for _, answer in group:
        if not answer.done():
            answer.set_exception(exc)
