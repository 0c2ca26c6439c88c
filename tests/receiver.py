"""A receiver of webhooks on a real port, which keeps what it got and answers as a test tells it to."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SOON_S = 20.0
Answer = tuple[int, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    def verified(self, secret: str) -> dict[str, Any]:
        """What it says. Raises unless this secret signed it."""
        return dict(Webhook(secret).verify(self.body, self.headers))


@dataclass(slots=True)
class Receiver:
    """`answers` by path, one after the other; then, and for all other paths, 204."""

    url: str
    got: list[Received] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    news: threading.Condition = field(default_factory=threading.Condition)

    def awaited(self, path: str, number: int = 1) -> list[Received]:
        """What came to this path, once so many requests have."""
        deadline = time.monotonic() + SOON_S
        with self.news:
            while len(found := self.at(path)) < number:
                if not self.news.wait(deadline - time.monotonic()):
                    raise AssertionError(f"{len(found)} of {number} requests came to {path}")
        return found

    def at(self, path: str) -> list[Received]:
        return [one for one in self.got if one.path == path]


@contextmanager
def receiver(host: str = "127.0.0.2") -> Iterator[Receiver]:
    """On an address of its own of this machine, so that it can be allowed alone."""
    server = ThreadingHTTPServer((host, 0), BaseHTTPRequestHandler)
    received = Receiver(f"http://{host}:{server.server_address[1]}")
    server.RequestHandlerClass = _handler(received)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(received: Receiver) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with received.news:
                received.got.append(Received(self.path, dict(self.headers), body, time.time()))
                told = received.answers.get(self.path)
                status, headers = told.pop(0) if told else (204, {})
                received.news.notify_all()
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    return Handler
