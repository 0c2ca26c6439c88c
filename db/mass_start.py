"""Many cases begun in one statement: threads, runs, first events, jobs, audit rows and clients' keys.

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


@dataclass(frozen=True, slots=True)
class NewCase:
    """`answer` (with status 202) is remembered under the client's `key`."""

    thread_id: UUID
    run_id: UUID
    request: Mapping[str, Any]
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


async def start_each(
    conn: AsyncConnection[Any], actor: Actor, workflow: tuple[str, str], news: Sequence[NewCase]
) -> None:
    """`workflow` is its name and version."""
    name, version = workflow
    await conn.execute(
        _START,
        {
            "tenant_id": actor.tenant_id,
            "person": actor.person,
            "workflow": name,
            "version": version,
            "priority": USUAL,
            "thread_ids": array("uuid", [new.thread_id for new in news]),
            "run_ids": array("uuid", [new.run_id for new in news]),
            "inputs": array("bytea", [packed({"request": new.request}) for new in news]),
            "data": array("text", [run_event(new.run_id, "pending") for new in news]),
            "records": array("jsonb", [orjson.dumps({"request": new.request}).decode() for new in news]),
            "keys": array("text", [new.key for new in news]),
            "sha256s": array("bytea", [new.request_sha256 for new in news]),
            "answers": array("jsonb", [orjson.dumps(new.answer).decode() for new in news]),
        },
    )


@dataclass(frozen=True, slots=True)
class _StoredKey:
    key: str
    request_sha256: bytes
    response_status: int
    response: dict[str, Any]


_START = """
    WITH new AS (
        SELECT * FROM unnest(%(thread_ids)s::uuid[], %(run_ids)s::uuid[], %(inputs)s::bytea[], %(data)s::text[],
                             %(records)s::jsonb[], %(keys)s::text[], %(sha256s)s::bytea[], %(answers)s::jsonb[])
               AS n (thread_id, run_id, input, data, record, key, request_sha256, answer)
    ), thread AS (
        INSERT INTO threads (thread_id, tenant_id, workflow, workflow_version, status, active_runs, started_by)
        SELECT thread_id, %(tenant_id)s, %(workflow)s, %(version)s, 'busy', 1, %(person)s FROM new
    ), run AS (
        INSERT INTO runs (run_id, tenant_id, thread_id, started_by, workflow, workflow_version, input,
                          multitask_strategy, status)
        SELECT run_id, %(tenant_id)s, thread_id, %(person)s, %(workflow)s, %(version)s, input, 'reject', 'pending'
        FROM new
    ), told AS (
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        SELECT run_id, 0, %(tenant_id)s, 'run', data FROM new
    ), job AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args, status)
        SELECT 'runs', 'drive_run', %(priority)s, thread_id::text, jsonb_build_object('run_id', run_id), 'todo'
        FROM new ORDER BY run_id
    ), deed AS (
        INSERT INTO audit (tenant_id, person, action, thread_id, run_id, record)
        SELECT %(tenant_id)s, %(person)s, 'thread.started', thread_id, run_id, record FROM new ORDER BY run_id
    )
    INSERT INTO idempotency_keys (tenant_id, person, key, request_sha256, response_status, response)
    SELECT %(tenant_id)s, %(person)s, key, request_sha256, 202, answer FROM new
"""
