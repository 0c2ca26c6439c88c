"""The job queue: which run is driven next, by which worker. Procrastinate behind a narrow module.

A job names a run and nothing else. Jobs of one thread are done one at a time, in order (`lock`). A job whose worker
died is found by its worker's heartbeat and put back by `recover`, which every worker calls now and then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import procrastinate
import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

STALLED_AFTER_S = 12.0
HEARTBEATS = 4
"""That a worker may miss until its runs go to another."""
RESTART_AFTER_S = 1.0

Drive = Callable[[UUID], Awaitable[None]]
_log = logging.getLogger(__name__)


class Queue:
    """`async with Queue(database_url)`. To enqueue only, pass no `drive`."""

    def __init__(
        self,
        database_url: str,
        drive: Drive | None = None,
        *,
        max_size: int = 8,
        stalled_after_s: float = STALLED_AFTER_S,
    ) -> None:
        self._stalled_after_s = stalled_after_s
        connector = procrastinate.PsycopgConnector(
            pool_factory=_pool_without_ping,
            conninfo=database_url,
            min_size=1,
            max_size=max_size,
            timeout=5.0,
            configure=_autocommit,
        )
        self._app = procrastinate.App(connector=connector)

        @self._app.task(name="drive_run", queue="runs")
        async def drive_run(run_id: str) -> None:
            assert drive is not None, "a worker's queue needs its driver"
            await drive(UUID(run_id))

        self._drive_run = drive_run
        self._stop = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Queue":
        await self._app.open_async()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._app.close_async()

    async def enqueue(
        self, conn: AsyncConnection[Any], thread_id: UUID, run_id: UUID, at: datetime | None = None
    ) -> None:
        """Rides in the caller's transaction: the job exists if and only if that commits."""
        job = self._drive_run.configure(connection=conn, lock=str(thread_id), schedule_at=at)
        await job.defer_async(run_id=str(run_id))

    async def work(self, concurrency: int, drain_s: float) -> None:
        """Fetches and drives runs until `stop`, again from the start whenever the database went away."""
        while not self._stop.is_set():
            self._worker = asyncio.create_task(self._work_once(concurrency, drain_s))
            stop = asyncio.create_task(self._stop.wait())
            await asyncio.wait((self._worker, stop), return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not self._worker.done():
                self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            if not self._stop.is_set():
                await asyncio.sleep(RESTART_AFTER_S)

    def stop(self) -> None:
        """No new runs; those under way have `drain_s` to reach a step's end."""
        self._stop.set()

    async def recover(self) -> int:
        """Puts back the jobs of workers whose heartbeat stopped; how many those were."""
        manager = self._app.job_manager
        stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=self._stalled_after_s))
        for job in stalled:
            assert job.id is not None
            await manager.retry_job_by_id_async(job.id, retry_at=datetime.now(UTC))
        return len(stalled)

    async def _work_once(self, concurrency: int, drain_s: float) -> None:
        try:
            await self._app.run_worker_async(
                concurrency=concurrency,
                delete_jobs="successful",
                update_heartbeat_interval=self._stalled_after_s / HEARTBEATS,
                stalled_worker_timeout=self._stalled_after_s,
                shutdown_graceful_timeout=drain_s,
                install_signal_handlers=False,
            )
        except (procrastinate.exceptions.ConnectorException, psycopg.OperationalError) as exc:
            _log.warning("the queue lost its database, trying again: %s", exc)


def _pool_without_ping(**options: Any) -> AsyncConnectionPool[Any]:
    return AsyncConnectionPool(**(options | {"check": None}))


async def _autocommit(conn: AsyncConnection[Any]) -> None:
    await conn.set_autocommit(True)
