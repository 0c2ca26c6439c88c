"""The lending family's rows: applications, assessments, decisions and loans.

Every write may come twice, from a node that ran again after a crash; the first one stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.actor import SYSTEM, Actor
from db.canonical import sha256_hex
from db.errors import NotFound
from db.pool import transaction
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
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(Standing)) as cur:
        await cur.execute(
            """
            SELECT count(*) AS applications,
                   EXISTS (SELECT 1 FROM loan_withdrawals w WHERE w.thread_id = %(thread_id)s) AS withdrawn
            FROM loan_applications
            WHERE tenant_id = %(tenant_id)s AND applicant_id = %(applicant_id)s AND created_at >= %(since)s
              AND thread_id <> %(thread_id)s
            """,
            {
                "tenant_id": context.tenant_id,
                "applicant_id": applicant_id,
                "since": since,
                "thread_id": context.thread_id,
            },
        )
        found = await cur.fetchone()
    assert found is not None
    return found


async def store_assessment(context: Context, agent: str, version: str, assessment: Mapping[str, Any]) -> None:
    async with context.pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO risk_assessments (tenant_id, thread_id, agent, version, assessment)
            VALUES (%(tenant_id)s, %(thread_id)s, %(agent)s, %(version)s, %(assessment)s)
            ON CONFLICT (thread_id, agent) DO NOTHING
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "agent": agent,
                "version": version,
                "assessment": Jsonb(assessment),
            },
        )


async def store_decision(context: Context, new: NewDecision) -> None:
    """The decision with what it rests on, and its audit row: both, once."""
    decided_by = "policy" if new.person is None else "underwriter"
    facts_sha256 = sha256_hex(new.facts)
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO credit_decisions (tenant_id, thread_id, decided_by, person, outcome, policy_version,
                                          facts_sha256, facts, decision)
            VALUES (%(tenant_id)s, %(thread_id)s, %(decided_by)s, %(person)s, %(outcome)s, %(policy_version)s,
                    %(facts_sha256)s, %(facts)s, %(decision)s)
            ON CONFLICT (thread_id, decided_by) DO NOTHING RETURNING thread_id
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "decided_by": decided_by,
                "person": new.person,
                "outcome": new.outcome,
                "policy_version": new.policy_version,
                "facts_sha256": facts_sha256,
                "facts": Jsonb(new.facts),
                "decision": Jsonb(new.decision),
            },
        )
        if await cur.fetchone() is not None:
            record = {"outcome": new.outcome, "facts_sha256": facts_sha256, "decision": new.decision}
            await audit.record(conn, context.deed(f"loan.decided_by_{decided_by}", record, new.person or SYSTEM))


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
