"""The queue: a job is put back once, ended by whoever has it, and outlives its database."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import psycopg
import pytest

from db.embedded import Server
from db.errors import DatabaseUnavailable
from db.pool import Pool, open_pool
from db.queue import Queue
from tests.db.mortal import kill

SOON_S = 20


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=4) as pool:
        yield pool


async def test_two_workers_that_notice_a_dead_one_put_its_job_back_once(database_url: str, pool: Pool) -> None:
    async with Queue(database_url) as queue, pool.connection() as first, pool.connection() as second:
        await queue.enqueue(first, uuid4(), uuid4())
        await begun_by_a_dead_worker(first)

        async with first.transaction():
            found = await queue.recover(first)
            found_meanwhile = await queue.recover(second)
        found_afterwards = await queue.recover(second)

    assert (found, found_meanwhile, found_afterwards) == (1, 0, 0)


async def test_run_that_cannot_be_queued_is_an_unavailable_database(database_url: str, pool: Pool) -> None:
    async with Queue(database_url) as queue, pool.connection() as conn, pool.connection() as other:
        await other.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))

        with pytest.raises(DatabaseUnavailable):
            await queue.enqueue(conn, uuid4(), uuid4())


async def test_thread_goes_on_after_a_job_that_ended_while_the_database_was_away(mortal: Server) -> None:
    """A job that nobody ends would hold up its thread for as long as its worker lives."""
    thread_id, first, second = uuid4(), uuid4(), uuid4()
    away, went_on = asyncio.Event(), asyncio.Event()

    async def drive(run_id: UUID, _: object) -> None:
        if run_id == second:
            went_on.set()
        elif not away.is_set():
            await asyncio.to_thread(kill, mortal)
            away.set()

    async with Queue(mortal.url, drive) as queue:
        async with await psycopg.AsyncConnection.connect(mortal.url) as conn:
            await queue.enqueue(conn, thread_id, first)
            await queue.enqueue(conn, thread_id, second)
        working = asyncio.create_task(queue.work(concurrency=4, drain_s=1))
        async with asyncio.timeout(SOON_S):
            await away.wait()
            await asyncio.to_thread(mortal.revive)
            await went_on.wait()
        queue.stop()
        await working


async def begun_by_a_dead_worker(conn: psycopg.AsyncConnection[object]) -> None:
    await conn.execute(
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 h') RETURNING id)"
        " UPDATE procrastinate_jobs SET status = 'doing', worker_id = dead.id FROM dead"
    )
