"""The job queue: which run is driven next, by which worker. Procrastinate behind a narrow module.

A job names a run and nothing else. Jobs of one thread are done one at a time, in order (`lock`). A job whose worker
died is found by its worker's heartbeat and put back by `recover`, which every worker calls now and then. A run that is
accepted where a worker has a hand free is that worker's from the start (`claim`): nobody has to look for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job, Status
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from db.errors import DatabaseUnavailable
from db.jobs import RESTART_AFTER_S, Jobs, OurJob
from db.pool import hung_up

STALLED_AFTER_S = 12.0
HEARTBEATS = 4
"""That a worker may miss until its runs go to another."""
CLAIMABLE: LiteralString = """
    EXISTS (SELECT 1 FROM procrastinate_workers WHERE id = %(worker_id)s)
    AND NOT EXISTS (
        SELECT 1 FROM procrastinate_jobs WHERE lock = %(thread_id)s::text AND status IN ('todo', 'doing')
    )
"""
"""Within a statement: whether `worker_id` may have a job of the thread at once, if no other run is under way on it."""
ENQUEUE: LiteralString = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args, scheduled_at, status, worker_id)
    SELECT 'runs', 'drive_run', %(priority)s, thread_id::text, jsonb_build_object('run_id', run_id), %(at)s,
           CASE WHEN status = 'running' THEN 'doing' ELSE 'todo' END::procrastinate_job_status,
           CASE WHEN status = 'running' THEN %(worker_id)s::bigint END
    FROM accepted RETURNING id
"""
"""Within a statement: makes the job of the run `accepted`, as `Queue.enqueue` does in one of its own. A running one is
the worker's that claimed it."""
DELAYED, USUAL, AHEAD = -1, 0, 1
"""Priorities among the jobs of a thread: one that is to start later lets others pass, one put back goes first."""

