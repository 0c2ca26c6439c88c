"""Who is approved how often, by protected group: for auditors alone."""

import asyncio
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Caller, TheEngine
from api.errors import responses
from api.strict import StrictRoute
from db.errors import InvalidInput
from tools import fairness
from tools.rules.fairness_report import Bounds, Fairness, Report

Bps = Annotated[int, Query(ge=0, le=10_000)]
STANDARD = Bounds()


def router() -> APIRouter:
    routes = APIRouter(tags=["lending"], route_class=StrictRoute)

    @routes.get("/fairness", responses=responses(401, 403, 422, 503))
    async def fairness_report(
        actor: Caller,
        engine: TheEngine,
        reference: Annotated[list[str] | None, Query(description="BASIS=GROUP; default: approved most often")] = None,
        since: date | None = None,
        until: Annotated[date | None, Query(description="the last day; default: today (UTC)")] = None,
        approval_fall_bps: Bps = STANDARD.approval_fall_bps,
        bad_rise_bps: Bps = STANDARD.bad_rise_bps,
    ) -> Report:
        """Adverse impact against the four-fifths rule (29 CFR 1607.4(D)) of all decided loan applications, approval by
        segment, and the least discriminatory alternative within the bounds; for auditors, not even for admins."""
        fairness.require_auditor(actor)
        span = fairness.days(since, until)
        try:
            found = Fairness(fairness.references(reference or []), Bounds(approval_fall_bps, bad_rise_bps))
            await fairness.gather(engine.pool, actor, span, found)
            return await asyncio.to_thread(found.report)
        except ValueError as exc:
            raise InvalidInput("reference", str(exc)) from exc

    return routes
