"""Claims of webhooks: nobody else's while they last, and worth nothing afterwards."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from db import webhooks
from db.pool import Pool, open_pool
from db.webhooks import Attempt, Claimed
from tests.db.begun import begun

ENDED = "WITH ended AS (SELECT to_jsonb(r) AS run, '{}' AS run_values FROM runs r)"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """With 40 deliveries that are due, and 10 runs that have no webhook."""
    async with open_pool(database_url, max_size=8) as opened, opened.connection() as conn:
        fences = await begun(opened, 50)
        await conn.execute(
            "UPDATE runs SET options = jsonb_build_object('webhook', 'https://example.org/hook')"
            " WHERE run_id = ANY(%(ids)s)",
            {"ids": [fence.run_id for fence in fences[:40]]},
        )
        await conn.execute(ENDED + webhooks.NOTE)
        yield opened


async def claim(pool: Pool, most: int = 8, busy: tuple[str, ...] = ()) -> list[Claimed]:
    async with pool.connection() as conn:
        return await webhooks.claim(conn, most, busy)


async def settle(pool: Pool, claimed: Claimed, attempt: Attempt) -> str:
    """The delivery's state afterwards."""
    async with pool.connection() as conn:
        await webhooks.settle(conn, claimed, attempt)
        (found,) = [d for d in await webhooks.page(conn, "bank", None, 100, 0) if d.delivery_id == claimed.delivery_id]
    return found.state


async def test_no_two_workers_claim_the_same_delivery(pool: Pool) -> None:
    claimed = [one for group in await asyncio.gather(*(claim(pool) for _ in range(12))) for one in group]

    assert len(claimed) == len({one.delivery_id for one in claimed}) == 40
    assert await claim(pool) == []


async def test_busy_hosts_are_left_alone_however_they_are_written(pool: Pool) -> None:
    async with pool.connection() as conn:
        await conn.execute(
            "UPDATE webhook_deliveries SET url = 'https://Example.ORG?' || run_id"
            " WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries LIMIT 20)"
        )

    assert await claim(pool, busy=("example.org",)) == []
    assert len(await claim(pool, busy=("example.com", "example.org:8443"))) == 8


async def test_worker_whose_claim_lapsed_can_only_say_that_it_delivered(pool: Pool) -> None:
    first, other = await claim(pool, 2)
    async with pool.connection() as conn:
        await conn.execute("UPDATE webhook_deliveries SET next_attempt_at = now() - interval '1 day'"
                           " WHERE attempts = 1")  # fmt: skip
    again = {one.delivery_id: one for one in await claim(pool, 2)}

    assert await settle(pool, first, Attempt("failed", 400, "refused")) == "pending"
    assert await settle(pool, again[first.delivery_id], Attempt("failed", 400, "refused")) == "failed"
    assert await settle(pool, other, Attempt("delivered", 200)) == "delivered"
    assert await settle(pool, again[other.delivery_id], Attempt("failed", 400, "refused")) == "delivered"
