"""Small statements of many callers sent as one: what is asked while the one before is under way goes together.

Alone, nobody waits for anybody. Whoever is cancelled leaves what they asked for to be done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

MOST = 64

Asked = TypeVar("Asked")
Given = TypeVar("Given")


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
            await asyncio.sleep(0)  # Who is ready to ask, asks.
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
