"""`countersign up` with a worker beside its own: it has what one process cannot do, and may die of it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from langgraph_sdk import get_client

from tests.crash_deployment import until
from tests.service import Service, service

CONFIG = Path(__file__).parent / "own_graphs" / "recovering.json"
MANY = 60


@pytest.fixture(scope="module")
def up(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"COUNTERSIGN_UP_WORKERS": "1", "COUNTERSIGN_STALLED_AFTER_S": "1", "COUNTERSIGN_CONFIG": str(CONFIG)}
    with service(module_database_url, tmp_path_factory.mktemp("home"), **settings) as served:
        yield served


async def test_worker_beside_takes_its_share_and_may_die_of_it(up: Service) -> None:
    until(lambda: beside(up), "the worker beside is there")
    (doomed,) = beside(up)
    while doomed not in (whereabouts := await driven(up, MANY)):
        assert whereabouts == {up.started[0].pid}, "until the other one has said that it is ready"

    burst = asyncio.create_task(driven(up, MANY, seconds=1))
    await asyncio.to_thread(until, lambda: at_work(up) > MANY / 2, "it drives many more")
    os.kill(doomed, signal.SIGKILL)

    assert await burst <= {up.started[0].pid, *beside(up)}, "each was driven to its end by one that lived"
    until(lambda: beside(up) - {doomed}, "another one is started")


async def test_few_runs_stay_where_they_were_accepted(up: Service) -> None:
    assert await driven(up, 3) == {up.started[0].pid}


async def driven(up: Service, count: int, seconds: float = 0.2) -> set[int]:
    """The processes that drove so many runs at once, each of which came to its end."""
    key = up.client("client").headers["x-api-key"]
    async with get_client(url=up.url, api_key=key) as sdk:
        states: list[Any] = await asyncio.gather(
            *(sdk.runs.wait(None, "whereabouts", input={"seconds": seconds}) for _ in range(count))
        )
    return {int(pid) for state in states for pid in state["answers"]}


def at_work(up: Service) -> int:
    with psycopg.connect(up.database_url) as conn:
        cur = conn.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'")
        (count,) = cur.fetchone() or (0,)
        return int(count)


def beside(up: Service) -> set[int]:
    return {child.pid for child in psutil.Process(up.started[0].pid).children() if "worker" in child.cmdline()}
