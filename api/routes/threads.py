"""A case as people and programs see it: its status, state, tasks, runs, reviews, letters, effects, audit and events."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from api import streaming
from api.auth import Caller, TheEngine, require
from api.disclosure import sight_of
from api.errors import responses
from api.routes.reviews import ReviewView, shown
from api.strict import StrictRoute
from db import audit, effects, restarts, reviews, run_records, runs, tasks, threads
from db.actor import STAFF
from db.audit import Deed
from db.pool import transaction
from db.threads import Wanted
from tools import case_records
from tools.letter_facts import read_creditor, read_facts
from tools.letters import write_letter
from tools.letters_pdf import letter_pdf


class View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ThreadSummary(View):
    """`status` speaks of the runs; the case is over when, and only when, it has an `outcome`."""

    thread_id: UUID
    workflow: str | None
    workflow_version: str | None
    status: Literal["idle", "busy", "interrupted", "error"]
    outcome: str | None
    started_by: str
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class RunView(View):
    run_id: UUID
    thread_id: UUID
    status: runs.Status
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


class LetterView(View):
    letter_id: UUID
    kind: str
    subject: str
    body: str
    created_at: datetime


class EffectView(View):
    """`key` is what the bank knows it by; `contradiction` what of the bank's word contradicts ours, if anything."""

    key: str
    kind: str
    status: Literal["intended", "done", "failed", "needs_reconcile"]
    request: dict[str, Any]
    request_sha256: str
    response: dict[str, Any] | None
    contradiction: str | None
    attempts: int
    created_at: datetime
    ended_at: datetime | None


class AuditView(View):
    audit_id: int
    at: datetime
    person: str
    action: str
    run_id: UUID | None
    record: dict[str, Any]


def router() -> APIRouter:
    problems = responses(401, 404, 422, 503)
    routes = APIRouter(prefix="/threads", tags=["threads"], responses=problems, route_class=StrictRoute)
    _case(routes)
    _trail(routes)
    _letters(routes)
    return routes


def _case(routes: APIRouter) -> None:
    @routes.get("")
    async def list_threads(
        actor: Caller,
        engine: TheEngine,
        status: Literal["idle", "busy", "interrupted", "error"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[ThreadSummary]:
        """The newest cases that the caller may see."""
        async with engine.pool.connection() as conn:
            found = await threads.search(conn, actor, Wanted(status=status), limit)
        return [ThreadSummary.model_validate(t) for t in found]

    @routes.get(
        "/{thread_id}/events",
        response_class=StreamingResponse,
        responses={200: {"description": "The events", "content": streaming.CONTENT}},
    )
    async def get_events(
        thread_id: UUID, actor: Caller, engine: TheEngine, last_event_id: streaming.LastEventId = None
    ) -> StreamingResponse:
        """Server-sent events of all the case's runs, in order, each once; ends when no run is under way.

        The last `run` event of a run that waits for a person names the reviews it opened.
        """
        seen = streaming.position(last_event_id)
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            if seen is not None:
                await streaming.check_position(conn, actor.tenant_id, thread_id, seen)
        return streaming.event_stream(streaming.of_thread(engine, actor, thread_id, seen))


def _trail(routes: APIRouter) -> None:
    @routes.post("/{thread_id}/runs/{run_id}/restart", status_code=202, responses=responses(403, 409))
    async def restart_run(thread_id: UUID, run_id: UUID, actor: Caller, engine: TheEngine) -> RunView:
        """Gives a run that ended in error its attempts again; it goes on where it stopped. For operators.

        Takes no `Idempotency-Key`: a run that goes on is refused to whoever asks again.
        """
        require(actor, "operator")
        async with transaction(engine.pool) as conn:
            await threads.get(conn, actor, thread_id)
            await run_records.get(conn, actor.tenant_id, run_id, thread_id)
            await restarts.restart(conn, engine.queue, actor.tenant_id, run_id)
            deed = Deed(actor.tenant_id, actor.person, "run.restarted", {}, thread_id, run_id)
            await audit.record(conn, deed)
            return RunView.model_validate(await run_records.get(conn, actor.tenant_id, run_id))

    @routes.get("/{thread_id}/tasks")
    async def get_tasks(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[TaskView]:
        """Each node's work: who, with what result, in how many attempts."""
        async with engine.pool.connection() as conn:
            thread = await threads.get(conn, actor, thread_id)
            found = await tasks.of_thread(conn, actor, thread_id)
        sight = sight_of(actor, thread.workflow)
        seen = found if sight is None else [task for each in found if (task := sight.task(each)) is not None]
        return [TaskView.model_validate(task) for task in seen]

    @routes.get("/{thread_id}/reviews")
    async def get_reviews(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[ReviewView]:
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [shown(actor, review) for review in await reviews.of_thread(conn, actor, thread_id)]

    @routes.get("/{thread_id}/effects", responses=responses(403))
    async def get_effects(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[EffectView]:
        """What was done outside on the case's behalf, and what the bank answered. For staff."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [EffectView.model_validate(e) for e in await effects.of_thread(conn, actor.tenant_id, thread_id)]

    @routes.get("/{thread_id}/audit", responses=responses(403))
    async def get_audit(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[AuditView]:
        """Who did what in this case. For staff."""
        require(actor, *STAFF)
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [AuditView.model_validate(r) for r in await audit.of_thread(conn, actor.tenant_id, thread_id)]


def _letters(routes: APIRouter) -> None:
    @routes.get("/{thread_id}/letters")
    async def get_letters(thread_id: UUID, actor: Caller, engine: TheEngine) -> list[LetterView]:
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            return [LetterView.model_validate(x) for x in await case_records.letters(conn, actor.tenant_id, thread_id)]

    @routes.get(
        "/{thread_id}/letters/{letter_id}.pdf",
        response_class=Response,
        responses={200: {"description": "The letter", "content": {"application/pdf": {}}}},
    )
    async def get_letter_pdf(thread_id: UUID, letter_id: UUID, actor: Caller, engine: TheEngine) -> Response:
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            stored = await case_records.letter(conn, actor.tenant_id, thread_id, letter_id)
        letter = write_letter(read_facts(stored.kind, stored.facts), read_creditor(stored.creditor))
        return Response(await asyncio.to_thread(letter_pdf, letter), media_type="application/pdf")
