"""Loan servicing's rows: assessments, recommendations, buckets by month, and the cases of a day.

Every write may come twice, from a node that ran again after a crash; the first one stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.canonical import sha256_hex
from db.pool import transaction
from tools.context import Context
from tools.rules.dates import add_months
from tools.rules.delinquency import BUCKETS, Bucket, Rolls
from tools.rules.servicing_policy import EarlierCase

EARLIER_DAYS = 90
ROLL_MONTHS = 12
"""How far back roll rates look, in whole months before this one."""


@dataclass(frozen=True, slots=True)
class DayCase:
    """A loan's case of a day. `status` is its thread's; None: about to be started."""

    loan_account_id: str
    thread_id: UUID
    status: str | None
    outcome: str | None
    bucket: str | None
    days_past_due: int | None
    past_due_minor: int | None
    action: str | None


def case_id(tenant_id: str, loan_account_id: str, on: date) -> UUID:
    """The same thread for a loan and a day, whoever starts it."""
    return uuid5(NAMESPACE_URL, f"countersign:loan_servicing:{tenant_id}:{loan_account_id}:{on.isoformat()}")


async def own_loans(context: Context, loan_account_ids: Sequence[str]) -> list[str]:
    """Those of the loans that this tenant paid out, in their order. One that nobody here paid out, at a bank that
    tenants share, is nobody's; at the bank of a single tenant it is theirs.
    """
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT wanted.id FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS wanted (id, place)
            LEFT JOIN loans ON loans.loan_account_id = wanted.id
            WHERE loans.tenant_id = %(tenant_id)s
               OR loans.tenant_id IS NULL
                  AND NOT EXISTS (SELECT 1 FROM tenants WHERE tenants.tenant_id <> %(tenant_id)s)
            ORDER BY wanted.place
            """,
            {"ids": list(loan_account_ids), "tenant_id": context.tenant_id},
        )
        return [row["id"] for row in await cur.fetchall()]


async def rolls(context: Context, loan_account_id: str, bucket: Bucket, as_of: date) -> tuple[Rolls, Rolls]:
    """Months that began in this bucket, and how many of them ended in a later one: the other loans', and this one's.

    Of each month the last bucket seen counts. A loan that was not seen in the month after, because it was repaid, is
    not observed.
    """
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT earlier.loan_account_id = %(loan_account_id)s AS is_own, count(*) AS observed,
                   count(*) FILTER (WHERE later.bucket = ANY(%(later)s)) AS rolled
            FROM loan_buckets earlier
            JOIN loan_buckets later ON later.tenant_id = earlier.tenant_id
                AND later.loan_account_id = earlier.loan_account_id AND later.month = earlier.month + interval '1 month'
            WHERE earlier.tenant_id = %(tenant_id)s AND earlier.bucket = %(bucket)s
              AND earlier.month >= %(since)s AND later.month < %(this_month)s
            GROUP BY is_own
            """,
            {
                "loan_account_id": loan_account_id,
                "tenant_id": context.tenant_id,
                "bucket": bucket,
                "later": list(BUCKETS[BUCKETS.index(bucket) + 1 :]),
                "since": add_months(as_of.replace(day=1), -ROLL_MONTHS),
                "this_month": as_of.replace(day=1),
            },
        )
        found = {row["is_own"]: Rolls(row["observed"], row["rolled"]) for row in await cur.fetchall()}
    return found.get(False, Rolls(0, 0)), found.get(True, Rolls(0, 0))


async def earlier_cases(context: Context, loan_account_id: str, as_of: date) -> list[EarlierCase]:
    """Of this loan in the last 90 days, that something was recommended in, oldest first."""
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT a.as_of, a.bucket, r.action, t.outcome
            FROM servicing_assessments a
            JOIN servicing_recommendations r USING (thread_id)
            JOIN threads t USING (thread_id)
            WHERE a.tenant_id = %(tenant_id)s AND a.loan_account_id = %(loan_account_id)s
              AND a.as_of > %(since)s AND a.as_of <= %(as_of)s AND a.thread_id <> %(thread_id)s
              AND r.action <> 'none' AND t.status <> 'error' ORDER BY a.as_of, a.created_at
            """,
            {
                "tenant_id": context.tenant_id,
                "loan_account_id": loan_account_id,
                "since": as_of - timedelta(days=EARLIER_DAYS),
                "as_of": as_of,
                "thread_id": context.thread_id,
            },
        )
        return [
            EarlierCase(row["as_of"].isoformat(), row["bucket"], row["action"], row["outcome"])
            for row in await cur.fetchall()
        ]


