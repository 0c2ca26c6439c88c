"""Crons: who wants which run started again and again, and when each is due next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.errors import Conflict, NotFound

MAX_PER_TENANT = 1000

OnCompletion = Literal["delete", "keep"]
SortBy = Literal["cron_id", "assistant_id", "thread_id", "created_at", "updated_at", "next_run_date", "end_time"]


@dataclass(frozen=True, slots=True)
class Cron:
    """`payload` is the run it starts, as a client would ask for it. `on_run_completed`: what becomes of the thread that
    a run got of its own; None: the cron has one thread, `thread_id`, for all its runs."""

    cron_id: UUID
    tenant_id: str
    assistant_id: UUID
    thread_id: UUID | None
    made_by: str
    schedule: str
    timezone: str | None
    end_time: datetime | None
    enabled: bool
    next_run_date: datetime | None
    on_run_completed: OnCompletion | None
    payload: dict[str, Any]
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which crons of a tenant: those that match all that is not None. `metadata` is contained in theirs."""

    assistant_id: UUID | None = None
    thread_id: UUID | None = None
    enabled: bool | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    limit: int = 10
    offset: int = 0
    sort_by: SortBy = "created_at"
    ascending: bool = False


async def create(conn: AsyncConnection[Any], cron: Cron) -> None:
    """In the caller's transaction. Raises Conflict if the tenant has as many as it may have."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('crons'), hashtext(%s))", (cron.tenant_id,))
    if await count(conn, cron.tenant_id, Wanted()) >= MAX_PER_TENANT:
        raise Conflict(f"there are {MAX_PER_TENANT} crons already; delete one first")
    await conn.execute(
        """
        INSERT INTO crons (cron_id, tenant_id, assistant_id, thread_id, made_by, schedule, timezone, end_time, enabled,
                           next_run_date, on_run_completed, payload, metadata, created_at, updated_at)
        VALUES (%(cron_id)s, %(tenant_id)s, %(assistant_id)s, %(thread_id)s, %(made_by)s, %(schedule)s, %(timezone)s,
                %(end_time)s, %(enabled)s, %(next_run_date)s, %(on_run_completed)s, %(payload)s, %(metadata)s,
                %(created_at)s, %(updated_at)s)
        """,
        _values(cron),
    )


async def get(conn: AsyncConnection[Any], tenant_id: str, cron_id: UUID) -> Cron:
    return await _one(conn, "", tenant_id, cron_id)


async def lock(conn: AsyncConnection[Any], tenant_id: str, cron_id: UUID) -> Cron:
    """Nobody starts or changes it until the transaction ends."""
    return await _one(conn, "FOR UPDATE", tenant_id, cron_id)


async def change(conn: AsyncConnection[Any], cron: Cron) -> None:
    """Everything but whose it is, what it runs and where."""
    await conn.execute(
        """
        UPDATE crons SET schedule = %(schedule)s, timezone = %(timezone)s, end_time = %(end_time)s,
                         enabled = %(enabled)s, next_run_date = %(next_run_date)s,
                         on_run_completed = %(on_run_completed)s, payload = %(payload)s, metadata = %(metadata)s,
                         updated_at = %(updated_at)s
        WHERE cron_id = %(cron_id)s AND tenant_id = %(tenant_id)s
        """,
        _values(cron),
    )


async def delete(conn: AsyncConnection[Any], tenant_id: str, cron_id: UUID) -> None:
    cur = await conn.execute(
        "DELETE FROM crons WHERE cron_id = %(cron_id)s AND tenant_id = %(tenant_id)s",
        {"cron_id": cron_id, "tenant_id": tenant_id},
    )
    if cur.rowcount == 0:
        raise NotFound("cron", cron_id)


async def search(conn: AsyncConnection[Any], tenant_id: str, wanted: Wanted, page: Page) -> list[Cron]:
    order = sql.SQL("ORDER BY {} {}, cron_id").format(
        sql.Identifier(page.sort_by), sql.SQL("ASC NULLS FIRST" if page.ascending else "DESC NULLS LAST")
    )
    query = sql.SQL("SELECT {} FROM crons WHERE {} {} LIMIT %(limit)s OFFSET %(offset)s").format(
        _COLUMNS, _WANTED, order
    )
    async with conn.cursor(row_factory=class_row(Cron)) as cur:
        await cur.execute(query, _wanted(tenant_id, wanted) | {"limit": page.limit, "offset": page.offset})
        return await cur.fetchall()


async def count(conn: AsyncConnection[Any], tenant_id: str, wanted: Wanted) -> int:
    query = sql.SQL("SELECT count(*) AS crons FROM crons WHERE {}").format(_WANTED)
    cur = await conn.execute(query, _wanted(tenant_id, wanted))
    row = await cur.fetchone()
    assert row is not None
    return int(row["crons"])


async def take_due(conn: AsyncConnection[Any], now: datetime, graph_ids: Sequence[str]) -> Cron | None:
    """A cron of one of these graphs that is due and that nobody else is about to start, locked until the transaction
    ends."""
    query = sql.SQL(
        """
        SELECT {} FROM crons WHERE enabled AND next_run_date <= %(now)s AND EXISTS (
            SELECT 1 FROM assistants a WHERE a.tenant_id = crons.tenant_id AND a.assistant_id = crons.assistant_id
              AND a.graph_id = ANY(%(graph_ids)s)
        )
        ORDER BY next_run_date LIMIT 1 FOR UPDATE SKIP LOCKED
        """
    ).format(_COLUMNS)
    async with conn.cursor(row_factory=class_row(Cron)) as cur:
        await cur.execute(query, {"now": now, "graph_ids": list(graph_ids)})
        return await cur.fetchone()


async def move_on(conn: AsyncConnection[Any], cron: Cron, next_run_date: datetime | None) -> None:
    """From the occurrence that `cron` was read with to the next one. Raises Conflict if it was moved on meanwhile."""
    cur = await conn.execute(
        """
        UPDATE crons SET next_run_date = %(next)s WHERE cron_id = %(cron_id)s AND next_run_date = %(was)s
        """,
        {"next": next_run_date, "cron_id": cron.cron_id, "was": cron.next_run_date},
    )
    if cur.rowcount == 0:
        raise Conflict(f"cron {cron.cron_id} was started by somebody else")


async def _one(conn: AsyncConnection[Any], locking: Literal["", "FOR UPDATE"], tenant_id: str, cron_id: UUID) -> Cron:
    query = sql.SQL("SELECT {} FROM crons WHERE cron_id = %(cron_id)s AND tenant_id = %(tenant_id)s {}").format(
        _COLUMNS, sql.SQL(locking)
    )
    async with conn.cursor(row_factory=class_row(Cron)) as cur:
        await cur.execute(query, {"cron_id": cron_id, "tenant_id": tenant_id})
        cron = await cur.fetchone()
    if cron is None:
        raise NotFound("cron", cron_id)
    return cron


def _values(cron: Cron) -> dict[str, Any]:
    return asdict(cron) | {"payload": Jsonb(cron.payload), "metadata": Jsonb(cron.metadata)}


def _wanted(tenant_id: str, wanted: Wanted) -> dict[str, Any]:
    metadata = None if wanted.metadata is None else Jsonb(wanted.metadata)
    return {
        "tenant_id": tenant_id,
        "assistant_id": wanted.assistant_id,
        "thread_id": wanted.thread_id,
        "enabled": wanted.enabled,
        "metadata": metadata,
    }


_COLUMNS = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(Cron))
_WANTED = sql.SQL(
    """tenant_id = %(tenant_id)s
    AND (%(assistant_id)s::uuid IS NULL OR assistant_id = %(assistant_id)s)
    AND (%(thread_id)s::uuid IS NULL OR thread_id = %(thread_id)s)
    AND (%(enabled)s::boolean IS NULL OR enabled = %(enabled)s)
    AND (%(metadata)s::jsonb IS NULL OR metadata @> %(metadata)s)"""
)
