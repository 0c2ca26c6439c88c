"""Threads: one case each. The thread's id is the case's id everywhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.actor import SEEN, Actor, as_seen_by
from db.arrays import array
from db.errors import Conflict, NotFound

Status = Literal["idle", "busy", "interrupted", "error"]
SortBy = Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"]


@dataclass(frozen=True, slots=True)
class Ttl:
    """How long after its last change a thread is kept whole; then it, or all but its latest state, is deleted."""

    minutes: float
    strategy: Literal["delete", "keep_latest"]


@dataclass(frozen=True, slots=True)
class Thread:
    """`assistant_id` is its last run's, and so is `error`, if that left it in error; `state_updated_at` is the time of
    its runs' and state's last change."""

    thread_id: UUID
    tenant_id: str
    workflow: str | None
    workflow_version: str | None
    status: Status
    outcome: str | None
    started_by: str
    metadata: dict[str, Any]
    assistant_id: UUID | None
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime
    ttl_minutes: float | None
    ttl_strategy: Literal["delete", "keep_latest"] | None
    expires_at: datetime | None
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class NewThread:
    """Without a workflow: its first run says what it is for."""

    thread_id: UUID
    tenant_id: str
    workflow: str | None
    workflow_version: str | None
    started_by: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ttl: Ttl | None = None
    status: Status = "idle"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which threads, in what order. `metadata` and `values` must be contained; of `values` only texts, numbers and
    booleans are looked at here. `graph_id` and `assistant_id` in `metadata` mean the thread's own."""

    ids: Sequence[UUID] | None = None
    status: Status | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    sort_by: SortBy = "created_at"
    descending: bool = True


_ASSISTANT = "(SELECT r.assistant_id FROM runs r WHERE r.thread_id = t.thread_id ORDER BY r.run_id DESC LIMIT 1)"
_ERROR = """CASE t.status WHEN 'error' THEN (
    SELECT r.error FROM runs r WHERE r.thread_id = t.thread_id ORDER BY r.ended_at DESC NULLS LAST LIMIT 1
) END"""
COLUMNS = f"""t.thread_id, t.tenant_id, t.workflow, t.workflow_version, t.status, t.outcome, t.started_by, t.metadata,
    {_ASSISTANT} AS assistant_id, t.created_at, greatest(t.updated_at, t.edited_at) AS updated_at,
    t.updated_at AS state_updated_at, t.ttl_minutes, t.ttl_strategy, t.expires_at, {_ERROR} AS error"""
_ORDER = {
    "thread_id": "t.thread_id",
    "status": "t.status",
    "created_at": "t.created_at",
    "updated_at": "greatest(t.updated_at, t.edited_at)",
    "state_updated_at": "t.updated_at",
}


async def create(conn: AsyncConnection[Any], thread: NewThread) -> bool:
    """False, and nothing is written, if there is a thread of this id, whoever's it is."""
    return (await conn.execute(_INSERT, _new(thread))).rowcount == 1


async def create_each(conn: AsyncConnection[Any], news: Sequence[NewThread]) -> list[Thread | None]:
    """As `create`, in one statement: each thread as it is now, or None if there is one of its id."""
    given = [_new(thread) for thread in news]
    columns = {name: array(kind, [row[name] for row in given]) for name, kind in _COLUMN_KINDS.items()}
    async with conn.cursor(row_factory=class_row(Thread)) as cur:
        await cur.execute(_INSERT_EACH, columns)
        created = {thread.thread_id: thread for thread in await cur.fetchall()}
    return [created.pop(thread.thread_id, None) for thread in news]


async def get(conn: AsyncConnection[Any], actor: Actor, thread_id: UUID, *, lock: bool = False) -> Thread:
    """The thread if this actor may see it; one they may not see does not exist for them.

    With `lock`, until the caller's transaction ends nobody starts a run on it, ends one or changes it.
    """
    async with conn.cursor(row_factory=class_row(Thread)) as cur:
        await cur.execute(
            f"SELECT {COLUMNS} FROM threads t WHERE t.thread_id = %(thread_id)s AND {SEEN}"
            + (" FOR UPDATE OF t" if lock else ""),
            as_seen_by(actor) | {"thread_id": thread_id},
        )
        thread = await cur.fetchone()
    if thread is None:
        raise NotFound("thread", thread_id)
    return thread


