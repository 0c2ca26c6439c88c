"""Runs as LangGraph's SDK starts, follows and lists them: on a thread, or on one made for the run."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.auth import Caller, TheEngine
from api.busy_route import BusyRoute
from api.disclosure import sight_of
from api.errors import responses
from api.idempotent import OptionalKey
from api.protocol import acceptance, run_responses
from api.protocol.run_responses import Afterwards
from api.protocol.run_schema import Batch, RunBody, StatelessRunBody
from api.protocol.run_views import STATUS, FoundRun, RunField, RunView, SdkStatus, run_view
from api.protocol.run_watch import after, modes_of
from api.protocol.state import encoded
from api.strict import StrictBodyRoute
from db import run_records, threads
from db.actor import Actor
from db.run_records import Page, Run

PROBLEMS = responses(400, 401, 403, 404, 409, 413, 422, 503)
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "server-sent events", "content": {"text/event-stream": {}}}
}
VALUES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "what the run came to: values, `__interrupt__`, or `__error__`",
        "content": {"application/json": {}},
    }
}
LastEventId = Annotated[str | None, Header(description="the last id seen: what follows it is sent")]


def router() -> APIRouter:
    routes = APIRouter(tags=["runs"], responses=PROBLEMS, route_class=StrictBodyRoute)
    busy = APIRouter(tags=["runs"], responses=PROBLEMS, route_class=BusyRoute)
    _on_threads(busy)
    _of_their_own(busy)
    _batch(routes)
    _read(routes)
    _follow(routes)
    routes.routes[:0] = busy.routes
    return routes


def _on_threads(routes: APIRouter) -> None:
    @routes.post("/threads/{thread_id}/runs", response_model=RunView)
    async def create_run(
        thread_id: UUID,
        body: RunBody,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: OptionalKey = None,
    ) -> Response:
        """Accepted, to be run in the background. With an `Idempotency-Key`, the same key gets the same run."""
        asked = acceptance.Request(actor, thread_id, body, request.scope["path"], idempotency_key)
        return run_responses.accepted(await acceptance.accept(engine, asked))

    @routes.post("/threads/{thread_id}/runs/wait", response_class=Response, responses=VALUES)
    async def wait_for_run(
        thread_id: UUID,
        body: RunBody,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: OptionalKey = None,
    ) -> Response:
        """What the run comes to. A long one is answered after blanks, which keep the connection open."""
        asked = acceptance.Request(actor, thread_id, body, request.scope["path"], idempotency_key, told=False)
        return await run_responses.waited_for(engine, asked)

    @routes.post("/threads/{thread_id}/runs/stream", response_class=StreamingResponse, responses=STREAM)
    async def stream_run(
        thread_id: UUID,
        body: RunBody,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: OptionalKey = None,
    ) -> Response:
        """The run's events as they come. A client that was cut off goes on from the last id it saw at `Location`."""
        asked = acceptance.Request(actor, thread_id, body, request.scope["path"], idempotency_key)
        return await run_responses.streamed(engine, asked)


def _of_their_own(routes: APIRouter) -> None:
    @routes.post("/runs", response_model=RunView)
    async def create_stateless_run(
        body: StatelessRunBody, request: Request, actor: Caller, engine: TheEngine, idempotency_key: OptionalKey = None
    ) -> Response:
        asked = acceptance.Request(actor, None, body, request.scope["path"], idempotency_key)
        return run_responses.accepted(await acceptance.accept(engine, asked))

    @routes.post("/runs/wait", response_class=Response, responses=VALUES)
    async def wait_for_stateless_run(
        body: StatelessRunBody, request: Request, actor: Caller, engine: TheEngine, idempotency_key: OptionalKey = None
    ) -> Response:
        asked = acceptance.Request(actor, None, body, request.scope["path"], idempotency_key, told=False)
        return await run_responses.waited_for(engine, asked)

    @routes.post("/runs/stream", response_class=StreamingResponse, responses=STREAM)
    async def stream_stateless_run(
        body: StatelessRunBody, request: Request, actor: Caller, engine: TheEngine, idempotency_key: OptionalKey = None
    ) -> Response:
        asked = acceptance.Request(actor, None, body, request.scope["path"], idempotency_key)
        return await run_responses.streamed(engine, asked)


def _batch(routes: APIRouter) -> None:
    @routes.post("/runs/batch", response_model=list[RunView])
    async def create_runs(body: Batch, request: Request, actor: Caller, engine: TheEngine) -> Response:
        """Each run is accepted or refused for itself; the first that is refused is the answer."""
        accepted = [
            await acceptance.accept(engine, acceptance.Request(actor, one.thread_id, one, request.scope["path"]))
            for one in body
        ]
        return Response(encoded(accepted), media_type="application/json")


def _read(routes: APIRouter) -> None:
    @routes.get("/threads/{thread_id}/runs", response_model=list[FoundRun])
    async def list_runs(
        thread_id: UUID,
        actor: Caller,
        engine: TheEngine,
        status: SdkStatus | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 10,
        offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
        select: Annotated[list[RunField] | None, Query()] = None,
    ) -> Response:
        """The thread's runs, the newest first."""
        statuses = [ours for ours, theirs in STATUS.items() if theirs == status] if status else None
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            found = await run_records.page(conn, actor.tenant_id, thread_id, Page(statuses, limit, offset))
        views = [_shown(actor, run) for run in found]
        shown = [{key: view[key] for key in select} for view in views] if select else views
        return Response(encoded(shown), media_type="application/json")

    @routes.get("/threads/{thread_id}/runs/{run_id}", response_model=RunView)
    async def get_run(thread_id: UUID, run_id: UUID, actor: Caller, engine: TheEngine) -> Response:
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
            run = await run_records.get(conn, actor.tenant_id, run_id, thread_id)
        return Response(encoded(_shown(actor, run)), media_type="application/json")


def _shown(actor: Actor, run: Run) -> dict[str, Any]:
    view, sight = run_view(run), sight_of(actor, run.workflow)
    return view if sight is None else sight.run(view, actor.person)


def _follow(routes: APIRouter) -> None:
    @routes.get("/threads/{thread_id}/runs/{run_id}/join", response_class=Response, responses=VALUES)
    async def join_run(
        thread_id: UUID, run_id: UUID, actor: Caller, engine: TheEngine, cancel_on_disconnect: bool = False
    ) -> Response:
        """What the run comes to, or came to."""
        watch = await run_responses.watch(engine, actor, thread_id, run_id)
        return await run_responses.joined(watch, cancels=cancel_on_disconnect)

    @routes.get("/threads/{thread_id}/runs/{run_id}/stream", response_class=StreamingResponse, responses=STREAM)
    async def join_stream(
        thread_id: UUID,
        run_id: UUID,
        actor: Caller,
        engine: TheEngine,
        stream_mode: Annotated[list[str] | None, Query(description="only these, of those the run tells")] = None,
        cancel_on_disconnect: bool = False,
        last_event_id: LastEventId = None,
    ) -> Response:
        """The run's events from its first, or after the last id seen, to its end."""
        watch = await run_responses.watch(engine, actor, thread_id, run_id)
        watch.after_seq, watch.modes = after(last_event_id), modes_of(stream_mode or [])
        return run_responses.stream(watch, Afterwards(watch, cancel_on_disconnect))
