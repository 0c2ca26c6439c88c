"""A sandbox bank on a real port, over a database of its own."""

import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import uvicorn
from psycopg import sql

from api.sandbox.app import create_bank
from api.sandbox.clock import Pace

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
def fresh_database(server_url: str) -> Iterator[str]:
    name = f"bank_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield psycopg.conninfo.make_conninfo(server_url, dbname=name)
        finally:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def served_bank(database_url: str, tick_s: float = 0.05) -> Iterator[ServedBank]:
    """In a process of its own. Who connects before it has started waits in the socket's backlog."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "tests.served_bank", str(listener.fileno()), database_url, str(tick_s)]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], cwd=Path(__file__).parents[1])
    try:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            http.get("/health").raise_for_status()
            yield ServedBank(url, database_url, http)
    finally:
        process.terminate()
        process.wait()


def _serve(listener_fd: int, database_url: str, tick_s: float) -> None:
    bank = create_bank(database_url, API_KEY, Pace(tick_s=tick_s, settlement_s=SETTLEMENT_S, webhook_retry_s=0.1))
    config = uvicorn.Config(bank, log_level="critical", ws="none", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listener_fd)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
