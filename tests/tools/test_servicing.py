"""Roll rates as counted from stored months, whose loan is whose, and what a day starts."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat as uuids
from psycopg.types.json import Jsonb

from db import threads
from db.journal import Fence
from db.pool import Pool, open_pool
from db.threads import NewThread
from tools import servicing
from tools.bank import Bank
from tools.context import Context
from tools.letter_facts import DEMO_CREDITOR
from tools.rules.delinquency import Rolls
from tools.screening import screening_index

AS_OF = date(2026, 11, 22)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=2) as pool:
        yield pool


async def begun(pool: Pool, tenant_id: str = "acme") -> Context:
    """A case's surroundings."""
    thread_id: UUID = uuids.uuid7()
    async with pool.connection() as conn:
        await conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s) ON CONFLICT DO NOTHING", (tenant_id,))
        await threads.create(conn, NewThread(thread_id, tenant_id, "loan_servicing", "1", "ada", {}))
    bank = Bank("http://127.0.0.1:9", "never called")
    await bank.aclose()
    fence = Fence(uuids.uuid7(), 1)
    now, screening = datetime(2026, 11, 22, tzinfo=UTC), screening_index(None)
    return Context(tenant_id, thread_id, fence, "ada", pool, bank, DEMO_CREDITOR, lambda: now, screening)


async def seen(pool: Pool, loan: str, on: str, bucket: str, tenant_id: str = "acme") -> None:
    """A case that found the loan in this bucket on this day."""
    days = {"current": 0, "1-29": 5, "30-59": 35, "60-89": 65, "90+": 95}[bucket]
    assessment = {"version": "2026-01", "bucket": bucket, "days_past_due": days, "past_due_minor": days}
    await servicing.store_assessment(await begun(pool, tenant_id), {"loan_account_id": loan, "as_of": on}, assessment)


async def test_rolls_are_counted_from_month_to_month(pool: Pool) -> None:
    history: Mapping[str, list[tuple[str, str]]] = {
        "rolled": [("2026-08-10", "1-29"), ("2026-09-10", "30-59")],
        "cured": [("2026-08-10", "1-29"), ("2026-09-10", "current")],
        # Of each month the last day counts, in whatever order the days were looked at.
        "late-in-the-month": [("2026-08-30", "1-29"), ("2026-08-02", "90+"), ("2026-09-10", "1-29")],
        # Not observed: no month after, one that is not over, one that is too long ago, another bucket's.
        "repaid": [("2026-08-10", "1-29")],
        "this-month": [("2026-10-10", "1-29"), ("2026-11-10", "30-59")],
        "long-ago": [("2025-10-10", "1-29"), ("2025-11-10", "30-59")],
        "other-bucket": [("2026-08-10", "30-59"), ("2026-09-10", "60-89")],
        "own": [("2026-06-10", "1-29"), ("2026-07-10", "30-59"), ("2026-08-10", "1-29"), ("2026-09-10", "current")],
    }
    for loan, days in history.items():
        for on, bucket in days:
            await seen(pool, loan, on, bucket)
    await seen(pool, "foreign", "2026-08-10", "1-29", "globex")
    await seen(pool, "foreign", "2026-09-10", "30-59", "globex")

    portfolio, own = await servicing.rolls(await begun(pool), "own", "1-29", AS_OF)

    assert portfolio == Rolls(observed=3, rolled=1)
    assert own == Rolls(observed=2, rolled=1)


async def paid_out(pool: Pool, context: Context, loan: str) -> None:
    async with pool.connection() as conn:
        await conn.execute(
            "INSERT INTO loans (thread_id, tenant_id, loan_account_id, transfer_id, terms, schedule)"
            " VALUES (%s, %s, %s, 'trf_0', %s, %s)",
            (context.thread_id, context.tenant_id, loan, Jsonb({}), Jsonb([])),
        )


async def test_tenants_of_one_bank_service_their_own_loans(pool: Pool) -> None:
    acme = await begun(pool, "acme")
    await paid_out(pool, acme, "lon_acme")

    alone = await servicing.own_loans(acme, ["lon_nobodys", "lon_acme"])
    globex = await begun(pool, "globex")
    await paid_out(pool, globex, "lon_globex")

    assert alone == ["lon_nobodys", "lon_acme"]
    assert await servicing.own_loans(acme, ["lon_nobodys", "lon_acme", "lon_globex"]) == ["lon_acme"]
    assert await servicing.own_loans(globex, ["lon_nobodys", "lon_acme", "lon_globex"]) == ["lon_globex"]


async def test_assessment_that_is_stored_again_stays_as_it_was(pool: Pool) -> None:
    context, loan = await begun(pool), {"loan_account_id": "lon_0", "as_of": "2026-11-22"}
    late: dict[str, Any] = {"version": "2026-01", "bucket": "1-29", "days_past_due": 5, "past_due_minor": 1}

    await servicing.store_assessment(context, loan, late)
    await servicing.store_assessment(context, loan, late | {"days_past_due": 6})

    async with pool.connection() as conn:
        cur = await conn.execute("SELECT days_past_due FROM servicing_assessments")
        assert await cur.fetchall() == [{"days_past_due": 5}]


def test_case_of_a_loan_and_a_day_has_one_id() -> None:
    ids = {servicing.case_id(tenant, loan, day) for tenant in "ab" for loan in "cd" for day in (AS_OF, date.min)}

    assert len(ids) == 8
    assert servicing.case_id("a", "c", AS_OF) in ids
