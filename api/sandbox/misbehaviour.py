"""Switches that make the bank misbehave on purpose. Kept in this process: a restart behaves again."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from api.sandbox.access import needs
from api.sandbox.problems import Refused

ANY_ROUTE = "*"
WEBHOOKS = "webhooks"
"""In the place of a route: what the bank sends, not what it answers."""
CUSTODY_ORDERS = "custody orders"
"""In the place of a route: what becomes of the orders that it takes."""

Mode = Literal[
    "none",
    "slow",
    "429",
    "500",
    "timeout_after_commit",
    "refuse",
    "webhook_duplicate",
    "webhook_never",
    "webhook_late",
    "fill_partial",
    "fill_short",
    "fill_reject",
]


class Switch(BaseModel):
    """`times` is how many calls are hit, or events; without it all are.

    `delay_s` is how long `slow` waits before it executes, how long `timeout_after_commit` stays silent before it
    breaks the connection, what `429` says in Retry-After, and by how much `webhook_late` is late.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    route: Annotated[str, Field(max_length=200)]
    mode: Mode
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    delay_s: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 0


_BEHAVE = Switch(route=ANY_ROUTE, mode="none")


class Switches:
    """The switch of the route itself goes before that of every route (`*`)."""

    def __init__(self) -> None:
        self.known_routes: set[str] = set()
        self._by_route: dict[str, Switch] = {}

    def set(self, switch: Switch) -> None:
        """Mode `none` clears the route's switch; on `*` it clears all. Raises Refused for a route that is not there."""
        if switch.route not in (ANY_ROUTE, WEBHOOKS, CUSTODY_ORDERS, *self.known_routes):
            known = ", ".join(sorted(self.known_routes))
            detail = f"no route {switch.route!r}; there are {ANY_ROUTE}, {WEBHOOKS}, {CUSTODY_ORDERS}, {known}"
            raise Refused(422, "unknown_route", detail, "route")
        of = {"webhook": WEBHOOKS, "fill": CUSTODY_ORDERS}.get(switch.mode.partition("_")[0])
        if switch.mode != "none" and of != (switch.route if switch.route in (WEBHOOKS, CUSTODY_ORDERS) else None):
            raise Refused(422, "mode_not_allowed", f"{switch.mode} is no mode of {switch.route}", "mode")
        if switch.mode != "none":
            self._by_route[switch.route] = switch
        elif switch.route == ANY_ROUTE:
            self._by_route.clear()
        else:
            self._by_route.pop(switch.route, None)

    def next(self, route: str) -> Switch:
        """What this call shall suffer; counts it."""
        switch = self._by_route.get(route) or self._by_route.get(ANY_ROUTE)
        return _BEHAVE if switch is None else self._counted(switch)

    def next_webhook(self) -> Switch | None:
        """What this event shall suffer; counts it."""
        switch = self._by_route.get(WEBHOOKS)
        return switch and self._counted(switch)

    def next_order(self) -> str | None:
        """What shall become of this order; counts it."""
        switch = self._by_route.get(CUSTODY_ORDERS)
        return None if switch is None else self._counted(switch).mode.removeprefix("fill_")

    def listed(self) -> list[dict[str, Any]]:
        return [switch.model_dump() for switch in self._by_route.values()]

    def _counted(self, switch: Switch) -> Switch:
        if switch.times == 1:
            del self._by_route[switch.route]
        elif switch.times is not None:
            self._by_route[switch.route] = switch.model_copy(update={"times": switch.times - 1})
        return switch


class Silence(Response):
    """No answer: waits until the client hangs up or `delay_s` is over, then breaks the connection.

    A server cannot break a connection before its first byte, so a client still there sees a 504 whose body never comes.
    """

    def __init__(self, delay_s: float) -> None:
        super().__init__(status_code=504)
        self._delay_s = delay_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._delay_s):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            await send({"type": "http.response.start", "status": 504, "headers": [(b"connection", b"close")]})


def refusal_by_switch() -> Refused:
    return Refused(422, "refused_by_switch", "the bank was told to refuse")


router = APIRouter(tags=["sandbox only"], dependencies=[needs("admin", reading="admin")])


@router.put("/misbehaviour")
async def misbehave(switch: Switch, request: Request) -> dict[str, Any]:
    switches: Switches = request.state.switches
    switches.set(switch)
    return {"switches": switches.listed()}


@router.get("/misbehaviour")
async def misbehaviour(request: Request) -> dict[str, Any]:
    switches: Switches = request.state.switches
    return {"switches": switches.listed()}
