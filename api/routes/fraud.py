"""Fraud cases: opened for a payment, once; what was found of each; and what people made of it."""

import csv
import io
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.idempotent import Answer, RequiredKey, Wish
from api.routes.workflows import open_thread
from api.strict import StrictRoute
from db import audit, runs
from db.actor import Actor
from db.audit import Deed
from db.queue import Claim
from db.runs import NewRun
from graphs.fraud_review import WORKFLOW
from tools import fraud, fraud_cases
from tools.bank_activity import booked_transfer
from tools.fraud_cases import LabelledPayment
from tools.fraud_request import FraudCase, JudgedPayment
from tools.rules.money import from_minor

STAFF = ("analyst", "operator", "auditor")
TRAINING = ("payment_id", "at", "account", "payee", "amount", "is_fraud")
"""Columns that `countersign fraud fit` reads."""


class Opened(BaseModel):
    """`status` is `known` if the payment had its case already."""

    thread_id: UUID
    payment_id: str
    status: Literal["opened", "known"]


class CaseView(BaseModel):
    """`band` is the policy's, `verdict` what came of it in the end."""

    model_config = ConfigDict(from_attributes=True)

    thread_id: UUID
    payment_id: str
    at: datetime
    account: str
    payee: str
    payee_name: str | None
    amount_minor: int
    currency: str
    channel: str
    device: str | None
    opened_by_thread: UUID | None
    thread_status: str
    score: int | None
    band: Literal["release", "hold", "block"] | None
    policy_version: str | None
    verdict: Literal["released", "blocked", "fraud"] | None
    decided_by: str | None
    note: str | None
    created_at: datetime
    decided_at: datetime | None


class ScoreView(BaseModel):
    """What one scorer said, why, and what it looked at."""

    model_config = ConfigDict(from_attributes=True)

    scorer: str
    version: str
    score: int
    reasons: list[dict[str, Any]]
    evidence: dict[str, Any]
    created_at: datetime


class LabelView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    payment_id: str
    at: datetime
    account: str
    payee: str
    amount_minor: int
    currency: str
    fraud: bool
    labelled_by: str
    labelled_at: datetime


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/fraud", tags=["fraud"], responses=responses(401, 403, 404, 422, 503), route_class=StrictRoute
    )
    _opening(routes)
    _cases(routes)
    _labels(routes)
    return routes


def _opening(routes: APIRouter) -> None:
    problems: dict[int | str, Any] = responses(409, 502) | {200: {"model": Opened, "description": "It had one"}}

    @routes.post("/cases", status_code=202, response_model=Opened, responses=problems | responses(400, 413, 415))
    async def open_case(
        body: JudgedPayment, request: Request, actor: Caller, engine: TheEngine, idempotency_key: RequiredKey
    ) -> JSONResponse:
        """Opens the payment's case, or names the one it has: however often it is sent, under whatever key."""
        require(actor, *WORKFLOW.may_start)
        wanted = FraudCase(payment=body)
        wish = Wish(actor, idempotency_key, request.url.path, wanted.model_dump(mode="json"))
        return await _granted(engine, wish, wanted)

    @routes.post("/transfers/{transfer_id}/case", status_code=202, response_model=Opened, responses=problems)
    async def open_case_of_transfer(
        transfer_id: str, request: Request, actor: Caller, engine: TheEngine, idempotency_key: RequiredKey
    ) -> JSONResponse:
        """Opens a case about a transfer that the bank has booked, or names the one it has."""
        require(actor, *WORKFLOW.may_start)
        wish = Wish(actor, idempotency_key, request.url.path, {})
        granted = await idempotent.granted_before(engine.pool, wish)
        if granted is not None:
            return granted.response()
        booked = await booked_transfer(engine.bank, transfer_id)
        judged = JudgedPayment(
            payment_id=booked.transfer_id,
            at=booked.created_at,
            account=booked.source_account,
            payee=booked.payee,
            payee_name=booked.creditor_name,
            amount_minor=booked.amount_minor,
            currency=booked.currency,
            reference=booked.reference,
        )
        return await _granted(engine, wish, FraudCase(payment=judged))


