"""All of Countersign for one command's time: database, sandbox bank, API and worker, each a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from api import launcher
from api.settings import Settings
from db.errors import CountersignError
from db.migrate import migrate

START_S = 60.0
STOP_S = 30.0
HOST = "127.0.0.1"

Child = subprocess.Popen[bytes]
Tell = Callable[[str, str], None]
"""Called with each part that runs now, and where."""


@dataclass(frozen=True, slots=True)
class Deployment:
    url: str
    bank_url: str
    bank_key: str
    database_url: str


@contextmanager
def deployed(settings: Settings, log: Path, tell: Tell) -> Iterator[Deployment]:
    """Runs everything until the block is left; what the processes say goes to `log`, which starts empty.

    A port that is taken (by `countersign up`, say) gives way to a free one. The processes end when we do, whatever
    ends us, because their standard input does.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = _on_free_ports(settings)
    with ExitStack() as stack:
        said = stack.enter_context(log.open("wb"))
        database_url = stack.enter_context(launcher.database(settings))
        migrate(database_url)
        tell("PostgreSQL", "at DATABASE_URL" if settings.database_url else f"embedded in {settings.home}")
        named = launcher.with_bank(settings)
        assert named.banking_api_base_url is not None and named.banking_api_key is not None
        environment = {
            "DATABASE_URL": database_url,
            "COUNTERSIGN_HOME": str(settings.home),
            "COUNTERSIGN_SANDBOX_PORT": str(named.sandbox_port),
            "COUNTERSIGN_HOST": HOST,
            "PORT": str(settings.port),
        }
        children: list[Child] = []
        stack.callback(_stop, children)
        children += (_start(command, environment, said) for command in ("api", "worker"))
        stack.enter_context(launcher.sandbox_beside(settings, named, database_url, said))
        # Again, and so before the bank ends: what they still do may need it.
        stack.callback(_stop, children)
        tell("bank" if settings.banking_api_base_url else "sandbox bank", named.banking_api_base_url)
        url = f"http://{HOST}:{settings.port}"
        _await_ok(url, children, log)
        tell("API", url)
        tell("worker", f"process {children[1].pid}")
        yield Deployment(url, named.banking_api_base_url, named.banking_api_key.get_secret_value(), database_url)


def _on_free_ports(settings: Settings) -> Settings:
    port = _free_port(settings.port)
    if settings.banking_api_base_url:
        return settings.model_copy(update={"port": port})
    sandbox_port = _free_port(settings.sandbox_port or port + 1)
    return settings.model_copy(update={"port": port, "sandbox_port": sandbox_port})


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
            except OSError:
                continue
    raise CountersignError(f"no port is free on {HOST}")


def _start(command: str, environment: dict[str, str], log: BinaryIO) -> Child:
    """In a session of its own: Ctrl-C is for us, and we stop it."""
    return subprocess.Popen(
        [sys.executable, "-m", "api.cli", command, "--with-parent"],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _stop(children: Sequence[Child]) -> None:
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
    for child in children:
        try:
            child.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await_ok(url: str, children: Sequence[Child], log: Path) -> None:
    deadline = time.monotonic() + START_S
    with httpx.Client(base_url=url, timeout=1, trust_env=False) as client:
        while time.monotonic() < deadline:
            if any(child.poll() is not None for child in children):
                raise CountersignError(f"a process ended at once; {log} says why:\n{_end_of(log)}")
            try:
                if client.get("/ok").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
    raise CountersignError(f"the API did not answer within {START_S:.0f} s; {log} may say why:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
