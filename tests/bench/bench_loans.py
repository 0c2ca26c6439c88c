"""What a loan application costs, from request to letter: over HTTP, and the same graph in process as its baseline.

    python -m tests.bench.bench_loans [--at 1,16,64] [--seconds 10]

One case is an application that policy declines: eight nodes, three bank calls, four domain rows and a letter in one
run. Each ended case is checked. Over HTTP a client posts and follows the same call's events to their end. The baselines
run the graph alone in this process, with the same nodes, database and bank, but no queue, no run, task, event or audit
rows: with LangGraph's own AsyncPostgresSaver (durability `sync`), and with no saver at all. All are measured in one
run, one after the other, so that the ratio is the claim. Commits, rows and bytes are PostgreSQL's own counts, the
bank's included.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx
import orjson
import uuid_utils.compat as uuids
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from db import embedded, threads
from db.journal import Fence
from db.migrate import migrate
from db.pool import Pool, open_pool
from db.threads import NewThread
from graphs.loan_origination import WORKFLOW
from tests.service import Service, service
from tests.test_path_of_a_loan import APPLICATION
from tools.bank import Bank
from tools.context import Context
from tools.letter_facts import DEMO_CREDITOR

DECLINED = APPLICATION | {"applicant_id": "cust_4004"}
WARM_UP_S = 3.0
Case = Callable[["Timing"], Awaitable[None]]


@dataclass(slots=True)
class Timing:
    """Of all cases of one cell, in seconds."""

    latencies: list[float] = field(default_factory=list)
    first_events: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cost:
    commits: int
    rows: int
    wal_bytes: int
    table_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", default="1,16,64", help="numbers of clients")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="countersign-bench-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        postgres = embedded.start(home)
        try:
            migrate(postgres.url)
            with service(postgres.url, home) as served:
                asyncio.run(_bench(served, [int(n) for n in arguments.at.split(",")], arguments.seconds))
        finally:
            postgres.stop()


async def _bench(served: Service, clients: list[int], seconds: float) -> None:
    key = served.client("client").headers["x-api-key"]
    bank_key = (served.home / "sandbox.key").read_text()
    bank = Bank(f"http://127.0.0.1:{served.environment['COUNTERSIGN_SANDBOX_PORT']}", bank_key)
    print(
        f"{'variant':<28}{'clients':>8}{'cases/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'1st event ms':>14}"
        f"{'commits':>9}{'rows':>6}{'WAL kB':>8}{'kB':>6}"
    )
    async with open_pool(served.database_url, max_size=16) as pool, _client(served.url, key) as http:
        saver = AsyncPostgresSaver(pool)
        variants: dict[str, Case] = {
            "countersign over HTTP": lambda timing: _over_http(http, timing),
            "in process, stock saver sync": _in_process(pool, bank, saver),
            "in process, no saver": _in_process(pool, bank, None),
        }
        for n in clients:
            for name, case in variants.items():
                await _measure(case, n, WARM_UP_S)
                before = await _cost(pool)
                timing, wall = await _measure(case, n, seconds)
                _report(name, n, timing, wall, before, await _cost(pool))
    await bank.aclose()


async def _measure(case: Case, clients: int, seconds: float) -> tuple[Timing, float]:
    """A closed loop: each client begins its next case when its last one has ended."""
    timing, started = Timing(), time.perf_counter()

    async def client() -> None:
        while time.perf_counter() - started < seconds:
            begun = time.perf_counter()
            await case(timing)
            timing.latencies.append(time.perf_counter() - begun)

    await asyncio.gather(*(client() for _ in range(clients)))
    return timing, time.perf_counter() - started


async def _over_http(http: httpx.AsyncClient, timing: Timing) -> None:
    begun, last = time.perf_counter(), ""
    headers = {"Idempotency-Key": uuid4().hex, "Accept": "text/event-stream"}
    path = "/workflows/loan_origination/threads"
    async with http.stream("POST", path, json=DECLINED, headers=headers) as events:
        first = True
        async for line in events.aiter_lines():
            if first:
                timing.first_events.append(time.perf_counter() - begun)
                first = False
            if line.startswith("data: "):
                last = line
    ended = orjson.loads(last.removeprefix("data: "))
    assert ended["status"] == "success", ended
    assert ended["outcome"] == "declined", ended


def _in_process(pool: Pool, bank: Bank, saver: AsyncPostgresSaver | None) -> Case:
    graph = WORKFLOW.build().compile(checkpointer=saver)

    async def case(_: Timing) -> None:
        thread_id, run_id = uuids.uuid7(), uuids.uuid7()
        async with pool.connection() as conn:
            await threads.create(conn, NewThread(thread_id, "demo", WORKFLOW.name, WORKFLOW.version, "bench", {}))
        context = Context(
            tenant_id="demo",
            thread_id=thread_id,
            fence=Fence(run_id, 0),
            person="bench",
            pool=pool,
            bank=bank,
            creditor=DEMO_CREDITOR,
            now=lambda: datetime.now(UTC),
        )
        ended = await graph.ainvoke(
            {"request": DECLINED},
            {"configurable": {"thread_id": str(thread_id)}},
            context=context,
            durability="sync" if saver else None,
        )
        assert ended["outcome"] == "declined", ended

    return case


async def _cost(pool: Pool) -> Cost:
    """Counters reach the statistics views up to a second after their transaction, unless a backend is told to."""
    await asyncio.sleep(1.5)
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT xact_commit AS commits, tup_inserted + tup_updated + tup_deleted AS rows,
                   pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,
                   pg_database_size(current_database()) AS table_bytes
            FROM pg_stat_database WHERE datname = current_database()
            """
        )
        row = await cur.fetchone()
    assert row is not None
    return Cost(**row)


def _report(name: str, clients: int, timing: Timing, wall: float, before: Cost, after: Cost) -> None:
    cases = len(timing.latencies)
    first = f"{_percentile(timing.first_events, 50):.1f}" if timing.first_events else "-"
    print(
        f"{name:<28}{clients:>8}{cases / wall:>9.1f}{_percentile(timing.latencies, 50):>8.1f}"
        f"{_percentile(timing.latencies, 99):>8.1f}{first:>14}{(after.commits - before.commits) / cases:>9.1f}"
        f"{(after.rows - before.rows) / cases:>6.0f}{(after.wal_bytes - before.wal_bytes) / cases / 1024:>8.1f}"
        f"{(after.table_bytes - before.table_bytes) / cases / 1024:>6.1f}",
        flush=True,
    )


def _percentile(seconds: list[float], percent: int) -> float:
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


@asynccontextmanager
async def _client(url: str, key: str) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, timeout=60, limits=limits) as http:
        yield http


if __name__ == "__main__":
    main()