def _cases(routes: APIRouter) -> None:
    @routes.get("/cases")
    async def list_cases(
        actor: Caller,
        engine: TheEngine,
        band: Literal["release", "hold", "block"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> list[CaseView]:
        """The newest first."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await fraud_cases.cases(conn, actor, band, limit, offset)
        return [CaseView.model_validate(case) for case in found]

    @routes.get("/cases/{thread_id}")
    async def get_case(thread_id: UUID, actor: Caller, engine: TheEngine) -> CaseView:
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            return CaseView.model_validate(await fraud_cases.case(conn, actor, thread_id))

    @routes.get("/scores/{thread_id}")
    async def get_scores(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[ScoreView]:
        """What each scorer said in a fraud case, or in another case that had its payment judged; highest first."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            return [ScoreView.model_validate(each) for each in await fraud_cases.scores_of(conn, actor, thread_id)]


def _labels(routes: APIRouter) -> None:
    @routes.get("/labels")
    async def list_labels(actor: Caller, engine: TheEngine) -> list[LabelView]:
        """The payments that a person found to be fraud, or not to be."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await fraud_cases.labelled(conn, actor.tenant_id, only_labelled=True)
        return [LabelView.model_validate(each) for each in found]

    @routes.get(
        "/training.csv",
        response_class=PlainTextResponse,
        responses={
            200: {
                "content": {"text/csv": {"schema": {"type": "string"}}},
                "description": "As `countersign fraud fit` reads it",
            }
        },
    )
    async def training_file(actor: Caller, engine: TheEngine) -> PlainTextResponse:
        """Every payment that was judged; those that nobody marked as fraud count as none."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            found = await fraud_cases.labelled(conn, actor.tenant_id, only_labelled=False)
        return PlainTextResponse(_training(found), media_type="text/csv")


async def _granted(engine: Engine, wish: Wish, wanted: FraudCase) -> JSONResponse:
    async def act(conn: AsyncConnection[Any]) -> Answer:
        return await _opened(conn, wish.actor, wanted, claim)

    with engine.queue.claim() as claim:
        return (await idempotent.grant(engine.pool, wish, act)).response()


async def _opened(conn: AsyncConnection[Any], actor: Actor, wanted: FraudCase, claim: Claim) -> Answer:
    """Thread, payment, case, run, audit row and job in the caller's transaction; or the case that there is."""
    payment = wanted.payment.payment()
    await fraud_cases.hold_payment(conn, actor.tenant_id, payment.payment_id)
    thread_id = await fraud_cases.case_of(conn, actor.tenant_id, payment.payment_id)
    if thread_id is not None:
        await fraud.store_payment(conn, actor.tenant_id, thread_id, payment)
        return 200, {"thread_id": str(thread_id), "payment_id": payment.payment_id, "status": "known"}
    thread_id = await open_thread(conn, WORKFLOW, actor)
    await fraud.store_payment(conn, actor.tenant_id, thread_id, payment)
    await fraud_cases.open_case(conn, actor.tenant_id, thread_id, payment.payment_id)
    request = wanted.model_dump(mode="json")
    run = NewRun(uuids.uuid7(), actor.tenant_id, thread_id, actor.person, input={"request": request}, claim=claim)
    await runs.accept(conn, run)
    deed = Deed(actor.tenant_id, actor.person, "thread.started", {"request": request}, thread_id, run.run_id)
    await audit.record(conn, deed)
    return 202, {"thread_id": str(thread_id), "payment_id": payment.payment_id, "status": "opened"}


def _training(payments: list[LabelledPayment]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TRAINING)
    for each in payments:
        amount = from_minor(each.amount_minor, each.currency)
        row = (each.payment_id, each.at.isoformat(), each.account, each.payee, amount, int(each.fraud or False))
        writer.writerow(row)
    return text.getvalue()