async def store_assessment(context: Context, loan: Mapping[str, Any], assessment: Mapping[str, Any]) -> None:
    """The assessment, and the bucket that the loan's month has now."""
    row = {
        "thread_id": context.thread_id,
        "tenant_id": context.tenant_id,
        "loan_account_id": loan["loan_account_id"],
        "as_of": loan["as_of"],
        "version": assessment["version"],
        "bucket": assessment["bucket"],
        "days_past_due": assessment["days_past_due"],
        "past_due_minor": assessment["past_due_minor"],
        "assessment": Jsonb(assessment),
    }
    async with transaction(context.pool) as conn:
        await conn.execute(
            """
            INSERT INTO servicing_assessments (thread_id, tenant_id, loan_account_id, as_of, version, bucket,
                                               days_past_due, past_due_minor, assessment)
            VALUES (%(thread_id)s, %(tenant_id)s, %(loan_account_id)s, %(as_of)s, %(version)s, %(bucket)s,
                    %(days_past_due)s, %(past_due_minor)s, %(assessment)s)
            ON CONFLICT (thread_id) DO NOTHING
            """,
            row,
        )
        await conn.execute(
            """
            INSERT INTO loan_buckets (tenant_id, loan_account_id, month, as_of, bucket)
            VALUES (%(tenant_id)s, %(loan_account_id)s, date_trunc('month', %(as_of)s::date), %(as_of)s, %(bucket)s)
            ON CONFLICT (tenant_id, loan_account_id, month) DO UPDATE
            SET as_of = EXCLUDED.as_of, bucket = EXCLUDED.bucket WHERE loan_buckets.as_of <= EXCLUDED.as_of
            """,
            row,
        )


async def store_recommendation(context: Context, facts: Mapping[str, Any], recommended: Mapping[str, Any]) -> None:
    """The recommendation with what it rests on, and its audit row: both, once."""
    facts_sha256 = sha256_hex(facts)
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO servicing_recommendations (thread_id, tenant_id, action, policy_version, facts_sha256, facts,
                                                   recommendation)
            VALUES (%(thread_id)s, %(tenant_id)s, %(action)s, %(policy_version)s, %(facts_sha256)s, %(facts)s,
                    %(recommendation)s)
            ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
            """,
            {
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
                "action": recommended["action"],
                "policy_version": recommended["policy_version"],
                "facts_sha256": facts_sha256,
                "facts": Jsonb(facts),
                "recommendation": Jsonb(recommended),
            },
        )
        if await cur.fetchone() is not None:
            record = {"facts_sha256": facts_sha256, "recommendation": recommended}
            await audit.record(conn, context.deed("servicing.recommended", record))


async def store_starts(context: Context, on: date, loan_account_ids: Sequence[str]) -> None:
    """Written before the cases are started, so that whoever goes on after a crash starts the same ones."""
    async with context.pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO servicing_starts (tenant_id, as_of, loan_account_id, thread_id)
            SELECT %(tenant_id)s, %(as_of)s, loan.id, loan.thread_id
            FROM unnest(%(ids)s::text[], %(threads)s::uuid[]) AS loan (id, thread_id)
            ON CONFLICT DO NOTHING
            """,
            {
                "tenant_id": context.tenant_id,
                "as_of": on,
                "ids": list(loan_account_ids),
                "threads": [case_id(context.tenant_id, loan, on) for loan in loan_account_ids],
            },
        )


async def cases_of_day(conn: AsyncConnection[Any], tenant_id: str, on: date) -> list[DayCase]:
    async with conn.cursor(row_factory=class_row(DayCase)) as cur:
        await cur.execute(
            """
            SELECT loan_account_id, thread_id, status, outcome, bucket, days_past_due, past_due_minor, action
            FROM servicing_days WHERE tenant_id = %(tenant_id)s AND as_of = %(as_of)s ORDER BY loan_account_id
            """,
            {"tenant_id": tenant_id, "as_of": on},
        )
        return await cur.fetchall()
