"""Whether whoever is concerned confirmed exactly this, in the case itself or in the conversation that it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict

from db.canonical import sha256_hex
from db.errors import ApprovalVoid, Forbidden
from db.reviews import IN_PERSON, REQUESTER, Question
from tools.context import Context

CONFIRM_DAYS = 2
RELEASES = ("release", "second_release")


class InPerson(BaseModel):
    """Confirmed is exactly what is shown, and nothing else."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["confirm", "decline"]


@dataclass(frozen=True, slots=True)
class Given:
    review_id: UUID
    kind: str
    payload_sha256: str
    answered_by: str


def question(words: str, payload: Mapping[str, Any], facts: Mapping[str, Any], now: datetime) -> Question:
    return Question(
        kind=IN_PERSON,
        role=REQUESTER,
        question=words,
        facts=facts,
        payload=payload,
        due_at=now + timedelta(days=CONFIRM_DAYS),
        on_due={"answer": {"verdict": "decline"}},
    )


async def in_conversation(context: Context, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Who confirmed this payload, to the letter, in the conversation that started this case; None: nobody."""
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT v.review_id, v.answered_by FROM copilot_deeds d
            JOIN reviews v ON v.thread_id = d.thread_id AND v.tenant_id = d.tenant_id
            JOIN threads t ON t.thread_id = d.done_as AND t.tenant_id = d.tenant_id
            WHERE d.tenant_id = %(tenant_id)s AND d.done_as = %(thread_id)s AND d.by_word = 'confirmed'
              AND v.kind = %(kind)s AND v.status = 'answered' AND v.answer ->> 'verdict' = 'confirm'
              AND v.answered_by = t.started_by AND v.payload -> 'input' = d.input
              AND v.payload -> 'exactly' = %(payload)s
            ORDER BY v.answered_at DESC LIMIT 1
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "kind": IN_PERSON,
                "payload": Jsonb(dict(payload)),
            },
        )
        row = await cur.fetchone()
    if row is None:
        return None
    return {"verdict": "confirm", "by": row["answered_by"], "review_id": str(row["review_id"])}


async def refuse_unconfirmed(context: Context, payload: Mapping[str, Any], approvals: int) -> None:
    """Raises ApprovalVoid if anybody agreed to something else than what is about to be done, Forbidden if too few did.

    Who confirms is the customer; `approvals` are how many others must have released it.
    """
    about_to_do, given = sha256_hex(payload), await _given(context)
    for one in given:
        if one.payload_sha256 != about_to_do:
            raise ApprovalVoid(one.review_id)
    confirmed = any(one.kind == IN_PERSON for one in given) or await in_conversation(context, payload) is not None
    if not confirmed or len({one.answered_by for one in given if one.kind in RELEASES}) < approvals:
        raise Forbidden(f"case {context.thread_id} was not agreed to by all who must")


async def _given(context: Context) -> list[Given]:
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(Given)) as cur:
        await cur.execute(
            """
            SELECT review_id, kind, payload_sha256, answered_by FROM reviews
            WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s AND status = 'answered'
              AND kind = ANY(%(kinds)s) AND answer ->> 'verdict' IN ('confirm', 'release')
            """,
            {
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
                "kinds": [IN_PERSON, *RELEASES],
            },
        )
        return await cur.fetchall()
