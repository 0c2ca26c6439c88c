"""Policies that are revoked, and what challengers would have decided against the champion."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.idempotent import Answer, OptionalKey, Wish
from api.routes.policies import VerdictBody, Version, Words
from api.strict import StrictRoute
from db.actor import STAFF, Role
from db.errors import InvalidInput
from tools import challengers, policy_documents, policy_revocations
from tools.challengers import Standing
from tools.past_decisions import Span
from tools.policy_revocations import Revocation, RevocationStatus, Settlement

SETTLED: dict[str, Literal["confirmed", "refused", "withdrawn"]] = {
    "confirm": "confirmed",
    "refuse": "refused",
    "withdraw": "withdrawn",
}
LONG_AGO = date(1970, 1, 1)
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="As the policy names it.")]


class SettlementBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Words


class RevocationView(BaseModel):
    """`instead`: the policy that decides once this one is revoked, from its day on or from today."""

    model_config = ConfigDict(from_attributes=True)

    version: str
    status: RevocationStatus
    reason: str
    asked_by: str
    asked_at: datetime
    settled_by: str | None
    settled_at: datetime | None
    settled_why: str | None
    instead: str | None


class MoveView(BaseModel):
    champion: str
    challenger: str
    cases: int


class StandingView(BaseModel):
    """A challenger against a champion, each as `policy+scorecard`. Swaps are cases that only one of the two offers a
    loan to by itself; what it could not judge is in `failed` alone."""

    model_config = ConfigDict(from_attributes=True)

    challenger: str
    challenger_version: str
    champion_version: str
    cases: int
    failed: int
    agreed: int
    agreed_bps: int | None
    swap_ins: int
    swap_outs: int
    offered_by_champion: int
    offered_by_challenger: int
    moves: list[MoveView]


class DifferingView(BaseModel):
    """A case that the challenger would have decided otherwise, or, with a `fault`, could not judge."""

    model_config = ConfigDict(from_attributes=True)

    thread_id: UUID
    decided_at: datetime
    champion_version: str
    challenger_version: str
    champion_outcome: str
    challenger_outcome: str | None
    champion_band: str
    challenger_band: str | None
    champion_principal_minor: int | None
    challenger_principal_minor: int | None
    fault: str | None


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/policies", tags=["policies"], responses=responses(401, 403, 404, 422, 503), route_class=StrictRoute
    )
    _challengers(routes)
    _revocations(routes)
    return routes


def _challengers(routes: APIRouter) -> None:
    @routes.get("/challengers")
    async def list_challengers(
        actor: Caller, engine: TheEngine, since: date | None = None, until: date | None = None
    ) -> list[StandingView]:
        """How each challenger agreed with the champion on the cases of those days, the last one included."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await challengers.standings(conn, _span(actor.tenant_id, since, until))
        return [_standing(each) for each in found]

    @routes.get("/challengers/{challenger}/differences")
    async def list_differences(
        challenger: Name,
        actor: Caller,
        engine: TheEngine,
        since: date | None = None,
        until: date | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[DifferingView]:
        """The cases that it would have decided otherwise, the latest first."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await challengers.differing(conn, _span(actor.tenant_id, since, until), challenger, limit)
        return [DifferingView.model_validate(each) for each in found]


def _revocations(routes: APIRouter) -> None:
    problems = responses(400, 409, 413, 415)

    @routes.get("/revocations")
    async def list_revocations(actor: Caller, engine: TheEngine) -> list[RevocationView]:
        """Asked for, confirmed, refused and withdrawn, as they were asked for."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await policy_revocations.revocations(conn, actor.tenant_id)
            return [await _view(conn, actor.tenant_id, each) for each in found]

    @routes.post(
        "/credit_policy/{version}/revocation", status_code=201, response_model=RevocationView, responses=problems
    )
    async def ask_to_revoke_policy(
        version: Version,
        body: VerdictBody,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: OptionalKey = None,
    ) -> JSONResponse:
        """Asks that an approved policy, in force or not yet, decide no more cases; another policy owner confirms."""
        require(actor, Role.POLICY_OWNER)

        async def answered(conn: AsyncConnection[Any]) -> Answer:
            asked = await policy_revocations.ask(conn, actor, version, body.model_dump())
            return 201, (await _view(conn, actor.tenant_id, asked)).model_dump(mode="json")

        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump())
        return (await idempotent.grant(engine.pool, wish, answered)).response()

    @routes.post("/credit_policy/{version}/revocation/{verdict}", response_model=RevocationView, responses=problems)
    async def settle_revocation(
        version: Version,
        verdict: Literal["confirm", "refuse", "withdraw"],
        body: SettlementBody,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: OptionalKey = None,
    ) -> JSONResponse:
        """Confirms or refuses what another policy owner asked for, or withdraws one's own asking; once.

        Confirmed, the version in force before decides the next case. Cases taken in already keep theirs.
        """
        require(actor, Role.POLICY_OWNER)

        async def answered(conn: AsyncConnection[Any]) -> Answer:
            given = Settlement(SETTLED[verdict], body.reason)
            settled = await policy_revocations.settle(conn, actor, version, given)
            return 200, (await _view(conn, actor.tenant_id, settled)).model_dump(mode="json")

        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump())
        return (await idempotent.grant(engine.pool, wish, answered)).response()


async def _view(conn: AsyncConnection[Any], tenant_id: str, found: Revocation) -> RevocationView:
    stored = await policy_documents.documents(conn, tenant_id)
    then = policy_revocations.instead(stored, found.version, datetime.now(UTC).date())
    names = [name for name in RevocationView.model_fields if name != "instead"]
    return RevocationView(**{name: getattr(found, name) for name in names}, instead=then)


def _standing(found: Standing) -> StandingView:
    names = [name for name in StandingView.model_fields if name != "moves"]
    moves = [MoveView(champion=a, challenger=b, cases=count) for (a, b), count in sorted(found.moves.items())]
    return StandingView(**{name: getattr(found, name) for name in names}, moves=moves)


def _span(tenant_id: str, since: date | None, until: date | None) -> Span:
    """Raises InvalidInput for days that are none."""
    first, last = since or LONG_AGO, until or datetime.now(UTC).date()
    if not first <= last < date.max:
        raise InvalidInput("since", f"must not be after until, {last}, nor that the last day of the calendar")
    start = datetime.combine(first, time.min, tzinfo=UTC)
    return Span(tenant_id, start, datetime.combine(last + timedelta(days=1), time.min, tzinfo=UTC))
