"""Clients as the wealth family knows them, and the versions of their suitability profiles."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.idempotent import Answer, OptionalKey, Wish
from api.strict import StrictRoute
from db.actor import Actor
from tools import clients
from tools.clients import Client, StoredProfile
from tools.loan_request import RecordId
from tools.payment_request import PartyName
from tools.rules.risk_profile import RiskProfile

MAY_REGISTER = ("client", "agent", "adviser", "operator")
ClientId = Annotated[str, Path(description="The client's own id.", max_length=64)]


class ClientBody(BaseModel):
    """`risk_profile` is what the client says of themselves; `client_profile` assesses it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"client_id": "client-001", "full_name": "Amina Patel", "risk_profile": "moderate"}]
        },
    )

    client_id: RecordId
    full_name: PartyName
    risk_profile: RiskProfile


class ClientView(ClientBody):
    model_config = ConfigDict(from_attributes=True)


class ProfileView(BaseModel):
    """`source` says whether suitability was assessed. Answers and reasons are for staff and the client."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    source: Literal["self_declared", "questionnaire"]
    risk_profile: RiskProfile
    rule_version: str | None
    answers: dict[str, Any] | None
    assessment: dict[str, Any] | None
    score: int | None
    assessed_on: date | None
    valid_until: date | None
    person: str
    thread_id: UUID | None
    created_at: datetime


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/clients", tags=["wealth"], responses=responses(401, 403, 404, 422, 503), route_class=StrictRoute
    )

    @routes.post("", response_model=ClientView, responses=responses(400, 409, 413, 415))
    async def store_client(
        body: ClientBody, request: Request, actor: Caller, engine: TheEngine, idempotency_key: OptionalKey = None
    ) -> JSONResponse:
        """Registers a client, or brings them up to date. Their risk profile is then self-declared."""
        require(actor, *MAY_REGISTER)
        wanted = body.model_dump(mode="json")

        async def act(conn: AsyncConnection[Any]) -> Answer:
            await clients.store(conn, actor, Client(**wanted))
            return 200, wanted

        wish = Wish(actor, idempotency_key, request.url.path, wanted)
        return (await idempotent.grant(engine.pool, wish, act)).response()

    @routes.get("/{client_id}")
    async def get_client(client_id: ClientId, actor: Caller, engine: TheEngine) -> ClientView:
        async with engine.pool.connection() as conn:
            return ClientView.model_validate(await clients.get(conn, actor, client_id))

    @routes.get("/{client_id}/profiles")
    async def get_profiles(client_id: ClientId, actor: Caller, engine: TheEngine) -> list[ProfileView]:
        """All versions of the suitability profile, the latest first."""
        async with engine.pool.connection() as conn:
            return [_shown(actor, one) for one in await clients.profiles(conn, actor, client_id)]

    return routes


def _shown(actor: Actor, profile: StoredProfile) -> ProfileView:
    view = ProfileView.model_validate(profile)
    if actor.sees_whole_tenant or "agent" not in actor.roles:
        return view
    return view.model_copy(update={"answers": None, "assessment": None, "score": None})