async def hold(conn: AsyncConnection[Any], thread_id: UUID) -> None:
    """Until the transaction ends nobody else can give the thread a run."""
    await conn.execute("SELECT 1 FROM threads WHERE thread_id = %s FOR UPDATE", (thread_id,))


async def search(conn: AsyncConnection[Any], actor: Actor, wanted: Wanted, limit: int, offset: int = 0) -> list[Thread]:
    """A page of the threads this actor may see."""
    direction = "DESC" if wanted.descending else "ASC"
    async with conn.cursor(row_factory=class_row(Thread)) as cur:
        await cur.execute(
            f"SELECT {COLUMNS} FROM threads t WHERE {_where(wanted)}"
            f" ORDER BY {_ORDER[wanted.sort_by]} {direction}, t.thread_id {direction}"
            " LIMIT %(limit)s OFFSET %(offset)s",
            _parameters(actor, wanted) | {"limit": limit, "offset": offset},
        )
        return await cur.fetchall()


async def count(conn: AsyncConnection[Any], actor: Actor, wanted: Wanted) -> int:
    cur = await conn.execute(f"SELECT count(*) AS n FROM threads t WHERE {_where(wanted)}", _parameters(actor, wanted))
    row = await cur.fetchone()
    return int(row["n"]) if row else 0


async def edit(conn: AsyncConnection[Any], thread_id: UUID, metadata: Mapping[str, Any], ttl: Ttl | None) -> None:
    """Merges `metadata` into the thread's, key by key; a `ttl` counts from now."""
    await conn.execute(
        """
        UPDATE threads SET metadata = metadata || %(metadata)s, edited_at = now(),
                           ttl_minutes = coalesce(%(minutes)s, ttl_minutes),
                           ttl_strategy = coalesce(%(strategy)s, ttl_strategy),
                           expires_at = coalesce(now() + %(minutes)s * interval '1 minute', expires_at)
        WHERE thread_id = %(thread_id)s
        """,
        {
            "thread_id": thread_id,
            "metadata": Jsonb(metadata),
            "minutes": ttl and ttl.minutes,
            "strategy": ttl and ttl.strategy,
        },
    )


async def set_status(conn: AsyncConnection[Any], thread_id: UUID, status: Status) -> None:
    """After its state was written by hand."""
    await conn.execute(
        "UPDATE threads SET status = %(status)s, updated_at = now() WHERE thread_id = %(thread_id)s",
        {"thread_id": thread_id, "status": status},
    )


async def refuse_contradiction(conn: AsyncConnection[Any], thread: Thread) -> None:
    """Raises Conflict if to write the thread's state by hand would contradict what was done, asked or decided.

    An answer to a question of a workflow of ours goes through its review; what was paid stays paid.
    """
    cur = await conn.execute(
        """
        SELECT EXISTS (SELECT 1 FROM effects WHERE thread_id = %(thread_id)s) AS acted,
               EXISTS (SELECT 1 FROM reviews WHERE thread_id = %(thread_id)s AND status = 'open') AS asking
        """,
        {"thread_id": thread.thread_id},
    )
    row = await cur.fetchone()
    assert row is not None
    if thread.outcome is not None:
        raise Conflict(f"the case of thread {thread.thread_id} is closed: {thread.outcome}")
    if row["acted"]:
        raise Conflict(f"thread {thread.thread_id} has effects outside, which its state must not contradict")
    if row["asking"]:
        raise Conflict(f"thread {thread.thread_id} has an open review; answer it instead")


