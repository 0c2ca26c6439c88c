"""What a day of work and a year of waiting would do: memory over many runs, and threads that wait in great number."""

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from db.embedded import Server
from tests.bench.http_client import Connection, open_connection
from tests.bench.measure import cpu_of_tree
from tests.bench.served import CONFIG, ask, ask_and_resume, cpu_of, resume, stream, wait
from tests.conftest import copied
from tests.resting import copy_thread
from tests.service import Service, follow, spawned_service, start_case
from tests.test_path_of_a_loan import APPLICATION

CLIENTS = 16
WARM_UP, BATCH, BATCHES = 3_000, 2_000, 4
"""Runs; 11,000 in all, of which the last 8,000 must not grow the service."""
MOST_GROWTH_BYTES = 10 * 2**20

RESTING, FEW = 100_000, 100
REFERRED = APPLICATION | {"applicant_id": "cust_3003"}
IDLE_S = 10.0
MOST_IDLE_CPU = 0.03
"""Of one core, more than a database with a few threads takes."""
RESUMES = 50
NOISE_S = 0.003

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True, slots=True)
class Resting:
    """A deployment with interrupted threads, all of application `number`, and as many open reviews."""

    served: Service
    number: int
    thread_ids: list[str]

    def cpu_s(self) -> float:
        """Of the service and of the PostgreSQL processes that serve it."""
        with psycopg.connect(self.served.database_url) as conn:
            backends = conn.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
        return cpu_of(self.served) + sum(cpu_of_tree(pid) for (pid,) in backends)

    async def connect(self) -> Connection:
        return await open_connection(self.served.url, key_of(self.served))


@pytest.fixture(scope="module")
def few(postgres: Server, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resting]:
    for url in copied(postgres, migrated):
        with spawned_service(url, tmp_path_factory.mktemp("few"), COUNTERSIGN_CONFIG=CONFIG) as served:
            yield resting(served, FEW)


@pytest.fixture(scope="module")
def many(postgres: Server, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resting]:
    for url in copied(postgres, migrated):
        with spawned_service(url, tmp_path_factory.mktemp("many"), COUNTERSIGN_CONFIG=CONFIG) as served:
            yield resting(served, RESTING)


def test_memory_stays_level_over_ten_thousand_runs(module_database_url: str, tmp_path: Path) -> None:
    """That of the service's own pages, once its pools and caches have filled."""
    with spawned_service(module_database_url, tmp_path, COUNTERSIGN_CONFIG=CONFIG) as served:
        asyncio.run(drive(served, WARM_UP))
        held = [own_bytes(served)]
        for _ in range(BATCHES):
            asyncio.run(drive(served, BATCH))
            held.append(own_bytes(served))

    grown = [after - before for before, after in pairwise(held)]
    print(f"from {held[0] / 2**20:.1f} MB by", *(f"{n / 2**20:+.1f}" for n in grown))
    assert sum(grown) < MOST_GROWTH_BYTES


def test_hundred_thousand_interrupted_threads_take_no_cpu(few: Resting, many: Resting) -> None:
    before = [one.cpu_s() for one in (few, many)]
    time.sleep(IDLE_S)
    after = [one.cpu_s() for one in (few, many)]

    by_few, by_many = (end - start for start, end in zip(before, after, strict=True))
    print(f"{by_many:.2f} s of CPU in {IDLE_S} s, against {by_few:.2f} s with few")
    assert by_many - by_few < MOST_IDLE_CPU * IDLE_S


def test_one_of_hundred_thousand_interrupted_threads_resumes_as_fast_as_one_of_few(few: Resting, many: Resting) -> None:
    """In turns, so that what else the machine does hits both alike; 1.3 times and 3 ms are its noise."""
    of_few, of_many = asyncio.run(resumed_in_turns(few, many))

    print(f"{1000 * of_many:.1f} ms, against {1000 * of_few:.1f} ms of few")
    assert of_many < 1.3 * of_few + NOISE_S


@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [
        ("operator", "POST", "/threads/search", {}),
        ("operator", "POST", "/threads/search", {"sort_by": "created_at"}),
        ("operator", "GET", "/threads", None),
        ("underwriter", "GET", "/reviews", None),
    ],
)
def test_a_page_of_hundred_thousand_is_listed_as_fast_as_of_few(
    few: Resting, many: Resting, role: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    clients = [one.served.client(role) for one in (few, many)]

    took = [
        [client.request(method, path, json=body).raise_for_status().elapsed.total_seconds() for client in clients]
        for _ in range(15)
    ]

    of_few, of_many = map(statistics.median, zip(*took, strict=True))
    print(f"{1000 * of_many:.1f} ms, against {1000 * of_few:.1f} ms of few")
    assert of_many < 2 * of_few + NOISE_S


def resting(served: Service, number: int) -> Resting:
    """One real thread of the bench's graph and one real case, and copies: of the case, of what is listed of it."""
    application, thread_id = asyncio.run(interrupted(served))
    applicant = served.client("client", "ada")
    case = start_case(applicant, REFERRED)
    follow(applicant, case)
    with psycopg.connect(served.database_url, autocommit=True) as conn:
        thread_ids = copy_thread(conn, thread_id, number)
        copy_thread(conn, case, number, ("threads", "runs", "reviews"))
        conn.execute("VACUUM ANALYZE")
        conn.execute("CHECKPOINT")
    return Resting(served, application, thread_ids)


async def interrupted(served: Service) -> tuple[int, str]:
    connection = await open_connection(served.url, key_of(served))
    number, path = await ask(connection)
    connection.close()
    return number, path.rpartition("/")[-1]


async def drive(served: Service, runs: int) -> None:
    """Waited for, streamed, and resumed: of four runs two are a question and its answer."""
    key = key_of(served)
    left = iter(islice(cycle((wait, stream, ask_and_resume)), runs * 3 // 4))

    async def client() -> None:
        connection = await open_connection(served.url, key)
        for over in left:
            await over(connection)
        connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def resumed_in_turns(few: Resting, many: Resting) -> tuple[float, float]:
    """Medians, of threads chosen at random."""
    chance = random.Random(7)
    chosen = zip(*(chance.sample(one.thread_ids, RESUMES) for one in (few, many)), strict=True)
    connections = [await one.connect() for one in (few, many)]
    took = []
    for turn in chosen:
        each = zip(connections, (few, many), turn, strict=True)
        took.append([(await resume(c, f"/threads/{thread_id}", one.number)).latency_s for c, one, thread_id in each])
    for connection in connections:
        connection.close()
    of_few, of_many = map(statistics.median, zip(*took, strict=True))
    return of_few, of_many


def key_of(served: Service) -> str:
    """Of one person, whose threads the copies are, too."""
    return str(served.client("client", "grace").headers["x-api-key"])


def own_bytes(served: Service) -> int:
    """What no other process shares, of the service and all below it; PostgreSQL is not."""
    roots = [psutil.Process(process.pid) for process in served.started]
    tree = [process for root in roots for process in (root, *root.children(recursive=True))]
    return sum(process.memory_full_info().uss for process in tree)
