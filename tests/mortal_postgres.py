"""A PostgreSQL server to be killed under a whole deployment, and what the API says while it is away."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import psycopg

from tests.crash_deployment import Deployment
from tests.fork_server import SOON_S


@contextmanager
def home_of_postgres() -> Iterator[Path]:
    with TemporaryDirectory(prefix="countersign-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def kill_postgres(url: str, how: signal.Signals = signal.SIGKILL) -> None:
    with psycopg.connect(url) as conn:
        server = psutil.Process(conn.info.backend_pid).parent()
    assert server is not None
    server.send_signal(how)
    psutil.wait_procs([server], timeout=SOON_S)


def unless_up(deployed: Deployment) -> httpx.Response | None:
    """The API's answer if it is that its database is away."""
    response = deployed.client.get("/threads")
    assert response.status_code in (200, 503), response.text
    return response if response.status_code == 503 else None
