"""Portfolio reviews as they are kept: what each found, once, and what its client was told."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.actor import SEEN, Actor, as_seen_by
from db.canonical import sha256_hex
from db.errors import NotFound
from db.pool import transaction
from tools.context import Context
from tools.letter_facts import read_creditor
from tools.portfolio_report import Report, Reviewed, write_report
from tools.rules.plain import from_plain, to_plain
from tools.rules.portfolio_advice import ProfileStanding, Recommendation
from tools.rules.portfolio_facts import PortfolioFacts
from tools.rules.portfolio_figures import Figures
from tools.rules.suitability import Finding

_SERIES = ("days", "index_bps", "totals_minor")


@dataclass(frozen=True, slots=True)
class NewReview:
    client_id: str
    facts: PortfolioFacts
    figures: Figures
    profile: ProfileStanding
    findings: tuple[Finding, ...]
    recommendations: tuple[Recommendation, ...]
    rule_versions: Sequence[str]


@dataclass(frozen=True, slots=True)
class StoredReview:
    """`published_at` and what follows are None until the client may be told."""

    thread_id: UUID
    client_id: str
    full_name: str
    as_of: date
    facts: dict[str, Any]
    facts_sha256: str
    figures: dict[str, Any]
    profile: dict[str, Any]
    findings: list[dict[str, Any]]
    recommendations: list[dict[str, Any]]
    rule_versions: list[str]
    created_at: datetime
    published_at: datetime | None
    adviser: str | None
    message: str | None
    creditor: dict[str, Any] | None


_COLUMNS = """r.thread_id, r.client_id, c.full_name, r.as_of, r.facts, r.facts_sha256, r.figures, r.profile, r.findings,
    r.recommendations, r.rule_versions, r.created_at, p.published_at, p.adviser, p.message, p.creditor"""
_FROM = """portfolio_reviews r JOIN threads t USING (thread_id)
    JOIN clients c ON c.tenant_id = r.tenant_id AND c.client_id = r.client_id
    LEFT JOIN portfolio_reports p ON p.thread_id = r.thread_id"""
_SEEN = f"""r.tenant_id = %(tenant_id)s AND (%(whole_tenant)s
    OR p.thread_id IS NOT NULL AND ({SEEN} OR %(person)s IN (c.client_id, c.created_by)))"""
"""Staff see every review. Others see those that are published: whoever started it, the client, and who registered
them."""


async def store(context: Context, new: NewReview) -> dict[str, Any]:
    """With its audit row, once; what the case goes on with, of the first attempt that came so far."""
    facts = to_plain(new.facts)
    sha256 = sha256_hex(facts)
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO portfolio_reviews (thread_id, tenant_id, client_id, as_of, facts, facts_sha256, figures,
                                           profile, findings, recommendations, rule_versions)
            VALUES (%(thread_id)s, %(tenant_id)s, %(client_id)s, %(as_of)s, %(facts)s, %(sha256)s, %(figures)s,
                    %(profile)s, %(findings)s, %(recommendations)s, %(rule_versions)s)
            ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
            """,
            {
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
                "client_id": new.client_id,
                "as_of": new.facts.as_of,
                "facts": Jsonb(facts),
                "sha256": sha256,
                "figures": Jsonb(to_plain(new.figures)),
                "profile": Jsonb(to_plain(new.profile)),
                "findings": Jsonb(to_plain(new.findings)),
                "recommendations": Jsonb(to_plain(new.recommendations)),
                "rule_versions": list(new.rule_versions),
            },
        )
        if await cur.fetchone() is not None:
            actions = [each.action for each in new.recommendations]
            record = {"client_id": new.client_id, "facts_sha256": sha256, "rule_versions": list(new.rule_versions)}
            await audit.record(conn, context.deed("portfolio.reviewed", record | {"recommendations": actions}))
    found = await summary(context)
    assert found is not None
    return found


async def summary(context: Context) -> dict[str, Any] | None:
    """Of this case's review, what its state carries: figures without series, findings, what is recommended."""
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(StoredReview)) as cur:
        await cur.execute(
            f"SELECT {_COLUMNS} FROM {_FROM} WHERE r.tenant_id = %(tenant_id)s AND r.thread_id = %(id)s".encode(),
            {"tenant_id": context.tenant_id, "id": context.thread_id},
        )
        found = await cur.fetchone()
    return None if found is None else summary_of(found)


def summary_of(found: StoredReview) -> dict[str, Any]:
    made = {name: value for name, value in found.figures["performance"].items() if name not in _SERIES}
    return {
        "figures": found.figures | {"performance": made},
        "profile": found.profile,
        "findings": found.findings,
        "recommendations": found.recommendations,
        "facts_sha256": found.facts_sha256,
    }


async def publish(context: Context, facts_sha256: str, adviser: str | None, message: str) -> None:
    """Lets the client see the review that was looked at, with its audit row, once."""
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO portfolio_reports (thread_id, tenant_id, facts_sha256, adviser, message, creditor)
            SELECT thread_id, tenant_id, facts_sha256, %(adviser)s, %(message)s, %(creditor)s FROM portfolio_reviews
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s AND facts_sha256 = %(sha256)s
            ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
            """,
            {
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
                "sha256": facts_sha256,
                "adviser": adviser,
                "message": message,
                "creditor": Jsonb(asdict(context.creditor)),
            },
        )
        if await cur.fetchone() is not None:
            record = {"facts_sha256": facts_sha256, "message": message}
            await audit.record(conn, context.deed("portfolio.report_published", record, adviser or context.person))


async def get(conn: AsyncConnection[Any], actor: Actor, thread_id: UUID) -> StoredReview:
    """Raises NotFound for one that the actor may not see, or not yet."""
    async with conn.cursor(row_factory=class_row(StoredReview)) as cur:
        await cur.execute(
            f"SELECT {_COLUMNS} FROM {_FROM} WHERE {_SEEN} AND r.thread_id = %(thread_id)s".encode(),
            as_seen_by(actor) | {"thread_id": thread_id},
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("portfolio review", thread_id)
    return found


async def search(conn: AsyncConnection[Any], actor: Actor, client_id: str | None, limit: int) -> Sequence[StoredReview]:
    """Those that the actor may see, the newest first."""
    async with conn.cursor(row_factory=class_row(StoredReview)) as cur:
        await cur.execute(
            f"""
            SELECT {_COLUMNS} FROM {_FROM}
            WHERE {_SEEN} AND (%(client_id)s::text IS NULL OR r.client_id = %(client_id)s)
            ORDER BY r.created_at DESC LIMIT %(limit)s
            """.encode(),
            as_seen_by(actor) | {"client_id": client_id, "limit": limit},
        )
        return await cur.fetchall()


def report_of(found: StoredReview) -> Report:
    """Raises NotFound before it is published: there is no report yet."""
    if found.published_at is None or found.creditor is None:
        raise NotFound("portfolio report", found.thread_id)
    return write_report(
        Reviewed(
            reference=str(found.thread_id),
            client_name=found.full_name,
            dated=found.published_at.date().isoformat(),
            facts=from_plain(PortfolioFacts, found.facts),
            figures=from_plain(Figures, found.figures),
            profile=from_plain(ProfileStanding, found.profile),
            recommendations=from_plain(_Recommended, {"each": found.recommendations}).each,
            adviser=found.adviser,
            message=found.message or "",
            creditor=read_creditor(found.creditor),
        )
    )


@dataclass(frozen=True, slots=True)
class _Recommended:
    each: tuple[Recommendation, ...]
