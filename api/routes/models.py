"""What the language model was asked in a case, what it answered and cost, and what may still be spent."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.routes.health import model_of
from api.strict import StrictRoute
from db import threads
from db.actor import STAFF
from tools import model_calls


class BudgetView(BaseModel):
    """Of a run, an intake, or a tenant's day (UTC); costs in millionths of a US dollar."""

    model_config = ConfigDict(from_attributes=True)

    scope: str
    calls: int
    max_calls: int
    tokens: int
    max_tokens: int
    cost_micros: int
    max_cost_micros: int


class CallView(BaseModel):
    """One request; `asked` and `answered` without account numbers and names, and null once they are too old to be kept.
    `reason` says why it was not taken."""

    model_config = ConfigDict(from_attributes=True)

    call_id: UUID
    scope: str
    prompt_name: str
    prompt_version: int
    prompt_sha256: str
    model: str
    mode: str
    status: str
    reason: str | None
    asked: Any
    answered: str | None
    input_tokens: int
    output_tokens: int
    cost_micros: int
    latency_ms: int | None
    created_at: datetime


class ModelUse(BaseModel):
    """`model` is the one asked now, or off."""

    model: str
    budgets: list[BudgetView]
    calls: list[CallView]


class Today(BaseModel):
    model: str
    budget: BudgetView | None


def router() -> APIRouter:
    routes = APIRouter(tags=["models"], responses=responses(401, 403, 404, 422, 503), route_class=StrictRoute)

    @routes.get("/threads/{thread_id}/model-calls")
    async def list_model_calls(thread_id: UUID, actor: Caller, engine: TheEngine) -> ModelUse:
        """Every request to the language model in this case. For staff."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            calls = await model_calls.calls_of_thread(conn, actor.tenant_id, thread_id)
            budgets = await model_calls.budgets(conn, actor.tenant_id, [*{call.scope for call in calls}])
        return ModelUse(
            model=model_of(engine),
            budgets=[BudgetView.model_validate(each) for each in budgets],
            calls=[CallView.model_validate(each) for each in calls],
        )

    @routes.get("/models/today")
    async def get_todays_budget(actor: Caller, engine: TheEngine) -> Today:
        """What the tenant has spent on the language model today, and may; no budget: nothing yet. For staff."""
        require(actor, *STAFF)
        scope = f"day:{datetime.now(UTC).date().isoformat()}"
        async with engine.pool.connection() as conn:
            found = await model_calls.budgets(conn, actor.tenant_id, [scope])
        return Today(model=model_of(engine), budget=BudgetView.model_validate(found[0]) if found else None)

    return routes
