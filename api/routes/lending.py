"""Loan applications by their number: stored first, decided when asked."""

import asyncio
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel

from api import idempotent, streaming
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.disclosure import sight_of
from api.errors import responses
from api.idempotent import Answer, Granted, OptionalKey, Wish
from api.routes.workflows import open_thread
from api.strict import StrictRoute
from db import audit, runs, threads
from db.actor import Actor
from db.audit import Deed
from db.errors import Conflict, NotFound
from db.runs import NewRun
from graphs.loan_origination import WORKFLOW
from tools import lending
from tools.lending import LoanCase
from tools.loan_facts import applicant_is_known, new_application
from tools.loan_request import ShortApplication
from tools.rules.money import from_minor

Status = Literal[
    "stored",
    "deciding",
    "error",
    "approved",
    "rejected",
    "waiting_for_review",
    "counter_offered",
    "waiting_for_applicant",
    "withdrawn",
    "incomplete",
]
UNDECIDED: dict[str, Status] = {"withdrawn": "withdrawn", "incomplete": "incomplete"}
"""What an application came to that nobody decided."""
STATUS: dict[str, Status] = {
    "approve": "approved",
    "decline": "rejected",
    "refer": "waiting_for_review",
    "counter_offer": "counter_offered",
}

Number = Annotated[int, Path(description="The application's number, counting up from 1.")]


class Stored(BaseModel):
    """`status` is `stored`, `deciding`, or the decision: approved, rejected, counter_offered, waiting_for_review; or
    `waiting_for_applicant`, who is asked for what is missing, and `incomplete` or `withdrawn` if it comes to that."""

    application_id: int
    status: Status


class ApplicationView(BaseModel):
    """`status` is the decision's; how the case ended is `outcome`. Amounts in major units, income by the month."""

    application_id: int
    status: Status
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
    routes = APIRouter(
        prefix="/loan/applications",
        tags=["lending"],
        responses=responses(401, 403, 404, 422, 503),
        route_class=StrictRoute,
    )
    _applications(routes)
    _decision(routes)
    return routes


def shown_decision(actor: Actor, decision: str | None, detail: dict[str, Any] | None) -> dict[str, Any] | None:
    """As in the case's state: reasons are told with a refusal, and a referral is none."""
    sight = sight_of(actor, WORKFLOW.name)
    if sight is None or detail is None:
        return detail
    shown: dict[str, Any] = sight.values({"decision": detail})["decision"]
    return shown if decision != "refer" else shown | {"reasons": []}


def _applications(routes: APIRouter) -> None:
    @routes.post("", response_model=Stored, responses=responses(400, 409, 413, 415, 502))
    async def store_application(
        body: ShortApplication, request: Request, actor: Caller, engine: TheEngine, idempotency_key: OptionalKey = None
    ) -> JSONResponse:
        """Stores an application; it is decided when its decision is asked for."""
        require(actor, *WORKFLOW.may_start)
        wanted = body.model_dump(mode="json")
        wish = Wish(actor, idempotency_key, request.url.path, wanted)

        async def act(conn: AsyncConnection[Any]) -> Answer:
            number = await _store(conn, actor, body, wanted)
            return 200, {"application_id": number, "status": "stored"}

        granted = await idempotent.granted_before(engine.pool, wish)
        if granted is None:
            await applicant_is_known(body, engine.bank)
            granted = await idempotent.grant(engine.pool, wish, act)
        return granted.response()

    @routes.get("/{application_id}")
    async def get_application(application_id: Number, actor: Caller, engine: TheEngine) -> ApplicationView:
        async with engine.pool.connection() as conn:
            return _view(actor, await lending.case(conn, actor, _known(application_id)))


