"""API keys, for admins."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Caller, TheEngine, require
from api.errors import responses
from db import audit, keys
from db.actor import Role
from db.audit import Deed
from db.keys import NewKey


class KeyBody(BaseModel):
    """`person` is who answers for what the key does: maker and checker are compared by it."""

    model_config = ConfigDict(extra="forbid")

    person: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9@._-]{0,127}$")]
    roles: Annotated[list[Role], Field(min_length=1)]


class NewKeyView(BaseModel):
    """`key` is shown this once."""

    key: str
    person: str
    roles: list[str]


class KeyView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key_id: UUID
    person: str
    roles: list[str]
    prefix: str
    created_at: datetime
    revoked_at: datetime | None


def router() -> APIRouter:
    routes = APIRouter(prefix="/keys", tags=["keys"], responses=responses(401, 403, 422, 503))

    @routes.post("", status_code=201)
    async def create_key(body: KeyBody, actor: Caller, engine: TheEngine) -> NewKeyView:
        require(actor)
        async with engine.pool.connection() as conn, conn.transaction():
            key = await keys.create(conn, NewKey(actor.tenant_id, body.person, body.roles))
            record = {"person": body.person, "roles": body.roles}
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "key.created", record))
        return NewKeyView(key=key, person=body.person, roles=list(body.roles))

    @routes.get("")
    async def list_keys(actor: Caller, engine: TheEngine) -> list[KeyView]:
        require(actor)
        async with engine.pool.connection() as conn:
            return [KeyView.model_validate(k) for k in await keys.all_of(conn, actor.tenant_id)]

    @routes.delete("/{key_id}", status_code=204, responses=responses(404))
    async def revoke_key(key_id: UUID, actor: Caller, engine: TheEngine) -> None:
        require(actor)
        async with engine.pool.connection() as conn, conn.transaction():
            await keys.revoke(conn, actor.tenant_id, key_id)
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "key.revoked", {"key_id": str(key_id)}))

    return routes
