"""The lending family's rows: applications, assessments, decisions and loans.

Every write may come twice, from a node that ran again after a crash; the first one stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.actor import SYSTEM, Actor
from db.arrays import columns
from db.canonical import sha256_hex
from db.errors import NotFound
from db.pool import Pool
from tools.context import Context


@dataclass(frozen=True, slots=True)
class NewApplication:
    thread_id: UUID
    applicant_id: str
    amount_minor: int
    currency: str
    term_months: int
    income_monthly_minor: int
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """`applications` are an applicant's others, lately; `withdrawn`: they take this one back."""

    applications: int
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class LoanCase:
    application_id: int
    thread_id: UUID
    applicant_id: str
    amount_minor: int
    currency: str
    term_months: int
    income_monthly_minor: int
    created_at: datetime
    thread_status: str
    outcome: str | None
    decision: str | None
    decision_detail: dict[str, Any] | None
    decided_at: datetime | None
    loan_account_id: str | None
    run_status: str | None
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewDecision:
    """`person` is the underwriter; None: policy decided alone."""

    outcome: str
    policy_version: str
    facts: Mapping[str, Any]
    decision: Mapping[str, Any]
    person: str | None = None


async def store_application(conn: AsyncConnection[Any], tenant_id: str, new: NewApplication) -> int:
    """The application's number, the same for a thread however often it is stored."""
    cur = await conn.execute(
        """
        WITH stored AS (
            SELECT application_id FROM loan_applications WHERE thread_id = %(thread_id)s
        ), inserted AS (
            INSERT INTO loan_applications (tenant_id, thread_id, applicant_id, amount_minor, currency, term_months,
                                           income_monthly_minor, request)
            SELECT %(tenant_id)s, %(thread_id)s, %(applicant_id)s, %(amount_minor)s, %(currency)s, %(term_months)s,
                   %(income_monthly_minor)s, %(request)s
            WHERE NOT EXISTS (SELECT 1 FROM stored)
            RETURNING application_id
        )
        SELECT application_id FROM stored UNION ALL SELECT application_id FROM inserted
        """,
        asdict(new) | {"tenant_id": tenant_id, "request": Jsonb(new.request)},
    )
    row = await cur.fetchone()
    assert row is not None
    return int(row["application_id"])


async def store_new_application(context: Context, new: NewApplication) -> int:
    """As `store_application`, in one transaction with those of other runs."""
    number: int = await context.together(_store_applications, (context.tenant_id, new))
    return number


async def correct_application(context: Context, new: NewApplication) -> None:
    """After its applicant completed it: what was sent stays in its request."""
    async with context.pool.connection() as conn:
        await conn.execute(
            """
            UPDATE loan_applications SET income_monthly_minor = %(income_monthly_minor)s
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "income_monthly_minor": new.income_monthly_minor,
            },
        )


async def standing(context: Context, applicant_id: str, since: datetime) -> Standing:
    """How many other applications this applicant has made to us since then, and whether they withdrew this one."""
    found: Standing = await context.together(_standings, (context.tenant_id, context.thread_id, applicant_id, since))
    return found


async def store_assessment(context: Context, agent: str, version: str, assessment: Mapping[str, Any]) -> None:
    row = _Assessment(context.tenant_id, context.thread_id, agent, version, orjson.dumps(assessment).decode())
    await context.together(_store_assessments, row)


async def store_decision(context: Context, new: NewDecision) -> None:
    """The decision with what it rests on, and its audit row: both, once."""
    decided_by = "policy" if new.person is None else "underwriter"
    facts_sha256 = sha256_hex(new.facts)
    record = {"outcome": new.outcome, "facts_sha256": facts_sha256, "decision": new.decision}
    row = _Decision(
        tenant_id=context.tenant_id,
        thread_id=context.thread_id,
        decided_by=decided_by,
        person=new.person,
        outcome=new.outcome,
        policy_version=new.policy_version,
        facts_sha256=facts_sha256,
        facts=orjson.dumps(new.facts).decode(),
        decision=orjson.dumps(new.decision).decode(),
        run_id=context.fence.run_id,
        deed_person=new.person or SYSTEM,
        action=f"loan.decided_by_{decided_by}",
        record=orjson.dumps(record).decode(),
    )
    await context.together(_store_decisions, row)


async def store_loan(
    context: Context, loan: Mapping[str, Any], terms: Mapping[str, Any], schedule: Sequence[Mapping[str, Any]]
) -> None:
    async with context.pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO loans (thread_id, tenant_id, loan_account_id, transfer_id, terms, schedule)
            VALUES (%(thread_id)s, %(tenant_id)s, %(loan_account_id)s, %(transfer_id)s, %(terms)s, %(schedule)s)
            ON CONFLICT (thread_id) DO NOTHING
            """,
            {
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
                "loan_account_id": loan["loan_account_id"],
                "transfer_id": loan["transfer_id"],
                "terms": Jsonb(terms),
                "schedule": Jsonb(list(schedule)),
            },
        )


