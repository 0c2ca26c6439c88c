"""Countersign over HTTP, as any program calls it: every wish keyed, every stream resumed where it broke off."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

from db.errors import CountersignError, InvalidInput, Unavailable

TIMEOUT_S = 30.0
"""Longer than the pause between two pings of a stream that has nothing to tell."""
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Between the attempts at a server that does not answer, or says 503."""


@dataclass(frozen=True, slots=True)
class Event:
    event_id: str
    event: str
    data: dict[str, Any]


class Refused(CountersignError):
    """The server said no, and why; `fields` are the faulty ones with the reason for each."""

    def __init__(self, status: int, detail: str, fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{detail} ({status})")
        self.status = status
        self.fields = fields


class Client:
    """Safe to use from several threads. Raises Refused, or Unavailable after the last attempt."""

    def __init__(self, url: str, key: str) -> None:
        self._url = checked_url(url)
        self._http = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {checked_key(key)}"},
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=64),
            trust_env=httpx.URL(url).host not in ("127.0.0.1", "::1", "localhost"),
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        return _json(self._send("GET", path))

    def file(self, path: str) -> bytes:
        return self._send("GET", path).content

    def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        """As often as need be, under one key: `key`, or one made now."""
        return _json(self._send("POST", path, json=body, headers={"Idempotency-Key": key or uuid4().hex}))

    def start(self, workflow: str, request: Mapping[str, Any], key: str | None = None) -> str:
        """The thread of a new case, or of the one that this key started before."""
        started = self.post(f"/workflows/{workflow}/threads", request, key)
        return str(started["thread_id"])

    def answer(self, review: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        body = {"payload_sha256": review["payload_sha256"], "answer": answer}
        self.post(f"/reviews/{review['review_id']}/answer", body, None)

    def events(self, thread_id: str, after: str | None = None, patience_s: float | None = None) -> Iterator[Event]:
        """What happens in the case after an event, until no run of it is under way.

        Raises Unavailable if `patience_s` go by without an event.
        """
        stream = _Stream(after, failures=0, heard_at=time.monotonic(), patience_s=patience_s)
        while True:
            try:
                yield from self._stream(f"/threads/{thread_id}/events", stream)
                return
            except (httpx.TransportError, Unavailable) as exc:
                if stream.failures >= len(PAUSES_S) or stream.is_out_of_patience:
                    raise Unavailable(f"lost the events of {thread_id} at {self._url}: {exc}") from exc
                time.sleep(PAUSES_S[stream.failures])
                stream.failures += 1

    def _stream(self, path: str, stream: "_Stream") -> Iterator[Event]:
        headers = {} if stream.last_id is None else {"Last-Event-ID": stream.last_id}
        with self._http.stream("GET", path, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                raise _refusal(answer)
            told: dict[str, str] = {}
            for line in answer.iter_lines():
                if line.startswith(":") and stream.is_out_of_patience:
                    raise Unavailable(f"nothing happened for {stream.patience_s:.0f} s")
                if line:
                    name, _, value = line.partition(": ")
                    told[name] = value
                elif "data" in told:
                    stream.heard(told["id"])
                    yield Event(told["id"], told["event"], json.loads(told["data"]))
                    told = {}

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Again and again for a while: what is sent twice is done once, since every POST has its key."""
        for pause_s in (*PAUSES_S, None):
            try:
                answer = self._http.request(method, path, **more)
            except httpx.TransportError as exc:
                if pause_s is None:
                    raise Unavailable(f"no answer from {self._url}: {exc}") from exc
            else:
                if answer.is_success:
                    return answer
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or pause_s is None:
                    raise _refusal(answer)
            time.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")


@dataclass(slots=True)
class _Stream:
    """How far a stream was read, over however many connections."""

    last_id: str | None
    failures: int
    heard_at: float
    patience_s: float | None = field(default=None)

    @property
    def is_out_of_patience(self) -> bool:
        return self.patience_s is not None and time.monotonic() - self.heard_at > self.patience_s

    def heard(self, event_id: str) -> None:
        self.last_id, self.failures, self.heard_at = event_id, 0, time.monotonic()


def checked_key(key: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInput("--key", "is not an API key")
    return key


def checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise InvalidInput("--url", f"{url!r} is not a URL: {exc}") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidInput("--url", f"{url!r} is not a URL such as http://127.0.0.1:8000")
    return url


def _refusal(answer: httpx.Response) -> CountersignError:
    try:
        problem = answer.json()
        detail = str(problem["detail"])
        fields = tuple((str(each["field"]), str(each["reason"])) for each in problem.get("errors", ()))
    except (ValueError, TypeError, KeyError):
        detail, fields = f"{answer.request.url} answered {answer.text[:200]!r}", ()
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return Unavailable(detail)
    return Refused(answer.status_code, detail, fields)


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as exc:
        raise Refused(answer.status_code, f"{answer.request.url} did not answer with JSON; is it Countersign?") from exc
