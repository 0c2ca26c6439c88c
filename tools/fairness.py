"""Protected groups of applicants: loaded whole or not at all, and read for one thing only, the fairness report.

Nothing that decides imports this module, and no other statement names its table.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db import audit
from db.actor import Actor, Role
from db.audit import Deed
from db.errors import Forbidden, InvalidInput
from db.pool import Pool
from tools.rules.backtest import AMOUNT_EDGES, OFFERED, TERM_EDGES_MONTHS, Assumptions
from tools.rules.fairness_report import Cell, Fairness, Outcome
from tools.rules.money import from_minor
from tools.rules.odds import Scale, bad_bps

Basis = Literal[
    "race", "color", "religion", "national_origin", "sex", "marital_status", "age", "public_assistance",
    "exercised_rights",
]  # fmt: skip
"""12 CFR 1002.2(z)."""
_ASSUMED = Assumptions()
SCALE = Scale(_ASSUMED.pdo, _ASSUMED.points, _ASSUMED.odds)
"""Of points whose card says nothing of odds."""


@dataclass(frozen=True, slots=True)
class Attribute:
    applicant_id: str
    basis: Basis
    group: str


@dataclass(frozen=True, slots=True)
class Loaded:
    new: int
    changed: int
    same: int


@dataclass(frozen=True, slots=True)
class Days:
    """Decided by policy from `since` up to, not including, `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Row:
    by_policy: str
    by_underwriter: str | None
    amount_minor: int
    currency: str
    term_months: int
    purpose: str | None
    employment: str | None
    band: str
    points: int
    bad_bps: int | None
    challengers: dict[str, str | None] | None
    groups: dict[str, str] | None


def require_auditor(actor: Actor) -> None:
    """Raises Forbidden. An admin is none, nor is who decides on loans, whatever else they are."""
    if Role.AUDITOR not in actor.roles:
        raise Forbidden("only an auditor reads or loads what is known of protected groups")
    if deciders := actor.roles & {Role.UNDERWRITER, Role.POLICY_OWNER, Role.AGENT}:
        raise Forbidden(f"{', '.join(sorted(deciders))}: who decides on loans does not see protected groups")


def days(since: date | None, until: date | None) -> Days:
    """From the first day to the last, today in UTC unless given. Raises InvalidInput if there is none."""
    after = (until or datetime.now(UTC).date()) + timedelta(days=1)
    span = Days(_midnight(since or date(1970, 1, 1)), _midnight(after))
    if span.since >= span.until:
        raise InvalidInput("since", "is after until, or in the future")
    return span


async def unknown_applicants(conn: AsyncConnection[Any], tenant_id: str, applicants: Sequence[str]) -> set[str]:
    """Those who never applied for a loan."""
    cur = await conn.execute(
        """
        SELECT given.applicant_id FROM unnest(%(applicants)s::text[]) AS given (applicant_id)
        WHERE NOT EXISTS (SELECT 1 FROM loan_applications a
                          WHERE a.tenant_id = %(tenant_id)s AND a.applicant_id = given.applicant_id)
        """,
        {"tenant_id": tenant_id, "applicants": list(applicants)},
    )
    return {row["applicant_id"] for row in await cur.fetchall()}


async def load(conn: AsyncConnection[Any], actor: Actor, given: Sequence[Attribute], sha256: str) -> Loaded:
    """All of a file, whose SHA-256 the audit row names; what is known of an applicant already gives way."""
    require_auditor(actor)
    async with conn.transaction():
        cur = await conn.execute(
            """
            INSERT INTO fairness.protected_attributes AS known (tenant_id, applicant_id, basis, group_name, loaded_by)
            SELECT %(tenant_id)s, given.applicant_id, given.basis, given.group_name, %(person)s
            FROM unnest(%(applicants)s::text[], %(bases)s::text[], %(groups)s::text[])
                 AS given (applicant_id, basis, group_name)
            ON CONFLICT (tenant_id, basis, applicant_id) DO UPDATE
            SET group_name = excluded.group_name, loaded_by = excluded.loaded_by, loaded_at = now()
            WHERE known.group_name <> excluded.group_name
            RETURNING known.xmax = 0 AS is_new
            """,
            {
                "tenant_id": actor.tenant_id,
                "person": actor.person,
                "applicants": [each.applicant_id for each in given],
                "bases": [each.basis for each in given],
                "groups": [each.group for each in given],
            },
        )
        written = [row["is_new"] for row in await cur.fetchall()]
        made = Loaded(sum(written), len(written) - sum(written), len(given) - len(written))
        record = asdict(made) | {"sha256": sha256, "bases": sorted({each.basis for each in given})}
        await audit.record(conn, Deed(actor.tenant_id, actor.person, "fairness.loaded", record))
    return made


async def gather(pool: Pool, actor: Actor, days: Days, found: Fairness) -> None:
    """Adds every decided application of those days, as of one moment; the audit trail keeps who looked."""
    require_auditor(actor)
    async with pool.connection() as conn:
        record = {"since": days.since.isoformat(), "until": days.until.isoformat()}
        await audit.record(conn, Deed(actor.tenant_id, actor.person, "fairness.read", record))
        async for row in _rows(conn, actor.tenant_id, days):
            final = row.by_underwriter or row.by_policy
            if final == "refer":
                found.pending += 1
            else:
                found.add(_outcome(row, final))


async def _rows(conn: AsyncConnection[Any], tenant_id: str, days: Days) -> AsyncIterator[_Row]:
    async with conn.transaction(), conn.cursor("fairness", row_factory=class_row(_Row)) as cur:
        await cur.execute(
            """
            SELECT p.outcome AS by_policy, u.outcome AS by_underwriter,
                   (p.facts -> 'request' ->> 'principal_minor')::bigint AS amount_minor,
                   p.facts -> 'request' ->> 'currency' AS currency,
                   (p.facts -> 'request' ->> 'term_months')::integer AS term_months,
                   p.facts ->> 'purpose' AS purpose, p.facts -> 'file' ->> 'employment_status' AS employment,
                   p.facts -> 'score' ->> 'band' AS band, (p.facts -> 'score' ->> 'points')::integer AS points,
                   (SELECT (r.assessment ->> 'bad_bps')::integer FROM risk_assessments r
                    WHERE r.tenant_id = p.tenant_id AND r.thread_id = p.thread_id AND r.agent = 'scorecard') AS bad_bps,
                   (SELECT jsonb_object_agg(substr(r.agent, 12), r.assessment -> 'decision' ->> 'outcome')
                    FROM risk_assessments r WHERE r.tenant_id = p.tenant_id AND r.thread_id = p.thread_id
                      AND r.agent LIKE 'challenger:_%%') AS challengers,
                   (SELECT jsonb_object_agg(g.basis, g.group_name) FROM fairness.protected_attributes g
                    WHERE g.tenant_id = p.tenant_id AND g.applicant_id = a.applicant_id) AS groups
            FROM credit_decisions p
            LEFT JOIN loan_applications a ON a.tenant_id = p.tenant_id AND a.thread_id = p.thread_id
            LEFT JOIN credit_decisions u ON u.tenant_id = p.tenant_id AND u.thread_id = p.thread_id
                                        AND u.decided_by = 'underwriter'
            WHERE p.tenant_id = %(tenant_id)s AND p.decided_by = 'policy'
              AND p.created_at >= %(since)s AND p.created_at < %(until)s
            """,
            {"tenant_id": tenant_id, "since": days.since, "until": days.until},
        )
        async for row in cur:
            yield row


def _outcome(row: _Row, final: str) -> Outcome:
    challengers = {name: _alone(answer, row) for name, answer in (row.challengers or {}).items()}
    return Outcome(
        favourable=final in OFFERED,
        groups=row.groups or {},
        segments=_segments(row),
        alone=_alone(row.by_policy, row),
        challengers=challengers,
        bad_bps=row.bad_bps or bad_bps(row.points, SCALE),
    )


def _alone(answer: str | None, row: _Row) -> bool | None:
    """A referral comes to what the underwriter made of the case, or, where none was asked, to no loan yet."""
    if answer is None:
        return None
    return (row.by_underwriter if answer == "refer" else answer) in OFFERED


def _segments(row: _Row) -> list[Cell]:
    amount = from_minor(row.amount_minor, row.currency)
    return [
        ("amount", _range(amount, AMOUNT_EDGES)),
        ("band", row.band),
        ("employment", row.employment or "not known"),
        ("purpose", row.purpose or "not stated"),
        ("term in months", _range(row.term_months, TERM_EDGES_MONTHS)),
    ]


def _range(value: Decimal | int, edges: Sequence[int]) -> str:
    most = next((edge for edge in edges if value <= edge), None)
    return f"up to {most:,}" if most is not None else f"above {edges[-1]:,}"


def references(chosen: Sequence[str]) -> Mapping[str, str]:
    """`sex=men` as basis and group. ValueError for anything else, or a basis twice."""
    found: dict[str, str] = {}
    for each in chosen:
        basis, sign, group = (part.strip() for part in each.partition("="))
        if not (sign and basis and group):
            raise ValueError(f"must be BASIS=GROUP, not {each!r:.60}")
        if basis in found:
            raise ValueError(f"{basis} has two references")
        found[basis] = group
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
