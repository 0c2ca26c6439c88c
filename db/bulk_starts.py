"""Many cases begun at once: threads, runs, first events, audit rows and jobs of a chunk in one statement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection

from db.actor import SYSTEM
from db.arrays import array
from db.packed import packed
from db.runs import run_event

MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class CaseStart:
    """`group` goes into the thread's metadata. `priority` is among all jobs, below zero: what a person waits for goes
    first."""

    thread_id: UUID
    request: Mapping[str, Any]
    group: str
    priority: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Which case starts them, and of which workflow they are. They are the system's: no person proposed any of them."""

    tenant_id: str
    by_thread: UUID
    workflow: str
    workflow_version: str


async def start_each(conn: AsyncConnection[Any], origin: Origin, starts: Sequence[CaseStart]) -> int:
    """Starts those whose thread is not there yet, and says how many those were: all of a chunk, or none of it."""
    assert len(starts) <= MOST_AT_ONCE
    run_ids: list[UUID] = [uuids.uuid7() for _ in starts]
    records = [{"request": one.request, "by_thread": str(origin.by_thread)} for one in starts]
    cur = await conn.execute(
        _START_EACH,
        {
            "tenant_id": origin.tenant_id,
            "workflow": origin.workflow,
            "version": origin.workflow_version,
            "person": SYSTEM,
            "thread_ids": array("uuid", [one.thread_id for one in starts]),
            "run_ids": array("uuid", run_ids),
            "inputs": array("bytea", [packed({"request": one.request}) for one in starts]),
            "metadata": array("jsonb", [json.dumps({"group": one.group}) for one in starts]),
            "events": array("text", [run_event(run_id, "pending") for run_id in run_ids]),
            "records": array("jsonb", [json.dumps(record) for record in records]),
            "priorities": array("integer", [one.priority for one in starts]),
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return int(row["started"])


_START_EACH = """
    WITH wanted AS (
        SELECT thread_id, run_id, input, metadata, event, record, priority, place
        FROM unnest(%(thread_ids)s::uuid[], %(run_ids)s::uuid[], %(inputs)s::bytea[], %(metadata)s::jsonb[],
                    %(events)s::text[], %(records)s::jsonb[], %(priorities)s::integer[])
            WITH ORDINALITY AS w (thread_id, run_id, input, metadata, event, record, priority, place)
    ), thread AS (
        INSERT INTO threads (thread_id, tenant_id, workflow, workflow_version, started_by, metadata, status,
                             active_runs)
        SELECT thread_id, %(tenant_id)s, %(workflow)s, %(version)s, %(person)s, metadata, 'busy', 1
        FROM wanted ORDER BY thread_id
        ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
    ), run AS (
        INSERT INTO runs (run_id, tenant_id, thread_id, started_by, workflow, workflow_version, input)
        SELECT run_id, %(tenant_id)s, thread_id, %(person)s, %(workflow)s, %(version)s, input
        FROM wanted JOIN thread USING (thread_id) RETURNING run_id, thread_id
    ), told AS (
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        SELECT run_id, 0, %(tenant_id)s, 'run', event FROM wanted JOIN run USING (run_id)
    ), noted AS (
        INSERT INTO audit (tenant_id, person, action, thread_id, run_id, record)
        SELECT %(tenant_id)s, %(person)s, 'thread.started', w.thread_id, w.run_id, record
        FROM wanted w JOIN run USING (run_id) ORDER BY place
    ), job AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args, status)
        SELECT 'runs', 'drive_run', priority, w.thread_id::text, jsonb_build_object('run_id', w.run_id), 'todo'
        FROM wanted w JOIN run USING (run_id) ORDER BY place RETURNING id
    )
    SELECT count(*) AS started FROM job
"""
