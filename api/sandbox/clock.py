"""What the bank does by itself, because it is time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from api.sandbox import clearing, custody_fills, custody_market, holds, standing_orders
from api.sandbox.database import Connection, Pool

_AWAY = (OperationalError, PoolTimeout)
_log = logging.getLogger(__name__)

Chore = Callable[[Connection], Awaitable[bool]]
"""Does one thing that is due, in a transaction of its own; False if none is."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`tick_s` is how often the bank looks at its clock, `settlement_s` how long another bank takes for each step, and
    `webhook_retry_s` the pause before a webhook that was not taken is sent again.
    """

    tick_s: float = 1.0
    settlement_s: float = 3.0
    webhook_retry_s: float = 1.0

    @classmethod
    def settling_in(cls, settlement_s: float) -> "Pace":
        """Looks often enough for it, and at least once a second."""
        return cls(tick_s=min(1.0, max(settlement_s / 4, 0.02)), settlement_s=settlement_s)


async def run(pool: Pool, pace: Pace) -> None:
    """Until it is cancelled. A ledger that is away is waited for."""
    chores: tuple[Chore, ...] = (
        holds.expire_one,
        partial(clearing.step_one, settlement_s=pace.settlement_s),
        standing_orders.execute_one,
        partial(custody_fills.step_one, settlement_s=pace.settlement_s),
        custody_market.refresh,
    )
    while True:
        try:
            async with pool.connection() as conn:
                for chore in chores:
                    while await chore(conn):
                        pass
        except _AWAY as exc:
            _log.warning("the bank's clock waits for its ledger: %s", exc)
        await asyncio.sleep(pace.tick_s)
