"""What many cases store at the same time goes to the database together, and each has its own rows of it, once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
import uuid_utils.compat as uuids

from db import threads
from db.journal import Fence
from db.pool import Pool, open_pool
from db.threads import NewThread
from db.together import Together
from tools import lending
from tools.bank import Bank
from tools.context import Context
from tools.lending import NewApplication, NewDecision
from tools.letter_facts import DEMO_CREDITOR
from tools.screening import screening_index

DECLINED = NewDecision("decline", "2026-01", {"score": 400}, {"outcome": "decline"})


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=2) as pool:
        yield pool


async def cases(pool: Pool, number: int) -> list[Context]:
    """Surroundings of so many cases of one process."""
    ids: list[UUID] = [uuids.uuid7() for _ in range(number)]
    async with pool.connection() as conn:
        await conn.execute("INSERT INTO tenants (tenant_id) VALUES ('acme')")
        for thread_id in ids:
            await threads.create(conn, NewThread(thread_id, "acme", "loan_origination", "2", "ada"))
    bank, screening, grouped = Bank("http://127.0.0.1:9", "never called"), screening_index(None), Together(pool)
    await bank.aclose()
    now = datetime(2026, 11, 22, tzinfo=UTC)
    of_none = Context("acme", ids[0], Fence(ids[0], 1), "ada", pool, bank, DEMO_CREDITOR, lambda: now, screening)
    return [replace(of_none, thread_id=each, fence=Fence(each, 1), grouped=grouped) for each in ids]


async def counted(pool: Pool, sql: str) -> list[tuple[str, int]]:
    async with pool.connection() as conn:
        cur = await conn.execute(sql.encode())
        return [(row["name"], row["n"]) for row in await cur.fetchall()]


async def test_decisions_of_a_group_are_stored_with_an_audit_row_each_and_once(pool: Pool) -> None:
    several = await cases(pool, 100)

    await asyncio.gather(*(lending.store_decision(context, DECLINED) for context in several))
    await asyncio.gather(*(lending.store_decision(context, DECLINED) for context in several))

    decisions = "SELECT outcome AS name, count(DISTINCT thread_id) AS n FROM credit_decisions GROUP BY 1"
    deeds = "SELECT action AS name, count(DISTINCT (thread_id, run_id)) AS n FROM audit GROUP BY 1, person"
    assert await counted(pool, decisions) == [("decline", 100)]
    assert await counted(pool, deeds) == [("loan.decided_by_policy", 100)]
    assert await counted(pool, "SELECT '' AS name, count(*) AS n FROM audit") == [("", 100)]


async def test_row_that_the_database_refuses_harms_no_other_of_its_group(pool: Pool) -> None:
    several = await cases(pool, 5)
    outcomes = ["decline", "decline", "maybe", "decline", "decline"]

    told = await asyncio.gather(
        *(
            lending.store_decision(context, replace(DECLINED, outcome=outcome))
            for context, outcome in zip(several, outcomes, strict=True)
        ),
        return_exceptions=True,
    )

    assert [type(each) for each in told] == [type(None)] * 2 + [psycopg.errors.CheckViolation] + [type(None)] * 2
    assert await counted(pool, "SELECT action AS name, count(*) AS n FROM audit GROUP BY 1") == [
        ("loan.decided_by_policy", 4)
    ]


async def test_each_case_of_a_group_has_a_number_of_its_own_that_stays(pool: Pool) -> None:
    several = await cases(pool, 50)
    news = [NewApplication(each.thread_id, "cust_1", 100, "USD", 12, 0, {"amount": "1.00"}) for each in several]

    async def stored() -> list[int]:
        return list(
            await asyncio.gather(
                *(lending.store_new_application(context, new) for context, new in zip(several, news, strict=True))
            )
        )

    first = await stored()

    assert sorted(first) == list(range(1, 51))
    assert await stored() == first
