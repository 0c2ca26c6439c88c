"""Drafts of inputs, from their text to the case that they start; seen by whoever wrote them and by staff."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.actor import Actor
from db.errors import Conflict, NotFound

Status = Literal["asks", "confirm", "started"]


@dataclass(frozen=True, slots=True)
class Draft:
    """`input` is whole once nothing is asked any more, and then has its hash."""

    intake_id: UUID
    workflow: str
    workflow_version: str
    started_by: str
    origin: Literal["typed_by_user", "untrusted"]
    text: str
    status: Status
    arguments: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    model: dict[str, Any]
    input: dict[str, Any] | None = None
    input_sha256: str | None = None
    thread_id: UUID | None = None
    updated_at: datetime | None = None


async def store(conn: AsyncConnection[Any], tenant_id: str, draft: Draft) -> None:
    await conn.execute(
        """
        INSERT INTO intake_drafts (intake_id, tenant_id, workflow, workflow_version, started_by, origin, text, status,
                                   arguments, refused, model, input, input_sha256, thread_id)
        VALUES (%(intake_id)s, %(tenant_id)s, %(workflow)s, %(workflow_version)s, %(started_by)s, %(origin)s, %(text)s,
                %(status)s, %(arguments)s, %(refused)s, %(model)s, %(input)s, %(input_sha256)s, %(thread_id)s)
        """,
        {
            "intake_id": draft.intake_id,
            "workflow": draft.workflow,
            "workflow_version": draft.workflow_version,
            "started_by": draft.started_by,
            "origin": draft.origin,
            "text": draft.text,
            "refused": Jsonb(draft.refused),
            "model": Jsonb(draft.model),
        }
        | _changing(tenant_id, draft),
    )


async def advance(conn: AsyncConnection[Any], tenant_id: str, draft: Draft) -> None:
    """Raises Conflict if somebody else answered since `draft.updated_at`, or its case is started."""
    cur = await conn.execute(
        """
        UPDATE intake_drafts SET status = %(status)s, arguments = %(arguments)s, input = %(input)s,
            input_sha256 = %(input_sha256)s, thread_id = %(thread_id)s, refused = %(refused)s,
            updated_at = clock_timestamp()
        WHERE intake_id = %(intake_id)s AND tenant_id = %(tenant_id)s AND updated_at = %(updated_at)s
          AND status <> 'started'
        RETURNING intake_id
        """,
        {"intake_id": draft.intake_id, "refused": Jsonb(draft.refused), "updated_at": draft.updated_at}
        | _changing(tenant_id, draft),
    )
    if await cur.fetchone() is None:
        raise Conflict(f"intake {draft.intake_id} was answered meanwhile, or has started its case")


async def find(conn: AsyncConnection[Any], actor: Actor, workflow: str, intake_id: UUID) -> Draft:
    async with conn.cursor(row_factory=class_row(Draft)) as cur:
        await cur.execute(
            """
            SELECT intake_id, workflow, workflow_version, started_by, origin, text, status, arguments, refused, model,
                   input, input_sha256, thread_id, updated_at
            FROM intake_drafts
            WHERE intake_id = %(intake_id)s AND tenant_id = %(tenant_id)s AND workflow = %(workflow)s
              AND (%(whole_tenant)s OR started_by = %(person)s)
            """,
            {
                "intake_id": intake_id,
                "tenant_id": actor.tenant_id,
                "workflow": workflow,
                "whole_tenant": actor.sees_whole_tenant,
                "person": actor.person,
            },
        )
        draft = await cur.fetchone()
    if draft is None:
        raise NotFound("intake", intake_id)
    return draft


async def forget(conn: AsyncConnection[Any], before: datetime, most: int) -> int:
    """How many drafts of every tenant, last touched before then, were deleted. A case that one started has its input,
    and the audit has where each value came from."""
    cur = await conn.execute(
        """
        DELETE FROM intake_drafts WHERE intake_id IN (
            SELECT intake_id FROM intake_drafts WHERE updated_at < %(before)s
            ORDER BY updated_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
        """,
        {"before": before, "most": most},
    )
    return cur.rowcount


def _changing(tenant_id: str, draft: Draft) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "status": draft.status,
        "arguments": Jsonb(draft.arguments),
        "input": None if draft.input is None else Jsonb(draft.input),
        "input_sha256": draft.input_sha256,
        "thread_id": draft.thread_id,
    }
