"""Countersign as the bench drives it: a deployment's processes, and clients' runs over HTTP as LangGraph's SDK asks."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from tests.bench.bench_graph import application, assert_right
from tests.bench.http_client import Connection, open_connection
from tests.bench.measure import Drive, Sample, cpu_of_tree
from tests.service import Service

CONFIG = str(Path(__file__).with_name("langgraph.json"))
numbers = itertools.count(1)
Over = Callable[[Connection], Awaitable[Sample]]


@asynccontextmanager
async def over_http(url: str, key: str, over: Over) -> AsyncIterator[Drive]:
    connection = await open_connection(url, key)
    yield lambda: over(connection)
    connection.close()


def cpu_of(served: Service) -> float:
    return sum(cpu_of_tree(process.pid) for process in served.started)


async def until_there_are(workers: int, url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        while True:
            cur = await conn.execute(
                "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '2 s'"
            )
            if (await cur.fetchone()) == (workers,):
                return
            await asyncio.sleep(0.05)


async def wait(connection: Connection) -> Sample:
    number, path = await _new_thread(connection)
    began = time.perf_counter()
    answer = await connection.post(f"{path}/runs/wait", {"assistant_id": "bench", "input": application(number)})
    latency_s = time.perf_counter() - began
    assert_right(number, answer.json())
    return Sample(latency_s)


async def stream(connection: Connection) -> Sample:
    number, path = await _new_thread(connection)
    body = {"assistant_id": "bench", "input": application(number), "stream_mode": ["updates"]}
    began = time.perf_counter()
    answer = await connection.post(f"{path}/runs/stream", body)
    latency_s = time.perf_counter() - began
    assert answer.body.count(b"event: updates") == 4, answer
    assert b"event: error" not in answer.body, answer
    return Sample(latency_s, answer.first_event_at - began)


async def ask_and_resume(connection: Connection) -> Sample:
    """Two runs; the time is the second's."""
    number, path = await ask(connection)
    return await resume(connection, path, number)


async def ask(connection: Connection) -> tuple[int, str]:
    """An application's number, and the path of the thread on which a person is asked about it."""
    number, path = await _new_thread(connection)
    asked = await connection.post(f"{path}/runs/wait", {"assistant_id": "bench_asking", "input": application(number)})
    assert "__interrupt__" in asked.json(), asked
    return number, path


async def resume(connection: Connection, path: str, number: int) -> Sample:
    body = {"assistant_id": "bench_asking", "command": {"resume": {"agreed": True}}}
    began = time.perf_counter()
    answer = await connection.post(f"{path}/runs/wait", body)
    latency_s = time.perf_counter() - began
    assert_right(number, answer.json())
    return Sample(latency_s)


async def _new_thread(connection: Connection) -> tuple[int, str]:
    thread = (await connection.post("/threads", {})).json()
    return next(numbers), f"/threads/{thread['thread_id']}"
