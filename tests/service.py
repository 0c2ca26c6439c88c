"""A whole Countersign for tests: `countersign up` as a real process, with clients for each role."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.fork_server import Forked, fork_server_of_ours

BOOTSTRAP_KEY = "bootstrap-key-of-the-tests"
SIGNING_KEY = b"what the bank signs its events with"
SECRET = f"whsec_{base64.b64encode(SIGNING_KEY).decode()}"
START_S = 60.0

Process = Forked | subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Service:
    """One running deployment, and the processes that were started for it."""

    url: str
    database_url: str
    home: Path
    environment: dict[str, str]
    clients: ExitStack
    started: list[Process] = field(default_factory=list)
    forked: bool = True

    def client(self, role: str, person: str | None = None) -> httpx.Client:
        """A client with a fresh key of this role; `person` sets who it belongs to."""
        body = {"person": person or f"{role}-{uuid4().hex[:8]}", "roles": [role]}
        made = httpx.post(f"{self.url}/keys", json=body, headers={"x-api-key": BOOTSTRAP_KEY}, timeout=60)
        made.raise_for_status()
        return self._kept(httpx.Client(base_url=self.url, headers={"x-api-key": made.json()["key"]}, timeout=60))

    def admin(self) -> httpx.Client:
        return self._kept(httpx.Client(base_url=self.url, headers={"x-api-key": BOOTSTRAP_KEY}, timeout=60))

    def bank(self) -> httpx.Client:
        """The sandbox bank, as its operator sees it."""
        headers = {"Authorization": f"Bearer {(self.home / 'sandbox.key').read_text()}"}
        port = self.environment["COUNTERSIGN_SANDBOX_PORT"]
        return self._kept(httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60))

    def _kept(self, client: httpx.Client) -> httpx.Client:
        return self.clients.enter_context(client)

    def start(self, *command: str, **more: str) -> Process:
        """Starts `countersign COMMAND` against this deployment's database and bank."""
        start = fork_server_of_ours().start if self.forked else spawned
        process = start(list(command), self.environment | more, self.home / f"{command[0]}.log")
        self.started.append(process)
        return process


def spawned(argv: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "api.cli", *argv], env=environment, stdout=said, stderr=subprocess.STDOUT
        )


def start_case(client: httpx.Client, application: dict[str, Any]) -> str:
    """The thread of a new loan application."""
    answer = client.post(
        "/workflows/loan_origination/threads", json=application, headers={"Idempotency-Key": uuid4().hex}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["thread_id"])


def follow(client: httpx.Client, thread_id: str) -> list[dict[str, Any]]:
    """The case's events as they are streamed, until no run of it is under way."""
    events: list[dict[str, Any]] = []
    with client.stream("GET", f"/threads/{thread_id}/events") as stream:
        assert stream.status_code == 200
        text = "".join(stream.iter_text())
    for block in text.split("\n\n"):
        if match := re.fullmatch(r"id: (\S+)\nevent: (\S+)\ndata: (.*)", block):
            events.append({"id": match[1], "event": match[2], "data": httpx.Response(200, text=match[3]).json()})
    return events


def open_review(client: httpx.Client, thread_id: str) -> dict[str, Any]:
    """The review of this case that waits for this client."""
    waiting = [r for r in client.get("/reviews").json() if r["thread_id"] == thread_id]
    assert len(waiting) == 1, waiting
    return dict(waiting[0])


def answer(client: httpx.Client, review: dict[str, Any], given: dict[str, Any]) -> httpx.Response:
    body = {"payload_sha256": review["payload_sha256"], "answer": given}
    return client.post(f"/reviews/{review['review_id']}/answer", json=body, headers={"Idempotency-Key": uuid4().hex})


def free_port() -> int:
    """Nobody else is given this port meanwhile: a connection that has just ended keeps it for a minute."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = probe.getsockname()
        with socket.create_connection(address), probe.accept()[0] as first_to_close:
            first_to_close.close()
        return int(address[1])


@contextmanager
def service(database_url: str, home: Path, commands: Sequence[str] = ("up",), **environment: str) -> Iterator[Service]:
    """`countersign up`, or other commands, on free ports until the block is left; the first has the API.

    Its processes are forked from one that has imported everything, the sandbox bank apart from `up`.
    """
    served = placed(database_url, home, environment, forked=True)
    with forked_bank(served) if "up" in commands else nullcontext(), running(served, commands):
        yield served


@contextmanager
def told_service(database_url: str, home: Path, **environment: str) -> Iterator[Service]:
    """As `service`, with a sandbox bank that tells it of events, signed with SIGNING_KEY."""
    with service(database_url, home, BANKING_WEBHOOK_SECRET=SECRET, **environment) as served:
        listening = {"url": f"{served.url}/bank/events", "secret": SECRET}
        served.bank().put("/webhook-endpoint", json=listening).raise_for_status()
        yield served


@contextmanager
def spawned_service(
    database_url: str, home: Path, commands: Sequence[str] = ("up",), **environment: str
) -> Iterator[Service]:
    """As `service`, with the very processes that a user has: seconds slower, and `up` starts its bank by itself."""
    served = placed(database_url, home, environment, forked=False)
    with running(served, commands):
        yield served


def placed(database_url: str, home: Path, environment: Mapping[str, str], *, forked: bool) -> Service:
    port = free_port()
    return Service(
        url=f"http://127.0.0.1:{port}",
        database_url=database_url,
        home=home,
        environment=dict(os.environ)
        | {
            "DATABASE_URL": database_url,
            "COUNTERSIGN_HOME": str(home),
            "COUNTERSIGN_BOOTSTRAP_KEY": BOOTSTRAP_KEY,
            "COUNTERSIGN_SANDBOX_PORT": str(free_port()),
            # Whatever a test leaves under way need not come to its step's end.
            "COUNTERSIGN_DRAIN_S": "1",
            "PORT": str(port),
        }
        | dict(environment),
        clients=ExitStack(),
        forked=forked,
    )


@contextmanager
def running(served: Service, commands: Sequence[str]) -> Iterator[None]:
    try:
        for command in commands:
            served.start(command)
        await_ok(served, served.started[0])
        with served.clients:
            yield
    finally:
        for process in served.started:
            process.send_signal(signal.SIGTERM)
        for process in served.started:
            process.wait(timeout=30)


@contextmanager
def forked_bank(served: Service) -> Iterator[None]:
    """The sandbox bank as somebody else's process, which `up` is told of and does not start."""
    key = f"bank_{uuid4().hex}"
    (served.home / "sandbox.key").write_text(key)
    url = f"http://127.0.0.1:{served.environment['COUNTERSIGN_SANDBOX_PORT']}"
    process = fork_server_of_ours().start(["sandbox"], served.environment, served.home / "sandbox.log")
    served.environment.update(BANKING_API_BASE_URL=url, BANKING_API_KEY=key)
    try:
        await_answer(f"{url}/health", process, served.home)
        yield
    finally:
        process.terminate()


def await_ok(served: Service, process: Process) -> None:
    """Returns when the API answers; raises with the log's end if its process ends before."""
    await_answer(f"{served.url}/ok", process, served.home)


def await_answer(url: str, process: Process, home: Path) -> None:
    transport = httpx.HTTPTransport(retries=0)
    with httpx.Client(transport=transport, timeout=START_S) as client:
        while process.poll() is None:
            try:
                if client.get(url).is_success:
                    return
            except httpx.ConnectError:
                # It cannot tell us when it is ready; this is a pause between two looks, not a race's cure.
                time.sleep(0.02)
    raise AssertionError("\n".join(log.read_text()[-3000:] for log in home.glob("*.log")))