Drive = Callable[[UUID, Any], Awaitable[None]]
"""Given a run's id, and the run as it was begun if it was claimed here."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Claim:
    """Of a worker here that has a hand free on a run that is being accepted; `worker_id` None: none has."""

    worker_id: int | None
    job: Job | None = None
    begun: Any = None

    def take(self, job_id: int, run_id: UUID, begun: Any) -> None:
        """The run is this worker's; it is handed over when its transaction has committed."""
        self.job = OurJob(
            id=job_id,
            status=Status.DOING.value,
            queue="runs",
            lock=None,
            queueing_lock=None,
            task_name="drive_run",
            task_kwargs={"run_id": str(run_id)},
            worker_id=self.worker_id,
        )
        self.begun = begun


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
            pool_factory=_pool,
            conninfo=database_url,
            min_size=1,
            max_size=max_size,
            timeout=5.0,
            configure=_autocommit,
        )
        self._app = procrastinate.App(connector=connector)
        self._stop = asyncio.Event()
        self._jobs = self._app.job_manager = Jobs(connector, self._stop)
        self._driving: set[int | None] = set()
        self._missed: set[int] = set()

        @self._app.task(name="drive_run", queue="runs", pass_context=True)
        async def drive_run(context: JobContext, run_id: str) -> None:
            assert drive is not None, "a worker's queue needs its driver"
            self._driving.add(context.job.id)
            self._jobs.free -= 1
            try:
                await drive(UUID(run_id), self._jobs.handed.pop(context.job.id, None))
            finally:
                self._driving.discard(context.job.id)
                self._jobs.free += 1

        self._drive_run = drive_run
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Queue":
        await self._app.open_async()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._app.close_async()

    async def enqueue(
        self, conn: AsyncConnection[Any], thread_id: UUID, run_id: UUID, at: datetime | None = None
    ) -> None:
        """Puts a run back, before the others of its thread: these wait even while it waits for its time.

        Rides in the caller's transaction: the job exists if and only if that commits.
        """
        job = self._drive_run.configure(connection=conn, lock=str(thread_id), schedule_at=at, priority=AHEAD)
        try:
            await job.defer_async(run_id=str(run_id))
        except ConnectorException as exc:
            raise DatabaseUnavailable(f"run {run_id} could not be queued: {exc}") from exc

    async def withdraw(self, conn: AsyncConnection[Any], thread_id: UUID, run_ids: Sequence[UUID]) -> None:
        """Takes the runs' jobs out of the queue, and has those that are being done aborted within milliseconds."""
        await conn.execute(
            """
            WITH named AS (
                SELECT id FROM procrastinate_jobs
                WHERE lock = %(lock)s AND status IN ('todo', 'doing') AND args ->> 'run_id' = ANY(%(run_ids)s)
            )
            SELECT procrastinate_cancel_job_v1(id, true, true) FROM named
            """,
            {"lock": str(thread_id), "run_ids": [str(run_id) for run_id in run_ids]},
        )

    @contextmanager
    def claim(self) -> Iterator[Claim]:
        """Round the transaction that accepts a run: with a hand free, no job waiting and nothing under way on the
        thread, it is begun here at once. A claim that is lost with the transaction's answer `recover` finds."""
        is_free = not self._stop.is_set() and self._jobs.is_idle()
        claim = Claim(self._jobs.worker_id if is_free else None)
        self._jobs.free -= is_free
        try:
            yield claim
        finally:
            self._jobs.free += is_free
        if claim.job is not None:
            self._jobs.hand_over(claim.job, claim.begun)
        elif not is_free:
            self._jobs.may_have_more = True

    def done(self, run_id: UUID) -> None:
        """The run's job ended with the run itself, in the same statement."""
        self._jobs.done.add(str(run_id))

    async def work(self, concurrency: int, drain_s: float) -> None:
        """Fetches and drives runs until `stop`, again from the start whenever the database went away."""
        while not self._stop.is_set():
            self._worker = asyncio.create_task(self._work_once(concurrency, drain_s))
            stop = asyncio.create_task(self._stop.wait())
            await asyncio.wait((self._worker, stop), return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not self._worker.done():
                self._worker.cancel()
            (ended,) = await asyncio.gather(self._worker, return_exceptions=True)
            if isinstance(ended, Exception):
                _log.error("the queue's worker ended, another one starts", exc_info=ended)
            if not self._stop.is_set():
                await asyncio.sleep(RESTART_AFTER_S)

    def stop(self) -> None:
        """No new runs; those under way have `drain_s` to reach a step's end."""
        self._stop.set()

    async def recover(self, conn: AsyncConnection[Any]) -> int:
        """Puts back the jobs of workers whose heartbeat stopped, and our own that nobody drives; how many those were.

        In one statement, or of two workers that notice the same one would put back what the other has begun again.
        What we drive is not lost, however late our heartbeat is; it goes on here, for Procrastinate's stops in a drain.
        A claim is lost if its answer was: what is ours and undriven at two looks, one after the other, is put back.
        """
        cur = await conn.execute(
            """
            WITH beat AS (UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(own)s)
            SELECT id, is_lost, CASE WHEN is_lost THEN
                (SELECT true FROM procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL)) END AS put_back
            FROM (
                SELECT j.id, coalesce(j.worker_id <> %(own)s, true) OR j.id = ANY(%(missed)s::bigint[]) AS is_lost
                FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
                WHERE j.status = 'doing' AND j.id <> ALL(%(held)s::bigint[])
                  AND (w.id IS NULL OR w.id = %(own)s
                       OR w.last_heartbeat < now() - %(stalled_after_s)s * interval '1 second')
                FOR UPDATE OF j SKIP LOCKED
            ) AS found
            """,
            {
                "own": self._jobs.worker_id,
                "held": [*self._driving, *self._jobs.held()],
                "missed": list(self._missed),
                "stalled_after_s": self._stalled_after_s,
            },
        )
        found = await cur.fetchall()
        self._missed = {row["id"] for row in found if not row["is_lost"]}
        return sum(row["is_lost"] for row in found)

    async def _work_once(self, concurrency: int, drain_s: float) -> None:
        self._jobs.start(concurrency - len(self._driving))
        try:
            await self._app.run_worker_async(
                concurrency=concurrency,
                update_heartbeat_interval=self._stalled_after_s / HEARTBEATS,
                stalled_worker_timeout=self._stalled_after_s,
                shutdown_graceful_timeout=drain_s,
                install_signal_handlers=False,
            )
        except (ConnectorException, psycopg.OperationalError) as exc:
            _log.warning("the queue lost its database, trying again: %s", exc.__cause__ or exc)


def _pool(**options: Any) -> AsyncConnectionPool[Any]:
    return AsyncConnectionPool(**(options | {"check": _refuse_hung_up}))


async def _refuse_hung_up(conn: AsyncConnection[Any]) -> None:
    if hung_up(conn):
        await conn.close()
        raise psycopg.OperationalError("the server hung up")


async def _autocommit(conn: AsyncConnection[Any]) -> None:
    await conn.set_autocommit(True)
