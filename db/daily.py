"""Which tenants' daily work was started: one row per tenant, workflow and day."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection


async def not_started(conn: AsyncConnection[Any], workflow: str, day: date, due_at: datetime) -> list[str]:
    """Tenants whose work of this day is still to be started; one made after `due_at` begins with its next day."""
    cur = await conn.execute(
        """
        SELECT t.tenant_id FROM tenants t WHERE t.created_at <= %(due_at)s AND NOT EXISTS (
            SELECT 1 FROM daily_starts s
            WHERE s.tenant_id = t.tenant_id AND s.workflow = %(workflow)s AND s.day = %(day)s
        ) ORDER BY t.tenant_id
        """,
        {"workflow": workflow, "day": day, "due_at": due_at},
    )
    return [row["tenant_id"] for row in await cur.fetchall()]


async def take(conn: AsyncConnection[Any], tenant_id: str, workflow: str, day: date, thread_id: UUID) -> bool:
    """Whether this day is the caller's to start, in the transaction that starts it: the other waits, and is told no."""
    cur = await conn.execute(
        """
        INSERT INTO daily_starts (tenant_id, workflow, day, thread_id)
        VALUES (%(tenant_id)s, %(workflow)s, %(day)s, %(thread_id)s) ON CONFLICT DO NOTHING
        """,
        {"tenant_id": tenant_id, "workflow": workflow, "day": day, "thread_id": thread_id},
    )
    return cur.rowcount == 1
