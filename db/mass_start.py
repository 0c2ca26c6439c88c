"""Many cases begun in one statement: threads, runs, first events, jobs and audit rows.

All of them or none, in the caller's transaction, and each as if it had been begun alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.actor import Actor
from db.arrays import array
from db.idempotency import Stored
from db.packed import packed
from db.queue import USUAL
from db.runs import run_event

MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Origin:
    """Who starts them, and of which workflow they are; `by_thread` is the case that does, if it is one."""

    tenant_id: str
    person: str
    workflow: str
    workflow_version: str
    by_thread: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewCase:
    """Those begun together share a `group`, in the thread's metadata. `priority` is among all jobs: what nobody waits
    for stays below zero."""

    thread_id: UUID
    run_id: UUID
    request: Mapping[str, Any]
    group: str | None = None
    priority: int = USUAL


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is answered (with status 202) to the client's `key` from now on."""

    key: str
    request_sha256: bytes
    answer: Mapping[str, Any]


async def hold_keys(conn: AsyncConnection[Any], actor: Actor, keys: Sequence[str]) -> None:
    """As `idempotency.hold` of each. All hold them in one order, so that no two wait for each other."""
    await conn.execute(
        """
        SELECT pg_advisory_xact_lock(held.lock)
        FROM (SELECT DISTINCT hashtextextended(o, 1) AS lock FROM unnest(%(owners)s::text[]) AS o ORDER BY 1) AS held
        """,
        {"owners": [f"{actor.tenant_id}/{actor.person}/{key}" for key in keys]},
    )


async def found_keys(conn: AsyncConnection[Any], actor: Actor, keys: Sequence[str]) -> dict[str, Stored]:
    """What was answered to those that came before."""
    async with conn.cursor(row_factory=class_row(_StoredKey)) as cur:
        await cur.execute(
            """
            SELECT key, request_sha256, response_status, response FROM idempotency_keys
            WHERE tenant_id = %(tenant_id)s AND person = %(person)s AND key = ANY(%(keys)s)
            """,
            {"tenant_id": actor.tenant_id, "person": actor.person, "keys": list(keys)},
        )
        found = await cur.fetchall()
    return {row.key: Stored(row.request_sha256, row.response_status, row.response) for row in found}


async def keep_keys(conn: AsyncConnection[Any], actor: Actor, answers: Sequence[Remembered]) -> None:
    """In the transaction that starts what they ask for."""
    await conn.execute(
        """
        INSERT INTO idempotency_keys (tenant_id, person, key, request_sha256, response_status, response)
        SELECT %(tenant_id)s, %(person)s, key, request_sha256, 202, answer
        FROM unnest(%(keys)s::text[], %(sha256s)s::bytea[], %(answers)s::jsonb[]) AS n (key, request_sha256, answer)
        """,
        {
            "tenant_id": actor.tenant_id,
            "person": actor.person,
            "keys": array("text", [one.key for one in answers]),
            "sha256s": array("bytea", [one.request_sha256 for one in answers]),
            "answers": array("jsonb", [orjson.dumps(one.answer).decode() for one in answers]),
        },
    )


async def start_each(conn: AsyncConnection[Any], origin: Origin, news: Sequence[NewCase]) -> int:
    """Starts those whose thread is not there yet; how many those were."""
    assert len(news) <= MOST_AT_ONCE
    by = {} if origin.by_thread is None else {"by_thread": str(origin.by_thread)}
    cur = await conn.execute(
        _START,
        {
            "tenant_id": origin.tenant_id,
            "person": origin.person,
            "workflow": origin.workflow,
            "version": origin.workflow_version,
            "thread_ids": array("uuid", [new.thread_id for new in news]),
            "run_ids": array("uuid", [new.run_id for new in news]),
            "inputs": array("bytea", [packed({"request": new.request}) for new in news]),
            "metadata": array("jsonb", [_metadata(new) for new in news]),
            "data": array("text", [run_event(new.run_id, "pending") for new in news]),
            "records": array("jsonb", [orjson.dumps({"request": new.request} | by).decode() for new in news]),
            "priorities": array("integer", [new.priority for new in news]),
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return int(row["started"])


def _metadata(new: NewCase) -> str:
    return "{}" if new.group is None else orjson.dumps({"group": new.group}).decode()


@dataclass(frozen=True, slots=True)
class _StoredKey:
    key: str
    request_sha256: bytes
    response_status: int
    response: dict[str, Any]


_START = """
    WITH wanted AS (
        SELECT thread_id, run_id, input, metadata, data, record, priority, place
        FROM unnest(%(thread_ids)s::uuid[], %(run_ids)s::uuid[], %(inputs)s::bytea[], %(metadata)s::jsonb[],
                    %(data)s::text[], %(records)s::jsonb[], %(priorities)s::integer[])
            WITH ORDINALITY AS w (thread_id, run_id, input, metadata, data, record, priority, place)
    ), thread AS (
        INSERT INTO threads (thread_id, tenant_id, workflow, workflow_version, started_by, metadata, status,
                             active_runs)
        SELECT thread_id, %(tenant_id)s, %(workflow)s, %(version)s, %(person)s, metadata, 'busy', 1
        FROM wanted ORDER BY thread_id
        ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
    ), new AS MATERIALIZED (
        SELECT w.thread_id, run_id, input, data, record, priority, place FROM wanted w JOIN thread USING (thread_id)
    ), run AS (
        INSERT INTO runs (run_id, tenant_id, thread_id, started_by, workflow, workflow_version, input,
                          multitask_strategy, status)
        SELECT run_id, %(tenant_id)s, thread_id, %(person)s, %(workflow)s, %(version)s, input, 'reject', 'pending'
        FROM new
    ), told AS (
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        SELECT run_id, 0, %(tenant_id)s, 'run', data FROM new
    ), noted AS (
        INSERT INTO audit (tenant_id, person, action, thread_id, run_id, record)
        SELECT %(tenant_id)s, %(person)s, 'thread.started', thread_id, run_id, record FROM new ORDER BY place
    ), job AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args, status)
        SELECT 'runs', 'drive_run', priority, thread_id::text, jsonb_build_object('run_id', run_id), 'todo'
        FROM new ORDER BY place
    )
    SELECT count(*) AS started FROM new
"""
