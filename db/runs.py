"""Runs: accepted in the caller's transaction, begun with a new epoch, ended once by the worker that holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.errors import Conflict, NotFound, StaleRun
from db.journal import Event, Fence
from db.queue import Queue

Status = Literal["pending", "running", "waiting", "success", "error", "cancelled"]
ACTIVE: frozenset[Status] = frozenset({"pending", "running", "waiting"})
MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run from input, from a review's answer, or from a command among its options.

    `workflow` is its name and version; None: the thread's own. `options` say how the run is driven (`RunOptions`).
    """

    run_id: UUID
    tenant_id: str
    thread_id: UUID
    started_by: str
    input: Any = None
    review_id: UUID | None = None
    workflow: tuple[str, str] | None = None
    assistant_id: UUID | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    run_id: UUID
    thread_id: UUID
    status: Status
    attempts: int
    error: dict[str, Any] | None
    started_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Begun:
    """A run as its worker takes it up; `next_seq` is the number of its next event."""

    run_id: UUID
    tenant_id: str
    thread_id: UUID
    workflow: str
    workflow_version: str
    input: Any
    options: dict[str, Any]
    interrupt_id: str | None
    answer: Any
    started_by: str
    epoch: int
    attempts: int
    waits: int
    next_seq: int

    @property
    def fence(self) -> Fence:
        return Fence(self.run_id, self.epoch)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended and what that makes of its thread."""

    run_status: Literal["success", "error", "cancelled"]
    thread_status: Literal["idle", "interrupted", "error"]
    outcome: str | None = None
    error: Mapping[str, Any] | None = None


async def accept(conn: AsyncConnection[Any], queue: Queue, run: NewRun) -> None:
    """Run, first event and job, and the thread is busy: all or nothing, with whatever else the caller's
    transaction holds. Raises Conflict if the thread has a run under way already."""
    name, version = run.workflow or (None, None)
    cur = await conn.execute(
        """
        UPDATE threads SET status = 'busy', updated_at = now(), workflow = coalesce(%(workflow)s, workflow),
                           workflow_version = coalesce(%(version)s, workflow_version)
        WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s AND status <> 'busy' AND outcome IS NULL
        RETURNING workflow, workflow_version
        """,
        {"thread_id": run.thread_id, "tenant_id": run.tenant_id, "workflow": name, "version": version},
    )
    thread = await cur.fetchone()
    if thread is None:
        raise Conflict(f"thread {run.thread_id} is busy or its case is closed")
    await conn.execute(
        """
        WITH accepted AS (
            INSERT INTO runs (run_id, tenant_id, thread_id, started_by, workflow, workflow_version, assistant_id, input,
                              review_id, options, metadata)
            VALUES (%(run_id)s, %(tenant_id)s, %(thread_id)s, %(started_by)s, %(workflow)s, %(version)s,
                    %(assistant_id)s, %(input)s, %(review_id)s, %(options)s, %(metadata)s)
        )
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        VALUES (%(run_id)s, 0, %(tenant_id)s, 'run', %(data)s)
        """,
        {
            "run_id": run.run_id,
            "tenant_id": run.tenant_id,
            "thread_id": run.thread_id,
            "started_by": run.started_by,
            "workflow": thread["workflow"],
            "version": thread["workflow_version"],
            "assistant_id": run.assistant_id,
            "options": Jsonb(run.options),
            "metadata": Jsonb(run.metadata),
            "input": None if run.input is None else Jsonb(run.input),
            "review_id": run.review_id,
            "data": _run_event(run.run_id, "pending"),
        },
    )
    await queue.enqueue(conn, run.thread_id, run.run_id)


async def begin(conn: AsyncConnection[Any], run_id: UUID) -> Begun | None:
    """Takes the run up under a new epoch, which shuts out whoever drove it before. None: there is nothing to do."""
    async with conn.cursor(row_factory=class_row(Begun)) as cur:
        await cur.execute(
            """
            UPDATE runs r SET epoch = r.epoch + 1, attempts = r.attempts + 1, status = 'running', error = NULL,
                              started_at = coalesce(r.started_at, now())
            WHERE r.run_id = %(run_id)s AND r.status IN ('pending', 'running', 'waiting')
            RETURNING r.run_id, r.tenant_id, r.thread_id, r.workflow, r.workflow_version, r.input, r.options,
                (SELECT v.interrupt_id FROM reviews v WHERE v.review_id = r.review_id) AS interrupt_id,
                (SELECT v.answer FROM reviews v WHERE v.review_id = r.review_id) AS answer,
                r.started_by, r.epoch, r.attempts, r.waits,
                (SELECT coalesce(max(e.seq), -1) + 1 FROM run_events e WHERE e.run_id = r.run_id) AS next_seq
            """,
            {"run_id": run_id},
        )
        return await cur.fetchone()


async def end(conn: AsyncConnection[Any], run: Begun, ending: Ending, seq: int) -> Event:
    """The run's last word, in the caller's transaction. Raises StaleRun if another worker took the run over."""
    cur = await conn.execute(
        """
        WITH ended AS (
            UPDATE runs SET status = %(status)s, error = %(error)s, ended_at = now()
            WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' RETURNING thread_id
        )
        UPDATE threads t SET status = %(thread_status)s, outcome = coalesce(%(outcome)s, t.outcome), updated_at = now()
        FROM ended WHERE t.thread_id = ended.thread_id RETURNING t.thread_id
        """,
        {
            "status": ending.run_status,
            "error": None if ending.error is None else Jsonb(ending.error),
            "run_id": run.run_id,
            "epoch": run.epoch,
            "thread_status": ending.thread_status,
            "outcome": ending.outcome,
        },
    )
    if await cur.fetchone() is None:
        raise StaleRun(run.run_id)
    data = {"thread_status": ending.thread_status, "outcome": ending.outcome, "error": ending.error}
    return await _tell(conn, run, seq, _run_event(run.run_id, ending.run_status, data))


async def put_back(conn: AsyncConnection[Any], queue: Queue, run: Begun, seq: int, pause: "Pause") -> Event:
    """The run waits and is driven again at `pause.until`; in the caller's transaction. Raises StaleRun."""
    cur = await conn.execute(
        """
        UPDATE runs SET status = %(status)s, error = %(error)s,
                        waits = waits + %(waited)s, attempts = CASE WHEN %(counts)s THEN attempts ELSE 0 END
        WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' RETURNING run_id
        """,
        {
            "status": "pending" if pause.reason is None else "waiting",
            "error": None if pause.reason is None else Jsonb(pause.reason),
            "waited": int(pause.reason is not None and not pause.counts_as_attempt),
            "counts": pause.counts_as_attempt,
            "run_id": run.run_id,
            "epoch": run.epoch,
        },
    )
    if await cur.fetchone() is None:
        raise StaleRun(run.run_id)
    await queue.enqueue(conn, run.thread_id, run.run_id, pause.until)
    data = {"error": pause.reason, "until": pause.until}
    return await _tell(conn, run, seq, _run_event(run.run_id, "waiting" if pause.reason else "pending", data))


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a run is put back (None: its worker is shutting down) and when it goes on (None: at once)."""

    reason: Mapping[str, Any] | None
    until: datetime | None
    counts_as_attempt: bool


async def restart(conn: AsyncConnection[Any], queue: Queue, tenant_id: str, run_id: UUID) -> None:
    """Gives a run that ended in error its attempts again; it goes on where it stopped."""
    cur = await conn.execute(
        """
        WITH restarted AS (
            UPDATE runs SET status = 'pending', attempts = 0, error = NULL, ended_at = NULL
            WHERE run_id = %(run_id)s AND tenant_id = %(tenant_id)s AND status = 'error' RETURNING thread_id
        )
        UPDATE threads t SET status = 'busy', updated_at = now() FROM restarted
        WHERE t.thread_id = restarted.thread_id AND t.status = 'error' RETURNING t.thread_id
        """,
        {"run_id": run_id, "tenant_id": tenant_id},
    )
    row = await cur.fetchone()
    if row is None:
        raise Conflict(f"run {run_id} did not end in error; only such a run can be restarted")
    await queue.enqueue(conn, row["thread_id"], run_id)


async def requeue_orphans(conn: AsyncConnection[Any], queue: Queue) -> int:
    """Gives a job to each run that has none left, as after a job that failed with the database away; how many."""
    async with conn.transaction():
        cur = await conn.execute(
            """
            SELECT r.run_id, r.thread_id FROM runs r
            WHERE r.status IN ('pending', 'running', 'waiting') AND NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs j
                WHERE j.lock = r.thread_id::text AND j.status IN ('todo', 'doing')
            )
            ORDER BY r.run_id LIMIT 100 FOR UPDATE SKIP LOCKED
            """
        )
        orphans = await cur.fetchall()
        for run in orphans:
            await queue.enqueue(conn, run["thread_id"], run["run_id"])
    return len(orphans)


async def get(conn: AsyncConnection[Any], tenant_id: str, run_id: UUID) -> Run:
    found = await _select(conn, "tenant_id = %(tenant_id)s AND run_id = %(id)s", tenant_id, run_id)
    if not found:
        raise NotFound("run", run_id)
    return found[0]


async def of_thread(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID) -> Sequence[Run]:
    """The thread's runs, the first one first."""
    return await _select(conn, "tenant_id = %(tenant_id)s AND thread_id = %(id)s", tenant_id, thread_id)


