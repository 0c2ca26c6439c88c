"""Loan applications by their number: stored first, decided when asked."""

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.idempotent import Answer, OptionalKey, Wish
from api.routes.workflows import open_thread
from db import audit, runs
from db.actor import Actor
from db.audit import Deed
from db.errors import Conflict
from db.runs import NewRun
from graphs.loan_origination import WORKFLOW, applicant_is_known
from tools import lending
from tools.lending import LoanCase, NewApplication
from tools.loan_request import ShortApplication
from tools.rules.money import from_minor, to_minor

STATUS = {
    "approve": "approved",
    "decline": "rejected",
    "refer": "waiting_for_review",
    "counter_offer": "counter_offered",
}

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Stored(BaseModel):
    application_id: int
    status: str


class ApplicationView(BaseModel):
    """`status` is the decision's; how the case ended is `outcome`. Amounts in major units, income by the month."""

    application_id: int
    status: str
    outcome: str | None
    thread_id: UUID
    applicant_id: str
    amount: Decimal
    currency: str
    term_months: int
    income: Decimal
    created_at: datetime
    decided_at: datetime | None
    decision: dict[str, Any] | None
    loan_account_id: str | None


def router() -> APIRouter:
    routes = APIRouter(prefix="/loan/applications", tags=["lending"], responses=responses(401, 403, 422, 503))

    @routes.post("", response_model=Stored, responses=responses(400, 409, 413))
    async def store_application(
        body: ShortApplication, request: Request, actor: Caller, engine: TheEngine, idempotency_key: OptionalKey = None
    ) -> JSONResponse:
        """Stores an application; it is decided when its decision is asked for."""
        require(actor, *WORKFLOW.may_start)
        await applicant_is_known(body, engine.bank)
        wanted = body.model_dump(mode="json")

        async def act(conn: AsyncConnection[Any]) -> Answer:
            number = await _store(conn, actor, body, wanted)
            return 200, {"application_id": number, "status": "stored"}

        wish = Wish(actor, idempotency_key, request.url.path, wanted)
        status, answer = await idempotent.grant(engine.pool, wish, act)
        return JSONResponse(answer, status)

    @routes.get("/{application_id}", responses=responses(404))
    async def get_application(application_id: Number, actor: Caller, engine: TheEngine) -> ApplicationView:
        async with engine.pool.connection() as conn:
            return _view(await lending.case(conn, actor, application_id))

    @routes.post(
        "/{application_id}/decision",
        response_model=Stored,
        responses=responses(404, 409) | {202: {"model": Stored, "description": "still being decided; ask again"}},
    )
    async def decide(application_id: Number, actor: Caller, engine: TheEngine) -> JSONResponse:
        """Has the application decided, once: whoever asks again, or at the same time, gets the same decision."""
        require(actor, *WORKFLOW.may_start)
        case = await _see_to_decision(engine, actor, application_id)
        try:
            async with asyncio.timeout(engine.settings.decision_wait_s):
                case = await _decided(engine, actor, case)
        except TimeoutError:
            return JSONResponse({"application_id": application_id, "status": "deciding"}, 202)
        return JSONResponse({"application_id": application_id, "status": _status(case)})

    return routes


async def _store(conn: AsyncConnection[Any], actor: Actor, body: ShortApplication, wanted: dict[str, Any]) -> int:
    thread_id = await open_thread(conn, WORKFLOW, actor)
    new = NewApplication(
        thread_id=thread_id,
        applicant_id=body.applicant_id,
        amount_minor=to_minor(body.amount, body.currency),
        currency=body.currency,
        term_months=body.term_months,
        income_monthly_minor=to_minor(body.income, body.currency),
        request=wanted,
    )
    number = await lending.store_application(conn, actor.tenant_id, new)
    await audit.record(conn, Deed(actor.tenant_id, actor.person, "loan.stored", {"request": wanted}, thread_id))
    return number


async def _see_to_decision(engine: Engine, actor: Actor, application_id: int) -> LoanCase:
    """Starts the case's run unless it has one. Of two who try at once, one starts it and both wait for it."""
    async with engine.pool.connection() as conn:
        case = await lending.case(conn, actor, application_id)
        if case.run_status is None:
            run = NewRun(uuids.uuid7(), actor.tenant_id, case.thread_id, actor.person, input={"request": case.request})
            try:
                async with conn.transaction():
                    await runs.accept(conn, engine.queue, run)
                    deed = Deed(actor.tenant_id, actor.person, "thread.started", {}, case.thread_id, run.run_id)
                    await audit.record(conn, deed)
            except Conflict:
                pass
    return case


async def _decided(engine: Engine, actor: Actor, case: LoanCase) -> LoanCase:
    """The case once policy has decided it. Raises Conflict if its run ended in error instead."""
    async with engine.pool.connection() as conn:
        first, *_ = await runs.of_thread(conn, actor.tenant_id, case.thread_id)
    told = engine.feed.follow(first.run_id)
    while True:
        async with engine.pool.connection() as conn:
            case = await lending.case(conn, actor, case.application_id)
        if case.decision is not None:
            return case
        if case.run_status == "error":
            raise Conflict(
                f"application {case.application_id} could not be decided; see /threads/{case.thread_id}/runs"
            )
        async for event in told:
            if event.event == "run" or '"decision"' in event.data:
                break


def _status(case: LoanCase) -> str:
    if case.decision is not None:
        return STATUS[case.decision]
    return "stored" if case.run_status is None else "error" if case.run_status == "error" else "deciding"


def _view(case: LoanCase) -> ApplicationView:
    return ApplicationView(
        application_id=case.application_id,
        status=_status(case),
        outcome=case.outcome,
        thread_id=case.thread_id,
        applicant_id=case.applicant_id,
        amount=from_minor(case.amount_minor, case.currency),
        currency=case.currency,
        term_months=case.term_months,
        income=from_minor(case.income_monthly_minor, case.currency),
        created_at=case.created_at,
        decided_at=case.decided_at,
        decision=case.decision_detail,
        loan_account_id=case.loan_account_id,
    )
