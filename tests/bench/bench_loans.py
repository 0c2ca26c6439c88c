"""What a loan application costs, from request to letter: over HTTP, and the same graph in process as its baseline.

One case is an application that policy declines: eight nodes, three bank calls, four domain rows and a letter in one
run. Each ended case is checked. Over HTTP a client posts and follows the same call's events to their end. The baselines
run the graph alone in this process, with the same nodes, database and bank, but no queue, no run, task, event or audit
rows: with LangGraph's own AsyncPostgresSaver (durability `sync`), and with no saver at all. All share one database and
take turns, so that the ratio is the claim; the server's CPU is its whole tree's, the bank's included.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import orjson
import uuid_utils.compat as uuids
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from db import threads
from db.journal import Fence
from db.migrate import migrate
from db.pool import Pool, open_pool
from db.threads import NewThread
from graphs.loan_origination import WORKFLOW
from tests.bench.http_client import Connection
from tests.bench.measure import HEAD, Drive, Meter, Opened, Sample, Variant, compare, database
from tests.bench.served import cpu_of, over_http
from tests.service import Service, spawned_service
from tests.test_path_of_a_loan import APPLICATION
from tools.bank import Bank
from tools.context import Context
from tools.letter_facts import DEMO_CREDITOR
from tools.screening import screening_index

DECLINED = APPLICATION | {"applicant_id": "cust_4004"}
SERVED, BARE = "a case over HTTP", "in process, no saver"
POOL_SIZE = 16


async def bench_loans(server_url: str, home: Path, at: list[int], seconds: float) -> None:
    print(f"\nCases of loan_origination\n\n{HEAD}")
    async with database(server_url, "bench_loans") as url:
        migrate(url)
        with spawned_service(url, home) as served:
            async with open_pool(url, max_size=POOL_SIZE) as pool:
                bank = _bank(served)
                variants = _variants(served, pool, bank)
                compared = [await compare(variants, clients, seconds) for clients in at]
                await bank.aclose()
    print()
    for clients, figures in zip(at, compared, strict=True):
        whole, alone = (figures[name].latency_ms(50) for name in (SERVED, BARE))
        print(f"{clients} at once: of the p50 of a case over HTTP the nodes' own work is {alone / whole:.0%}.")


def _variants(served: Service, pool: Pool, bank: Bank) -> list[Variant]:
    key = served.client("client").headers["x-api-key"]
    here = Meter(served.database_url, time.process_time)
    return [
        Variant(
            SERVED,
            partial(over_http, served.url, key, _posted),
            Meter(served.database_url, partial(cpu_of, served)),
        ),
        Variant("in process, stock saver `sync`", _in_process(pool, bank, AsyncPostgresSaver(pool)), here),
        Variant(BARE, _in_process(pool, bank, None), here),
    ]


async def _posted(connection: Connection) -> Sample:
    headers = {"Idempotency-Key": uuid4().hex, "Accept": "text/event-stream"}
    began = time.perf_counter()
    answer = await connection.post("/workflows/loan_origination/threads", DECLINED, headers)
    latency_s = time.perf_counter() - began
    last = next(line for line in reversed(answer.body.splitlines()) if line.startswith(b"data: "))
    ended = orjson.loads(last.removeprefix(b"data: "))
    assert (ended["status"], ended["outcome"]) == ("success", "declined"), ended
    return Sample(latency_s, answer.first_event_at - began)


def _in_process(pool: Pool, bank: Bank, saver: AsyncPostgresSaver | None) -> Opened:
    graph = WORKFLOW.build().compile(checkpointer=saver)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Drive]:
        yield drive

    screening = screening_index(None)

    async def drive() -> Sample:
        began = time.perf_counter()
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
            screening=screening,
        )
        ended = await graph.ainvoke(
            {"request": DECLINED},
            {"configurable": {"thread_id": str(thread_id)}},
            context=context,
            durability="sync" if saver else None,
        )
        assert ended["outcome"] == "declined", ended
        return Sample(time.perf_counter() - began)

    return opened


def _bank(served: Service) -> Bank:
    key = (served.home / "sandbox.key").read_text()
    return Bank(f"http://127.0.0.1:{served.environment['COUNTERSIGN_SANDBOX_PORT']}", key)
