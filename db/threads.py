"""Threads: one case each. The thread's id is the case's id everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.actor import Actor
from db.errors import NotFound

Status = Literal["idle", "busy", "interrupted", "error"]


@dataclass(frozen=True, slots=True)
class Thread:
    thread_id: UUID
    tenant_id: str
    workflow: str
    workflow_version: str
    status: Status
    outcome: str | None
    started_by: str
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewThread:
    thread_id: UUID
    tenant_id: str
    workflow: str
    workflow_version: str
    started_by: str
    metadata: Mapping[str, Any]


async def create(conn: AsyncConnection[Any], thread: NewThread) -> None:
    await conn.execute(
        """
        INSERT INTO threads (thread_id, tenant_id, workflow, workflow_version, started_by, metadata)
        VALUES (%(thread_id)s, %(tenant_id)s, %(workflow)s, %(workflow_version)s, %(started_by)s, %(metadata)s)
        """,
        {
            "thread_id": thread.thread_id,
            "tenant_id": thread.tenant_id,
            "workflow": thread.workflow,
            "workflow_version": thread.workflow_version,
            "started_by": thread.started_by,
            "metadata": Jsonb(thread.metadata),
        },
    )


async def get(conn: AsyncConnection[Any], actor: Actor, thread_id: UUID) -> Thread:
    """The thread if this actor may see it; one they may not see does not exist for them."""
    async with conn.cursor(row_factory=class_row(Thread)) as cur:
        await cur.execute(
            """
            SELECT thread_id, tenant_id, workflow, workflow_version, status, outcome, started_by, metadata,
                   created_at, updated_at
            FROM threads
            WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s
              AND (%(whole_tenant)s OR started_by = %(person)s)
            """,
            {
                "thread_id": thread_id,
                "tenant_id": actor.tenant_id,
                "whole_tenant": actor.sees_whole_tenant,
                "person": actor.person,
            },
        )
        thread = await cur.fetchone()
    if thread is None:
        raise NotFound("thread", thread_id)
    return thread


async def search(conn: AsyncConnection[Any], actor: Actor, status: Status | None, limit: int) -> list[Thread]:
    """The newest threads this actor may see."""
    async with conn.cursor(row_factory=class_row(Thread)) as cur:
        await cur.execute(
            """
            SELECT thread_id, tenant_id, workflow, workflow_version, status, outcome, started_by, metadata,
                   created_at, updated_at
            FROM threads
            WHERE tenant_id = %(tenant_id)s AND (%(whole_tenant)s OR started_by = %(person)s)
              AND (%(status)s::text IS NULL OR status = %(status)s)
            ORDER BY created_at DESC LIMIT %(limit)s
            """,
            {
                "tenant_id": actor.tenant_id,
                "whole_tenant": actor.sees_whole_tenant,
                "person": actor.person,
                "status": status,
                "limit": limit,
            },
        )
        return await cur.fetchall()
