"""What LangGraph SDK's protocol costs over HTTP, beside the same graph in this process with LangGraph's own savers.

Every run is on a new thread of `bench_graph`, its end state checked. Over HTTP a client makes the thread and the run;
in process there is neither, nor a queue, an event or a network. All share one PostgreSQL server and take turns on it,
so that what is claimed is a ratio and not a time.
"""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from db.migrate import migrate
from db.pool import open_pool
from tests.bench.bench_graph import application, assert_right, build
from tests.bench.measure import HEAD, Drive, Figures, Meter, Sample, Variant, compare, database
from tests.bench.served import (
    CONFIG,
    Over,
    ask_and_resume,
    cpu_of,
    numbers,
    over_http,
    stream,
    until_there_are,
    wait,
)
from tests.service import Service, spawned_service

OURS, STOCK = "`runs/wait` over HTTP", "in process, stock saver `sync`"
STREAMED, RESUMED = "`runs/stream` over HTTP", "question and resume over HTTP, the resume timed"
POOL_SIZE = 10
Results = dict[tuple[str, int], Figures]


@dataclass(frozen=True, slots=True)
class Claim:
    """`figure` is of the results; KeyError if what it needs was not measured."""

    name: str
    figure: Callable[[Results], float]
    bound: float
    at_least: bool
    unit: str = ""

    def row(self, results: Results) -> str:
        sign = "≥" if self.at_least else "≤"
        try:
            figure = self.figure(results)
        except KeyError:
            return f"| {self.name} | not measured | {sign} {self.bound:g}{self.unit} | |"
        held = figure >= self.bound if self.at_least else figure <= self.bound
        verdict = "held" if held else "**not held**"
        return f"| {self.name} | {figure:.2f}{self.unit} | {sign} {self.bound:g}{self.unit} | {verdict} |"


CLAIMS = (
    Claim("runs/s against the stock saver, 16 at once", lambda r: r[OURS, 16].per_s / r[STOCK, 16].per_s, 1.5, True),
    Claim("runs/s against the stock saver, 64 at once", lambda r: r[OURS, 64].per_s / r[STOCK, 64].per_s, 1.8, True),
    Claim("p50 of a run alone", lambda r: r[OURS, 1].latency_ms(50), 20, False, " ms"),
    Claim("p50 of a stream's first event, alone", lambda r: r[STREAMED, 1].first_event_ms, 7, False, " ms"),
    Claim("p50 of a resume alone", lambda r: r[RESUMED, 1].latency_ms(50), 14, False, " ms"),
    Claim("commits of a run, 16 at once", lambda r: r[OURS, 16].per_run("commits"), 5, False),
    Claim("stored for a run, 16 at once", lambda r: r[OURS, 16].per_run("table_bytes") / 1024, 14, False, " kB"),
)


async def bench_protocol(server_url: str, home: Path, at: list[int], seconds: float) -> None:
    """Prints the figures, then what becomes of each claim."""
    results: Results = {}
    print(f"Runs of a small graph\n\n{HEAD}")
    async with database(server_url, "bench_runs") as url:
        migrate(url)
        with spawned_service(url, home, COUNTERSIGN_CONFIG=CONFIG) as served:
            async with database(server_url, "bench_stock") as stock_url, _in_process(stock_url) as baselines:
                for clients in at:
                    await _keep(results, [_variant(served, OURS, wait), *baselines], clients, seconds)
            for name, over in ((STREAMED, stream), (RESUMED, ask_and_resume)):
                for clients in (n for n in at if n <= 16):
                    await _keep(results, [_variant(served, name, over)], clients, seconds)
        several = [n for n in at if n > 1]
        for workers in (1, 2):
            with spawned_service(url, home, ["api", *["worker"] * workers], COUNTERSIGN_CONFIG=CONFIG) as served:
                await until_there_are(workers, url)
                for clients in several:
                    await _keep(results, [_variant(served, _apart(workers), wait)], clients, seconds)
    print("\n| claim | measured | bound | |\n|---|---|---|---|")
    print("\n".join(claim.row(results) for claim in CLAIMS))
    for clients in several:
        one, two = (results[_apart(workers), clients].per_s for workers in (1, 2))
        print(f"| runs/s with a second worker, {clients} at once | × {two / one:.2f} | {os.cpu_count()} cores | |")


async def _keep(results: Results, variants: list[Variant], clients: int, seconds: float) -> None:
    for name, figures in (await compare(variants, clients, seconds)).items():
        results[name, clients] = figures


def _variant(served: Service, name: str, over: Over) -> Variant:
    key = served.client("client").headers["x-api-key"]
    return Variant(name, partial(over_http, served.url, key, over), Meter(served.database_url, partial(cpu_of, served)))


def _apart(workers: int) -> str:
    return f"`runs/wait`, API and {workers} worker{'s' * (workers > 1)} apart"


@asynccontextmanager
async def _in_process(url: str) -> AsyncIterator[list[Variant]]:
    """LangGraph alone: its saver for PostgreSQL, with a pool as its documentation has it, and the one in memory."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(url, max_size=POOL_SIZE, min_size=POOL_SIZE))
        stock = AsyncPostgresSaver(pool)
        await stock.setup()
        meter = Meter(url, time.process_time)
        yield [
            Variant(STOCK, partial(_invoked, stock, "sync"), meter),
            Variant("in process, stock saver `exit`", partial(_invoked, stock, "exit"), meter),
            Variant("in process, in memory", partial(_invoked, InMemorySaver(), "sync"), meter),
        ]


@asynccontextmanager
async def _invoked(saver: Any, durability: Literal["sync", "exit"]) -> AsyncIterator[Drive]:
    compiled = build().compile(checkpointer=saver)

    async def drive() -> Sample:
        number, config = next(numbers), RunnableConfig(configurable={"thread_id": str(uuid4())})
        began = time.perf_counter()
        given: Any = application(number)
        state = await compiled.ainvoke(given, config, durability=durability)
        latency_s = time.perf_counter() - began
        assert_right(number, state)
        return Sample(latency_s)

    yield drive