async def hold(conn: AsyncConnection[Any], fence: Fence) -> None:
    """Until the transaction ends nobody else can take this run up. Raises StaleRun if somebody has."""
    cur = await conn.execute(
        "SELECT 1 FROM runs WHERE run_id = %(run_id)s AND epoch = %(epoch)s FOR SHARE",
        {"run_id": fence.run_id, "epoch": fence.epoch},
    )
    if await cur.fetchone() is None:
        raise StaleRun(fence.run_id)


async def _select(conn: AsyncConnection[Any], where: Any, tenant_id: str, record_id: UUID) -> list[Run]:
    async with conn.cursor(row_factory=class_row(Run)) as cur:
        await cur.execute(
            "SELECT run_id, thread_id, status, attempts, error, started_by, created_at, started_at, ended_at"
            " FROM runs WHERE " + where + " ORDER BY run_id",
            {"tenant_id": tenant_id, "id": record_id},
        )
        return await cur.fetchall()


async def _tell(conn: AsyncConnection[Any], run: Begun, seq: int, data: str) -> Event:
    await conn.execute(
        """
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        VALUES (%(run_id)s, %(seq)s, %(tenant_id)s, 'run', %(data)s)
        """,
        {"run_id": run.run_id, "seq": seq, "tenant_id": run.tenant_id, "data": data},
    )
    return Event(run_id=run.run_id, seq=seq, tenant_id=run.tenant_id, event="run", data=data)


def _run_event(run_id: UUID, status: str, more: Mapping[str, Any] | None = None) -> str:
    told = {"run_id": run_id, "status": status} | {k: v for k, v in (more or {}).items() if v is not None}
    return orjson.dumps(told).decode()
