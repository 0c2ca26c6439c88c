"""Runs: accepted in the caller's transaction, begun with a new epoch, ended once by the worker that holds it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from db.errors import Conflict, CountersignError, NotFound, StaleRun
from db.journal import Fence
from db.packed import packed
from db.queue import CLAIMABLE, DELAYED, ENQUEUE, USUAL, Claim

Status = Literal["pending", "running", "waiting", "success", "error", "cancelled"]
ACTIVE: frozenset[Status] = frozenset({"pending", "running", "waiting"})
Multitask = Literal["reject", "enqueue", "interrupt", "rollback"]
MAX_ATTEMPTS = 5
MAX_ACTIVE = 100
"""Runs that may be under way on one thread, one behind the other: the queue's work grows with their number."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run from input, from a review's answer, or from a command among its options.

    `workflow` is its name and version; None: the thread's own. `options` say how the run is driven (`RunOptions`).
    `answers`: it carries an answer, so the thread must be interrupted. `multitask` is what to do if the thread is busy:
    only `reject` refuses; the others queue the run behind those that are not `cancel`led before. `at`: not before then.
    `owner`: the thread must be started by them; of threads of the workflows that they are `blind_to` they are told
    nothing. `records`: workflows whose threads run nothing else. `claim`: by a worker of this process, to drive it at
    once if nothing else is under way on its thread.
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
    answers: bool = False
    multitask: Multitask = "reject"
    at: datetime | None = None
    owner: str | None = None
    blind_to: Iterable[str] = ()
    records: Sequence[str] = ()
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A run as its worker takes it up; `next_seq` is the number of its next event. `new_thread`: no graph has run on
    its thread before. `asked`: ids of the questions that were open when it was first driven, if it answers any."""

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
    cancel: Literal["interrupt", "rollback"] | None
    new_thread: bool
    assistant_id: UUID | None
    metadata: dict[str, Any]
    asked: list[str] | None

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


async def accept(conn: AsyncConnection[Any], run: NewRun) -> datetime:
    """Run, first event and job, and the thread is busy: one statement, so all or nothing, and a part of whatever
    transaction the caller has. It also begins a run that is claimed, under its first epoch. Returns when the run was
    created. Raises Conflict or NotFound as the thread demands."""
    cur = await conn.execute(_ACCEPT, _parameters(run))
    accepted = await cur.fetchone()
    if accepted is None:
        raise await _refusal(conn, run)
    return _taken(run, accepted)


async def accept_each(conn: AsyncConnection[Any], news: Sequence[NewRun]) -> list[datetime | None]:
    """As `accept` of each, in one transaction of their own and one round trip, on a connection in autocommit.

    None: not accepted here, because its thread refuses or somebody has it locked. Whoever asked accepts that one alone:
    so no run waits for another's thread.
    """
    async with conn.pipeline() if len(news) > 1 else nullcontext():
        asked = [await conn.execute(_ACCEPT_UNLOCKED, _parameters(run)) for run in news]
    # Not before the pipeline's end, which is when all of them are committed.
    accepted = [await cur.fetchone() for cur in asked]
    return [None if row is None else _taken(run, row) for run, row in zip(news, accepted, strict=True)]


def _parameters(run: NewRun) -> dict[str, Any]:
    name, version = run.workflow or (None, None)
    return {
        "run_id": run.run_id,
        "tenant_id": run.tenant_id,
        "thread_id": run.thread_id,
        "started_by": run.started_by,
        "workflow": name,
        "version": version,
        "assistant_id": run.assistant_id,
        "options": Jsonb(run.options),
        "metadata": Jsonb(run.metadata),
        "input": packed(run.input),
        "review_id": run.review_id,
        "data": run_event(run.run_id, "pending"),
        "answers": run.answers,
        "multitask": run.multitask,
        "max_active": 1 if run.multitask == "reject" else MAX_ACTIVE,
        "priority": USUAL if run.at is None else DELAYED,
        "at": run.at,
        "owner": run.owner,
        "records": list(run.records),
        "worker_id": None if run.claim is None or run.at is not None else run.claim.worker_id,
    }


def _taken(run: NewRun, accepted: Mapping[str, Any]) -> datetime:
    if run.claim is not None and accepted["status"] == "running":
        run.claim.take(accepted["job_id"], run.run_id, _begun(run, accepted))
    created_at: datetime = accepted["created_at"]
    return created_at


def _begun(run: NewRun, row: Mapping[str, Any]) -> Begun:
    return Begun(
        run_id=run.run_id,
        tenant_id=run.tenant_id,
        thread_id=run.thread_id,
        workflow=row["workflow"],
        workflow_version=row["workflow_version"],
        input=run.input,
        options=row["options"],
        interrupt_id=row["interrupt_id"],
        answer=row["answer"],
        started_by=run.started_by,
        epoch=1,
        attempts=1,
        waits=0,
        next_seq=1,
        cancel=None,
        new_thread=row["new_thread"],
        assistant_id=run.assistant_id,
        metadata=dict(run.metadata),
        asked=None,
    )


async def hold(conn: AsyncConnection[Any], fence: Fence) -> None:
    """Until the transaction ends nobody can take this run up or cancel it. Raises StaleRun if somebody has."""
    cur = await conn.execute(
        "SELECT 1 FROM runs WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND cancel IS NULL FOR SHARE",
        {"run_id": fence.run_id, "epoch": fence.epoch},
    )
    if await cur.fetchone() is None:
        raise StaleRun(fence.run_id)


def run_event(run_id: UUID, status: str, more: Mapping[str, Any] | None = None) -> str:
    """What the run's watchers are told of its status."""
    told = {"run_id": run_id, "status": status} | {k: v for k, v in (more or {}).items() if v is not None}
    return orjson.dumps(told).decode()


