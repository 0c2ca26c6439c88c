"""What durability costs: the bench's graph in this process, without a saver, with the stock saver, and with ours.

    python -m tests.bench.bench_checkpoints [--at 1,16,64] [--seconds 4.5]

Ours writes for runs that have a row and a fence, as in production; the others know no runs.
"""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from typing import Any, Literal

import uvloop
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from db.checkpoints import Checkpoints
from db.journal import Fence, Journal
from db.migrate import migrate
from db.pool import Pool, open_pool
from tests.bench.arguments import arguments
from tests.bench.bench_graph import application, assert_right, build
from tests.bench.measure import HEAD, Drive, Meter, Sample, Variant, compare, embedded_postgres
from tests.db.begun import begun

POOL_SIZE = 8
_numbers = count(1)


def main() -> None:
    given = arguments(__doc__)
    with embedded_postgres() as (url, _):
        migrate(url)
        uvloop.run(_bench(url, given.at, given.seconds))


async def _bench(url: str, at: list[int], seconds: float) -> None:
    print(HEAD)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(url, max_size=POOL_SIZE, min_size=POOL_SIZE))
        ours = Checkpoints(pool, await stack.enter_async_context(Journal(pool)))
        savers = {"no saver": (None, None)} | {
            f"{name} `{durability}`": (saver, durability)
            for durability in ("sync", "exit")
            for name, saver in (("stock saver", AsyncPostgresSaver(pool)), ("our saver", ours))
        }
        meter = Meter(url, time.process_time)
        variants = [Variant(name, partial(_driven, pool, *how), meter) for name, how in savers.items()]
        for clients in at:
            await compare(variants, clients, seconds)


@asynccontextmanager
async def _driven(
    pool: Pool, saver: AsyncPostgresSaver | None, durability: Literal["sync", "exit"] | None
) -> AsyncIterator[Drive]:
    compiled = build().compile(checkpointer=saver)
    fences: list[Fence] = []

    async def drive() -> Sample:
        if not fences:
            fences.extend(await begun(pool, 50))
        number, fence = next(_numbers), fences.pop()
        config = RunnableConfig(configurable={"thread_id": str(fence.run_id)})
        given: Any = application(number)
        began = time.perf_counter()
        if isinstance(saver, Checkpoints):
            async with saver.writing_as(fence):
                state = await compiled.ainvoke(given, config, durability=durability)
        else:
            state = await compiled.ainvoke(given, config, durability=durability)
        latency_s = time.perf_counter() - began
        assert_right(number, state)
        return Sample(latency_s)

    yield drive


if __name__ == "__main__":
    main()
