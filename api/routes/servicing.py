"""What became of a day's late loans."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.strict import StrictRoute
from db.actor import STAFF
from tools import servicing
from tools.loan_request import IsoDate


class CaseOfDay(BaseModel):
    """`status` is the thread's; null: the case is about to be started. `action` is what policy recommended."""

    loan_account_id: str
    thread_id: UUID
    status: str | None
    outcome: str | None
    bucket: str | None
    days_past_due: int | None
    past_due_minor: int | None
    action: str | None


class DayOfServicing(BaseModel):
    on: date
    cases: list[CaseOfDay]


def router() -> APIRouter:
    routes = APIRouter(tags=["banking"], route_class=StrictRoute)

    @routes.get("/servicing/cases", responses=responses(401, 403, 422, 503))
    async def servicing_day(
        on: Annotated[IsoDate, Query(description="the day that the loans were due on")],
        actor: Caller,
        engine: TheEngine,
    ) -> DayOfServicing:
        """The cases that `loan_servicing_day` started for a day, with what each came to so far."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await servicing.cases_of_day(conn, actor.tenant_id, on)
        return DayOfServicing(on=on, cases=[CaseOfDay.model_validate(case, from_attributes=True) for case in found])

    return routes
