"""What came of many loan applications, read at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.actor import SEEN, Actor, as_seen_by


@dataclass(frozen=True, slots=True)
class Decided:
    """`run_status` and `error` are its last run's, if no decision was come to."""

    thread_id: UUID
    decision: str | None
    decision_detail: dict[str, Any] | None
    run_status: str | None
    error: dict[str, Any] | None


async def of_resting(conn: AsyncConnection[Any], actor: Actor, thread_ids: Sequence[UUID]) -> list[Decided]:
    """Of those of the threads that this actor may see and that no run is under way on."""
    async with conn.cursor(row_factory=class_row(Decided)) as cur:
        await cur.execute(
            f"""
            SELECT t.thread_id, coalesce(u.outcome, p.outcome) AS decision,
                   coalesce(u.decision, p.decision) AS decision_detail, last.status AS run_status, last.error
            FROM threads t
            LEFT JOIN credit_decisions p ON p.thread_id = t.thread_id AND p.decided_by = 'policy'
            LEFT JOIN credit_decisions u ON u.thread_id = t.thread_id AND u.decided_by = 'underwriter'
            LEFT JOIN LATERAL (
                SELECT r.status, r.error FROM runs r
                WHERE r.thread_id = t.thread_id AND p.thread_id IS NULL AND u.thread_id IS NULL
                ORDER BY r.created_at DESC LIMIT 1
            ) AS last ON true
            WHERE t.thread_id = ANY(%(thread_ids)s) AND t.workflow = 'loan_origination' AND t.status <> 'busy'
              AND {SEEN}
            """,
            as_seen_by(actor) | {"thread_ids": list(thread_ids)},
        )
        return await cur.fetchall()