def _where(wanted: Wanted) -> str:
    conditions = [SEEN]
    if wanted.ids is not None:
        conditions.append("t.thread_id = ANY(%(ids)s)")
    if wanted.status is not None:
        conditions.append("t.status = %(status)s")
    if _own_metadata(wanted):
        conditions.append("t.metadata @> %(metadata)s")
    if "graph_id" in wanted.metadata:
        conditions.append("coalesce(to_jsonb(t.workflow), t.metadata -> 'graph_id') = %(graph_id)s")
    if "assistant_id" in wanted.metadata:
        conditions.append(f"coalesce(to_jsonb({_ASSISTANT}), t.metadata -> 'assistant_id') = %(assistant_id)s")
    if wanted.values:
        conditions.append(_HAS_VALUES)
    return " AND ".join(conditions)


_HAS_VALUES = """EXISTS (
    SELECT 1 FROM (
        SELECT c.checkpoint -> 'channel_values' AS plain FROM checkpoints c
        WHERE c.thread_id = t.tenant_id || ':' || t.thread_id AND c.checkpoint_ns = ''
        ORDER BY c.checkpoint_id DESC LIMIT 1
    ) latest WHERE latest.plain @> %(values)s)"""
"""The saver keeps texts, numbers and booleans in the checkpoint's row, and everything else apart."""


def _parameters(actor: Actor, wanted: Wanted) -> dict[str, Any]:
    plain = {key: value for key, value in wanted.values.items() if isinstance(value, str | int | float)}
    return as_seen_by(actor) | {
        "ids": None if wanted.ids is None else list(wanted.ids),
        "status": wanted.status,
        "metadata": Jsonb(_own_metadata(wanted)),
        "graph_id": Jsonb(wanted.metadata.get("graph_id")),
        "assistant_id": Jsonb(wanted.metadata.get("assistant_id")),
        "values": Jsonb(plain),
    }


def _own_metadata(wanted: Wanted) -> dict[str, Any]:
    return {key: value for key, value in wanted.metadata.items() if key not in ("graph_id", "assistant_id")}


async def head(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID) -> str | None:
    """The thread's latest checkpoint, by its id."""
    cur = await conn.execute(
        """
        SELECT max(checkpoint_id) AS head FROM checkpoints
        WHERE thread_id = %(saved_as)s AND checkpoint_ns = ''
        """,
        {"saved_as": f"{tenant_id}:{thread_id}"},
    )
    row = await cur.fetchone()
    return row["head"] if row else None


_INTO = """
    INSERT INTO threads AS t (thread_id, tenant_id, workflow, workflow_version, started_by, metadata, status,
                              ttl_minutes, ttl_strategy, expires_at)
"""
_INSERT = f"""{_INTO}
    VALUES (%(thread_id)s, %(tenant_id)s, %(workflow)s, %(workflow_version)s, %(started_by)s, %(metadata)s,
            %(status)s, %(minutes)s, %(strategy)s, now() + %(minutes)s * interval '1 minute')
    ON CONFLICT (thread_id) DO NOTHING
"""
_COLUMN_KINDS = {
    "thread_id": "uuid", "tenant_id": "text", "workflow": "text", "workflow_version": "text", "started_by": "text",
    "metadata": "jsonb", "status": "text", "minutes": "double precision", "strategy": "text",
}  # fmt: skip
_INSERT_EACH = f"""{_INTO}
    SELECT thread_id, tenant_id, workflow, workflow_version, started_by, metadata, status, minutes, strategy,
           now() + minutes * interval '1 minute'
    FROM unnest({", ".join(f"%({name})s::{kind}[]" for name, kind in _COLUMN_KINDS.items())})
         AS n ({", ".join(_COLUMN_KINDS)})
    ORDER BY thread_id
    ON CONFLICT (thread_id) DO NOTHING RETURNING {COLUMNS}
"""


def _new(thread: NewThread) -> dict[str, Any]:
    return {
        "thread_id": thread.thread_id,
        "tenant_id": thread.tenant_id,
        "workflow": thread.workflow,
        "workflow_version": thread.workflow_version,
        "started_by": thread.started_by,
        "metadata": json.dumps(thread.metadata),
        "status": thread.status,
        "minutes": thread.ttl and thread.ttl.minutes,
        "strategy": thread.ttl and thread.ttl.strategy,
    }
