"""A thread's states as LangGraph's SDK reads and writes them: now, at a checkpoint, and all that were."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.protocol.edits import StateEdit, write_state
from api.protocol.schema import HistoryBody, StateAtBody, StateUpdateBody, StateUpdated, ThreadStateView
from api.protocol.snapshots import Past, history_of, snapshot_of
from api.protocol.state import checkpoint_of, nothing_yet, thread_state
from api.protocol.threads import json_response
from api.strict import StrictBodyRoute
from db import threads
from db.actor import Actor, Role
from db.threads import Thread

Subgraphs = Annotated[bool, Query(description="the states of subgraphs within their tasks, too")]


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/threads/{thread_id}",
        tags=["threads"],
        responses=responses(401, 404, 422, 503),
        route_class=StrictBodyRoute,
    )
    _states(routes)
    _history(routes)
    return routes


def _states(routes: APIRouter) -> None:
    @routes.get("/state", response_model=ThreadStateView)
    async def get_state(thread_id: UUID, actor: Caller, engine: TheEngine, subgraphs: Subgraphs = False) -> Response:
        """The graph's values, which nodes come next, and what their tasks ask."""
        return await _state(engine, actor, await _seen(engine, actor, thread_id), {}, subgraphs=subgraphs)

    @routes.get("/state/{checkpoint_id}", response_model=ThreadStateView)
    async def get_state_at(
        thread_id: UUID, checkpoint_id: UUID, actor: Caller, engine: TheEngine, subgraphs: Subgraphs = False
    ) -> Response:
        named = {"checkpoint_id": str(checkpoint_id)}
        return await _state(engine, actor, await _seen(engine, actor, thread_id), named, subgraphs=subgraphs)

    @routes.post("/state/checkpoint", response_model=ThreadStateView, responses=responses(400))
    async def get_state_at_checkpoint(thread_id: UUID, body: StateAtBody, actor: Caller, engine: TheEngine) -> Response:
        """As above; a checkpoint may also be a subgraph's."""
        thread = await _seen(engine, actor, thread_id)
        return await _state(engine, actor, thread, body.checkpoint.named(), subgraphs=body.subgraphs)

    @routes.post("/state", response_model=StateUpdated, responses=responses(400, 403, 409))
    async def update_state(thread_id: UUID, body: StateUpdateBody, actor: Caller, engine: TheEngine) -> Response:
        """Writes the state as if `as_node` had returned `values`. For operators, and not against what the case has
        done outside or asks a person."""
        require(actor, Role.OPERATOR)
        thread = await _seen(engine, actor, thread_id)
        named = body.checkpoint.named() if body.checkpoint else {}
        if body.checkpoint_id is not None:
            named["checkpoint_id"] = str(body.checkpoint_id)
        written = await write_state(engine, actor, thread, StateEdit(body.values, body.as_node, named))
        checkpoint = checkpoint_of(written)
        assert checkpoint is not None
        told = {"checkpoint": checkpoint, "configurable": checkpoint, "checkpoint_id": checkpoint["checkpoint_id"]}
        return json_response(told)


def _history(routes: APIRouter) -> None:
    @routes.get("/history", response_model=list[ThreadStateView])
    async def get_history(
        thread_id: UUID,
        actor: Caller,
        engine: TheEngine,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1,
        before: UUID | None = None,
    ) -> Response:
        """The thread's states, the newest first."""
        return await _past(engine, actor, thread_id, Past(limit, str(before) if before else None))

    @routes.post("/history", response_model=list[ThreadStateView], responses=responses(400))
    async def search_history(thread_id: UUID, body: HistoryBody, actor: Caller, engine: TheEngine) -> Response:
        """The thread's states, or a subgraph's, the newest first: those before a checkpoint, or with some metadata."""
        checkpoint = body.checkpoint.named() if body.checkpoint else {}
        return await _past(
            engine, actor, thread_id, Past(body.limit, body.before_id(), body.metadata or {}, checkpoint)
        )


async def _seen(engine: Engine, actor: Actor, thread_id: UUID) -> Thread:
    async with engine.pool.connection() as conn:
        return await threads.get(conn, actor, thread_id)


async def _state(
    engine: Engine, actor: Actor, thread: Thread, named: Mapping[str, Any], *, subgraphs: bool
) -> Response:
    snapshot = await snapshot_of(engine, actor, thread, named, subgraphs=subgraphs)
    return json_response(nothing_yet() if snapshot is None else thread_state(snapshot))


async def _past(engine: Engine, actor: Actor, thread_id: UUID, past: Past) -> Response:
    states = await history_of(engine, actor, await _seen(engine, actor, thread_id), past)
    return json_response([thread_state(state) for state in states])
