"""The process that fetches runs and drives them, and the janitor that rides in every one of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from api.driver import Driver
from api.execution import Execution
from db import audit, restarts, reviews, store
from db.errors import DatabaseUnavailable, StaleRun
from db.pool import Pool
from db.queue import Queue
from db.runs import Begun

Chore = Callable[[datetime], Awaitable[object]]
"""What the janitor does besides, as of a time."""

_log = logging.getLogger(__name__)


class Worker:
    """Owns the queue's loop and the janitor's. `stop` drains: runs under way stop at their step's end."""

    def __init__(self, pool: Pool, queue: Queue, driver: Driver, chores: Sequence[Chore], tidy_every_s: float) -> None:
        self._pool = pool
        self._queue = queue
        self._driver = driver
        self._chores = chores
        self._tidy_every_s = tidy_every_s

    async def work(self, concurrency: int, drain_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            janitor = group.create_task(self._janitor())
            await self._queue.work(concurrency, drain_s)
            janitor.cancel()

    def stop(self) -> None:
        _log.info("stopping: runs under way are put back at their step's end")
        self._queue.stop()
        self._driver.drain()

    async def _janitor(self) -> None:
        while True:
            try:
                await self._tidy()
            except (psycopg.OperationalError, PoolTimeout, DatabaseUnavailable) as exc:
                _log.warning("the janitor lost its database, trying again: %s", exc)
            await asyncio.sleep(self._tidy_every_s)

    async def _tidy(self) -> None:
        async with self._pool.connection() as conn:
            if recovered := await self._queue.recover(conn):
                _log.warning("%s runs of lost workers were put back", recovered)
            await restarts.requeue_orphans(conn, self._queue)
            await reviews.expire(conn, datetime.now(UTC))
            await audit.seal_all(conn)
            await conn.execute("SELECT ensure_event_partitions()")
            await store.sweep(conn)
        for chore in self._chores:
            await chore(datetime.now(UTC))


async def drive(driver: Driver, run_id: UUID, begun: Begun | None = None) -> None:
    """What the queue calls: nothing a workflow raises may end its worker. A run is cancelled by aborting its job."""
    execution = None
    try:
        execution = await driver.take_up(run_id, begun)
        if execution is not None:
            await _carry_out(driver, execution)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        if not await driver.stop(run_id, execution):
            raise
        task.uncancel()
    except StaleRun as stale:
        if not await driver.stop(run_id, execution):
            _log.warning("%s", stale)


async def _carry_out(driver: Driver, execution: Execution) -> None:
    try:
        await driver.carry_out(execution)
    except (psycopg.OperationalError, PoolTimeout, DatabaseUnavailable, StaleRun):
        raise
    except Exception as exc:  # noqa: BLE001  the one place: a run's fault must not become its worker's
        _log.exception("run %s failed unexpectedly", execution.run.run_id)
        await driver.try_again(execution, exc)
