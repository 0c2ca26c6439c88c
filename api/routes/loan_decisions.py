"""The decisions on many loan applications, read with one call."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.auth import Caller, TheEngine
from api.disclosure import fault, sight_of
from api.errors import responses
from api.routes.lending import shown_decision
from api.strict import StrictRoute
from db.actor import Actor
from graphs.loan_origination import WORKFLOW
from tools import decided_loans
from tools.decided_loans import Decided

MOST = 100
ThreadIds = Annotated[
    list[UUID], Query(alias="thread_id", min_length=1, max_length=MOST, description="Of applications; may be repeated")
]


class DecisionView(BaseModel):
    """`decision` is null where the case's last run came to none: `run_status` and `error` say why."""

    thread_id: UUID
    decision: dict[str, Any] | None
    run_status: str | None
    error: dict[str, Any] | None


def router() -> APIRouter:
    routes = APIRouter(tags=["lending"], responses=responses(401, 422, 503), route_class=StrictRoute)

    @routes.get("/loan/decisions", response_model=list[DecisionView])
    async def list_decisions(thread_id: ThreadIds, actor: Caller, engine: TheEngine) -> JSONResponse:
        """Of those applications that no run is under way on. Ask again for the rest."""
        async with engine.pool.connection() as conn:
            found = await decided_loans.of_resting(conn, actor, thread_id)
        return JSONResponse([_view(actor, each) for each in found])

    return routes


def _view(actor: Actor, decided: Decided) -> dict[str, Any]:
    sight = sight_of(actor, WORKFLOW.name)
    return {
        "thread_id": str(decided.thread_id),
        "decision": shown_decision(actor, decided.decision, decided.decision_detail),
        "run_status": decided.run_status,
        "error": decided.error if sight is None else fault(decided.error),
    }
