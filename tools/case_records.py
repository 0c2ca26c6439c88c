"""What cases of every family keep: who answered their reviews, and the letters they sent."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.canonical import sha256_hex
from db.errors import NotFound
from db.pool import transaction
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
    letter = write_letter(facts, context.creditor)
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO letters (letter_id, tenant_id, thread_id, kind, copy, subject, body, facts, creditor)
            VALUES (%(letter_id)s, %(tenant_id)s, %(thread_id)s, %(kind)s, %(copy)s, %(subject)s, %(body)s,
                    %(facts)s, %(creditor)s)
            ON CONFLICT (thread_id, kind, copy) DO NOTHING RETURNING letter_id
            """,
            {
                "letter_id": uuids.uuid7(),
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "kind": letter.kind,
                "copy": copy,
                "subject": letter.subject,
                "body": letter.text,
                "facts": Jsonb(asdict(facts)),
                "creditor": Jsonb(asdict(context.creditor)),
            },
        )
        if (row := await cur.fetchone()) is not None:
            record = {"kind": letter.kind, "letter_id": str(row["letter_id"]), "sha256": sha256_hex(letter.text)}
            await audit.record(conn, context.deed("letter.written", record))
            return facts
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
