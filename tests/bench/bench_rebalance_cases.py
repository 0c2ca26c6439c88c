"""How many rebalances a second come through the whole workflow to their adviser's review.

    python -m tests.bench.bench_rebalance_cases [--cases 400] [--at 8]

Each case is another client's portfolio of twelve lots in ten funds, with its own proposal. CPU is the server's whole
tree's: API and worker, the optimiser's processes, and the sandbox bank.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import orjson
import psycopg
import uvloop
from psycopg.types.json import Jsonb

from db.migrate import migrate
from tests.bench.http_client import Connection
from tests.bench.measure import HEAD, Meter, Sample, Variant, compare, database, embedded_postgres
from tests.bench.served import cpu_of, over_http
from tests.many_portfolios import seed_portfolios
from tests.service import Service, spawned_service
from tests.test_path_of_a_rebalance import ANSWERS
from tools.profile_request import Questionnaire
from tools.rules.plain import from_plain, to_plain
from tools.rules.risk_profile import Answers, assess


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=4000, help="portfolios to take from")
    parser.add_argument("--at", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8)
    given = parser.parse_args()
    with embedded_postgres() as (url, home):
        uvloop.run(_bench(url, home, given))


async def _bench(server_url: str, home: Path, given: argparse.Namespace) -> None:
    print(f"\nRebalances to their review; load {os.getloadavg()[0]:.1f}\n\n{HEAD}")
    async with database(server_url, "bench_rebalance") as url:
        migrate(url)
        with spawned_service(url, home) as served:
            accounts = iter(_clients(served, given.cases))
            key = served.client("adviser").headers["x-api-key"]
            variant = Variant(
                "a case to its review",
                partial(over_http, served.url, key, partial(_posted, accounts)),
                Meter(url, partial(cpu_of, served)),
            )
            async with asyncio.TaskGroup() as warming:
                for _ in range(given.at):
                    warming.create_task(_warmed(variant))
            await compare([variant], given.at, given.seconds)
    print(f"\nload {os.getloadavg()[0]:.1f}")


async def _warmed(variant: Variant) -> None:
    """The optimiser's processes start with the first case, which nobody measures."""
    async with variant.opened() as drive:
        for _ in range(3):
            await drive()


async def _posted(accounts: Iterator[str], connection: Connection) -> Sample:
    headers = {"Idempotency-Key": uuid4().hex, "Accept": "text/event-stream"}
    began = time.perf_counter()
    body = {"client_id": f"client-{next(accounts)}"}
    answer = await connection.post("/workflows/rebalance/threads", body, headers)
    latency_s = time.perf_counter() - began
    last = next(line for line in reversed(answer.body.splitlines()) if line.startswith(b"data: "))
    ended = orjson.loads(last.removeprefix(b"data: "))
    assert (ended["status"] == "success" and ended.get("reviews")) or ended["outcome"] == "within_bands", ended
    return Sample(latency_s, answer.first_event_at - began)


def _clients(served: Service, count: int) -> list[str]:
    """Accounts, and beside each a client of the same name with a profile in force."""
    answers = from_plain(Answers, Questionnaire.model_validate(ANSWERS).model_dump(mode="json"))
    assessed, today = assess(answers), datetime.now(UTC).date()
    accounts = seed_portfolios(served.database_url, count, "bench")
    with psycopg.connect(served.database_url) as conn:
        conn.execute(
            """
            INSERT INTO clients (tenant_id, client_id, full_name, created_by)
            SELECT 'demo', 'client-' || account, 'Client', 'bench' FROM unnest(%s::text[]) AS account
            """,
            (accounts,),
        )
        conn.execute("SET session_replication_role = replica")
        conn.execute(
            """
            INSERT INTO suitability_profiles (tenant_id, client_id, version, source, risk_profile, rule_version,
                answers, assessment, score, assessed_on, valid_until, person, thread_id)
            SELECT 'demo', 'client-' || account, 1, 'questionnaire', %s, %s, %s, %s, %s, %s, %s, 'bench',
                   gen_random_uuid()
            FROM unnest(%s::text[]) AS account
            """,
            (
                assessed.risk_profile,
                assessed.rule_version,
                Jsonb(to_plain(answers)),
                Jsonb(to_plain(assessed)),
                assessed.score,
                today,
                today + timedelta(days=365),
                accounts,
            ),
        )
    return accounts


if __name__ == "__main__":
    main()
