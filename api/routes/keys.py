"""API keys, for admins."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.auth import Caller, TheEngine, forget_keys, require
from api.errors import responses
from api.strict import StrictRoute
from db import audit, keys
from db.actor import SYSTEM, Role
from db.audit import Deed
from db.errors import Forbidden
from db.keys import NewKey
from db.pool import transaction
from tools.loan_request import RecordId


def _is_a_person(person: str) -> str:
    if person == SYSTEM:
        raise ValueError(f"{SYSTEM} is what the audit trail calls this program; name a person")
    return person


class KeyBody(BaseModel):
    """`person` is who answers for what the key does: maker and checker are compared by it. `customers` are those of the
    bank whose accounts the key may read; staff of the bank's own tenant read all."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"person": "u.nderwood", "roles": ["underwriter"]}]}
    )

    person: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9@._-]{0,127}$", json_schema_extra={"not": {"const": SYSTEM}}),
        AfterValidator(_is_a_person),
    ]
    roles: Annotated[list[Role], Field(min_length=1)]
    customers: Annotated[list[RecordId], Field(max_length=100)] = []


class NewKeyView(BaseModel):
    """`key` is shown this once."""

    key: str
    person: str
    roles: list[str]
    customers: list[str]


class KeyView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key_id: UUID
    person: str
    roles: list[str]
    customers: list[str]
    prefix: str
    created_at: datetime
    revoked_at: datetime | None


def router() -> APIRouter:
    routes = APIRouter(prefix="/keys", tags=["keys"], responses=responses(401, 403, 422, 503), route_class=StrictRoute)

    @routes.post("", status_code=201, responses=responses(400, 413, 415))
    async def create_key(body: KeyBody, actor: Caller, engine: TheEngine) -> NewKeyView:
        """Takes no `Idempotency-Key`: to give the same answer again, the key would have to be kept."""
        require(actor)
        if body.customers and actor.tenant_id != engine.settings.tenant:
            raise Forbidden(f"customers of the bank are given to keys by the tenant {engine.settings.tenant} alone")
        async with transaction(engine.pool) as conn:
            key = await keys.create(conn, NewKey(actor.tenant_id, body.person, body.roles, body.customers))
            record = {"person": body.person, "roles": body.roles}
            record |= {"customers": body.customers} if body.customers else {}
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "key.created", record))
        return NewKeyView(key=key, person=body.person, roles=list(body.roles), customers=body.customers)

    @routes.get("")
    async def list_keys(actor: Caller, engine: TheEngine) -> list[KeyView]:
        require(actor)
        async with engine.pool.connection() as conn:
            return [KeyView.model_validate(k) for k in await keys.all_of(conn, actor.tenant_id)]

    @routes.delete("/{key_id}", status_code=204, responses=responses(404))
    async def revoke_key(key_id: UUID, request: Request, actor: Caller, engine: TheEngine) -> None:
        """The key is refused from now on; by other processes from a few seconds later on."""
        require(actor)
        async with transaction(engine.pool) as conn:
            await keys.revoke(conn, actor.tenant_id, key_id)
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "key.revoked", {"key_id": str(key_id)}))
        forget_keys(request)

    return routes
