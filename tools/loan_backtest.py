"""Every stored decision of policy with the facts it rested on."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from tools.rules.credit_policy import Decision
from tools.rules.findings import CreditFacts
from tools.rules.plain import from_plain


@dataclass(frozen=True, slots=True)
class StoredDecision:
    thread_id: UUID
    facts: CreditFacts
    decision: Decision


@dataclass(frozen=True, slots=True)
class _Row:
    thread_id: UUID
    facts: dict[str, Any]
    decision: dict[str, Any]


async def stored_decisions(conn: AsyncConnection[Any], tenant_id: str) -> list[StoredDecision]:
    """Oldest first. ValueError names the case whose facts this program cannot read."""
    cur = conn.cursor(row_factory=class_row(_Row))
    await cur.execute(
        """
        SELECT thread_id, facts, decision FROM credit_decisions
        WHERE tenant_id = %(tenant_id)s AND decided_by = 'policy' ORDER BY created_at, thread_id
        """,
        {"tenant_id": tenant_id},
    )
    found = []
    async for row in cur:
        try:
            facts, decision = from_plain(CreditFacts, row.facts), from_plain(Decision, row.decision)
        except ValueError as exc:
            raise ValueError(f"case {row.thread_id}: {exc}") from exc
        found.append(StoredDecision(row.thread_id, facts, decision))
    return found
