"""Small statements of the many runs that a process drives, sent as one: one for all that ask for the same at a time."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from db.grouping import Grouped
from db.pool import Pool

Act = Callable[[Pool, Sequence[Any]], Awaitable[Sequence[Any]]]
"""Answers each of what it is given, in their order, in one transaction of its own."""


class Together:
    """One for a process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._acts: dict[Act, Grouped[Any, Any]] = {}

    async def ask(self, act: Act, asked: Any) -> Any:
        """What `act` answers to this one. It is committed when this returns."""
        grouped = self._acts.get(act)
        if grouped is None:

            async def act_here(several: Sequence[Any]) -> Sequence[Any]:
                return await act(self._pool, several)

            grouped = self._acts[act] = Grouped(act_here)
        return await grouped.ask(asked)
