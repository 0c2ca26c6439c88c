"""What a request must be before any route looks at it: small enough, JSON, and nothing in it that cannot be kept.

Python's JSON is laxer than RFC 8259 and than PostgreSQL: it takes NaN, NUL, half a surrogate pair, UTF-16 and a name
given twice, and it rounds long decimals. All of these are refused here, each by the name of its field.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import InvalidRequest, refuse

MAX_BODY_BYTES = 256 * 1024
MAX_DEPTH = 100
_INT64 = range(-(2**63), 2**63)
_TOO_LARGE = f"is larger than {MAX_BODY_BYTES} bytes"
_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"
_PLAIN = "send a plain decimal number"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Loc = tuple[str | int, ...]


class LimitedBody:
    """Answers 413 to a body that says it is too large, and to one that turns out to be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if int(Headers(scope=scope).get("content-length", "0")) > MAX_BODY_BYTES:
            await refuse(Request(scope), InvalidRequest(413, "body", _TOO_LARGE))(scope, receive, send)
            return
        received, answering = 0, False

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES and not answering:
                raise InvalidRequest(413, "body", _TOO_LARGE)
            return message

        async def send_noted(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        await self._app(scope, receive_limited, send_noted)


class StrictBodyRoute(APIRoute):
    """Takes no body but strict JSON."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_strict_body(request: Request) -> Response:
            return await handle(await with_strict_body(request))

        return handle_strict_body


class StrictRoute(StrictBodyRoute):
    """Takes no query parameter that it does not know, either."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        declaring = (self.dependant, *self.dependant.dependencies)
        known = {parameter.alias for dependant in declaring for parameter in dependant.query_params}

        async def handle_known_parameters(request: Request) -> Response:
            for name in request.query_params:
                if name not in known:
                    there_are = ", ".join(sorted(known)) or "none"
                    raise InvalidRequest(422, name, f"is no query parameter of this route; there are: {there_are}")
            return await handle(request)

        return handle_known_parameters


class _StrictRequest(Request):
    strict_json: Any = None

    async def json(self) -> Any:
        return self.strict_json


async def with_strict_body(request: Request) -> Request:
    strict = _StrictRequest(request.scope, request.receive)
    if raw := await strict.body():
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise InvalidRequest(415, "Content-Type", f"is {media_type or 'missing'}; send application/json")
        strict.strict_json = read_json(raw)
    return strict


def read_json(raw: bytes) -> Any:
    """Raises InvalidRequest if this is not JSON, RequestValidationError for what JSON can say and nobody can keep."""
    unfit: list[_Unfit] = []
    try:
        value = _decoder(unfit.append).decode(raw.decode())
    except UnicodeDecodeError as exc:
        raise InvalidRequest(400, "body", f"is not UTF-8 at byte {exc.start}") from exc
    except json.JSONDecodeError as exc:
        raise InvalidRequest(400, "body", f"is not JSON: {exc.msg} at line {exc.lineno} column {exc.colno}") from exc
    except RecursionError as exc:
        raise InvalidRequest(400, "body", _TOO_DEEP) from exc
    may_be_unfit = unfit or b"\\u" in raw or raw.count(b"[") + raw.count(b"{") > MAX_DEPTH
    if may_be_unfit and (faults := list(_faults(value))):
        raise RequestValidationError([{"type": "unfit", "loc": ("body", *loc), "msg": why} for loc, why in faults])
    return value


@dataclass(frozen=True, slots=True)
class _Unfit:
    """Stands where a value stood that cannot be kept."""

    reason: str


def _faults(whole: Any) -> Iterator[tuple[Loc, str]]:
    """Where something is that cannot be kept, and why."""
    found: list[tuple[Loc, Any]] = [((), whole)]
    for loc, value in found:
        if len(loc) > MAX_DEPTH:
            yield loc[:1], _TOO_DEEP
        elif isinstance(value, _Unfit):
            yield loc, value.reason
        elif isinstance(value, str) and (reason := _unfit_text(value)):
            yield loc, reason
        elif isinstance(value, list):
            found += [((*loc, number), item) for number, item in enumerate(value)]
        elif isinstance(value, dict):
            yield from (((*loc, name), f"is a name that {reason}") for name in value if (reason := _unfit_text(name)))
            found += [((*loc, name), item) for name, item in value.items()]


def _unfit_text(text: str) -> str | None:
    if "\0" in text:
        return "contains NUL, the character U+0000, which cannot be stored"
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        return "contains half a surrogate pair, which is no character"
    return None


def _decoder(tell: Callable[[_Unfit], None]) -> json.JSONDecoder:
    """`tell` hears of each value that cannot be kept."""

    def unfit(reason: str) -> _Unfit:
        found = _Unfit(reason)
        tell(found)
        return found

    def whole_number(text: str) -> int | _Unfit:
        # Digits beyond 64 bits are not even converted: that takes time by their square.
        if len(text) <= 20 and (number := int(text)) in _INT64:
            return number
        return unfit(f"is a number beyond 64 bits; {_PLAIN}")

    def number(text: str) -> float | _Unfit:
        value = float(text)
        try:
            exact = math.isfinite(value) and Decimal(repr(value)) == Decimal(text)
        except InvalidOperation:  # An exponent beyond even Decimal's.
            exact = False
        return value if exact else unfit(f"is a number that cannot be kept exactly; {_PLAIN}")

    def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = Counter(name for name, _ in pairs)
            found |= {name: unfit("is given twice") for name, times in names.items() if times > 1}
        return found

    return json.JSONDecoder(
        object_pairs_hook=once_each,
        parse_float=number,
        parse_int=whole_number,
        parse_constant=lambda text: unfit(f"is {text}; {_PLAIN}"),
    )
