"""The notices that applicants are still owed: each hears of our decision within 30 days (12 CFR 1002.9(a)(1)(i)).

Of an application that was incomplete, from the day that it was completed (1002.9(c)(2)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from db import audit
from db.actor import SYSTEM, Role
from db.audit import Deed
from db.pool import Pool, transaction

LEAD_DAYS = 5
"""How long before its day a notice is flagged: no less than an admin has for an underwriter's review."""
FLAGGED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class OwedNotice:
    """`application_id` is None while the bank was not there to complete the application; `flagged_at` until it was."""

    thread_id: UUID
    application_id: int | None
    thread_status: str
    applied_at: datetime
    due_at: datetime
    flagged_at: datetime | None


async def owed(conn: AsyncConnection[DictRow], tenant_id: str, until: datetime) -> Sequence[OwedNotice]:
    """Those due by then, or overdue; the most urgent first."""
    async with conn.cursor(row_factory=class_row(OwedNotice)) as cur:
        await cur.execute(
            """
            SELECT o.thread_id, o.application_id, o.thread_status, o.applied_at, o.due_at, f.flagged_at
            FROM loan_notices_owed o LEFT JOIN loan_notice_flags f USING (thread_id)
            WHERE o.tenant_id = %(tenant_id)s AND o.due_at <= %(until)s ORDER BY o.due_at LIMIT 1000
            """,
            {"tenant_id": tenant_id, "until": until},
        )
        return await cur.fetchall()


async def flag_due(pool: Pool, now: datetime) -> int:
    """Flags what is due within LEAD_DAYS, once each and on the audit chain, of every tenant; how many that were.

    Underwriters who sit on such a case have had their time: the janitor's next sweep escalates their reviews.
    """
    until = now + timedelta(days=LEAD_DAYS)
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT tenant_id, thread_id, due_at FROM loan_notices_owed o
            WHERE due_at <= %(until)s
              AND NOT EXISTS (SELECT 1 FROM loan_notice_flags f WHERE f.thread_id = o.thread_id)
            ORDER BY due_at LIMIT %(most)s
            """,
            {"until": until, "most": FLAGGED_AT_ONCE},
        )
        due = await cur.fetchall()
        await conn.execute(
            """
            UPDATE reviews v SET due_at = %(now)s FROM loan_notices_owed o
            WHERE o.thread_id = v.thread_id AND o.due_at <= %(until)s AND v.status = 'open'
              AND v.kind = 'underwriting' AND v.role = %(underwriter)s AND v.due_at > %(now)s
            """,
            {"now": now, "until": until, "underwriter": Role.UNDERWRITER},
        )
    return sum([await _flag(pool, row, now) for row in due])


async def _flag(pool: Pool, row: DictRow, now: datetime) -> bool:
    """Whether this call did: of two workers who try, one does."""
    async with transaction(pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO loan_notice_flags (thread_id, tenant_id, due_at, flagged_at)
            VALUES (%(thread_id)s, %(tenant_id)s, %(due_at)s, %(now)s) ON CONFLICT (thread_id) DO NOTHING
            RETURNING thread_id
            """,
            row | {"now": now},
        )
        flagged = await cur.fetchone() is not None
        if flagged:
            record = {"due_at": row["due_at"].isoformat()}
            await audit.record(conn, Deed(row["tenant_id"], SYSTEM, "loan.notice_due", record, row["thread_id"]))
    return flagged
