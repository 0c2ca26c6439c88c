"""`countersign mcp`: the API's MCP server on standard input and output, for clients that start a command.

Every line is sent on as it came. A message whose answer is lost is sent again: what it starts has its
`client_request_id`, and is started once.
"""

import asyncio
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import orjson

from api.commands.client import PAUSES_S, checked_key, checked_url
from db.errors import Unavailable

TIMEOUT_S = 120.0
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_NAMES = {
    "tools/call": "name",
    "resources/read": "uri",
    **dict.fromkeys(("tasks/get", "tasks/update", "tasks/cancel"), "taskId"),
}
"""What of a message's parameters `Mcp-Name` repeats."""
_INTERNAL_ERROR = -32603


async def serve(url: str, key: str) -> None:
    """Until standard input ends, and all that came was answered."""
    async with httpx.AsyncClient(
        base_url=checked_url(url),
        headers={"Authorization": f"Bearer {checked_key(key)}", "Accept": "application/json, text/event-stream"},
        timeout=TIMEOUT_S,
        trust_env=httpx.URL(url).host not in ("127.0.0.1", "::1", "localhost"),
    ) as http:
        bridge = _Bridge(http)
        async with asyncio.TaskGroup() as group:
            async for line in _lines():
                bridge.take(line, group)


class _Bridge:
    """What is under way, by its request's id, so that it can be taken back."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._under_way: dict[Any, asyncio.Task[None]] = {}
        self._agreed: str | None = None

    def take(self, line: bytes, group: asyncio.TaskGroup) -> None:
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            _say({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": f"not JSON: {exc}"}})
            return
        if not isinstance(message, dict):
            _say({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "not a message of JSON-RPC"}})
            return
        if message.get("method") == "notifications/cancelled":
            # Over HTTP a request is taken back by hanging up.
            taken_back = self._under_way.get((message.get("params") or {}).get("requestId"))
            if taken_back is not None:
                taken_back.cancel()
            return
        sending = group.create_task(self._send(message))
        if (request_id := message.get("id")) is not None:
            self._under_way[request_id] = sending
            sending.add_done_callback(lambda _: self._under_way.pop(request_id, None))

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            await self._answered(message)
        except Unavailable as exc:
            if "id" in message:
                error = {"code": _INTERNAL_ERROR, "message": str(exc)}
                _say({"jsonrpc": "2.0", "id": message["id"], "error": error})

    async def _answered(self, message: Mapping[str, Any]) -> None:
        """Raises Unavailable after the last attempt."""
        for pause_s in (*PAUSES_S, None):
            try:
                headers = self._headers(message)
                async with self._http.stream("POST", "mcp", content=orjson.dumps(message), headers=headers) as answer:
                    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                        trouble = "it says 503"
                    elif await self._pass_on(message, answer):
                        return
                    else:
                        trouble = "it hung up before it answered"
            except httpx.TransportError as exc:
                trouble = f"{type(exc).__name__} {exc}".strip()
            if pause_s is None:
                raise Unavailable(f"no answer from {self._http.base_url}: {trouble}")
            await asyncio.sleep(pause_s)

    async def _pass_on(self, message: Mapping[str, Any], answer: httpx.Response) -> bool:
        """Whether that was all."""
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            is_answered = "id" not in message
            async for line in answer.aiter_lines():
                if line.startswith("data:") and (text := line.removeprefix("data:").strip()):
                    self._tell(message, told := orjson.loads(text))
                    is_answered |= told.get("id") == message.get("id")
            return is_answered
        body = await answer.aread()
        if "id" not in message:
            return True
        told = orjson.loads(body) if body else {}
        if "jsonrpc" not in told:
            # A problem of the API's own, such as a key that is unknown.
            detail = told.get("detail") or f"the API answered {answer.status_code}"
            told = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": _INTERNAL_ERROR, "message": detail}}
        self._tell(message, told)
        return True

    def _tell(self, message: Mapping[str, Any], told: dict[str, Any]) -> None:
        if message.get("method") == "initialize" and "result" in told:
            self._agreed = told["result"]["protocolVersion"]
        _say(told)

    def _headers(self, message: Mapping[str, Any]) -> dict[str, str]:
        """The headers that say again what the message says."""
        method, params = str(message.get("method", "")), message.get("params") or {}
        headers = {"Content-Type": "application/json"}
        version = (params.get("_meta") or {}).get(_VERSION_KEY) if isinstance(params, dict) else None
        if version is None:
            return headers | ({"mcp-protocol-version": self._agreed} if self._agreed else {})
        headers |= {"mcp-protocol-version": str(version), "mcp-method": method}
        if isinstance(name := params.get(_NAMES.get(method, "")), str):
            headers["mcp-name"] = _header(name)
        return headers


def _header(value: str) -> str:
    """As the protocol has it for what no header can hold."""
    fits = value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?base64?")
    return value if fits else f"=?base64?{b64encode(value.encode()).decode()}?="


async def _lines() -> AsyncIterator[bytes]:
    """Of standard input, read in a thread: it may be a file, which no event loop waits for."""
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        if line.strip():
            yield line


def _say(message: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()
