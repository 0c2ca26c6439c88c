"""Claims: a run is begun where it is accepted, if a hand is free there, and lost on no way from there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest

from db import runs
from db.pool import Pool, open_pool
from db.queue import Claim, Queue
from db.runs import Begun, NewRun

SOON_S = 20
LOOK_AGAIN_S = 0.05


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=4) as pool:
        yield pool


async def test_claimed_run_is_begun_as_it_is_accepted(database_url: str, pool: Pool) -> None:
    async with worker(database_url) as work:
        thread_id = await new_thread(pool)
        run_id = await accept(pool, work.queue, thread_id)

        driven, begun = await work.next()

    assert driven == run_id
    assert isinstance(begun, Begun)
    assert (begun.epoch, begun.attempts, begun.next_seq, begun.new_thread) == (1, 1, 1, True)


async def test_run_behind_another_is_not_claimed_and_waits_its_turn(database_url: str, pool: Pool) -> None:
    async with worker(database_url) as work:
        thread_id = await new_thread(pool)
        first = await accept(pool, work.queue, thread_id)
        second = await accept(pool, work.queue, thread_id)

        assert (await work.next())[0] == first
        assert work.driven.empty()
        work.go_on.set()

        assert await work.next() == (second, None)


async def test_claim_whose_answer_was_lost_is_put_back(database_url: str, pool: Pool) -> None:
    async with worker(database_url) as work:
        thread_id = await new_thread(pool)
        with work.queue.claim() as claim:
            run_id = await accept_with(pool, thread_id, claim)
            claim.job = None
        looks = []
        async with pool.connection() as conn:
            looks += [await work.queue.recover(conn), await work.queue.recover(conn)]

        assert looks == [0, 1]
        assert await work.next() == (run_id, None)


async def test_thread_whose_last_job_is_not_gone_yet_is_not_claimed(database_url: str, pool: Pool) -> None:
    async with worker(database_url) as work:
        thread_id = await new_thread(pool)
        async with pool.connection() as conn:
            await conn.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, status)"
                " VALUES ('runs', 'drive_run', %(lock)s, 'doing')",
                {"lock": str(thread_id)},
            )

        with work.queue.claim() as claim:
            await accept_with(pool, thread_id, claim)

    assert claim.worker_id is not None
    assert claim.job is None


async def test_run_that_waits_for_a_hand_is_not_passed_by_later_ones(database_url: str, pool: Pool) -> None:
    async with worker(database_url, concurrency=1) as work:
        first, second = [await accept(pool, work.queue, await new_thread(pool)) for _ in range(2)]
        assert (await work.next())[0] == first
        work.go_on.set()

        claimed = []
        async with asyncio.timeout(SOON_S):
            while work.driven.empty():
                with work.queue.claim() as claim:
                    claimed.append(claim.worker_id)
                await asyncio.sleep(0)

        assert await work.next() == (second, None)
        assert set(claimed) == {None}


async def test_several_runs_are_accepted_together_but_for_those_whose_thread_is_locked_or_refuses(pool: Pool) -> None:
    free, locked, busy = [await new_thread(pool) for _ in range(3)]
    news = [NewRun(uuid4(), "bank", thread_id, "tester", input={}) for thread_id in (free, locked, busy, busy)]
    async with pool.connection() as one, pool.connection() as two:
        async with two.transaction():
            await two.execute("SELECT 1 FROM threads WHERE thread_id = %s FOR UPDATE", (locked,))
            accepted = await runs.accept_each(one, news)
        cur = await one.execute("SELECT run_id FROM runs JOIN procrastinate_jobs ON args ->> 'run_id' = run_id::text")
        stored = {row["run_id"] for row in await cur.fetchall()}

    assert [at is not None for at in accepted] == [True, False, True, False]
    assert stored == {news[0].run_id, news[2].run_id}


async def test_one_run_at_fault_leaves_none_of_those_accepted_with_it(pool: Pool) -> None:
    first, second = [await new_thread(pool) for _ in range(2)]
    run = NewRun(uuid4(), "bank", first, "tester", input={})
    async with pool.connection() as conn:
        with pytest.raises(psycopg.errors.UniqueViolation):
            await runs.accept_each(conn, [run, replace(run, thread_id=second)])
        cur = await conn.execute("SELECT count(*) AS n FROM runs")

        assert await cur.fetchone() == {"n": 0}


class Work:
    """A worker whose first run stays under way until it is told to go on."""

    def __init__(self, database_url: str) -> None:
        self.driven: asyncio.Queue[tuple[UUID, Begun | None]] = asyncio.Queue()
        self.go_on = asyncio.Event()
        self.queue = Queue(database_url, self.drive)

    async def drive(self, run_id: UUID, begun: Begun | None) -> None:
        self.driven.put_nowait((run_id, begun))
        await self.go_on.wait()

    async def next(self) -> tuple[UUID, Begun | None]:
        async with asyncio.timeout(SOON_S):
            return await self.driven.get()


@asynccontextmanager
async def worker(database_url: str, concurrency: int = 4) -> AsyncIterator[Work]:
    work = Work(database_url)
    async with work.queue:
        working = asyncio.create_task(work.queue.work(concurrency, drain_s=1))
        async with asyncio.timeout(SOON_S):
            while not _is_free(work.queue):  # noqa: ASYNC110  nobody tells when the worker listens
                await asyncio.sleep(LOOK_AGAIN_S)
        try:
            yield work
        finally:
            work.go_on.set()
            work.queue.stop()
            await working


def _is_free(queue: Queue) -> bool:
    with queue.claim() as claim:
        return claim.worker_id is not None


async def new_thread(pool: Pool) -> UUID:
    thread_id = uuid4()
    async with pool.connection() as conn:
        await conn.execute("INSERT INTO tenants (tenant_id) VALUES ('bank') ON CONFLICT DO NOTHING")
        await conn.execute(
            "INSERT INTO threads (thread_id, tenant_id, workflow, workflow_version, started_by)"
            " VALUES (%(id)s, 'bank', 'test', '1', 'tester')",
            {"id": thread_id},
        )
    return thread_id


async def accept(pool: Pool, queue: Queue, thread_id: UUID) -> UUID:
    with queue.claim() as claim:
        return await accept_with(pool, thread_id, claim)


async def accept_with(pool: Pool, thread_id: UUID, claim: Claim) -> UUID:
    run = NewRun(uuid4(), "bank", thread_id, "tester", input={"n": 1}, multitask="enqueue", claim=claim)
    async with pool.connection() as conn:
        await runs.accept(conn, run)
    return run.run_id