async def _refusal(conn: AsyncConnection[Any], run: NewRun) -> CountersignError:
    cur = await conn.execute(
        """
        SELECT workflow, outcome, active_runs FROM threads
        WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s
          AND (%(owner)s::text IS NULL
               OR started_by = %(owner)s AND coalesce(workflow <> ALL(%(blind_to)s::text[]), true))
        """,
        {
            "thread_id": run.thread_id,
            "tenant_id": run.tenant_id,
            "owner": run.owner,
            "blind_to": list(run.blind_to),
        },
    )
    thread = await cur.fetchone()
    if thread is None:
        return NotFound("thread", run.thread_id)
    if thread["outcome"] is not None:
        return Conflict(f"thread {run.thread_id}'s case is closed: {thread['outcome']}")
    if thread["active_runs"] >= MAX_ACTIVE:
        return Conflict(f"thread {run.thread_id} has {MAX_ACTIVE} runs under way or waiting; it takes no more")
    if thread["active_runs"] > 0:
        return Conflict(f"thread {run.thread_id} is busy: another run is under way")
    if run.workflow is not None and thread["workflow"] not in (None, run.workflow[0]):
        return Conflict(f"thread {run.thread_id} is of {thread['workflow']}; {run.workflow[0]} needs one of its own")
    return Conflict(f"thread {run.thread_id} is not interrupted: there is nothing to answer")


_FOUND: LiteralString = """
    WITH found AS (
        SELECT thread_id, updated_at = created_at AS untouched FROM threads
        WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s FOR UPDATE """
_ACCEPTED: LiteralString = (
    """
    ), thread AS (
        UPDATE threads t SET status = 'busy', active_runs = active_runs + 1, updated_at = now(),
                             workflow = coalesce(%(workflow)s, workflow),
                             workflow_version = coalesce(%(version)s, workflow_version)
        FROM found WHERE t.thread_id = found.thread_id AND outcome IS NULL
          AND active_runs < %(max_active)s AND (status = 'interrupted' OR NOT %(answers)s)
          AND (%(owner)s::text IS NULL OR started_by = %(owner)s)
          AND (coalesce(workflow = %(workflow)s, true)
               OR workflow <> ALL(%(records)s::text[]) AND %(workflow)s <> ALL(%(records)s))
        RETURNING t.thread_id, workflow, workflow_version, untouched, active_runs = 1 AND """
    + CLAIMABLE
    + """ AS claimed
    ), accepted AS (
        INSERT INTO runs (run_id, tenant_id, thread_id, started_by, workflow, workflow_version, assistant_id, input,
                          review_id, options, metadata, multitask_strategy, status, epoch, attempts, started_at)
        SELECT %(run_id)s, %(tenant_id)s, thread_id, %(started_by)s, workflow, workflow_version, %(assistant_id)s,
               %(input)s, %(review_id)s, %(options)s || coalesce((
                   SELECT jsonb_build_object('assistant', jsonb_build_object('config', a.config, 'context', a.context))
                   FROM assistants a WHERE a.tenant_id = %(tenant_id)s AND a.assistant_id = %(assistant_id)s
               ), '{}'), %(metadata)s, %(multitask)s, CASE WHEN claimed THEN 'running' ELSE 'pending' END,
               claimed::integer, claimed::integer, CASE WHEN claimed THEN clock_timestamp() END
        FROM thread RETURNING run_id, tenant_id, thread_id, created_at, status, options, workflow, workflow_version
    ), told AS (
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        SELECT run_id, 0, tenant_id, 'run', %(data)s FROM accepted
    ), job AS ("""
    + ENQUEUE
    + """)
    SELECT a.created_at, a.status, a.options, a.workflow, a.workflow_version, job.id AS job_id,
        (SELECT v.interrupt_id FROM reviews v WHERE v.review_id = %(review_id)s) AS interrupt_id,
        (SELECT v.answer FROM reviews v WHERE v.review_id = %(review_id)s) AS answer,
        untouched AND NOT EXISTS (
            SELECT 1 FROM checkpoints c WHERE c.thread_id = a.tenant_id || ':' || a.thread_id
        ) AS new_thread
    FROM accepted a, thread, job
    """
)
_ACCEPT = _FOUND + _ACCEPTED
_ACCEPT_UNLOCKED = _FOUND + "SKIP LOCKED" + _ACCEPTED
