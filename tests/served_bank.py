"""A sandbox bank on a real port, over a database of its own."""

import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
import uvicorn
from psycopg import sql

from api.sandbox.app import create_bank
from api.sandbox.clock import Pace
from tests.fork_server import fork_server_of_ours
from tests.service import await_answer, free_port

API_KEY = "key-of-the-tests"
SETTLEMENT_S = 0.3


@dataclass(frozen=True, slots=True)
class ServedBank:
    """`http` is a plain client with the key, for what Countersign's own client does not do."""

    url: str
    database_url: str
    http: httpx.Client

    def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.http.post(path, json=body, headers=headers)

    def misbehave(self, mode: str, route: str = "*", times: int | None = None, delay_s: float = 0) -> None:
        switch = {"route": route, "mode": mode, "times": times, "delay_s": delay_s}
        self.http.put("/misbehaviour", json=switch).raise_for_status()

    def behave(self) -> None:
        self.misbehave("none")

    def awaited_log(self, key: str, lines: int) -> list[tuple[int, bool]]:
        """The log once it has so many lines with this key: a call that was given up may still be executing."""
        deadline = time.monotonic() + 30
        while len(log := self.log(key)) < lines and time.monotonic() < deadline:
            time.sleep(0.05)
        return log

    def log(self, key: str) -> list[tuple[int, bool]]:
        """Status and whether replayed, of every POST with this key."""
        lines = self.http.get("/log", params={"idempotency_key": key}).json()["requests"]
        return [(line["status"], line["replayed"]) for line in lines]

    def booked_minor(self, account_id: str) -> int:
        return int(self.http.get(f"/accounts/{account_id}/balance").json()["booked_minor"])

    def available_minor(self, account_id: str) -> int:
        return int(self.http.get(f"/accounts/{account_id}/balance").json()["available_minor"])

    def awaited(self, path: str, **expected: Any) -> dict[str, Any]:
        """What is at this path once it says so: the bank's clock brings it there."""
        deadline = time.monotonic() + 20
        while not (found := self.http.get(path).json()).items() >= expected.items():
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return dict(found)

    def ledger(self) -> dict[str, Any]:
        return dict(self.http.get("/ledger/check").json())

    @contextmanager
    def sql(self) -> Iterator[psycopg.Connection]:
        """A connection as the bank has them."""
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            conn.execute("SET ROLE countersign_bank")
            conn.execute("SET search_path = bank")
            yield conn


@contextmanager
def fresh_database(server_url: str, template: str = "template1") -> Iterator[str]:
    name = f"bank_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        conn.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield psycopg.conninfo.make_conninfo(server_url, dbname=name)
        finally:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def served_bank(database_url: str, tick_s: float = 0.05) -> Iterator[ServedBank]:
    """In a process of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="countersign-test-") as home:
        argv = [str(port), database_url, str(tick_s)]
        process = fork_server_of_ours().start(argv, os.environ, Path(home) / "bank.log", "tests.served_bank:serve")
        try:
            await_answer(f"{url}/health", process, Path(home))
            headers = {"Authorization": f"Bearer {API_KEY}"}
            with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
                yield ServedBank(url, database_url, http)
        finally:
            process.terminate()


def serve() -> None:
    port, database_url, tick_s = sys.argv[1:]
    pace = Pace(tick_s=float(tick_s), settlement_s=SETTLEMENT_S, webhook_retry_s=0.1)
    bank = create_bank(database_url, API_KEY, pace)
    uvicorn.run(bank, port=int(port), log_level="critical", ws="none", timeout_graceful_shutdown=1)
