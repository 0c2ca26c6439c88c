"""What the loan's nodes do when they run a second time, after a crash that their first time did not survive."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
import uuid_utils.compat as uuids
from langgraph.runtime import Runtime

from db import threads
from db.journal import Fence
from db.pool import Pool, open_pool
from db.threads import NewThread
from graphs.loan_origination import WORKFLOW, State, offer
from tools import case_records
from tools.bank import Bank
from tools.context import Context
from tools.letter_facts import DEMO_CREDITOR
from tools.rules.plain import to_plain
from tools.rules.policies import policy_version
from tools.rules.pricing import LoanRequest, price
from tools.screening import screening_index

TENANT = "acme"
TERMS = price(policy_version("2026-01"), "A", LoanRequest(1_200_000, "USD", 36, date(2026, 11, 22), date(2026, 12, 22)))
APPROVED: State = {
    "application": {
        "reference": "case 1",
        "applicant": {"name": "Marcus Okafor", "address": ["77 Harbor View Road", "Baltimore 21224", "US"]},
        "applied_on": "2026-11-22",
        "amount_minor": 1_200_000,
        "currency": "USD",
        "term_months": 36,
        "policy_version": "2026-01",
    },
    "decision": {"outcome": "approve", "terms": to_plain(TERMS), "reasons": []},
}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=2) as pool:
        yield pool


async def test_offer_made_again_after_midnight_stands_as_long_as_its_letter_says(pool: Pool) -> None:
    thread_id: UUID = uuids.uuid7()
    async with pool.connection() as conn:
        await conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s)", (TENANT,))
        await threads.create(conn, NewThread(thread_id, TENANT, WORKFLOW.name, WORKFLOW.version, "ada", {}))
    bank = Bank("http://127.0.0.1:9", "never called")

    def runtime(now: datetime) -> Runtime[Context]:
        fence = Fence(uuids.uuid7(), 1)
        return Runtime(
            context=Context(
                TENANT, thread_id, fence, "ada", pool, bank, DEMO_CREDITOR, lambda: now, screening_index(None)
            )
        )

    first = await offer(APPROVED, runtime(datetime(2026, 11, 22, 23, 59, tzinfo=UTC)))
    again = await offer(APPROVED, runtime(datetime(2026, 11, 23, 0, 1, tzinfo=UTC)))

    async with pool.connection() as conn:
        (letter,) = await case_records.letters(conn, TENANT, thread_id)
    assert first == again == {"offer": {"offered_on": "2026-11-22", "expires_on": "2026-12-06"}}
    assert "6 December 2026" in letter.body
    await bank.aclose()
