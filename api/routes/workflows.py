"""Starting a case: one typed route per workflow, each with its own schema."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Request, Response
from psycopg import AsyncConnection
from pydantic import BaseModel

from api import conversation, idempotent, streaming
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.idempotent import Answer, Granted, RequiredKey, Wish
from api.strict import StrictRoute
from db import audit, runs, threads
from db.actor import Actor
from db.audit import Deed
from db.queue import Claim
from db.runs import NewRun
from db.threads import NewThread
from graphs import WORKFLOWS
from graphs.workflow import Workflow


class Started(BaseModel):
    """A case that was accepted: it will be driven to its end or its next question, whatever dies meanwhile."""

    thread_id: UUID
    run_id: UUID
    workflow: str
    status: str


class WorkflowSummary(BaseModel):
    name: str
    family: str
    summary: str
    version: str
    start: str


def router() -> APIRouter:
    routes = APIRouter(tags=["workflows"], route_class=StrictRoute)

    @routes.get("/workflows", responses=responses(401, 422, 503))
    async def list_workflows(actor: Caller) -> list[WorkflowSummary]:
        """The workflows served here and where each is started."""
        return [
            WorkflowSummary(name=w.name, family=w.family, summary=w.summary, version=w.version, start=path_of(w))
            for w in WORKFLOWS
        ]

    for workflow in WORKFLOWS:
        routes.add_api_route(
            path_of(workflow),
            _starter(workflow),
            methods=["POST"],
            status_code=202,
            response_model=Started,
            summary=f"Start {workflow.name}",
            operation_id=f"start_{workflow.name}",
            responses=responses(400, 401, 403, 409, 413, 415, 422, 502, 503)
            | {200: {"description": "The case's events, if asked for", "content": streaming.CONTENT}},
        )
    return routes


async def accept(engine: Engine, workflow: Workflow, actor: Actor, body: BaseModel, key: str) -> Granted:
    """The case that the actor's key stands for: a new one, or the one it started before."""
    conversation.refuse_unless_possible(engine.model, workflow, actor)
    wanted = body.model_dump(mode="json")
    wish = Wish(actor, key, path_of(workflow), wanted)

    async def act(conn: AsyncConnection[Any]) -> Answer:
        started = await start(conn, workflow, actor, wanted, claim)
        return 202, started.model_dump(mode="json")

    granted = await idempotent.granted_before(engine.pool, wish)
    if granted is None:
        if workflow.check is not None:
            await workflow.check(body, engine.bank)
        with engine.queue.claim() as claim:
            granted = await idempotent.grant(engine.pool, wish, act)
    return granted


async def start(
    conn: AsyncConnection[Any], workflow: Workflow, actor: Actor, request: dict[str, Any], claim: Claim
) -> Started:
    """Thread, run, first event, audit row and job in the caller's transaction: accepted, or nothing at all."""
    thread_id = await open_thread(conn, workflow, actor)
    given = workflow.first_state(request)
    run = NewRun(uuids.uuid7(), actor.tenant_id, thread_id, actor.person, input=given, claim=claim)
    await runs.accept(conn, run)
    record = conversation.on_record(workflow, given)
    deed = Deed(actor.tenant_id, actor.person, "thread.started", record, thread_id, run.run_id)
    await audit.record(conn, deed)
    return Started(thread_id=thread_id, run_id=run.run_id, workflow=workflow.name, status="pending")


async def open_thread(conn: AsyncConnection[Any], workflow: Workflow, actor: Actor) -> UUID:
    thread_id: UUID = uuids.uuid7()
    await threads.create(
        conn, NewThread(thread_id, actor.tenant_id, workflow.name, workflow.version, actor.person, metadata={})
    )
    return thread_id


def path_of(workflow: Workflow) -> str:
    return f"/workflows/{workflow.name}/threads"


def _starter(workflow: Workflow) -> Callable[..., Any]:
    async def start_case(
        body: Any, request: Request, actor: Caller, engine: TheEngine, idempotency_key: RequiredKey
    ) -> Response:
        require(actor, *workflow.may_start)
        granted = await accept(engine, workflow, actor, body, idempotency_key)
        location = f"/threads/{granted.body['thread_id']}"
        if "text/event-stream" in request.headers.get("accept", ""):
            events = streaming.of_thread(engine, actor, UUID(granted.body["thread_id"]))
            return streaming.event_stream(events, Location=location, **granted.headers)
        return granted.response(Location=location)

    start_case.__annotations__["body"] = workflow.input
    start_case.__doc__ = f"""{workflow.summary}.

    Answers when the case is accepted; with `Accept: text/event-stream` by the case's events, as they happen."""
    return start_case
