"""Countersign with its processes apart, each forked and each to be killed: bank, API, workers as a test wants them."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx
import psycopg
from psycopg.rows import DictRow, dict_row

from api import launcher
from api.settings import Settings
from tests.fork_server import SOON_S, Forked, ForkServer
from tests.service import BOOTSTRAP_KEY, Service, free_port

STALLED_AFTER_S = 0.8
"""A fifteenth of the default: long for a worker that lives, and short for a test that waits for a dead one's runs."""

_T = TypeVar("_T")


class Deployment:
    """`service` is where it is; the clients' keys last as long as its database does. `processes` are bank and API."""

    def __init__(self, service: Service, forks: ForkServer, processes: Mapping[str, Forked] | None = None) -> None:
        self.service = service
        self.forks = forks
        self.processes = dict(processes or {})
        self.client = service.client("client", "client@tests")
        self.underwriter = service.client("underwriter", "underwriter@tests")
        self.operator = service.client("operator", "operator@tests")
        self.bank = service.bank()
        self._workers: list[Forked] = []

    def start(self, *argv: str, target: str = "api.cli:main", **environment: str) -> Forked:
        log = self.service.home / f"{argv[0]}.log"
        return self.forks.start(list(argv), self.service.environment | environment, log, target)

    def worker(self, *killed_at: str, **environment: str) -> Forked:
        """A worker that is killed where it first comes to one of these failpoints."""
        failpoints = ",".join(f"{name}=kill" for name in killed_at)
        worker = self.start("worker", **({"FAILPOINTS": failpoints} | environment))
        self._workers.append(worker)
        return worker

    @contextmanager
    def working(self, **environment: str) -> Iterator[Forked]:
        """A worker that nothing happens to; it drains at the end."""
        worker = self.worker(**environment)
        yield worker
        assert worker.terminate() == 0, self.log("worker")

    def revive_api(self) -> None:
        """After it was killed."""
        self.processes["api"] = self.start("api")
        until(partial(answers, f"{self.service.url}/ok"), "the API is up again")

    @contextmanager
    def holding_up(self, agent: str, thread_id: str) -> Iterator[None]:
        """This risk agent comes no further in this case than to its row, which somebody else is writing."""
        with psycopg.connect(self.service.database_url) as conn:
            conn.execute(
                "INSERT INTO risk_assessments (tenant_id, thread_id, agent, version, assessment)"
                " VALUES ('demo', %s, %s, '0', '{}')",
                (thread_id, agent),
            )
            yield
            conn.rollback()

    @contextmanager
    def holding_up_writes(self) -> Iterator[None]:
        """No task's writes are stored meanwhile, nor afterwards by who waited for it; whatever else there is, is."""
        with psycopg.connect(self.service.database_url) as conn:
            conn.execute("LOCK TABLE checkpoint_writes IN SHARE ROW EXCLUSIVE MODE")
            yield
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            conn.rollback()

    def clear(self) -> None:
        """After a test: its workers are gone, and the bank behaves."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        self.misbehave("none")

    def log(self, name: str) -> str:
        return (self.service.home / f"{name}.log").read_text()

    def rows(self, query: str, *values: object) -> list[DictRow]:
        with psycopg.connect(self.service.database_url, autocommit=True, row_factory=dict_row) as conn:
            cur = conn.execute(query.encode(), values or None)
            return cur.fetchall() if cur.description else []

    def misbehave(self, mode: str, route: str = "*", times: int | None = None, delay_s: float = 0) -> None:
        switch = {"route": route, "mode": mode, "times": times, "delay_s": delay_s}
        self.bank.put("/misbehaviour", json=switch).raise_for_status()


def until(found: Callable[[], _T | None], what: str, within_s: float = SOON_S) -> _T:
    """What `found` finds, once it finds something. Looks again and again, for nobody tells."""
    deadline = time.monotonic() + within_s
    while not (value := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.01)
    return value


def environment(database_url: str | None, home: Path, **more: str) -> dict[str, str]:
    """For any of our processes. Without a database URL they have an embedded server, in `home`."""
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return (
        inherited
        | {
            "COUNTERSIGN_HOME": str(home),
            "COUNTERSIGN_BOOTSTRAP_KEY": BOOTSTRAP_KEY,
            "COUNTERSIGN_SANDBOX_PORT": str(free_port()),
            "COUNTERSIGN_STALLED_AFTER_S": str(STALLED_AFTER_S),
            "PORT": str(free_port()),
        }
        | ({"DATABASE_URL": database_url} if database_url else {})
        | more
    )


@contextmanager
def deployment(database_url: str, home: Path, forks: ForkServer, **more: str) -> Iterator[Deployment]:
    """Bank and API, and no worker yet."""
    settings = environment(database_url, home, **more)
    asyncio.run(launcher.first_keys(Settings(COUNTERSIGN_BOOTSTRAP_KEY=BOOTSTRAP_KEY), database_url))
    with psycopg.connect(database_url, autocommit=True) as conn:
        # Our few applicants apply so often that policy would soon take each of them for a fraud.
        conn.execute("ALTER TABLE loan_applications ALTER created_at SET DEFAULT now() - interval '1 year'")
    url = f"http://127.0.0.1:{settings['PORT']}"
    with ExitStack() as clients:
        start = partial(forks.start, environment=settings)
        processes = {name: start([name], log=home / f"{name}.log") for name in ("sandbox", "api")}
        deployed = None
        try:
            until(partial(answers, f"http://127.0.0.1:{settings['COUNTERSIGN_SANDBOX_PORT']}/health"), "the bank is up")
            until(partial(answers, f"{url}/ok"), "the API is up")
            deployed = Deployment(Service(url, database_url, home, settings, clients), forks, processes)
            yield deployed
        finally:
            for process in (processes if deployed is None else deployed.processes).values():
                process.kill()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
