"""Runs that go on after all: after an error, at an operator's word, and after they lost their place in the queue."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from db.errors import Conflict
from db.queue import Queue


async def restart(conn: AsyncConnection[Any], queue: Queue, tenant_id: str, run_id: UUID) -> None:
    """Gives a run that ended in error its attempts again; it goes on where it stopped."""
    cur = await conn.execute(
        """
        WITH restarted AS (
            UPDATE runs SET status = 'pending', attempts = 0, error = NULL, ended_at = NULL
            WHERE run_id = %(run_id)s AND tenant_id = %(tenant_id)s AND status = 'error' RETURNING thread_id
        )
        UPDATE threads t SET status = 'busy', active_runs = 1, updated_at = now() FROM restarted
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
                  AND j.args ->> 'run_id' = r.run_id::text
            )
            ORDER BY r.run_id LIMIT 100 FOR UPDATE SKIP LOCKED
            """
        )
        orphans = await cur.fetchall()
        for run in orphans:
            await queue.enqueue(conn, run["thread_id"], run["run_id"])
    return len(orphans)
