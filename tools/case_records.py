"""What cases of every family keep: who answered their reviews, and the letters they sent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson
import uuid_utils.compat as uuids
from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.arrays import columns
from db.canonical import sha256_hex
from db.errors import NotFound
from db.pool import Pool
from tools.context import Context
from tools.letter_facts import LetterFacts, read_facts
from tools.letters import write_letter


@dataclass(frozen=True, slots=True)
class AnsweredReview:
    status: Literal["answered", "expired"]
    answered_by: str
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class StoredLetter:
    letter_id: UUID
    kind: str
    copy: str
    subject: str
    body: str
    facts: dict[str, Any]
    creditor: dict[str, Any]
    created_at: datetime


async def answered_review(context: Context, kind: str) -> AnsweredReview:
    """Who gave the case's review of this kind its answer, and when; of several the latest."""
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(AnsweredReview)) as cur:
        await cur.execute(
            """
            SELECT status, answered_by, answered_at FROM reviews
            WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s AND kind = %(kind)s
              AND status IN ('answered', 'expired')
            ORDER BY answered_at DESC LIMIT 1
            """,
            {"thread_id": context.thread_id, "tenant_id": context.tenant_id, "kind": kind},
        )
        found: AnsweredReview | None = await cur.fetchone()
    if found is None:
        raise NotFound("answered review", kind)
    return found


async def send_letter(context: Context, facts: LetterFacts, copy: str = "") -> LetterFacts:
    """Writes the letter and keeps it, with its audit row; one of a kind and copy per case.

    Returns the facts of the letter that is kept: an earlier attempt's, maybe of another day, if it came so far.
    """
    letter, letter_id = write_letter(facts, context.creditor), uuids.uuid7()
    record = {"kind": letter.kind, "letter_id": str(letter_id), "sha256": sha256_hex(letter.text)}
    row = _Letter(
        letter_id=letter_id,
        tenant_id=context.tenant_id,
        thread_id=context.thread_id,
        kind=letter.kind,
        copy=copy,
        subject=letter.subject,
        body=letter.text,
        facts=orjson.dumps(asdict(facts)).decode(),
        creditor=orjson.dumps(asdict(context.creditor)).decode(),
        run_id=context.fence.run_id,
        record=orjson.dumps(record).decode(),
    )
    if await context.together(_store_letters, row):
        return facts
    async with context.pool.connection() as conn:
        kept = await letters(conn, context.tenant_id, context.thread_id)
    return next(read_facts(s.kind, s.facts) for s in kept if (s.kind, s.copy) == (letter.kind, copy))


async def letters(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID) -> list[StoredLetter]:
    async with conn.cursor(row_factory=class_row(StoredLetter)) as cur:
        await cur.execute(
            """
            SELECT letter_id, kind, copy, subject, body, facts, creditor, created_at FROM letters
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s ORDER BY created_at
            """,
            {"tenant_id": tenant_id, "thread_id": thread_id},
        )
        return await cur.fetchall()


async def letter(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID, letter_id: UUID) -> StoredLetter:
    for stored in await letters(conn, tenant_id, thread_id):
        if stored.letter_id == letter_id:
            return stored
    raise NotFound("letter", letter_id)


class _Letter(NamedTuple):
    """With the `record` of its audit row."""

    letter_id: UUID
    tenant_id: str
    thread_id: UUID
    kind: str
    copy: str
    subject: str
    body: str
    facts: str
    creditor: str
    run_id: UUID
    record: str


async def _store_letters(pool: Pool, rows: Sequence[_Letter]) -> list[bool]:
    """Whether each is kept: not if its case has one of its kind."""
    kinds = ("uuid", "text", "uuid", "text", "text", "text", "text", "jsonb", "jsonb", "uuid", "jsonb")
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
            WITH new AS (
                SELECT * FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::text[], %b::text[], %b::text[],
                                     %b::text[], %b::jsonb[], %b::jsonb[], %b::uuid[], %b::jsonb[])
                       AS n (letter_id, tenant_id, thread_id, kind, copy, subject, body, facts, creditor, run_id,
                             record)
            ), stored AS (
                INSERT INTO letters (letter_id, tenant_id, thread_id, kind, copy, subject, body, facts, creditor)
                SELECT letter_id, tenant_id, thread_id, kind, copy, subject, body, facts, creditor FROM new
                ON CONFLICT (thread_id, kind, copy) DO NOTHING RETURNING letter_id
            ), deed AS (
                INSERT INTO audit (tenant_id, person, action, thread_id, run_id, record)
                SELECT tenant_id, 'system', 'letter.written', thread_id, run_id, record
                FROM new JOIN stored USING (letter_id)
            )
            SELECT letter_id FROM stored
            """,
            columns(rows, kinds),
        )
        stored = {row["letter_id"] for row in await cur.fetchall()}
    return [row.letter_id in stored for row in rows]
