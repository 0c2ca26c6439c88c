"""A case as people and programs see it: its status, state, tasks, runs, reviews, letters, effects, audit and events."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from api import streaming
from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.routes.reviews import ReviewView
from db import audit, effects, reviews, runs, tasks, threads
from db.actor import STAFF
from tools import lending
from tools.letter_facts import read_creditor, read_facts
from tools.letters import write_letter
from tools.letters_pdf import letter_pdf

PROBLEMS = responses(401, 403, 404, 422, 503)


class View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ThreadView(View):
    """`status` speaks of the runs; the case is over when, and only when, it has an `outcome`."""

    thread_id: UUID
    workflow: str
    workflow_version: str
    status: Literal["idle", "busy", "interrupted", "error"]
    outcome: str | None
    started_by: str
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class RunView(View):
    run_id: UUID
    thread_id: UUID
    status: str
    attempts: int
    error: dict[str, Any] | None
    started_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class TaskView(View):
    task_id: UUID
    run_id: UUID
    name: str
    agent_name: str
    status: Literal["running", "done", "failed", "interrupted"]
    result: Any
    error: str | None
    attempts: int
    started_at: datetime
    ended_at: datetime | None


class StateView(BaseModel):
    """The graph's values, and which nodes come next."""

    values: dict[str, Any]
    next: list[str]
    checkpoint_id: str | None
    created_at: str | None


class LetterView(View):
    letter_id: UUID
    kind: str
    subject: str
    body: str
    created_at: datetime


class AuditView(View):
    audit_id: int
    at: datetime
    person: str
    action: str
    run_id: UUID | None
    record: dict[str, Any]


def router() -> APIRouter:
    routes = APIRouter(prefix="/threads", tags=["threads"], responses=PROBLEMS)
    _case(routes)
    _trail(routes)
    return routes


def _case(routes: APIRouter) -> None:
    @routes.get("")
    async def list_threads(
        actor: Caller,
        engine: TheEngine,
        status: Literal["idle", "busy", "interrupted", "error"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[ThreadView]:
        """The newest cases that the caller may see."""
        async with engine.pool.connection() as conn:
            return [ThreadView.model_validate(t) for t in await threads.search(conn, actor, status, limit)]

    @routes.get("/{thread_id}")
    async def get_thread(thread_id: UUID, actor: Caller, engine: TheEngine) -> ThreadView:
        async with engine.pool.connection() as conn:
            return ThreadView.model_validate(await threads.get(conn, actor, thread_id))

    @routes.get("/{thread_id}/state")
    async def get_state(thread_id: UUID, actor: Caller, engine: TheEngine) -> StateView:
        async with engine.pool.connection() as conn:
            thread = await threads.get(conn, actor, thread_id)
        _, graph = engine.workflows[thread.workflow]
        state = await graph.aget_state({"configurable": {"thread_id": f"{thread.tenant_id}:{thread_id}"}})
        checkpoint_id = state.config["configurable"].get("checkpoint_id")
        return StateView(
            values=state.values, next=list(state.next), checkpoint_id=checkpoint_id, created_at=state.created_at
        )

    @routes.get("/{thread_id}/events", response_class=StreamingResponse)
    async def get_events(
        thread_id: UUID,
        actor: Caller,
        engine: TheEngine,
        last_event_id: Annotated[str | None, Header(description="the last id seen: what follows it is sent")] = None,
    ) -> StreamingResponse:
        """Server-sent events of all the case's runs, in order, each once; ends when no run is under way."""
        after = streaming.position(last_event_id)
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
        return streaming.event_stream(streaming.of_thread(engine, actor, thread_id, after))


def _trail(routes: APIRouter) -> None:
    @routes.get("/{thread_id}/runs")
    async def get_runs(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[RunView]:
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [RunView.model_validate(r) for r in await runs.of_thread(conn, actor.tenant_id, thread_id)]

    @routes.post("/{thread_id}/runs/{run_id}/restart", status_code=202, responses=responses(409))
    async def restart_run(thread_id: UUID, run_id: UUID, actor: Caller, engine: TheEngine) -> RunView:
        """Gives a run that ended in error its attempts again; it goes on where it stopped. For operators."""
        require(actor, "operator")
        async with engine.pool.connection() as conn, conn.transaction():
            await threads.get(conn, actor, thread_id)
            await runs.restart(conn, engine.queue, actor.tenant_id, run_id)
            deed = audit.Deed(actor.tenant_id, actor.person, "run.restarted", {}, thread_id, run_id)
            await audit.record(conn, deed)
            return RunView.model_validate(await runs.get(conn, actor.tenant_id, run_id))

    @routes.get("/{thread_id}/tasks")
    async def get_tasks(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[TaskView]:
        """Each node's work: who, with what result, in how many attempts."""
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [TaskView.model_validate(t) for t in await tasks.of_thread(conn, actor, thread_id)]

    @routes.get("/{thread_id}/reviews")
    async def get_reviews(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[ReviewView]:
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [ReviewView.model_validate(r) for r in await reviews.of_thread(conn, actor, thread_id)]

    @routes.get("/{thread_id}/letters")
    async def get_letters(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[LetterView]:
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [LetterView.model_validate(x) for x in await lending.letters(conn, actor.tenant_id, thread_id)]

    @routes.get(
        "/{thread_id}/letters/{letter_id}.pdf",
        response_class=Response,
        responses={200: {"content": {"application/pdf": {}}}},
    )
    async def get_letter_pdf(thread_id: UUID, letter_id: UUID, actor: Caller, engine: TheEngine) -> Response:
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            stored = await lending.letter(conn, actor.tenant_id, thread_id, letter_id)
        letter = write_letter(read_facts(stored.kind, stored.facts), read_creditor(stored.creditor))
        return Response(await asyncio.to_thread(letter_pdf, letter), media_type="application/pdf")

    @routes.get("/{thread_id}/effects")
    async def get_effects(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[dict[str, Any]]:
        """What was done outside on the case's behalf, and what the bank answered. For staff."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return await effects.of_thread(conn, actor.tenant_id, thread_id)

    @routes.get("/{thread_id}/audit")
    async def get_audit(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[AuditView]:
        """Who did what in this case. For staff."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [AuditView.model_validate(r) for r in await audit.of_thread(conn, actor.tenant_id, thread_id)]
