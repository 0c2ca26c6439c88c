"""How far the follow-ups of a market event are."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.strict import StrictRoute
from db.actor import STAFF
from db.errors import Conflict, NotFound
from tools import market_events
from tools.market_event_request import MarketEvent


class CheckedEvent(BaseModel):
    """`is_known`: it was started before, and starting it again starts nothing."""

    event_id: str
    is_known: bool


class MarketEventView(BaseModel):
    """`found` clients are concerned, `begun` of them have a case; `states` counts these: a gate while somebody is
    asked, the outcome once over, else `under_way` or `error`. Clients were found by what they held at `holdings_as_of`,
    which is stale if the bank could not be asked again. `GET /reviews?group={event_id}` lists what waits."""

    model_config = ConfigDict(from_attributes=True)

    event_id: str
    thread_id: UUID
    kind: str
    event: dict[str, Any]
    created_by: str
    created_at: datetime
    found_at: datetime | None
    holdings_as_of: datetime | None
    holdings_are_stale: bool
    found: int
    begun: int
    states: dict[str, int]


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/market-events", tags=["wealth"], responses=responses(401, 403, 404, 422, 503), route_class=StrictRoute
    )

    @routes.get("")
    async def list_events(
        actor: Caller, engine: TheEngine, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> list[MarketEventView]:
        """The newest first. Start one at `/workflows/market_event/threads`."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await market_events.events(conn, actor.tenant_id, None, limit)
        return [MarketEventView.model_validate(event) for event in found]

    @routes.post("/check", responses=responses(400, 409, 413, 415))
    async def check_event(body: MarketEvent, actor: Caller, engine: TheEngine) -> CheckedEvent:
        """Whether the event could be started: the same answers, and nothing is. For files of which all or nothing is
        to be sent."""
        require(actor, "adviser", "operator")
        await market_events.check(body, engine.bank)
        async with engine.pool.connection() as conn:
            found = await market_events.events(conn, actor.tenant_id, body.event_id)
        if found and found[0].event != body.model_dump(mode="json"):
            raise Conflict(f"event {body.event_id} is another event")
        return CheckedEvent(event_id=body.event_id, is_known=bool(found))

    @routes.get("/{event_id}")
    async def get_event(event_id: str, actor: Caller, engine: TheEngine) -> MarketEventView:
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await market_events.events(conn, actor.tenant_id, event_id)
        if not found:
            raise NotFound("market event", event_id)
        return MarketEventView.model_validate(found[0])

    return routes
