"""What starts by itself starts once per tenant and day, whoever looks and however often."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from api.daily import Daily
from api.serving import Served
from db.pool import Pool, open_pool
from graphs import loan_origination
from tests.test_path_of_a_loan import APPLICATION

THREE = datetime(2026, 3, 10, 3, tzinfo=UTC)
DAY = timedelta(days=1)
WORKFLOW = replace(loan_origination.WORKFLOW, daily=lambda day: APPLICATION)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=8) as pool, pool.connection() as conn:
        await conn.execute("INSERT INTO tenants VALUES ('north', '2026-03-01Z'), ('south', '2026-03-10 01:00Z')")
        yield pool


async def test_two_workers_start_each_tenants_day_once(pool: Pool) -> None:
    one, other = daily(pool), daily(pool)

    started = await asyncio.gather(*[worker.start_due(THREE) for worker in (one, other) * 4])
    started.append(await daily(pool).start_due(THREE + DAY / 2))

    assert sum(started) == 2
    found = await rows(pool, "SELECT tenant_id, started_by, status, workflow FROM threads ORDER BY tenant_id")
    assert found == [(tenant, "system", "busy", "loan_origination") for tenant in ("north", "south")]
    assert await rows(pool, "SELECT count(*) FROM runs WHERE status = 'pending'") == [(2,)]


async def test_a_missed_day_is_started_late_and_a_new_tenant_waits_for_its_first(pool: Pool) -> None:
    before_three, late = THREE - timedelta(seconds=1), THREE + DAY * 5 + DAY / 2

    started = [await daily(pool).start_due(now) for now in (before_three, late, late + DAY / 4)]

    assert started == [1, 2, 0]
    days = await rows(pool, "SELECT tenant_id, day::text FROM daily_starts ORDER BY day, tenant_id")
    assert days == [("north", "2026-03-09"), ("north", "2026-03-15"), ("south", "2026-03-15")]


def daily(pool: Pool) -> Daily:
    return Daily(pool, {WORKFLOW.name: Served(WORKFLOW.name, WORKFLOW.version, _never_opened, WORKFLOW)}, time(3))


async def rows(pool: Pool, query: str) -> list[tuple[Any, ...]]:
    async with pool.connection() as conn:
        return [tuple(row.values()) for row in await (await conn.execute(query.encode())).fetchall()]


def _never_opened(_: Any) -> Any:
    raise AssertionError("nothing is driven here")
