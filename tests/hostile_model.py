"""A model that may do anything: a real HTTP endpoint of the OpenAI protocol whose behaviour each test chooses.

`with hostile_model() as model:` serves at `model.url`; `model.behave(...)` sets what it does from then on, and
`model.asked` is what it was asked. A behaviour answers one request; the factories below are the usual ones.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = "hostile-1"
CHUNK = 7
"""Characters of each streamed part."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its body, its headers, and how many came before it since the behaviour was set."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    number: int

    @property
    def text(self) -> str:
        """All that its messages say."""
        return "\n".join(str(message.get("content") or "") for message in self.body["messages"])

    @property
    def tools(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools", ())]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's call. `arguments` that are a string are sent as they are, JSON or not."""

    tool: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """`stalls_s` passes before anything is sent; `truncated`: the connection ends in the middle."""

    text: str | None = ""
    calls: Sequence[Call] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stalls_s: float = 0.0
    truncated: bool = False
    refusal: str | None = None
    tokens: tuple[int, int] = (100, 20)


Behaviour = Callable[[Asked], Reply]


def says(*texts: str) -> Behaviour:
    """One text after the other; the last again and again."""
    return lambda asked: Reply(texts[min(asked.number, len(texts) - 1)])


def says_json(*values: Any) -> Behaviour:
    """An honest model's structured answers. Wrong JSON and then right: `says("{", json.dumps(right))`."""
    return says(*(json.dumps(value) for value in values))


def garbage() -> Behaviour:
    return says("\x00\ufffd}{]] Sure! Here is the JSON you asked for: {'amount': NaN, \U0001f4b8")


def refuses() -> Behaviour:
    return lambda asked: Reply(text=None, refusal="I can't help with that.")


def stalls(seconds: float = 30.0) -> Behaviour:
    return lambda asked: Reply("too late", stalls_s=seconds)


def fails(status: int = 500, **headers: str) -> Behaviour:
    """429 with `**{"Retry-After": "1"}`, or any other error."""
    return lambda asked: Reply(status=status, headers=headers)


def truncates(text: str = '{"text": "the stream ends in the mid') -> Behaviour:
    return lambda asked: Reply(text, truncated=True)


def then(*behaviours: Behaviour) -> Behaviour:
    """Each for one request, the last for all that follow."""
    return lambda asked: behaviours[min(asked.number, len(behaviours) - 1)](asked)


def plain(behaviour: Behaviour, *, ignores: bool = False) -> Behaviour:
    """A server that knows neither tools nor schemas: it refuses them, or ignores them."""

    def answer(asked: Asked) -> Reply:
        unknown = {"tools", "response_format"} & asked.body.keys()
        if unknown and not ignores:
            return Reply(f"unknown parameter: {min(unknown)}", status=400)
        reply = behaviour(asked)
        return Reply(reply.text or json.dumps([call.tool for call in reply.calls]))

    return answer


def calls(*wanted: Call, then_says: str = "Done.") -> Behaviour:
    """Calls these tools, one each request, whether they are offered or not; then says something."""
    return lambda asked: Reply(None, [wanted[asked.number]]) if asked.number < len(wanted) else Reply(then_says)


def calls_forever(tool: str | None = None, arguments: Mapping[str, Any] | str = "{}") -> Behaviour:
    """Never comes to an end: the named tool, or the first that it is offered, again and again."""
    return lambda asked: Reply(None, [Call(tool or (asked.tools or ["nothing"])[0], arguments)])


def adversary(arguments_for: Callable[[str, Asked], Mapping[str, Any] | None]) -> Behaviour:
    """Calls every tool that it is offered with what the test has thought of for it; None: not that one."""

    def attack(asked: Asked) -> Reply:
        thought_of = ((tool, arguments_for(tool, asked)) for tool in asked.tools)
        attacks = [Call(tool, arguments) for tool, arguments in thought_of if arguments is not None]
        return Reply(None, attacks) if attacks else Reply("All done, nothing to see here.")

    return attack


@dataclass(slots=True)
class HostileModel:
    url: str
    asked: list[Asked] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    _behaviour: Behaviour = field(default_factory=lambda: says("Hello."))
    _since: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def behave(self, behaviour: Behaviour) -> None:
        with self._lock:
            self._behaviour, self._since = behaviour, len(self.asked)

    def take(self, body: dict[str, Any], headers: Mapping[str, str]) -> Reply:
        with self._lock:
            asked = Asked(body, headers, len(self.asked) - self._since)
            self.asked.append(asked)
            behaviour = self._behaviour
        return behaviour(asked)

    def environment(self) -> dict[str, str]:
        """What a service is started with to use this model."""
        return {"OPENAI_API_KEY": "sk-of-the-tests", "OPENAI_BASE_URL": self.url, "COUNTERSIGN_MODEL": NAME}


@contextmanager
def hostile_model() -> Iterator[HostileModel]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.model = HostileModel(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.model
    finally:
        server.model.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    model: HostileModel

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up waiting is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.server.model.take(body, dict(self.headers))
        if reply.stalls_s and self.server.model.closing.wait(reply.stalls_s):
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            if reply.status != 200:
                self._send(reply, {"error": {"message": reply.text or "no", "type": "error", "code": None}})
            elif body.get("stream"):
                self._stream(reply)
            else:
                self._send(reply, _completion(reply))

    def log_message(self, *args: Any) -> None:
        """Not on the tests' output."""

    def _send(self, reply: Reply, value: Any) -> None:
        sent = json.dumps(value).encode()
        self._begin(reply, "application/json", len(sent))
        self.wfile.write(sent[: len(sent) // 2] if reply.truncated else sent)

    def _stream(self, reply: Reply) -> None:
        self._begin(reply, "text/event-stream")
        text = reply.text or ""
        parts = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)]
        for delta in ({"content": part} for part in parts[: len(parts) // 2] if reply.truncated):
            self._event(delta)
        if reply.truncated:
            return
        for delta in ({"content": part} for part in parts):
            self._event(delta)
        if reply.calls or reply.refusal:
            self._event(_said(reply, streamed=True))
        self._event({}, finish_reason="tool_calls" if reply.calls else "stop", usage=_usage(reply))
        self.wfile.write(b"data: [DONE]\n\n")

    def _begin(self, reply: Reply, content_type: str, length: int | None = None) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", content_type)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _event(self, delta: Mapping[str, Any], finish_reason: str | None = None, usage: Any = None) -> None:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish_reason}
        chunk = {"id": "c-1", "object": "chat.completion.chunk", "created": 0, "model": NAME, "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(chunk | {'usage': usage})}\n\n".encode())
        self.wfile.flush()


def _completion(reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text, **_said(reply)}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if reply.calls else "stop"}
    described = {"id": "c-1", "object": "chat.completion", "created": 0, "model": NAME}
    return described | {"choices": [choice], "usage": _usage(reply)}


def _said(reply: Reply, *, streamed: bool = False) -> dict[str, Any]:
    said: dict[str, Any] = {"refusal": reply.refusal} if reply.refusal else {}
    if reply.calls:
        said["tool_calls"] = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": call.tool, "arguments": _arguments(call)},
                **({"index": number} if streamed else {}),
            }
            for number, call in enumerate(reply.calls)
        ]
    return said


def _arguments(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _usage(reply: Reply) -> dict[str, int]:
    asked, answered = reply.tokens
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