async def case(conn: AsyncConnection[Any], actor: Actor, application_id: int) -> LoanCase:
    """An application by its number, with all that became of it, if this actor may see it."""
    async with conn.cursor(row_factory=class_row(LoanCase)) as cur:
        await cur.execute(
            """
            SELECT application_id, thread_id, applicant_id, amount_minor, currency, term_months,
                   income_monthly_minor, created_at, thread_status, outcome, decision, decision_detail, decided_at,
                   loan_account_id, run_status, request
            FROM loan_cases
            WHERE application_id = %(application_id)s AND tenant_id = %(tenant_id)s
              AND (%(whole_tenant)s OR started_by = %(person)s)
            """,
            {
                "application_id": application_id,
                "tenant_id": actor.tenant_id,
                "whole_tenant": actor.sees_whole_tenant,
                "person": actor.person,
            },
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("loan application", application_id)
    return found


class _Assessment(NamedTuple):
    tenant_id: str
    thread_id: UUID
    agent: str
    version: str
    assessment: str


class _Decision(NamedTuple):
    """With its audit row: `deed_person`, `action` and `record`."""

    tenant_id: str
    thread_id: UUID
    decided_by: str
    person: str | None
    outcome: str
    policy_version: str
    facts_sha256: str
    facts: str
    decision: str
    run_id: UUID
    deed_person: str
    action: str
    record: str


async def _store_applications(pool: Pool, news: Sequence[tuple[str, NewApplication]]) -> list[int]:
    rows = [
        (
            tenant_id, new.thread_id, new.applicant_id, new.amount_minor, new.currency, new.term_months,
            new.income_monthly_minor, orjson.dumps(new.request).decode(),
        )
        for tenant_id, new in news
    ]  # fmt: skip
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
            WITH new AS (
                SELECT * FROM unnest(%b::text[], %b::uuid[], %b::text[], %b::bigint[], %b::text[], %b::integer[],
                                     %b::bigint[], %b::jsonb[])
                       AS n (tenant_id, thread_id, applicant_id, amount_minor, currency, term_months,
                             income_monthly_minor, request)
            ), stored AS (
                SELECT a.thread_id, a.application_id FROM loan_applications a JOIN new USING (thread_id)
            ), inserted AS (
                INSERT INTO loan_applications (tenant_id, thread_id, applicant_id, amount_minor, currency, term_months,
                                               income_monthly_minor, request)
                SELECT tenant_id, thread_id, applicant_id, amount_minor, currency, term_months, income_monthly_minor,
                       request
                FROM new WHERE NOT EXISTS (SELECT 1 FROM stored WHERE stored.thread_id = new.thread_id)
                RETURNING thread_id, application_id
            )
            SELECT thread_id, application_id FROM stored UNION ALL SELECT thread_id, application_id FROM inserted
            """,
            columns(rows, ("text", "uuid", "text", "bigint", "text", "integer", "bigint", "jsonb")),
        )
        numbers = {row["thread_id"]: int(row["application_id"]) for row in await cur.fetchall()}
    return [numbers[new.thread_id] for _, new in news]


async def _standings(pool: Pool, asked: Sequence[tuple[str, UUID, str, datetime]]) -> list[Standing]:
    async with pool.connection() as conn, conn.cursor(row_factory=class_row(Standing)) as cur:
        await cur.execute(
            """
            SELECT (SELECT count(*) FROM loan_applications l
                    WHERE l.tenant_id = a.tenant_id AND l.applicant_id = a.applicant_id AND l.created_at >= a.since
                      AND l.thread_id <> a.thread_id) AS applications,
                   EXISTS (SELECT 1 FROM loan_withdrawals w WHERE w.thread_id = a.thread_id) AS withdrawn
            FROM unnest(%b::text[], %b::uuid[], %b::text[], %b::timestamptz[]) WITH ORDINALITY
                 AS a (tenant_id, thread_id, applicant_id, since, place)
            ORDER BY place
            """,
            columns(asked, ("text", "uuid", "text", "timestamptz")),
        )
        return await cur.fetchall()


async def _store_assessments(pool: Pool, rows: Sequence[_Assessment]) -> list[None]:
    async with pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO risk_assessments (tenant_id, thread_id, agent, version, assessment)
            SELECT * FROM unnest(%b::text[], %b::uuid[], %b::text[], %b::text[], %b::jsonb[])
            ON CONFLICT (thread_id, agent) DO NOTHING
            """,
            columns(rows, ("text", "uuid", "text", "text", "jsonb")),
        )
    return [None] * len(rows)


async def _store_decisions(pool: Pool, rows: Sequence[_Decision]) -> list[None]:
    """Who comes second, after a crash, stores neither decision nor audit row."""
    async with pool.connection() as conn:
        await conn.execute(
            """
            WITH new AS (
                SELECT * FROM unnest(%b::text[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[],
                                     %b::text[], %b::jsonb[], %b::jsonb[], %b::uuid[], %b::text[], %b::text[],
                                     %b::jsonb[])
                       AS n (tenant_id, thread_id, decided_by, person, outcome, policy_version, facts_sha256, facts,
                             decision, run_id, deed_person, action, record)
            ), stored AS (
                INSERT INTO credit_decisions (tenant_id, thread_id, decided_by, person, outcome, policy_version,
                                              facts_sha256, facts, decision)
                SELECT tenant_id, thread_id, decided_by, person, outcome, policy_version, facts_sha256, facts, decision
                FROM new ON CONFLICT (thread_id, decided_by) DO NOTHING RETURNING thread_id, decided_by
            )
            INSERT INTO audit (tenant_id, person, action, thread_id, run_id, record)
            SELECT tenant_id, deed_person, action, thread_id, run_id, record
            FROM new JOIN stored USING (thread_id, decided_by)
            """,
            columns(rows, _DECISION_KINDS),
        )
    return [None] * len(rows)


_DECISION_KINDS = ("text", "uuid", *["text"] * 5, "jsonb", "jsonb", "uuid", "text", "text", "jsonb")
