"""How the bench measures: clients in a closed loop, what their work cost, and a Markdown row of it.

Variants that are compared take turns on the same PostgreSQL server, so that what else the machine does hits them alike.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import class_row

from db import embedded

RAMP_S = 0.7
"""Driven but not measured: what starts at once does not run as what has been running for a while."""
SETTLE_S = 1.2
"""A backend tells its counters at most once a second."""
TURNS = 3
HEAD = (
    "| | at once | a second | p50 ms | p99 ms | first event ms "
    "| CPU ms | PostgreSQL CPU ms | commits | WAL kB | table kB |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run, timed by its client."""

    latency_s: float
    first_event_s: float | None = None


Drive = Callable[[], Awaitable[Sample]]
Opened = Callable[[], AbstractAsyncContextManager[Drive]]


@dataclass(frozen=True, slots=True)
class Spent:
    """So far, by whoever is measured and by PostgreSQL."""

    cpu_s: float
    postgres_cpu_s: float
    commits: int
    wal_bytes: int
    table_bytes: int


@dataclass(frozen=True, slots=True)
class Meter:
    """Reads what is spent on one database; `cpu_s` is the time of the processes under test."""

    database_url: str
    cpu_s: Callable[[], float]

    async def read(self) -> Spent:
        cpu_s = self.cpu_s()
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as conn:
            postgres_cpu_s = cpu_of_tree(psutil.Process(conn.info.backend_pid).ppid())
            async with conn.cursor(row_factory=class_row(Spent)) as cur:
                await cur.execute(
                    """
                    SELECT %(cpu_s)s::float AS cpu_s, %(postgres_cpu_s)s::float AS postgres_cpu_s,
                           xact_commit AS commits, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS wal_bytes,
                           pg_database_size(current_database()) AS table_bytes
                    FROM pg_stat_database WHERE datname = current_database()
                    """,
                    {"cpu_s": cpu_s, "postgres_cpu_s": postgres_cpu_s},
                )
                spent = await cur.fetchone()
        assert spent is not None
        return spent


@dataclass(frozen=True, slots=True)
class Variant:
    """Each client opens it once, and then drives one run after another."""

    name: str
    opened: Opened
    meter: Meter


@dataclass(slots=True)
class Figures:
    """Of one variant at one number of clients. Latency is of the runs that ended in the measured time, cost of all.

    `in_time`: of each run the part of it that was in the measured time. Clients may come to move in step, and then the
    runs that end within a second are a whole step more or less.
    """

    runs: int = 0
    in_time: float = 0.0
    measured_s: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    spent: list[tuple[Spent, Spent]] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return self.in_time / self.measured_s

    @property
    def first_event_ms(self) -> float:
        return percentile_ms([s.first_event_s for s in self.samples if s.first_event_s is not None], 50)

    def latency_ms(self, percent: int) -> float:
        return percentile_ms([sample.latency_s for sample in self.samples], percent)

    def per_run(self, of: str) -> float:
        return float(sum(getattr(after, of) - getattr(before, of) for before, after in self.spent)) / self.runs

    def row(self, name: str, clients: int) -> str:
        first = "" if math.isnan(self.first_event_ms) else f"{self.first_event_ms:.1f}"
        cpu = [f"{1000 * self.per_run(of):.1f}" for of in ("cpu_s", "postgres_cpu_s")]
        kilobytes = [f"{self.per_run(of) / 1024:.1f}" for of in ("wal_bytes", "table_bytes")]
        speed = [f"{self.per_s:.1f}", f"{self.latency_ms(50):.1f}", f"{self.latency_ms(99):.1f}"]
        cells = [name, str(clients), *speed, first, *cpu, f"{self.per_run('commits'):.1f}", *kilobytes]
        return f"| {' | '.join(cells)} |"


async def compare(variants: Sequence[Variant], clients: int, seconds: float) -> dict[str, Figures]:
    """Measures each for `seconds`, in turns, and prints a row of each."""
    figures = {variant.name: Figures() for variant in variants}
    turns = TURNS if len(variants) > 1 else 1
    for turn in range(turns):
        for variant in variants if turn % 2 == 0 else reversed(variants):
            await _take_turn(variant, figures[variant.name], clients, seconds / turns)
    for name, of_variant in figures.items():
        print(of_variant.row(name, clients), flush=True)
    return figures


async def _take_turn(variant: Variant, figures: Figures, clients: int, seconds: float) -> None:
    before = await variant.meter.read()
    start = time.perf_counter() + RAMP_S
    end = start + seconds

    async def client() -> None:
        async with variant.opened() as drive:
            while (began := time.perf_counter()) < end:
                sample = await drive()
                ended = time.perf_counter()
                figures.runs += 1
                figures.in_time += max(0.0, min(ended, end) - max(began, start)) / (ended - began)
                if start <= ended < end:
                    figures.samples.append(sample)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    figures.measured_s += seconds
    await asyncio.sleep(SETTLE_S)
    figures.spent.append((before, await variant.meter.read()))


def percentile_ms(seconds: Sequence[float], percent: int) -> float:
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else math.nan


def cpu_of_tree(pid: int) -> float:
    """CPU seconds of a process and all below it, with those that ended and were waited for."""
    spent = 0.0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                spent += sum(process.cpu_times()[:4])
    return spent


@contextmanager
def embedded_postgres() -> Iterator[tuple[str, Path]]:
    """The URL of an embedded PostgreSQL of one's own, durable as by default, and its home."""
    with TemporaryDirectory(prefix="countersign-bench-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = embedded.start(home)
        try:
            yield server.url, home
        finally:
            server.stop()


@asynccontextmanager
async def database(server_url: str, name: str) -> AsyncIterator[str]:
    """The URL of a new database, which is dropped in the end."""
    async with await psycopg.AsyncConnection.connect(server_url, autocommit=True) as conn:
        await conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(server_url, dbname=name)
        await conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
