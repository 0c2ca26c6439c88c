"""A case's events over HTTP: each once, in order, whatever is cut, killed, crowded or slow."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
import uuid_utils.compat as uuids

from db.events import QUEUE_LENGTH, EventFeed
from db.journal import CHANNEL, Event
from db.pool import Pool, open_pool
from tests.api.refusals import APPLICATION, assert_refused
from tests.service import Service, answer, await_ok, follow, free_port, open_review, start_case

pytestmark = pytest.mark.usefixtures("no_traceback")

Told = tuple[str, str, Any]
SOME_RUN = UUID(int=0x01990000_0000_7000_8000_000000000000)


@pytest.fixture(scope="module")
def client(countersign: Service) -> httpx.Client:
    return countersign.client("client")


@contextmanager
def slow_bank(served: Service, delay_s: float) -> Iterator[None]:
    """Each case takes three times as long at least, so that it can be watched on its way."""
    bank = served.bank()
    bank.put("/misbehaviour", json={"route": "*", "mode": "slow", "delay_s": delay_s}).raise_for_status()
    try:
        yield
    finally:
        bank.put("/misbehaviour", json={"route": "*", "mode": "none"}).raise_for_status()


def told(url: str, key: str, thread_id: str, after: str | None = None) -> Iterator[Told]:
    """Events as they come; the connection is cut when the caller stops asking."""
    headers = {"x-api-key": key} | ({} if after is None else {"Last-Event-ID": after})
    with httpx.stream("GET", f"{url}/threads/{thread_id}/events", headers=headers, timeout=60) as stream:
        assert stream.status_code == 200, stream.read()
        block: dict[str, str] = {}
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                block[name] = value
            elif "id" in block:
                yield block["id"], block["event"], json.loads(block["data"])
                block = {}


def of(client: httpx.Client, thread_id: str, after: str | None = None) -> Iterator[Told]:
    return told(str(client.base_url).rstrip("/"), client.headers["x-api-key"], thread_id, after)


def assert_whole(events: list[Told]) -> None:
    """Numbered from 0 without a gap within each run, each run ending with its last word."""
    runs: dict[str, list[int]] = {}
    for event_id, _, _ in events:
        run_id, seq = event_id.split(":")
        runs.setdefault(run_id, []).append(int(seq))
    assert list(runs) == sorted(runs)
    for numbers in runs.values():
        assert numbers == list(range(len(numbers)))
    assert events[-1][1] == "run"
    assert events[-1][2]["status"] == "success"


def test_stream_tells_each_step_and_ends_itself(client: httpx.Client) -> None:
    thread_id = start_case(client, APPLICATION)
    first = list(of(client, thread_id))
    answer(client, open_review(client, thread_id), {"accepted": True})

    whole = list(of(client, thread_id))

    assert_whole(whole)
    assert whole[: len(first)] == first
    assert [data["status"] for _, event, data in first if event == "run"] == ["pending", "success"]
    ended = [data["name"] for _, event, data in whole if event == "task" and data["status"] == "done"]
    assert ended[0] == "intake"
    assert set(ended[1:4]) == {"scorecard_agent", "affordability_agent", "fraud_agent"}
    assert ended[4:] == ["policy", "decision", "offer", "acceptance", "disburse", "book"]
    assert list(of(client, thread_id, after=whole[-1][0])) == []


def test_connection_cut_after_any_event_is_resumed_with_the_next(client: httpx.Client) -> None:
    thread_id = start_case(client, APPLICATION)
    whole = list(of(client, thread_id))

    for number, (event_id, _, _) in enumerate(whole):
        assert list(of(client, thread_id, after=event_id)) == whole[number + 1 :]


def test_connection_cut_at_each_event_on_the_way_misses_and_repeats_nothing(
    countersign: Service, client: httpx.Client
) -> None:
    with slow_bank(countersign, 0.05):
        thread_id = start_case(client, APPLICATION)
        seen: list[Told] = []
        while event := next(of(client, thread_id, after=seen[-1][0] if seen else None), None):
            seen.append(event)

    assert_whole(seen)
    assert seen == list(of(client, thread_id))


@pytest.fixture(scope="module")
def other_apis(countersign: Service) -> Iterator[list[tuple[str, Any]]]:
    """Two more API processes on the same database, without workers: URL and process of each."""
    apis = []
    for _ in range(2):
        port = free_port()
        process = countersign.start("api", PORT=str(port))
        served = replace(countersign, url=f"http://127.0.0.1:{port}")
        await_ok(served, process)
        apis.append((served.url, process))
    yield apis
    for _, process in apis:
        process.kill()
        process.wait()


def test_stream_goes_on_at_another_api_process_although_listening_breaks(
    countersign: Service, client: httpx.Client, other_apis: list[tuple[str, Any]]
) -> None:
    with slow_bank(countersign, 0.1), psycopg.connect(countersign.database_url, autocommit=True) as conn:
        thread_id = start_case(client, APPLICATION)
        seen = []
        for event in told(other_apis[1][0], client.headers["x-api-key"], thread_id):
            seen.append(event)
            if len(seen) == 2:
                conn.execute("SELECT pg_notify(%s, 'no JSON'), pg_notify(%s, '[[5]]')", (CHANNEL, CHANNEL))
                conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'")

    assert_whole(seen)
    assert seen == list(of(client, thread_id))


def test_api_process_that_is_killed_is_replaced_by_another_on_reconnect(
    countersign: Service, client: httpx.Client, other_apis: list[tuple[str, Any]]
) -> None:
    (first_url, first), (second_url, _) = other_apis
    key = client.headers["x-api-key"]
    with slow_bank(countersign, 0.3):
        thread_id = start_case(client, APPLICATION)
        seen = []
        with suppress(httpx.TransportError):
            for event in told(first_url, key, thread_id):
                seen.append(event)
                if event[1] == "task":
                    first.kill()
                    first.wait()
        assert "decision" not in str(seen)
        seen += told(second_url, key, thread_id, after=seen[-1][0])

    assert_whole(seen)
    assert seen == list(of(client, thread_id))


async def test_hundred_followers_at_once_are_told_the_same(countersign: Service, client: httpx.Client) -> None:
    path = "/threads/{}/events"
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=client.base_url, headers=client.headers, limits=limits, timeout=60) as many:
        with slow_bank(countersign, 0.5):
            thread_id = await asyncio.to_thread(start_case, client, APPLICATION)
            streams = await asyncio.gather(*(many.get(path.format(thread_id)) for _ in range(100)))

    texts = {stream.text for stream in streams}
    assert len(texts) == 1
    assert re.findall(r"^id: (.*)$", texts.pop(), re.MULTILINE) == [event["id"] for event in follow(client, thread_id)]


@pytest.mark.parametrize(
    "last_event_id",
    [
        *("", "x", "5", ":", "x:5", str(SOME_RUN), f"{SOME_RUN}:", f"{SOME_RUN}:x", f"{SOME_RUN}:-1", f"{SOME_RUN}: 1"),
        *(f"{SOME_RUN}:1.0", f"{SOME_RUN}:1_0", f"{SOME_RUN}:{10**40}", f"{SOME_RUN.hex}:1", f"{{{SOME_RUN}}}:1"),
        *(f"{SOME_RUN}:٣".encode(), b"\xff:1", "x" * 50_000),
    ],
)
def test_last_event_id_that_is_none_is_refused(client: httpx.Client, last_event_id: Any) -> None:
    thread_id = client.get("/threads").json()[0]["thread_id"]

    refused = client.get(f"/threads/{thread_id}/events", headers={"Last-Event-ID": last_event_id})

    assert_refused(refused, 422, "Last-Event-ID")


def test_last_event_id_of_no_event_of_the_case_is_refused(client: httpx.Client) -> None:
    own, other = (start_case(client, APPLICATION) for _ in range(2))
    run_id, seq = list(of(client, own))[-1][0].split(":")
    of_other = next(of(client, other))[0]

    for unknown in (of_other, f"{uuid4()}:0", f"{UUID(int=2**128 - 1)}:0", f"{run_id}:{int(seq) + 1}"):
        refused = client.get(f"/threads/{own}/events", headers={"Last-Event-ID": unknown})

        assert_refused(refused, 422, "Last-Event-ID")


@pytest.fixture(scope="module")
async def pool(module_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(module_database_url, max_size=4) as pool:
        yield pool


def events_of(run_id: UUID, numbers: range, *, ended: bool = True) -> list[Event]:
    """As a run would tell them, the last one with the run's end."""
    events = [Event(run_id, number, "demo", "task", "{}") for number in numbers]
    return [*events[:-1], Event(run_id, numbers[-1], "demo", "run", '{"status": "success"}')] if ended else events


