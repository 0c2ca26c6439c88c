"""Runs as they are read: their status, their options, and how they ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import kwargs_row

from db.actor import SEEN, Actor, as_seen_by
from db.errors import NotFound
from db.packed import unpacked
from db.runs import Multitask, Status


@dataclass(frozen=True, slots=True)
class Run:
    run_id: UUID
    thread_id: UUID
    status: Status
    workflow: str
    assistant_id: UUID | None
    input: Any
    options: dict[str, Any]
    metadata: dict[str, Any]
    multitask_strategy: Multitask
    cancel: str | None
    attempts: int
    error: dict[str, Any] | None
    started_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """Which of a thread's runs: the newest first, of these statuses."""

    statuses: Sequence[Status] | None
    limit: int
    offset: int


_SELECT = """
    SELECT run_id, thread_id, status, workflow, assistant_id, input, options, metadata, multitask_strategy, cancel,
           attempts, error, started_by, created_at, started_at, ended_at
    FROM runs WHERE tenant_id = %(tenant_id)s
"""


async def get(conn: AsyncConnection[Any], tenant_id: str, run_id: UUID, thread_id: UUID | None = None) -> Run:
    """Raises NotFound, also for a run of another thread than the one named."""
    async with conn.cursor(row_factory=kwargs_row(_read)) as cur:
        await cur.execute(
            _SELECT + " AND run_id = %(run_id)s AND thread_id = coalesce(%(thread_id)s, thread_id)",
            {"tenant_id": tenant_id, "run_id": run_id, "thread_id": thread_id},
        )
        run = await cur.fetchone()
    if run is None:
        raise NotFound("run", run_id)
    return run


async def of_thread(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID) -> Sequence[Run]:
    """The thread's runs, the first one first."""
    async with conn.cursor(row_factory=kwargs_row(_read)) as cur:
        await cur.execute(
            _SELECT + " AND thread_id = %(thread_id)s ORDER BY run_id",
            {"tenant_id": tenant_id, "thread_id": thread_id},
        )
        return await cur.fetchall()


async def page(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID, wanted: Page) -> Sequence[Run]:
    async with conn.cursor(row_factory=kwargs_row(_read)) as cur:
        await cur.execute(
            _SELECT
            + """
            AND thread_id = %(thread_id)s AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
            ORDER BY run_id DESC LIMIT %(limit)s OFFSET %(offset)s
            """,
            {
                "tenant_id": tenant_id,
                "thread_id": thread_id,
                "statuses": None if wanted.statuses is None else list(wanted.statuses),
                "limit": wanted.limit,
                "offset": wanted.offset,
            },
        )
        return await cur.fetchall()


async def active(conn: AsyncConnection[Any], actor: Actor, statuses: Sequence[Status], *, own: bool) -> Sequence[Run]:
    """The runs of these statuses on the threads that the actor may see, or only on their `own`."""
    async with conn.cursor(row_factory=kwargs_row(_read)) as cur:
        await cur.execute(
            _SELECT
            + """
            AND status = ANY(%(statuses)s) AND status IN ('pending', 'running', 'waiting')
            AND thread_id IN (
                SELECT t.thread_id FROM threads t WHERE (t.started_by = %(person)s OR NOT %(own)s) AND """
            + SEEN
            + """
            )
            ORDER BY run_id
            """,
            as_seen_by(actor) | {"statuses": list(statuses), "own": own},
        )
        return await cur.fetchall()


def _read(*, input: bytes | None, **row: Any) -> Run:  # noqa: A002
    return Run(input=unpacked(input), **row)
