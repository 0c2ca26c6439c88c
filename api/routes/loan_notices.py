"""Which applicants must soon hear of a decision."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.strict import StrictRoute
from db.actor import STAFF
from tools import loan_notices


class OwedNotice(BaseModel):
    """`due_at` is 30 days after the application came in, or was completed if its applicant was asked for more; while
    they are asked, no notice is owed. `flagged_at` is when the hourly look found it near."""

    model_config = ConfigDict(from_attributes=True)

    thread_id: UUID
    application_id: int | None
    thread_status: str
    applied_at: datetime
    due_at: datetime
    flagged_at: datetime | None


def router() -> APIRouter:
    routes = APIRouter(tags=["lending"], route_class=StrictRoute)

    @routes.get("/loan/notices", responses=responses(401, 403, 422, 503))
    async def list_owed_notices(
        actor: Caller,
        engine: TheEngine,
        within_days: Annotated[int, Query(ge=0, le=30, description="due in so many days, or overdue")] = (
            loan_notices.LEAD_DAYS
        ),
    ) -> list[OwedNotice]:
        """The applicants who were told of no decision yet and must be soon, the most urgent first; 1,000 at most."""
        require(actor, *STAFF)
        until = datetime.now(UTC) + timedelta(days=within_days)
        async with engine.pool.connection() as conn:
            found = await loan_notices.owed(conn, actor.tenant_id, until)
        return [OwedNotice.model_validate(notice) for notice in found]

    return routes
