"""Processes of ours for tests, forked from one that has imported everything: a tenth of a second each, not two.

The server has neither threads nor an event loop, so that a child starts as a fresh process would: with its own
environment, arguments and log, and at the entry point that `countersign` has. Requests and answers are lines of JSON.
"""

import atexit
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COUNTERSIGN = "api.cli:main"
IMPORTED = (
    "api.cli", "api.app", "api.bootstrap", "api.sandbox.app", "anyio._backends._asyncio",
    "fpdf", "procrastinate.worker", "psycopg_binary", "rich._emoji_codes", "uvicorn.lifespan.on",
    "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto",
)  # fmt: skip
SOON_S = 30.0
IMPORTED_S = 90.0
"""Until its first fork the server imports everything, which a busy machine takes long over."""


class Forked:
    """One process. Its exit code is negative if a signal ended it, as with `subprocess`."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self._server = server
        self.pid = pid

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        return self._server.exit_code(self.pid, timeout_s=0)

    def wait(self, timeout: float = SOON_S) -> int:
        """Raises TimeoutError after so many seconds."""
        code = self._server.exit_code(self.pid, timeout)
        if code is None:
            raise TimeoutError(f"process {self.pid} is still there after {timeout} s")
        return code

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait()

    def terminate(self) -> int:
        """Lets it end as SIGTERM does; returns its exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait()


class ForkServer:
    """The client's side of `fork_server()`."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._unread = b""
        self._exit_codes: dict[int, int] = {}

    def start(self, argv: list[str], environment: Mapping[str, str], log: Path, target: str = COUNTERSIGN) -> Forked:
        """A process that calls `target`, `module:function`, with these arguments after the program's name."""
        request = {"argv": argv, "environment": dict(environment), "log": str(log), "target": target}
        os.write(self._requests, json.dumps(request).encode() + b"\n")
        while (answer := self._read(IMPORTED_S)) is None or "forked" not in answer:
            if answer is None:
                raise TimeoutError("the fork server does not answer")
        self._exit_codes.pop(answer["forked"], None)  # Of a process that had this number before.
        return Forked(self, answer["forked"])

    def exit_code(self, pid: int, timeout_s: float) -> int | None:
        """None: it was still running after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while pid not in self._exit_codes and self._read(deadline - time.monotonic()) is not None:
            pass
        return self._exit_codes.get(pid)

    def _read(self, timeout_s: float) -> dict[str, int] | None:
        """The next answer, which may tell of a process that ended meanwhile."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                return None
            if not (read := os.read(self._answers, 65536)):
                raise EOFError("the fork server is gone")
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, int] = json.loads(line)
        if "ended" in answer:
            self._exit_codes[answer["ended"]] = answer["code"]
        return answer


@contextmanager
def fork_server() -> Iterator[ForkServer]:
    """Leaving it kills what is still running."""
    command = [sys.executable, "-m", "tests.fork_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        yield ForkServer(process.stdin.fileno(), process.stdout.fileno())
        process.stdin.close()
        process.wait(timeout=SOON_S)


@cache
def fork_server_of_ours() -> ForkServer:
    """The one of this process, from when it is first asked for until the process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(fork_server())


def _serve() -> dict[str, Any] | None:
    """Forks a child per request. Returns its request in each child, and None in the server at the end of its input."""
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: set[int] = set()
    unread = b""
    while True:
        ready, _, _ = select.select([0, wake_reader], [], [])
        if wake_reader in ready:
            os.read(wake_reader, 4096)
            _tell_ended(running)
        if 0 not in ready:
            continue
        if not (read := os.read(0, 65536)):
            for pid in running:
                os.kill(pid, signal.SIGKILL)
            return None
        *lines, unread = (unread + read).split(b"\n")
        for line in lines:
            if not (pid := os.fork()):
                return dict(json.loads(line))
            running.add(pid)
            _tell({"forked": pid})


def _tell_ended(running: set[int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        running.remove(pid)
        _tell({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _tell(answer: dict[str, int]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _become(request: dict[str, Any]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["countersign", *request["argv"]]
    failpoints = importlib.import_module("db.failpoints")
    failpoints.arm(os.environ.get("FAILPOINTS", ""))
    module, _, function = request["target"].partition(":")
    getattr(importlib.import_module(module), function)()


def _do_what_all_would() -> None:
    """What is kept once it is done, and comes out the same in every process."""
    for name in IMPORTED:
        importlib.import_module(name)
    from langgraph.checkpoint.memory import InMemorySaver

    from api.app import create_app
    from api.catalogue import all_served
    from api.graph_factory import Backing
    from api.settings import Settings
    from tools.rules import fraud_model
    from tools.screening import screening_index

    create_app(Settings(), "", with_worker=False)
    all_served(None, Backing(InMemorySaver()))
    fraud_model.shipped()
    screening_index(None)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _do_what_all_would()
    if (mine := _serve()) is not None:
        _become(mine)
