"""Conversations with clients: kept, searched by their words, and what of them is still to be done."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.idempotent import Answer, RequiredKey, Wish
from api.strict import StrictRoute
from db.actor import Actor
from db.errors import InvalidInput
from db.pool import transaction
from tools import clients, interactions
from tools.interactions import Interaction, NewFollowUp, NewInteraction, Wanted
from tools.loan_request import IsoDate, RecordId
from tools.payment_request import Name

MAY_TELL = ("agent", "adviser", "operator")
Text = Annotated[str, Field(min_length=1, max_length=4000)]
Words = Annotated[str | None, Query(max_length=200, description='words, "a phrase", a or b, -without')]
Limit = Annotated[int, Query(ge=1, le=1000)]


def _written_time(value: object) -> object:
    """Not the seconds since 1970 that pydantic takes for a time, too."""
    if isinstance(value, str) and not value.replace(".", "").lstrip("-").isdigit():
        return value
    raise ValueError("must be a time with its zone such as 2026-11-20T10:30:00Z")


WrittenTime = Annotated[AwareDatetime, BeforeValidator(_written_time)]
EXAMPLE: JsonDict = {
    "client_id": "client-001",
    "channel": "phone",
    "occurred_at": "2026-11-20T10:30:00Z",
    "summary": "Asked about the fall of ACME; wants to keep it.",
    "promised": ["A comparison with the index by Friday"],
    "follow_ups": [{"text": "Send the comparison", "owner": "a.viser", "due_on": "2026-11-27"}],
}


class FollowUpBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Text
    owner: Name
    due_on: IsoDate


class InteractionBody(BaseModel):
    """`promised` are facts that the client may rely on; `note` is not shown to clients."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    client_id: RecordId
    channel: Literal["phone", "email", "meeting", "chat", "letter"]
    occurred_at: WrittenTime
    summary: Text
    promised: Annotated[list[Text], Field(max_length=20)] = []
    note: Annotated[str, Field(max_length=4000)] = ""
    follow_ups: Annotated[list[FollowUpBody], Field(max_length=20)] = []


class FollowUpView(BaseModel):
    number: int
    text: str
    owner: str
    due_on: date
    done_by: str | None
    done_at: datetime | None


class InteractionView(BaseModel):
    """`note` is null for clients."""

    model_config = ConfigDict(from_attributes=True)

    interaction_id: UUID
    client_id: str
    channel: str
    occurred_at: datetime
    summary: str
    promised: list[str]
    note: str | None
    person: str
    created_at: datetime
    follow_ups: list[FollowUpView]


class DueFollowUpView(BaseModel):
    """`summary` and `promised` are of the interaction in which it was taken on."""

    model_config = ConfigDict(from_attributes=True)

    interaction_id: UUID
    number: int
    client_id: str
    text: str
    owner: str
    due_on: date
    summary: str
    promised: list[str]


class Kept(BaseModel):
    interaction_id: UUID


def router() -> APIRouter:
    routes = APIRouter(tags=["wealth"], responses=responses(401, 403, 404, 422, 503), route_class=StrictRoute)

    @routes.post("/interactions", response_model=Kept, status_code=201, responses=responses(400, 409, 413, 415))
    async def keep_interaction(
        body: InteractionBody, request: Request, actor: Caller, engine: TheEngine, idempotency_key: RequiredKey
    ) -> JSONResponse:
        require(actor, *MAY_TELL)
        if body.occurred_at > datetime.now(UTC):
            raise InvalidInput("occurred_at", "has not come yet")

        async def act(conn: AsyncConnection[Any]) -> Answer:
            await clients.must_see(conn, actor, body.client_id)
            new = _new(body)
            await interactions.store(conn, actor.tenant_id, actor.person, new)
            return 201, {"interaction_id": str(new.interaction_id)}

        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump(mode="json"))
        return (await idempotent.grant(engine.pool, wish, act)).response()

    @routes.get("/interactions")
    async def search_interactions(
        actor: Caller, engine: TheEngine, q: Words = None, is_open: bool = False, limit: Limit = 100
    ) -> list[InteractionView]:
        """Of all clients whose business the caller knows, the latest first; `is_open`: with something left to do."""
        return await _found(engine, actor, Wanted(None, q, is_open), limit)

    @routes.get("/clients/{client_id}/interactions")
    async def interactions_of_client(
        client_id: str, actor: Caller, engine: TheEngine, q: Words = None, is_open: bool = False, limit: Limit = 100
    ) -> list[InteractionView]:
        """What the next agent goes on from, the latest first."""
        async with engine.pool.connection() as conn:
            await clients.get(conn, actor, client_id)
        return await _found(engine, actor, Wanted(client_id, q, is_open), limit)

    @routes.get("/follow-ups")
    async def follow_ups_due(
        actor: Caller, engine: TheEngine, owner: str | None = None, until: IsoDate | None = None, limit: Limit = 100
    ) -> list[DueFollowUpView]:
        """What was promised and is not done, the earliest due first."""
        require(actor, *MAY_TELL)
        async with engine.pool.connection() as conn:
            found = await interactions.due(conn, actor, owner, until, limit)
        return [DueFollowUpView.model_validate(one) for one in found]

    @routes.post("/interactions/{interaction_id}/follow-ups/{number}/done", status_code=204)
    async def follow_up_done(
        interaction_id: UUID, number: Annotated[int, Path(ge=1, le=20)], actor: Caller, engine: TheEngine
    ) -> None:
        """Says that it is done; again changes nothing."""
        require(actor, *MAY_TELL)
        async with transaction(engine.pool) as conn:
            await interactions.finish(conn, actor, interaction_id, number)

    return routes


async def _found(engine: Engine, actor: Actor, wanted: Wanted, limit: int) -> list[InteractionView]:
    async with engine.pool.connection() as conn:
        return _shown(actor, await interactions.search(conn, actor, wanted, limit))


def _shown(actor: Actor, found: Sequence[Interaction]) -> list[InteractionView]:
    views = [InteractionView.model_validate(one) for one in found]
    return views if interactions.sees_notes(actor) else [view.model_copy(update={"note": None}) for view in views]


def _new(body: InteractionBody) -> NewInteraction:
    return NewInteraction(
        interaction_id=uuids.uuid7(),
        client_id=body.client_id,
        channel=body.channel,
        occurred_at=body.occurred_at,
        summary=body.summary,
        promised=body.promised,
        note=body.note,
        follow_ups=[NewFollowUp(one.text, one.owner, one.due_on) for one in body.follow_ups],
    )
