"""Reviews that wait for a machine's party instead of a person: which are to be asked about, and which a case has."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.reviews import COLUMNS, Review

SHORTEST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=15)
CLAIMED_AT_ONCE = 50


async def latest_of(conn: AsyncConnection[Any], party: str, tenant_id: str, thread_id: UUID) -> Review | None:
    """The case's latest review that waits, or waited, for this party."""
    async with conn.cursor(row_factory=class_row(Review)) as cur:
        await cur.execute(
            f"""
            SELECT {COLUMNS} FROM reviews v JOIN threads t USING (thread_id)
            WHERE v.tenant_id = %(tenant_id)s AND v.thread_id = %(thread_id)s AND v.role = %(party)s
            ORDER BY v.created_at DESC LIMIT 1
            """.encode(),
            {"tenant_id": tenant_id, "thread_id": thread_id, "party": party},
        )
        return await cur.fetchone()


async def claim_due(conn: AsyncConnection[Any], party: str, now: datetime) -> Sequence[Review]:
    """Of every tenant, those that this party is to be asked about now. Nobody else asks before a pause, which grows
    to a quarter of the time that the review has waited."""
    async with conn.cursor(row_factory=class_row(Review)) as cur:
        await cur.execute(
            f"""
            UPDATE reviews v
            SET due_at = %(now)s + greatest(%(shortest)s, least(%(longest)s, (%(now)s - v.created_at) / 4))
            FROM threads t
            WHERE t.thread_id = v.thread_id AND v.review_id IN (
                SELECT review_id FROM reviews
                WHERE status = 'open' AND due_at <= %(now)s AND role = %(party)s AND on_due ? 'ask'
                ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
            )
            RETURNING {COLUMNS}
            """.encode(),
            {
                "now": now,
                "shortest": SHORTEST_PAUSE,
                "longest": LONGEST_PAUSE,
                "party": party,
                "most": CLAIMED_AT_ONCE,
            },
        )
        return await cur.fetchall()
