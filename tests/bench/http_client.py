"""One HTTP connection that is kept alive, cheaper than httpx's: on few cores a client slows down what it measures."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httptools
import orjson

TIMEOUT_S = 60.0


@dataclass(slots=True)
class Answer:
    """`first_event_at` is when the first event of a stream of events came, by `time.perf_counter`."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    first_event_at: float = 0.0

    def json(self) -> Any:
        return orjson.loads(self.body)


class Connection(asyncio.Protocol):
    """`await open_connection(url, key)`; one request at a time. Callbacks in `on_` are the parser's."""

    def __init__(self, host: str, key: str) -> None:
        self._head = f" HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\nContent-Type: application/json\r\n".encode()
        self._parser: Any = None
        self._answer = Answer()
        self._ended: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    async def post(self, path: str, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """The whole answer, a stream's too. Raises ConnectionError, TimeoutError, or AssertionError for a refusal."""
        assert self._transport is not None
        body = orjson.dumps(content)
        self._parser, self._answer = httptools.HttpResponseParser(self), Answer()
        self._ended = asyncio.get_running_loop().create_future()
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        end = f"{more}Content-Length: {len(body)}\r\n\r\n"
        self._transport.write(b"".join((b"POST ", path.encode(), self._head, end.encode(), body)))
        async with asyncio.timeout(TIMEOUT_S):
            answer = await self._ended
        assert answer.status < 300, answer
        return answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(ConnectionError("the server hung up"))

    def on_body(self, body: bytes) -> None:
        if not self._answer.first_event_at and body.startswith((b"event:", b"id:")):
            self._answer.first_event_at = time.perf_counter()
        self._answer.body += body

    def on_message_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(self._answer)


async def open_connection(url: str, key: str) -> Connection:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(parts.netloc, key), parts.hostname, parts.port)
    return connection
