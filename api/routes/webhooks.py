"""Webhooks: what became of each, for operators; and the secret that signs them, for admins."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.strict import StrictRoute
from db import audit, webhook_secrets, webhooks
from db.actor import Role
from db.audit import Deed
from db.pool import transaction
from db.webhooks import State


class DeliveryView(BaseModel):
    """`delivery_id` is the request's `webhook-id`, the same in each attempt. Taken, given up, or to be tried again."""

    model_config = ConfigDict(from_attributes=True)

    delivery_id: UUID
    thread_id: UUID
    run_id: UUID
    url: str
    state: State
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None


class SecretView(BaseModel):
    """`expires_at` is null for the one to verify with; one that was replaced signs beside it until then."""

    model_config = ConfigDict(from_attributes=True)

    secret: str
    created_at: datetime
    expires_at: datetime | None


def router() -> APIRouter:
    routes = APIRouter(tags=["webhooks"], responses=responses(401, 403, 422, 503), route_class=StrictRoute)

    @routes.get("/webhook-deliveries")
    async def list_webhook_deliveries(
        actor: Caller,
        engine: TheEngine,
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    ) -> list[DeliveryView]:
        """The newest first; for operators and auditors. One that ended is kept for 30 days."""
        require(actor, Role.OPERATOR, Role.AUDITOR)
        async with engine.pool.connection() as conn:
            found = await webhooks.page(conn, actor.tenant_id, state, limit, offset)
        return [DeliveryView.model_validate(one) for one in found]

    @routes.post("/webhook-deliveries/{delivery_id}/retry", status_code=202, responses=responses(404, 409))
    async def retry_webhook_delivery(delivery_id: UUID, actor: Caller, engine: TheEngine) -> DeliveryView:
        """One that failed gets all its attempts again, for operators."""
        require(actor, Role.OPERATOR)
        async with engine.pool.connection() as conn, conn.transaction():
            delivery = await webhooks.try_again(conn, actor.tenant_id, delivery_id)
            record = {"delivery_id": str(delivery_id), "url": delivery.url}
            deed = Deed(actor.tenant_id, actor.person, "webhook.retried", record, delivery.thread_id, delivery.run_id)
            await audit.record(conn, deed)
        return DeliveryView.model_validate(delivery)

    @routes.get("/webhook-secret")
    async def read_webhook_secret(actor: Caller, engine: TheEngine) -> list[SecretView]:
        """What the tenant's webhooks are signed with, the newest first; for admins. Reading it is on the record."""
        require(actor)
        async with engine.pool.connection() as conn, conn.transaction():
            found = await webhook_secrets.of_tenant(conn, actor.tenant_id)
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "webhook_secret.read", {}))
        return [SecretView.model_validate(one) for one in found]

    @routes.post("/webhook-secret/rotate", responses=responses(409))
    async def rotate_webhook_secret(actor: Caller, engine: TheEngine) -> list[SecretView]:
        """A new secret; those before it sign beside it for 24 hours, so that receivers can change over."""
        require(actor)
        async with transaction(engine.pool) as conn:
            found = await webhook_secrets.rotate(conn, actor.tenant_id)
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "webhook_secret.rotated", {}))
        return [SecretView.model_validate(one) for one in found]

    return routes
