"""Taking a loan application back."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel

from api import idempotent
from api.auth import Caller, TheEngine
from api.errors import responses
from api.idempotent import RequiredKey, Wish
from api.strict import StrictRoute
from tools import loan_withdrawals


class Withdrawing(BaseModel):
    """`run_id` is the run that ends the case; its outcome says how."""

    thread_id: UUID
    run_id: UUID
    status: Literal["withdrawing"] = "withdrawing"


def router() -> APIRouter:
    routes = APIRouter(tags=["lending"], route_class=StrictRoute)

    @routes.post(
        "/threads/{thread_id}/withdrawal",
        status_code=202,
        response_model=Withdrawing,
        responses=responses(400, 401, 403, 404, 409, 413, 422, 503),
    )
    async def withdraw_application(
        thread_id: UUID, request: Request, actor: Caller, engine: TheEngine, idempotency_key: RequiredKey
    ) -> JSONResponse:
        """Withdraws a loan application, for whoever made it: before it is decided, or whatever it waits for.

        An offer is declined by it; what was agreed is cancelled, in the time for that. A 409 says that the loan is paid
        out, or that the case is at work this moment and can be withdrawn in the next.
        """

        async def act(conn: AsyncConnection[Any]) -> idempotent.Answer:
            run_id = await loan_withdrawals.withdraw(conn, actor, thread_id, claim)
            return 202, Withdrawing(thread_id=thread_id, run_id=run_id).model_dump(mode="json")

        wish = Wish(actor, idempotency_key, request.url.path, {})
        with engine.queue.claim() as claim:
            return (await idempotent.grant(engine.pool, wish, act)).response()

    return routes
