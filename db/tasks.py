"""Task rows as they are read. The journal writes them as nodes start and end; workflows do no bookkeeping."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.actor import SEEN, Actor, as_seen_by
from db.errors import NotFound


@dataclass(frozen=True, slots=True)
class Task:
    task_id: UUID
    thread_id: UUID
    workflow: str | None
    run_id: UUID
    name: str
    agent_name: str
    status: Literal["running", "done", "failed", "interrupted"]
    input: Any
    result: Any
    error: str | None
    attempts: int
    started_at: datetime
    ended_at: datetime | None


_SELECT = f"""SELECT k.task_id, k.thread_id, t.workflow, k.run_id, k.name, k.agent_name, k.status, k.input, k.result,
    k.error, k.attempts, k.started_at, k.ended_at FROM tasks k JOIN threads t USING (thread_id)
    WHERE k.tenant_id = %(tenant_id)s AND {SEEN} AND """


async def get(conn: AsyncConnection[Any], actor: Actor, task_id: UUID) -> Task:
    """The latest of them, where a thread and its copy did the same task."""
    found = await _select(conn, actor, "k.task_id = %(id)s ORDER BY k.started_at DESC", task_id)
    if not found:
        raise NotFound("task", task_id)
    return found[0]


async def of_thread(conn: AsyncConnection[Any], actor: Actor, thread_id: UUID) -> list[Task]:
    return await _select(conn, actor, "k.thread_id = %(id)s ORDER BY k.started_at, k.task_id", thread_id)


async def _select(conn: AsyncConnection[Any], actor: Actor, where: Any, record_id: UUID) -> list[Task]:
    async with conn.cursor(row_factory=class_row(Task)) as cur:
        await cur.execute(
            (_SELECT + where).encode(),
            as_seen_by(actor) | {"id": record_id},
        )
        return await cur.fetchall()
