"""The journal: many runs' rows in one commit, none of a run that was started again, and nothing lost in silence."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import uuid4

import orjson
import psycopg
import pytest

from db.embedded import Server
from db.errors import DatabaseUnavailable, StaleRun
from db.flush import Rows
from db.journal import CHANNEL, EVENTS, Event, Fence, Journal
from db.pool import Pool, open_pool
from db.task_rows import TASKS, TaskRow
from tests.db.begun import begun, start_again


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=8) as pool:
        yield pool


@pytest.fixture
async def journal(pool: Pool) -> AsyncIterator[Journal]:
    async with Journal(pool) as journal:
        yield journal


async def test_what_waits_while_a_flush_is_under_way_is_committed_together(pool: Pool, journal: Journal) -> None:
    fences = await begun(pool, 64)

    await asyncio.gather(*(journal.commit(fence, told(fence, 0)) for fence in fences))

    assert await count(pool, "run_events") == 64
    assert journal.flushes == 1


async def test_a_commit_alone_takes_along_what_was_added_before(pool: Pool, journal: Journal) -> None:
    (fence,) = await begun(pool, 1)
    for seq in range(3):
        journal.add(fence, told(fence, seq))

    await journal.commit(fence, told(fence, 3))

    assert [event.seq for event in await events_of(pool, fence)] == [0, 1, 2, 3]
    assert journal.flushes == 1


async def test_rows_that_nobody_waits_for_are_stored_by_themselves(pool: Pool, journal: Journal) -> None:
    (fence,) = await begun(pool, 1)
    heard: asyncio.Queue[list[Event]] = asyncio.Queue()
    journal.on_events(heard.put_nowait)

    journal.add(fence, told(fence, 0))

    assert await asyncio.wait_for(heard.get(), timeout=5) == await events_of(pool, fence)


async def test_a_run_that_was_started_again_writes_nothing_and_holds_up_nobody(pool: Pool, journal: Journal) -> None:
    stale, neighbour = await begun(pool, 2)
    await start_again(pool, stale)

    outcomes = await asyncio.gather(
        journal.commit(stale, told(stale, 0)),
        journal.commit(neighbour, told(neighbour, 0)),
        return_exceptions=True,
    )

    assert journal.flushes == 1
    assert isinstance(outcomes[0], StaleRun)
    assert outcomes[1] is None
    assert await events_of(pool, stale) == []
    assert len(await events_of(pool, neighbour)) == 1


async def test_of_two_starts_of_a_run_in_one_flush_only_the_last_writes(pool: Pool, journal: Journal) -> None:
    (first,) = await begun(pool, 1)
    second = await start_again(pool, first)

    outcomes = await asyncio.gather(
        journal.commit(first, told(first, 0, "of the first start")),
        journal.commit(second, told(second, 0, "of the second start")),
        return_exceptions=True,
    )

    assert journal.flushes == 1
    assert isinstance(outcomes[0], StaleRun)
    assert [event.data for event in await events_of(pool, second)] == ['"of the second start"']


async def test_no_run_gets_a_new_epoch_between_the_check_and_the_commit(
    pool: Pool, journal: Journal, database_url: str
) -> None:
    (fence,) = await begun(pool, 1)
    async with await psycopg.AsyncConnection.connect(database_url) as other_worker:
        await other_worker.execute("UPDATE runs SET epoch = epoch + 1")
        commit = asyncio.create_task(journal.commit(fence, told(fence, 0)))
        await until(pool, "SELECT count(*) > 0 AS ok FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        await other_worker.commit()

    with pytest.raises(StaleRun):
        await commit
    assert await events_of(pool, fence) == []


async def test_rows_added_by_a_stale_run_are_dropped_and_drain_says_so(pool: Pool, journal: Journal) -> None:
    (stale,) = await begun(pool, 1)
    fresh = await start_again(pool, stale)
    journal.add(stale, told(stale, 0))

    with pytest.raises(StaleRun):
        await journal.drain(stale)

    await journal.drain(fresh)
    assert await events_of(pool, stale) == []


async def test_bad_rows_fail_their_own_run_only(pool: Pool, journal: Journal) -> None:
    bad, *good = await begun(pool, 5)

    outcomes = await asyncio.gather(
        journal.commit(None, {}),
        journal.commit(bad, told(bad, 0, text='"no NUL \x00 in text"')),
        *(journal.commit(fence, told(fence, 0)) for fence in good),
        return_exceptions=True,
    )

    assert [isinstance(outcome, psycopg.DataError) for outcome in outcomes] == [False, True, *[False] * 4]
    assert await count(pool, "run_events") == 4


async def test_after_a_loss_nothing_more_of_the_run_is_stored_until_it_is_drained(pool: Pool, journal: Journal) -> None:
    (fence,) = await begun(pool, 1)
    journal.add(fence, told(fence, 0, text="\x00"))
    journal.add(fence, told(fence, 1))
    with pytest.raises(psycopg.DataError):
        await journal.commit(fence, told(fence, 2))

    with pytest.raises(psycopg.DataError):
        await journal.commit(fence, told(fence, 3))
    with pytest.raises(psycopg.DataError):
        await journal.drain(fence)
    await journal.commit(fence, told(fence, 4))

    assert [event.seq for event in await events_of(pool, fence)] == [4]


async def test_a_task_that_starts_and_ends_in_one_flush_is_one_row(pool: Pool, journal: Journal) -> None:
    (fence,) = await begun(pool, 1)
    started = task(fence)
    journal.add(fence, {TASKS: [started]})

    await journal.commit(fence, {TASKS: [ended(started, result='{"score": 640}')]})

    assert await tasks_of(pool, fence) == [("done", 1, {"score": 640}, {"amount": 12000}, True)]


async def test_a_task_that_starts_again_counts_its_attempts_over_flushes_and_runs(pool: Pool, journal: Journal) -> None:
    first, second = await begun(pool, 2)
    started = task(first)
    await journal.commit(first, {TASKS: [started]})
    await journal.commit(first, {TASKS: [ended(started, status="interrupted")]})

    again = started._replace(run_id=second.run_id)
    await journal.commit(second, {TASKS: [again]})

    assert await tasks_of(pool, first) == []
    assert await tasks_of(pool, second) == [("running", 2, None, {"amount": 12000}, False)]
    await journal.commit(second, {TASKS: [ended(again), again, ended(again, result="7")]})
    assert await tasks_of(pool, second) == [("done", 3, 7, {"amount": 12000}, True)]


async def test_unfenced_rows_are_stored_whatever_becomes_of_others(pool: Pool, journal: Journal) -> None:
    (stale,) = await begun(pool, 1)
    await start_again(pool, stale)
    event = Event(uuid4(), 0, "bank", "run", "{}")

    await asyncio.gather(
        journal.commit(stale, told(stale, 0)), journal.commit(None, {EVENTS: [event]}), return_exceptions=True
    )

    assert await count(pool, "run_events") == 1


async def test_a_caller_that_is_cancelled_leaves_its_rows_and_its_neighbours_in_peace(
    pool: Pool, journal: Journal
) -> None:
    first, second = await begun(pool, 2)
    cancelled = asyncio.create_task(journal.commit(first, told(first, 0)))
    kept = asyncio.create_task(journal.commit(second, told(second, 0)))
    await asyncio.sleep(0)

    cancelled.cancel()
    await kept

    assert await count(pool, "run_events") == 2


async def test_leaving_the_journal_stores_what_waits_and_then_it_is_closed(pool: Pool) -> None:
    (fence,) = await begun(pool, 1)

    async with Journal(pool) as journal:
        journal.add(fence, told(fence, 0))

    assert len(await events_of(pool, fence)) == 1
    with pytest.raises(DatabaseUnavailable):
        journal.add(fence, told(fence, 1))


async def test_listeners_hear_of_committed_events_in_order_and_of_no_others(pool: Pool, journal: Journal) -> None:
    live, stale = await begun(pool, 2)
    await start_again(pool, stale)
    heard: list[Event] = []
    journal.on_events(heard.extend)
    for seq in range(3):
        journal.add(live, told(live, seq))
        journal.add(stale, told(stale, seq))

    await journal.drain(live)
    await asyncio.sleep(0)

    assert heard == await events_of(pool, live)


async def test_other_processes_are_notified_of_the_last_event_of_each_run(
    pool: Pool, journal: Journal, database_url: str
) -> None:
    fences = await begun(pool, 300)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}".encode())

        for seq in range(3):
            await asyncio.gather(*(journal.commit(fence, told(fence, seq)) for fence in fences))

        last: dict[str, int] = {}
        async for notification in listener.notifies(timeout=10):
            assert len(notification.payload) < 8000
            last |= dict(orjson.loads(notification.payload))
            if list(last.values()) == [2] * 300:
                break
    assert last == {str(fence.run_id): 2 for fence in fences}


async def test_events_of_another_transaction_are_announced_like_our_own(journal: Journal, database_url: str) -> None:
    heard: asyncio.Queue[list[Event]] = asyncio.Queue()
    journal.on_events(heard.put_nowait)
    event = Event(uuid4(), 5, "bank", "run", '{"status": "success"}')
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}".encode())

        journal.announce([event])

        notified = [orjson.loads(n.payload) async for n in listener.notifies(timeout=10, stop_after=1)]
    assert await heard.get() == [event]
    assert notified == [[[str(event.run_id), 5]]]


@pytest.mark.slow
async def test_with_the_database_away_everybody_is_told_and_nothing_is_reported_as_stored(mortal: Server) -> None:
    async with open_pool(mortal.url, max_size=4) as pool, Journal(pool) as journal:
        pool.timeout = 0.5
        under_way, waiting, adding = await begun(pool, 3)
        await journal.commit(under_way, told(under_way, 0))
        async with pool.connection() as conn, conn.transaction(force_rollback=True):
            await conn.execute("UPDATE runs SET epoch = 2")
            flushing = asyncio.create_task(journal.commit(under_way, told(under_way, 1)))
            await until(pool, "SELECT count(*) > 0 AS ok FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            waits = [asyncio.create_task(journal.commit(waiting, told(waiting, seq))) for seq in range(3)]
            journal.add(adding, told(adding, 0))

            take_away(mortal)
            outcomes = await asyncio.gather(flushing, *waits, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 4
        for fence in (under_way, waiting, adding):
            with pytest.raises(DatabaseUnavailable):
                await journal.drain(fence)
        mortal.revive()
        await journal.commit(under_way, told(under_way, 2))
        assert [event.seq for event in await events_of(pool, under_way)] == [0, 2]
        assert await count(pool, "run_events") == 2


async def test_a_server_that_restarted_between_two_flushes_is_not_noticed(mortal: Server) -> None:
    async with open_pool(mortal.url, max_size=4) as pool, Journal(pool) as journal:
        (fence,) = await begun(pool, 1)
        await journal.commit(fence, told(fence, 0))

        take_away(mortal)
        mortal.revive()
        await journal.commit(fence, told(fence, 1))

        assert len(await events_of(pool, fence)) == 2


def told(fence: Fence, seq: int, what: str = "said", *, text: str | None = None) -> Rows:
    data = orjson.dumps(what).decode() if text is None else text
    return {EVENTS: [Event(fence.run_id, seq, "bank", "custom", data)]}


def task(fence: Fence) -> TaskRow:
    return TaskRow(
        task_id=uuid4(),
        tenant_id="bank",
        thread_id=fence.run_id,
        run_id=fence.run_id,
        name="credit_risk",
        agent_name="credit risk agent",
        input='{"amount": 12000}',
        started_at=datetime.now(UTC),
    )


def ended(started: TaskRow, **how: Any) -> TaskRow:
    return started._replace(attempts=0, ended_at=datetime.now(UTC), **{"status": "done"} | how)


async def events_of(pool: Pool, fence: Fence) -> list[Event]:
    async with pool.connection() as conn:
        cur = await conn.execute(
            "SELECT run_id, seq, tenant_id, event, data FROM run_events WHERE run_id = %(id)s ORDER BY seq",
            {"id": fence.run_id},
        )
        return [Event(**row) for row in await cur.fetchall()]


async def tasks_of(pool: Pool, fence: Fence) -> Sequence[tuple[Any, ...]]:
    async with pool.connection() as conn:
        cur = await conn.execute(
            "SELECT status, attempts, result, input, ended_at IS NOT NULL AS over FROM tasks"
            " WHERE run_id = %(id)s ORDER BY started_at",
            {"id": fence.run_id},
        )
        return [tuple(row.values()) for row in await cur.fetchall()]


async def count(pool: Pool, table: LiteralString) -> int:
    async with pool.connection() as conn:
        row = await (await conn.execute("SELECT count(*) AS n FROM " + table)).fetchone()
    assert row is not None
    return int(row["n"])


async def until(pool: Pool, condition: LiteralString) -> None:
    """Asks until the condition's `ok` holds."""
    async with asyncio.timeout(10), pool.connection() as conn:
        row = None
        while row is None or not row["ok"]:
            row = await (await conn.execute(condition)).fetchone()


def take_away(postgres: Server) -> None:
    """PostgreSQL dies at once, as by SIGQUIT in a crash; `revive` brings it back."""
    with psycopg.connect(postgres.url) as conn:
        row = conn.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        assert row is not None
        os.kill(int(row[0].split()[0]), signal.SIGQUIT)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT pg_sleep(60)")