def _decision(routes: APIRouter) -> None:
    @routes.post(
        "/{application_id}/decision",
        response_model=Stored,
        responses=responses(409, 413) | {202: {"model": Stored, "description": "Still being decided; ask again"}},
    )
    async def decide(
        application_id: Number,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: OptionalKey = None,
    ) -> JSONResponse:
        """Has the application decided, once: whoever asks again, or at the same time, gets the same decision."""
        require(actor, *WORKFLOW.may_start)
        wish = Wish(actor, idempotency_key, request.url.path, {})

        async def act(conn: AsyncConnection[Any]) -> Answer:
            await _see_to_decision(conn, actor, _known(application_id))
            return 202, {"application_id": application_id, "status": "deciding"}

        granted = await idempotent.grant(engine.pool, wish, act)
        if granted.status == 202:
            granted = await _await_decision(engine, wish, application_id, granted)
        return granted.response()


def _known(application_id: int) -> int:
    """Raises NotFound for a number that the database does not even have."""
    if application_id not in range(1, 2**63):
        raise NotFound("loan application", application_id)
    return application_id


async def _store(conn: AsyncConnection[Any], actor: Actor, body: ShortApplication, wanted: dict[str, Any]) -> int:
    thread_id = await open_thread(conn, WORKFLOW, actor)
    number = await lending.store_application(conn, actor.tenant_id, new_application(thread_id, body, wanted))
    await audit.record(conn, Deed(actor.tenant_id, actor.person, "loan.stored", {"request": wanted}, thread_id))
    return number


async def _see_to_decision(conn: AsyncConnection[Any], actor: Actor, application_id: int) -> None:
    """Starts the case's run unless it ever had one, in the caller's transaction: of two who try, one does."""
    case = await lending.case(conn, actor, application_id)
    if case.run_status is None:
        await threads.hold(conn, case.thread_id)
        case = await lending.case(conn, actor, application_id)
    if case.run_status is None:
        run = NewRun(uuids.uuid7(), actor.tenant_id, case.thread_id, actor.person, input={"request": case.request})
        await runs.accept(conn, run)
        deed = Deed(actor.tenant_id, actor.person, "thread.started", {}, case.thread_id, run.run_id)
        await audit.record(conn, deed)


async def _await_decision(engine: Engine, wish: Wish, application_id: int, deciding: Granted) -> Granted:
    """The decision as soon as there is one, or `deciding` if that takes too long."""
    try:
        async with asyncio.timeout(engine.settings.decision_wait_s):
            case = await _decided(engine, wish.actor, application_id)
    except TimeoutError:
        return deciding
    answer = {"application_id": application_id, "status": _status(case)}
    await idempotent.amend(engine.pool, wish, (200, answer))
    return Granted(200, answer, deciding.is_replay)


async def _decided(engine: Engine, actor: Actor, application_id: int) -> LoanCase:
    """The case once it is decided, or waits for its applicant. Raises Conflict if its run ended without either."""
    case = await _case(engine, actor, application_id)
    if case.decision is None:
        async with aclosing(streaming.of_thread(engine, actor, case.thread_id)) as events:
            async for event in events:
                # Cheaper than reading each event, and at worst looks once too often.
                if event.event == "run" or '"decision"' in event.data:
                    case = await _case(engine, actor, application_id)
                if case.decision is not None:
                    return case
        case = await _case(engine, actor, application_id)
        if _status(case) in ("waiting_for_applicant", *UNDECIDED):
            return case
        raise Conflict(f"application {application_id} could not be decided; see /threads/{case.thread_id}/runs")
    return case


async def _case(engine: Engine, actor: Actor, application_id: int) -> LoanCase:
    async with engine.pool.connection() as conn:
        return await lending.case(conn, actor, application_id)


def _status(case: LoanCase) -> Status:
    if case.decision is not None:
        return STATUS[case.decision]
    if case.run_status is None:
        return "stored"
    if case.outcome in UNDECIDED:
        return UNDECIDED[case.outcome]
    if case.thread_status == "interrupted":
        return "waiting_for_applicant"
    return "error" if case.run_status == "error" else "deciding"


def _view(actor: Actor, case: LoanCase) -> ApplicationView:
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
        decision=shown_decision(actor, case.decision, case.decision_detail),
        loan_account_id=case.loan_account_id,
    )
