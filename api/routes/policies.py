"""Policy documents: what decides, and from when; proposed by one person, approved by another, never edited."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.idempotent import Answer, OptionalKey, Wish
from api.strict import StrictRoute
from db.actor import STAFF, Actor, Role
from tools import policy_documents
from tools.policy_documents import Status, StoredDocument, Verdict
from tools.rules.policy_forms import Kind, changes

Version = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="As the document says.")]
STATUS: dict[str, Literal["approved", "rejected", "withdrawn"]] = {
    "approve": "approved",
    "reject": "rejected",
    "withdraw": "withdrawn",
}
Words = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]


class Proposal(BaseModel):
    """A whole document (`GET /policies/{kind}/{version}` shows one to begin with) and why, for whoever approves it."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any]
    note: Words


class VerdictBody(BaseModel):
    """`sha256` is that of the document that was looked at."""

    model_config = ConfigDict(extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reason: Words


class DocumentView(BaseModel):
    """A version. `in_force` today: the policy that decides, the scorecard that it names. Those that come with the
    program have no proposer."""

    model_config = ConfigDict(from_attributes=True)

    kind: Kind
    version: str
    in_force_from: date | None
    in_force: bool
    status: Status
    sha256: str
    note: str
    proposed_by: str | None
    proposed_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


class WholeDocument(DocumentView):
    document: dict[str, Any]


class ChangeView(BaseModel):
    """A field that differs; null where there is no such field."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    before: Any
    after: Any


class Difference(BaseModel):
    """What comes of a version in place of `against`; null if there is nothing to compare with."""

    kind: Kind
    version: str
    sha256: str
    against: str | None
    changes: list[ChangeView]


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/policies", tags=["policies"], responses=responses(401, 403, 404, 422, 503), route_class=StrictRoute
    )
    _reading(routes)
    _writing(routes)
    return routes


def _reading(routes: APIRouter) -> None:
    @routes.get("")
    async def list_policies(
        actor: Caller, engine: TheEngine, kind: Kind | None = None, status: Status | None = None
    ) -> list[DocumentView]:
        """The program's versions, which every tenant has until one of its own is in force, and the tenant's."""
        require(actor, *STAFF)
        found = await _documents(engine, actor)
        now = policy_documents.in_force(found, _today())
        wanted = [d for d in found if kind in (None, d.kind) and status in (None, d.status)]
        return [DocumentView(**_seen(d, now)) for d in wanted]

    @routes.get("/{kind}/{version}")
    async def get_policy(kind: Kind, version: Version, actor: Caller, engine: TheEngine) -> WholeDocument:
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await policy_documents.document(conn, actor.tenant_id, kind, version)
            now = policy_documents.in_force(await policy_documents.documents(conn, actor.tenant_id), _today())
        return WholeDocument(**_seen(found, now), document=found.document)

    @routes.get("/{kind}/{version}/diff")
    async def compare_policy(
        kind: Kind,
        version: Version,
        actor: Caller,
        engine: TheEngine,
        against: Annotated[
            str | None, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="default: the one in force")
        ] = None,
    ) -> Difference:
        """What the version changes, field by field."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await policy_documents.document(conn, actor.tenant_id, kind, version)
            if against is None:
                stored = await policy_documents.documents(conn, actor.tenant_id)
                against = dict(policy_documents.in_force(stored, _today())).get(kind)
            other = against and await policy_documents.document(conn, actor.tenant_id, kind, against)
        differing = changes(other.document, found.document) if other else ()
        shown = [ChangeView.model_validate(change) for change in differing]
        return Difference(kind=kind, version=version, sha256=found.sha256, against=against, changes=shown)


def _writing(routes: APIRouter) -> None:
    problems = responses(400, 409, 413, 415)

    @routes.post("/{kind}", status_code=201, response_model=DocumentView, responses=problems)
    async def propose_policy(
        kind: Kind,
        body: Proposal,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: OptionalKey = None,
    ) -> JSONResponse:
        """Stores a version for somebody else to approve; for policy owners."""
        require(actor, Role.POLICY_OWNER)

        async def act(conn: AsyncConnection[Any]) -> StoredDocument:
            return await policy_documents.propose(conn, actor, kind, body.model_dump(), _today())

        return await _acted(engine, Wish(actor, idempotency_key, request.url.path, body.model_dump()), 201, act)

    @routes.post("/{kind}/{version}/{verdict}", response_model=DocumentView, responses=problems)
    async def decide_on_policy(
        kind: Kind,
        version: Version,
        verdict: Literal["approve", "reject", "withdraw"],
        body: VerdictBody,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: OptionalKey = None,
    ) -> JSONResponse:
        """Approves or rejects what another policy owner proposed, or withdraws one's own proposal; once."""
        require(actor, Role.POLICY_OWNER)
        given = Verdict(STATUS[verdict], body.sha256, body.reason)

        async def act(conn: AsyncConnection[Any]) -> StoredDocument:
            return await policy_documents.decide(conn, actor, kind, version, given, _today())

        return await _acted(engine, Wish(actor, idempotency_key, request.url.path, body.model_dump()), 200, act)


async def _acted(
    engine: Engine, wish: Wish, status: int, act: Callable[[AsyncConnection[Any]], Awaitable[StoredDocument]]
) -> JSONResponse:
    async def answered(conn: AsyncConnection[Any]) -> Answer:
        stored = await act(conn)
        now = policy_documents.in_force(await policy_documents.documents(conn, wish.actor.tenant_id), _today())
        return status, DocumentView(**_seen(stored, now)).model_dump(mode="json")

    return (await idempotent.grant(engine.pool, wish, answered)).response()


async def _documents(engine: Engine, actor: Actor) -> list[StoredDocument]:
    async with engine.pool.connection() as conn:
        return await policy_documents.documents(conn, actor.tenant_id)


def _seen(found: StoredDocument, in_force: set[tuple[Kind, str]]) -> dict[str, Any]:
    shown = {name: getattr(found, name) for name in DocumentView.model_fields if name != "in_force"}
    return shown | {"in_force": (found.kind, found.version) in in_force}


def _today() -> date:
    return datetime.now(UTC).date()
