"""Credit decisions as they were stored: read back for those who judge them again."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.canonical import canonical_json, sha256_hex
from db.errors import NotFound
from db.pool import Pool
from tools.policy_shelf import PolicyShelf
from tools.rules import completeness, credit_policy
from tools.rules.card_facts import facts_scored, score_for
from tools.rules.findings import CreditFacts
from tools.rules.plain import from_plain, to_plain

PAGE = 500
FIRST_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class PastDecision:
    thread_id: UUID
    decided_by: str
    outcome: str
    policy_version: str
    facts_sha256: str
    facts: dict[str, Any]
    decision: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """A tenant's decisions from `since` up to, not including, `until`."""

    tenant_id: str
    since: datetime
    until: datetime


async def count(pool: Pool, span: Span) -> int:
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT count(*) AS n FROM credit_decisions
            WHERE tenant_id = %(tenant_id)s AND decided_by = 'policy'
              AND created_at >= %(since)s AND created_at < %(until)s
            """,
            asdict(span),
        )
        row = await cur.fetchone()
    assert row is not None
    return int(row["n"])


async def by_policy(pool: Pool, span: Span) -> AsyncIterator[PastDecision]:
    """What policy decided, as it was decided; what an underwriter made of it is not here."""
    after: tuple[datetime, UUID] | None = (span.since, FIRST_ID)
    while after is not None:
        async with pool.connection() as conn:
            page = await _page(conn, span, after)
        for past in page:
            yield past
        after = (page[-1].created_at, page[-1].thread_id) if len(page) == PAGE else None


async def of_thread(pool: Pool, tenant_id: str, thread_id: UUID) -> list[PastDecision]:
    """By policy, then by the underwriter. Raises NotFound where nothing was decided."""
    async with pool.connection() as conn, conn.cursor(row_factory=class_row(PastDecision)) as cur:
        await cur.execute(
            """
            SELECT thread_id, decided_by, outcome, policy_version, facts_sha256, facts, decision, created_at
            FROM credit_decisions WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s ORDER BY decided_by
            """,
            {"tenant_id": tenant_id, "thread_id": thread_id},
        )
        found = await cur.fetchall()
    if not found:
        raise NotFound("decided loan application", thread_id)
    return found


async def faults_of(pool: Pool, shelf: PolicyShelf, tenant_id: str, past: PastDecision) -> list[str]:
    """What does not come out again as it is stored, from stored facts under the stored versions; empty if all does.

    An underwriter's word is theirs: of it the facts' hash and the outcome are checked.
    """
    if sha256_hex(past.facts) != past.facts_sha256:
        return ["the facts are not those that were decided on: their SHA-256 differs"]
    if past.decided_by == "underwriter":
        agrees = past.outcome == past.decision["outcome"] == past.facts["verdict"]
        return [] if agrees else ["the outcome is not the underwriter's verdict"]
    facts = from_plain(CreditFacts, past.facts)
    if facts.evidence is not None and not completeness.agrees(facts.evidence, facts.means):
        return ["the means are not those of the figures and sources that were stored with them"]
    policy = await shelf.policy(pool, tenant_id, past.policy_version)
    card = await shelf.scorecard(pool, tenant_id, facts.score.version)
    scored = to_plain(score_for(policy, card, facts_scored(facts)))
    decided = to_plain(credit_policy.decide(facts, policy))
    faults = [] if canonical_json(scored) == canonical_json(past.facts["score"]) else ["another score"]
    if canonical_json(decided) != canonical_json(past.decision) or decided["outcome"] != past.outcome:
        differing = [name for name in decided if decided[name] != past.decision.get(name)]
        faults.append(f"another decision: {', '.join(differing) or 'outcome'}")
    return faults


async def _page(conn: AsyncConnection[Any], span: Span, after: tuple[datetime, UUID]) -> list[PastDecision]:
    async with conn.cursor(row_factory=class_row(PastDecision)) as cur:
        await cur.execute(
            """
            SELECT thread_id, decided_by, outcome, policy_version, facts_sha256, facts, decision, created_at
            FROM credit_decisions
            WHERE tenant_id = %(tenant_id)s AND decided_by = 'policy' AND created_at < %(until)s
              AND (created_at, thread_id) > (%(at)s, %(thread_id)s)
            ORDER BY created_at, thread_id LIMIT %(most)s
            """,
            asdict(span) | {"at": after[0], "thread_id": after[1], "most": PAGE},
        )
        return await cur.fetchall()