async def store(pool: Pool, events: list[Event]) -> None:
    async with pool.connection() as conn, conn.cursor() as cur:
        await cur.executemany(
            "INSERT INTO run_events (run_id, seq, tenant_id, event, data) VALUES (%s, %s, %s, %s, %s)", events
        )


async def test_watcher_who_comes_while_another_is_being_read_for_misses_nothing(
    pool: Pool, module_database_url: str
) -> None:
    """The only connection is held while both come, so that the feed asks for the first and has not heard the second."""
    run_id = uuids.uuid7()
    await store(pool, events_of(run_id, range(10)))

    async def all_after(feed: EventFeed, seq: int) -> list[int]:
        return [event.seq async for event in feed.follow(run_id, seq)]

    async with open_pool(module_database_url, max_size=1) as narrow, EventFeed(narrow, module_database_url) as feed:
        async with narrow.connection():
            late = asyncio.create_task(all_after(feed, 6))
            await asyncio.sleep(0.05)
            early = asyncio.create_task(all_after(feed, -1))
            await asyncio.sleep(0.05)

        assert await late == [7, 8, 9]
        assert await early == list(range(10))


async def test_slow_reader_gets_all_and_does_not_keep_the_database_busy(pool: Pool, module_database_url: str) -> None:
    run_id, total = uuids.uuid7(), 20 * QUEUE_LENGTH
    stored = events_of(run_id, range(total))
    await store(pool, stored)
    seen = []

    async with open_pool(module_database_url, max_size=2) as own, EventFeed(own, module_database_url) as feed:
        async for event in feed.follow(run_id):
            seen.append(event)
            if event.seq == 0:
                feed.publish(stored[-5:])
                async with pool.connection() as conn:
                    await conn.execute("SELECT pg_sleep(0.5)")
        queries = own.get_stats()["requests_num"]

    assert seen == stored
    assert queries < 2 * total / QUEUE_LENGTH


async def test_lost_notification_is_made_up_for_although_other_runs_have_news_all_the_time(
    pool: Pool, module_database_url: str
) -> None:
    quiet, busy = uuids.uuid7(), uuids.uuid7()
    await store(pool, events_of(quiet, range(1), ended=False))

    async with EventFeed(pool, module_database_url) as feed:

        async def keep_busy() -> None:
            async for event in feed.follow(busy):
                raise AssertionError(event)

        async def have_news() -> None:
            while True:
                feed.publish([Event(busy, 1_000_000, "demo", "task", "{}")])
                await asyncio.sleep(0.01)

        others = [asyncio.create_task(keep_busy()), asyncio.create_task(have_news())]
        followed = feed.follow(quiet)
        first = await anext(followed)
        await store(pool, events_of(quiet, range(1, 2)))
        async with asyncio.timeout(10):
            last = await anext(followed)
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    assert [first.seq, last.seq] == [0, 1]
