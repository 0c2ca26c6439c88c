"""Transfers as agents ask for them: by a task's id, which never pays twice."""

import asyncio
from contextlib import aclosing
from typing import Any, Literal

import uuid_utils.compat as uuids
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel

from api import idempotent, streaming
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.idempotent import Answer, OptionalKey, Wish
from api.routes.workflows import open_thread
from api.strict import StrictRoute
from db import audit, runs
from db.actor import Actor
from db.audit import Deed
from db.canonical import sha256_hex
from db.errors import Conflict
from db.queue import Claim
from db.runs import NewRun
from graphs.transfer import WORKFLOW
from tools import payment_facts, payments
from tools.payment_request import AgentTransfer
from tools.payments import TransferCase
from tools.rules.transfer_policy import UNDISCLOSED

Status = Literal[
    "checking",
    "waiting_for_review",
    "waiting_for_fraud_review",
    "submitted",
    "settled",
    "rejected",
    "returned",
    "refused",
    "error",
]
STANDS: dict[str, Status] = {
    "submitted": "submitted",
    "settled": "settled",
    "rejected": "rejected",
    "returned": "returned",
    "refused": "refused",
}
WAITS: dict[str | None, Status] = {"operator": "waiting_for_review", "fraud_review": "waiting_for_fraud_review"}


class Told(BaseModel):
    """One reason, in words for the customer."""

    code: str
    text: str


class TransferResult(BaseModel):
    """`submitted`: the bank has it, and may already have settled it; `GET /agent/tasks/{task_id}` says how it stands.
    `reasons` are those of a refusal."""

    transfer_id: str | None
    status: Status
    reasons: list[Told] | None = None


class TransferTask(BaseModel):
    task_id: str
    result: TransferResult


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/agent",
        tags=["agents"],
        responses=responses(400, 401, 403, 409, 413, 415, 422, 503),
        route_class=StrictRoute,
    )

    @routes.post(
        "/transfers",
        response_model=TransferTask,
        response_model_exclude_none=True,
        responses={202: {"model": TransferTask, "description": "Still being checked; ask again with the same task_id"}},
    )
    async def transfer(
        body: AgentTransfer, request: Request, actor: Caller, engine: TheEngine, idempotency_key: OptionalKey = None
    ) -> JSONResponse:
        """Has money transferred, once per `task_id`: whoever asks again gets the same task's answer, brought up to
        date, and another transfer under the same `task_id` is refused."""
        require(actor, *WORKFLOW.may_start)
        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump(mode="json"))

        async def act(conn: AsyncConnection[Any]) -> Answer:
            return 202, {"task_id": await _see_to_task(conn, actor, body, claim)}

        granted = await idempotent.granted_before(engine.pool, wish)
        if granted is None:
            await payment_facts.payment_is_possible(body, engine.bank)
            with engine.queue.claim() as claim:
                granted = await idempotent.grant(engine.pool, wish, act)
        case = await _answered(engine, actor, granted.body["task_id"])
        answer = TransferTask(task_id=case.task_id, result=result(actor, case)).model_dump(mode="json")
        if not answer["result"]["reasons"]:
            del answer["result"]["reasons"]
        status = 202 if answer["result"]["status"] == "checking" else 200
        return JSONResponse(answer, status, headers=granted.headers)

    return routes


def result(actor: Actor, case: TransferCase) -> TransferResult:
    """As the tutorial has it: what is at the bank is submitted, unless it came back."""
    found = shown_status(actor, case)
    reasons = [Told(code=code, text=text) for code, text in told(case)]
    return TransferResult(
        transfer_id=case.transfer_id, status="submitted" if found == "settled" else found, reasons=reasons or None
    )


def told(case: TransferCase) -> list[tuple[str, str]]:
    """Of a refusal's reasons those that whoever asked may know."""
    reasons = [(reason["code"], reason["text"]) for reason in case.reasons if reason["disclosed"]]
    return reasons or ([("not_carried_out", UNDISCLOSED)] if case.reasons else [])


def status(case: TransferCase) -> Status:
    if case.thread_status == "error":
        return "error"
    return STANDS.get(case.status) or WAITS.get(case.waits_for, "checking")


def shown_status(actor: Actor, case: TransferCase) -> Status:
    """That it is fraud which is looked into, staff alone are told."""
    found = status(case)
    return "waiting_for_review" if found == "waiting_for_fraud_review" and not actor.sees_whole_tenant else found


async def _see_to_task(conn: AsyncConnection[Any], actor: Actor, body: AgentTransfer, claim: Claim) -> str:
    """Starts the task's transfer unless there is one, in the caller's transaction: of two who try, one does.

    Raises Conflict if the task is another transfer, or somebody else's.
    """
    request = body.model_dump(mode="json", exclude={"agent_name", "task_id"})
    if body.task_id is not None:
        await payments.hold_task(conn, actor.tenant_id, body.task_id)
        known = await payments.by_task(conn, actor.tenant_id, body.task_id)
        if known is not None:
            same = known.request_sha256 == sha256_hex(request) and known.agent_name == body.agent_name
            if not same or not (actor.sees_whole_tenant or known.started_by == actor.person):
                raise Conflict(f"task {body.task_id} is another transfer")
            return known.task_id
    thread_id = await open_thread(conn, WORKFLOW, actor)
    new = payment_facts.new_transfer(thread_id, request, body.task_id, body.agent_name)
    await payments.store(conn, actor.tenant_id, new)
    run = NewRun(uuids.uuid7(), actor.tenant_id, thread_id, actor.person, input={"request": request}, claim=claim)
    await runs.accept(conn, run)
    record = {"request": request, "task_id": new.task_id, "agent_name": new.agent_name}
    await audit.record(conn, Deed(actor.tenant_id, actor.person, "thread.started", record, thread_id, run.run_id))
    return new.task_id


async def _answered(engine: Engine, actor: Actor, task_id: str) -> TransferCase:
    """The transfer once it is with the bank, refused, or waits for a person; as it stands if that takes too long."""
    case = await _case(engine, actor, task_id)
    try:
        async with (
            asyncio.timeout(engine.settings.decision_wait_s),
            aclosing(streaming.of_thread(engine, actor, case.thread_id)) as events,
        ):
            while status(case) == "checking":
                # Cheaper than reading each event, and at worst looks once too often.
                event = await anext(events, None)
                if event is None or event.event == "run" or '"capture"' in event.data:
                    case = await _case(engine, actor, task_id)
                if event is None:
                    break
    except TimeoutError:
        pass
    return case


async def _case(engine: Engine, actor: Actor, task_id: str) -> TransferCase:
    async with engine.pool.connection() as conn:
        return await payments.task(conn, actor, task_id)
