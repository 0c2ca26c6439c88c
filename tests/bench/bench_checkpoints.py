"""What durability costs: one graph in this process, without a saver, with the stock saver, and with ours.

    python -m tests.bench.bench_checkpoints ../shared/bench/graph.py [--at 1,16,64] [--runs 300]

The file's `build()`, `make_input(n)` and `check_final(n, output)` are used. Runs on DATABASE_URL, or on an embedded
server of its own; either way in a database that is made for this and dropped.
"""

import argparse
import asyncio
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import psycopg
import uvloop
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from db.checkpoints import Checkpoints
from db.embedded import start
from db.journal import Fence, Journal
from db.migrate import migrate
from db.pool import Pool, open_pool
from tests.db.begun import begun

VARIANTS = ("no saver", "stock sync", "ours sync", "stock exit", "ours exit")
Job = tuple[int, Fence]
SETTLE_S = 1.2
"""PostgreSQL publishes a backend's counters at most once a second."""


@dataclass(frozen=True, slots=True)
class Counters:
    commits: int
    wal_bytes: int
    table_bytes: int


def main() -> None:
    arguments = _arguments()
    spec = importlib.util.spec_from_file_location("bench_graph", arguments.graph)
    assert spec is not None
    assert spec.loader is not None
    graph = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(graph)
    with _database() as url:
        migrate(url)
        print("variant    clients  runs/s   ms p50   cpu ms  commits   WAL kB       kB   (each per run)")
        for clients in map(int, arguments.at.split(",")):
            for variant in VARIANTS:
                uvloop.run(_measure(url, graph, variant, clients, arguments.runs))


async def _measure(url: str, graph: ModuleType, variant: str, clients: int, runs: int) -> None:
    async with open_pool(url, max_size=8, min_size=8) as pool:
        await pool.wait()
        async with _driver(pool, graph, variant) as drive:
            warm_up, measured = [list(enumerate(await begun(pool, many))) for many in (clients + 20, runs)]
            await _drive_all(drive, graph, clients, warm_up)
            before = await _counters(pool)
            started, cpu = time.perf_counter(), time.process_time()
            latencies = await _drive_all(drive, graph, clients, measured)
            wall, cpu = time.perf_counter() - started, time.process_time() - cpu
            after = await _counters(pool)
    p50_ms = 1000 * sorted(latencies)[runs // 2]
    commits = after.commits - before.commits
    kilobytes = [(after.wal_bytes - before.wal_bytes) / 1024, (after.table_bytes - before.table_bytes) / 1024]
    figures = [runs / wall, p50_ms, 1000 * cpu / runs, commits / runs, *(kb / runs for kb in kilobytes)]
    print(f"{variant:10} {clients:7}", *(f"{figure:8.1f}" for figure in figures), flush=True)


async def _drive_all(drive: Any, graph: ModuleType, clients: int, jobs: list[Job]) -> list[float]:
    left = iter(jobs)
    latencies: list[float] = []

    async def client() -> None:
        for number, fence in left:
            started = time.perf_counter()
            output = await drive(graph.make_input(number), fence)
            latencies.append(time.perf_counter() - started)
            assert graph.check_final(number, output) is None

    await asyncio.gather(*(client() for _ in range(clients)))
    return latencies


@asynccontextmanager
async def _driver(pool: Pool, graph: ModuleType, variant: str) -> AsyncIterator[Any]:
    """How one run is driven. Ours are runs with a row and a fence, as in production; the others know no runs."""
    durability: Any = None if variant == "no saver" else variant.split()[1]
    async with Journal(pool) as journal:
        ours = Checkpoints(pool, journal)
        saver = {"no": None, "stock": AsyncPostgresSaver(pool), "ours": ours}[variant.split()[0]]
        compiled = graph.build().compile(checkpointer=saver)

        async def drive(given: Any, fence: Fence) -> Any:
            config: Any = {"configurable": {"thread_id": str(fence.run_id)}}
            if saver is not ours:
                return await compiled.ainvoke(given, config, durability=durability)
            async with ours.writing_as(fence):
                return await compiled.ainvoke(given, config, durability=durability)

        yield drive


async def _counters(pool: Pool) -> Counters:
    await asyncio.sleep(SETTLE_S)
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS commits,
                   (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint AS wal_bytes,
                   (SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables
                    WHERE relname LIKE 'checkpoint%')::bigint AS table_bytes
            """
        )
        row = await cur.fetchone()
    assert row is not None
    return Counters(**row)


@contextmanager
def _database() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="countersign-bench-") as home:
        Path(home).chmod(0o755)
        server = None if "DATABASE_URL" in os.environ else start(Path(home))
        url = os.environ["DATABASE_URL"] if server is None else server.url
        name = f"bench_{uuid4().hex}"
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name}".encode())
            try:
                yield psycopg.conninfo.make_conninfo(url, dbname=name)
            finally:
                conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        if server is not None:
            server.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", help="a file with build, make_input and check_final")
    parser.add_argument("--at", default="1,16,64", help="numbers of runs under way at once")
    parser.add_argument("--runs", type=int, default=300, help="how many runs to measure for each line")
    return parser.parse_args()


if __name__ == "__main__":
    main()
