"""What Procrastinate asks of its jobs, answered in our way: which is next, is it ours to end, is the database back."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, JobInserted, Notification, Status
from procrastinate.manager import JobManager, NotificationCallback

RESTART_AFTER_S = 1.0
POLL_S = 4.0
"""Below Procrastinate's 5 s, so that each of its polls asks."""
FETCHED_AT_ONCE = 16
_JOB = JobInserted(type="job_inserted", job_id=0)
_log = logging.getLogger(__name__)


class OurJob(Job):
    """Procrastinate copies a job for each of its log records, which nobody reads: ours say which job it is."""

    def log_context(self) -> dict[str, Any]:
        return {"id": self.id, "call_string": self.call_string}


class Jobs(JobManager):
    """Ends a job only for the worker that has it: one that was taken for dead must not end another's.

    And outlives the database. Procrastinate would end the worker when its listener or heartbeat fails, but watches them
    only until the first of its side tasks returns, as the one for periodic jobs does at once.
    """

    def __init__(self, connector: procrastinate.PsycopgConnector, stop: asyncio.Event) -> None:
        super().__init__(connector)
        self._stop = stop
        self.done: set[str] = set()
        self.free = 1
        self.handed: dict[int | None, Any] = {}
        self.worker_id: int | None = None
        self._fetched: deque[Job] = deque()
        self.may_have_more = True
        self._announced = 0
        self._fetched_at = 0.0
        self._wake: NotificationCallback | None = None

    def start(self, free: int) -> None:
        """For a new worker with so many hands free. What an earlier one fetched and never began is put back as lost."""
        self.free = free
        self.worker_id = None
        self._fetched.clear()
        self.handed.clear()

    def held(self) -> Iterable[int]:
        """Jobs of ours that wait for a hand."""
        return [job.id for job in self._fetched if job.id is not None]

    def is_idle(self) -> bool:
        """Whether a hand is free, and no job waits for one: what comes later must not pass it."""
        is_free = self.worker_id is not None and self._wake is not None and self.free > len(self._fetched)
        return is_free and not self.may_have_more

    def hand_over(self, job: Job, handed: Any) -> None:
        assert self._wake is not None
        self.handed[job.id] = handed
        self._fetched.append(job)
        self._waking = asyncio.ensure_future(self._wake(channel="", notification=_JOB))

    async def register_worker(self) -> int:
        self.worker_id = await super().register_worker()
        return self.worker_id

    async def update_heartbeat(self, worker_id: int) -> None:
        try:
            await super().update_heartbeat(worker_id)
        except ConnectorException as exc:
            _log.warning("the database hears no heartbeat: %s", exc.__cause__)

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        async def hear(*, channel: str, notification: Notification) -> None:
            self.may_have_more = True
            self._announced += 1
            await on_notification(channel=channel, notification=notification)

        self._wake = on_notification
        while True:
            try:
                await super().listen_for_jobs(on_notification=hear, queues=queues)
            except ConnectorException as exc:
                _log.warning("not listening for jobs, trying again: %s", exc.__cause__)
            await asyncio.sleep(RESTART_AFTER_S)
            # Nobody heard what was announced meanwhile.
            await hear(channel="", notification=_JOB)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The next of those handed over here, or that one statement fetched: as many as there are hands free.

        Nothing is asked without need: for a job that was announced, for those that a full fetch left, or now and then.
        What is announced during a fetch may not be in it, and Procrastinate forgets that it was: so it asks again.
        """
        now = asyncio.get_running_loop().time()
        while not self._fetched and (self.may_have_more or now >= self._fetched_at + POLL_S):
            announced, self._fetched_at = self._announced, now
            try:
                fetched = await self._fetch(queues, worker_id)
            except ConnectorException as exc:
                if not isinstance(exc.__cause__, psycopg.OperationalError):
                    raise
                # Not a worker's end, which would abort what it drives: the next poll asks again.
                _log.warning("no jobs can be fetched: %s", exc.__cause__)
                break
            self._fetched.extend(fetched)
            self.may_have_more = bool(fetched) or self._announced > announced
        return self._fetched.popleft() if self._fetched else None

    async def _fetch(self, queues: Iterable[str] | None, worker_id: int) -> list[Job]:
        """Nobody waits for the disk: a job that was fetched, and after a crash is not, is fetched again."""
        rows = await self.connector.execute_query_all_async(
            """
            SELECT j.* FROM (SELECT set_config('synchronous_commit', 'off', true)) AS lazily,
                generate_series(1, %(free)s) AS n,
                LATERAL procrastinate_fetch_job_v2(%(queues)s::varchar[], %(worker_id)s + 0 * n) AS j
            WHERE j.id IS NOT NULL
            """,
            free=max(1, min(self.free, FETCHED_AT_ONCE)),
            queues=queues,
            worker_id=worker_id,
        )
        return [OurJob.from_row(row) for row in rows]

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """What became of a run is on its own row, so that no job is kept.

        Tries until the database is back: a job that nobody ends, of a worker that lives, would hold up its thread.
        """
        run_id = job.task_kwargs["run_id"]
        if run_id in self.done:
            self.done.discard(run_id)
            return
        while not await self._end(job) and not self._stop.is_set():  # noqa: ASYNC110  nobody tells when it is back
            await asyncio.sleep(RESTART_AFTER_S)

    async def _end(self, job: Job) -> bool:
        try:
            await self.connector.execute_query_async(
                "DELETE FROM procrastinate_jobs WHERE id = %(id)s AND worker_id = %(worker_id)s AND status = 'doing'",
                id=job.id,
                worker_id=job.worker_id,
            )
        except ConnectorException as exc:
            _log.warning("job %s cannot be ended: %s", job.id, exc.__cause__)
            return False
        return True
