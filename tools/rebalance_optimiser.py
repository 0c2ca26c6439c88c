"""The optimiser as a service's process has it: its pool, started when first needed, and a day's market."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from db.errors import Unavailable
from tools.bank import Bank
from tools.bank_custody import Instrument, read_instruments
from tools.bank_custody_history import read_price_history
from tools.optimiser.pool import solver_pool
from tools.optimiser.problem import Conflict
from tools.rebalance_problem import Setup

if TYPE_CHECKING:
    from tools.optimiser.orders import Orders

PROCESSES = 2
FEWEST_DAYS = 30

_Found = TypeVar("_Found")


class NoHistory(Exception):
    """An instrument has too few closes to say what it moves with."""

    def __init__(self, instrument_id: str, days: int) -> None:
        super().__init__(f"{instrument_id} has closing prices of {days} days; {FEWEST_DAYS} are needed")


@dataclass(slots=True)
class Optimiser:
    """Closes and covariances are those up to the day before, so that they stay the same all day."""

    _pool: ProcessPoolExecutor | None = None
    _day: date | None = None
    _instruments: dict[str, Instrument] = field(default_factory=dict)
    _closes: dict[str, dict[date, float]] = field(default_factory=dict)
    _covariances: dict[tuple[str, ...], list[list[float]]] = field(default_factory=dict)

    async def instruments(self, bank: Bank, on: date, needed: set[str]) -> Mapping[str, Instrument]:
        """All that the bank has, as they were first read that day; again, if what is needed is not among them."""
        self._begin(on)
        if not self._instruments or needed - self._instruments.keys():
            self._instruments = {one.instrument_id: one for one in await read_instruments(bank)}
        return self._instruments

    async def covariance(self, bank: Bank, instruments: tuple[str, ...], on: date, days: int) -> list[list[float]]:
        """Of the days on which all of them have a close. Raises NoHistory."""
        self._begin(on)
        known = self._covariances.get(instruments)
        if known is not None:
            return known
        missing = [name for name in instruments if name not in self._closes]
        for name, closes in (await read_price_history(bank, missing, on - timedelta(days=days))).items():
            self._closes[name] = {each.on: float(each.close) for each in closes if each.on < on}
        shared = set.intersection(*({*self._closes[name]} for name in instruments)) if instruments else set()
        if len(shared) < FEWEST_DAYS:
            fewest = min(instruments, key=lambda name: len(self._closes[name]))
            raise NoHistory(fewest, len(self._closes[fewest]))
        ordered = sorted(shared)
        columns = [[self._closes[name][day] for day in ordered] for name in instruments]
        found = await self._in_pool(_covariance, columns)
        self._covariances[instruments] = found
        return found

    async def propose(self, setup: Setup) -> "Orders | Conflict":
        """Raises Unsolved; Unavailable if the pool has died, and the next call has a new one."""
        return await self._in_pool(_propose, setup)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _begin(self, on: date) -> None:
        if self._day != on:
            self._day, self._instruments, self._closes, self._covariances = on, {}, {}, {}

    async def _in_pool(self, work: Callable[[Any], _Found], given: Any) -> _Found:
        if self._pool is None:
            self._pool = solver_pool(PROCESSES)
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work, given)
        except BrokenProcessPool as exc:
            if self._pool is pool:
                self._pool = None
            raise Unavailable("the optimiser's process died") from exc


def _covariance(closes: Sequence[Sequence[float]]) -> list[list[float]]:
    from tools.optimiser.proposal import covariance

    return covariance(closes)


def _propose(setup: Setup) -> "Orders | Conflict":
    from tools.optimiser.proposal import propose

    return propose(
        setup.problem,
        setup.prices_minor,
        setup.whole_shares,
        (setup.quantities, setup.cash_minor),
        setup.min_trade_minor,
    )
