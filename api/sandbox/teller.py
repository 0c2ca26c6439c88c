"""What every call of the contract passes: exact JSON numbers, switches to misbehave, and the log of POSTs."""

import asyncio
import json
import math
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, NoReturn

from fastapi import HTTPException, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.sandbox import request_log
from api.sandbox.misbehaviour import Silence, Switch, Switches, refusal_by_switch
from api.sandbox.problems import PROBLEMS, Refused, problem_response

MAX_BODY_BYTES = 64 * 1024

Serve = Callable[[Request], Coroutine[Any, Any, Response]]


class TellerRoute(APIRoute):
    def get_route_handler(self) -> Serve:
        serve = super().get_route_handler()
        name = route_name(self)

        async def at_the_desk(request: Request) -> Response:
            switches: Switches = request.state.switches
            switch = switches.next(name)
            response = await _answer(serve, _ExactRequest(request.scope, request.receive), switch)
            return Silence(switch.delay_s) if switch.mode == "timeout_after_commit" else response

        return at_the_desk


def route_name(route: APIRoute) -> str:
    return f"{' '.join(route.methods or ())} {route.path_format}"


class _ExactRequest(Request):
    """JSON numbers stay what was written: Decimal, never float; NaN and Infinity are no JSON."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            read = bytearray()
            async for chunk in self.stream():
                read += chunk
                if len(read) > MAX_BODY_BYTES:
                    raise HTTPException(413, f"a body has at most {MAX_BODY_BYTES} bytes")
            self._body = bytes(read)
        return self._body

    async def json(self) -> Any:
        return json.loads(await self.body(), parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


async def _answer(serve: Serve, request: Request, switch: Switch) -> Response:
    request.state.switched_to_refuse = switch.mode == "refuse"
    request.state.logged = False
    try:
        # Read first: a client may hang up while a slow bank dawdles, and the bank executes all the same.
        await request.body()
        if switch.mode == "slow":
            await asyncio.sleep(switch.delay_s)
        _refuse_before_executing(request, switch)
        response = await serve(request)
    except PROBLEMS as exc:
        response = problem_response(exc)
    if request.method == "POST" and not request.state.logged:
        async with request.state.pool.connection() as conn:
            key = request.headers.get("idempotency-key")
            await request_log.write(conn, request.url.path, key, response.status_code, replayed=False)
    return response


def _refuse_before_executing(request: Request, switch: Switch) -> None:
    match switch.mode:
        case "429":
            retry_after = {"Retry-After": str(math.ceil(switch.delay_s))}
            raise Refused(429, "too_many_requests", "slow down", headers=retry_after)
        case "500":
            raise Refused(500, "internal_error", "the bank failed before it did anything")
        case "refuse" if request.method != "POST":
            raise refusal_by_switch()
