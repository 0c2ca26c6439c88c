"""Stopping and deleting runs, as LangGraph's SDK asks for it."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from psycopg import AsyncConnection

from api.auth import Caller, TheEngine
from api.bootstrap import Engine
from api.errors import responses
from api.protocol.run_responses import watch
from api.protocol.run_schema import CancelBody
from api.strict import StrictBodyRoute
from db import audit, run_records, stopping, threads
from db.actor import Actor, Role
from db.audit import Deed
from db.errors import Conflict, Forbidden, InvalidInput, NotFound
from db.pool import transaction
from db.runs import ACTIVE, Status
from db.stopping import Action, Stop
from db.threads import Thread

PROBLEMS = responses(400, 401, 403, 404, 409, 413, 422, 503)
WAIT_S = 30.0
"""For a run to stop: a worker that is alive takes milliseconds, one that is dead is replaced within this time."""
_OF_STATUS: dict[str, tuple[Status, ...]] = {
    "pending": ("pending", "waiting"),
    "running": ("running",),
    "all": ("pending", "waiting", "running"),
}


def router() -> APIRouter:
    routes = APIRouter(tags=["runs"], responses=PROBLEMS, route_class=StrictBodyRoute)
    _cancelling(routes)
    _deleting(routes)
    return routes


def _cancelling(routes: APIRouter) -> None:
    @routes.post(
        "/threads/{thread_id}/runs/{run_id}/cancel", status_code=202, response_class=Response, responses={204: {}}
    )
    async def cancel_run(
        thread_id: UUID,
        run_id: UUID,
        actor: Caller,
        engine: TheEngine,
        wait: bool = False,
        action: Annotated[Action, Query(description="`rollback` removes the run with what it wrote")] = "interrupt",
    ) -> Response:
        """Stops the run at its next await. 202: it stops; 204: it has stopped. Not a case that money moved for."""
        watching = await watch(engine, actor, thread_id, run_id)
        if not await _cancel(engine, actor, Stop(actor.tenant_id, thread_id, action, [run_id])):
            raise NotFound("run", f"{run_id} that is under way: it is over")
        if not wait:
            return Response(status_code=202)
        async with asyncio.timeout(WAIT_S):
            async for _ in watching.events():
                pass
        return Response(status_code=204)

    @routes.post("/runs/cancel", status_code=204, response_class=Response)
    async def cancel_runs(body: CancelBody, actor: Caller, engine: TheEngine, action: Action = "interrupt") -> Response:
        """Some runs of a thread, or all of a status that one may see. Those that are over already are passed over, but
        one at least must be under way."""
        stopped = [await _cancel(engine, actor, stop) for stop in await _named(engine, actor, body, action)]
        if not any(stopped):
            raise NotFound("run", "of these that is under way")
        return Response(status_code=204)


def _deleting(routes: APIRouter) -> None:
    @routes.delete("/threads/{thread_id}/runs/{run_id}", status_code=204)
    async def delete_run(thread_id: UUID, run_id: UUID, actor: Caller, engine: TheEngine) -> None:
        """A run that is over, with its events; the thread's state stays. Not of a case, which is a record."""
        async with transaction(engine.pool) as conn:
            thread = await _own(conn, engine, actor, thread_id)
            _refuse_record(engine, thread, "its runs are a record")
            run = await run_records.get(conn, actor.tenant_id, run_id, thread_id)
            if run.status in ACTIVE:
                raise Conflict(f"run {run_id} is {run.status}; cancel it first")
            await stopping.remove(conn, [run_id])
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "run.deleted", {}, thread_id, run_id))


async def _cancel(engine: Engine, actor: Actor, stop: Stop) -> bool:
    """Whether anything was under way."""
    async with transaction(engine.pool) as conn:
        thread = await _own(conn, engine, actor, stop.thread_id)
        if stop.action == "rollback":
            _refuse_record(engine, thread, "its runs are a record, and cannot be rolled back")
        if await stopping.ask(conn, engine.queue, stop) is None:
            return False
        record = {"action": stop.action, "runs": [str(run_id) for run_id in stop.run_ids or ()]}
        await audit.record(conn, Deed(actor.tenant_id, actor.person, "run.cancelled", record, stop.thread_id))
    return True


async def _own(conn: AsyncConnection[Any], engine: Engine, actor: Actor, thread_id: UUID) -> Thread:
    """The thread, if the actor may stop what runs on it: its starter, or an operator."""
    thread = await threads.get(conn, actor, thread_id)
    if thread.started_by != actor.person and not actor.roles & {Role.OPERATOR, Role.ADMIN}:
        raise Forbidden("only whoever started the thread, or an operator, may do this")
    return thread


def _refuse_record(engine: Engine, thread: Thread, why: str) -> None:
    served = engine.served.get(thread.workflow or "")
    if served is not None and served.workflow is not None:
        raise Conflict(f"thread {thread.thread_id} is a case of {thread.workflow}: {why}")


async def _named(engine: Engine, actor: Actor, body: CancelBody, action: Action) -> list[Stop]:
    if (body.status is None) == (body.thread_id is None):
        raise InvalidInput("thread_id", "name a thread and its runs, or a status, but not both")
    if body.status is None:
        assert body.thread_id is not None
        if not body.run_ids:
            raise InvalidInput("run_ids", "name the thread's runs that are to be cancelled")
        return [Stop(actor.tenant_id, body.thread_id, action, body.run_ids)]
    own = not actor.roles & {Role.OPERATOR, Role.ADMIN}
    async with engine.pool.connection() as conn:
        found = await run_records.active(conn, actor, _OF_STATUS[body.status], own=own)
    if not found:
        raise NotFound("run", f"that is {body.status}")
    by_thread: dict[UUID, list[UUID]] = {}
    for run in found:
        by_thread.setdefault(run.thread_id, []).append(run.run_id)
    return [Stop(actor.tenant_id, thread_id, action, run_ids) for thread_id, run_ids in by_thread.items()]
