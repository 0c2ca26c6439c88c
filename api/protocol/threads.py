"""Threads as LangGraph's SDK makes, finds, changes and deletes them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Header, Query, Response

from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.busy_route import BusyRoute
from api.disclosure import fault, sight_of
from api.errors import responses
from api.protocol import thread_acts
from api.protocol.edits import write_supersteps
from api.protocol.extract import extracted
from api.protocol.schema import (
    FoundThread,
    NewThreadBody,
    PruneBody,
    Pruned,
    ThreadFilterBody,
    ThreadPatchBody,
    ThreadSearchBody,
    ThreadView,
)
from api.protocol.snapshots import snapshot_of
from api.protocol.state import encoded, interrupts_by_task
from api.strict import StrictBodyRoute
from db import audit, threads
from db.actor import Actor, Role
from db.audit import Deed
from db.errors import Conflict, NotFound
from db.threads import NewThread, Thread, Wanted

READ_AT_ONCE = 4
"""States that one request reads at a time."""
BATCH = 100

_STATE_FIELDS = frozenset({"values", "interrupts"})


def router() -> APIRouter:
    create, routes = (
        APIRouter(prefix="/threads", tags=["threads"], responses=responses(401, 403, 422, 503), route_class=route_class)
        for route_class in (BusyRoute, StrictBodyRoute)
    )
    _create_route(create)
    _many(routes)
    _one(routes)
    routes.routes[:0] = create.routes
    return routes


def _create_route(routes: APIRouter) -> None:
    @routes.post("", response_model=ThreadView, responses=responses(400, 404, 409))
    async def create_thread(body: NewThreadBody, actor: Caller, engine: TheEngine) -> Response:
        """A thread of one's own, with an id of one's own if wanted. `supersteps` are for operators."""
        thread_acts.may_write(actor)
        thread = await _create(engine, actor, body)
        if body.supersteps:
            require(actor, Role.OPERATOR)
            await write_supersteps(engine, actor, thread, body.supersteps)
            async with engine.pool.connection() as conn:
                thread = await threads.get(conn, actor, thread.thread_id)
        return json_response(await view(engine, actor, thread))


def _many(routes: APIRouter) -> None:
    @routes.post("/search", response_model=list[FoundThread], responses=responses(400))
    async def search_threads(body: ThreadSearchBody, actor: Caller, engine: TheEngine) -> Response:
        """The threads one may see that match, the newest first unless sorted otherwise."""
        found = await _matching(engine, actor, _wanted(body), body.values or {}, body.offset + body.limit + 1)
        page, more = found[body.offset : body.offset + body.limit], len(found) > body.offset + body.limit
        fields, extract = body.select, body.extract or {}
        needed = set(fields or ThreadView.model_fields) | {path.partition(".")[0] for path in extract.values()}
        with_state = bool(fields is None or extract or needed & _STATE_FIELDS)
        told = [_select(t, fields, extract) for t in await _views(engine, actor, page, with_state=with_state)]
        end = body.offset + body.limit
        total = end + 1 if more else body.offset + len(page)
        headers = {"X-Pagination-Total": str(total)} | ({"X-Pagination-Next": str(end)} if more else {})
        return json_response(told, headers)

    @routes.post("/count", responses=responses(400))
    async def count_threads(body: ThreadFilterBody, actor: Caller, engine: TheEngine) -> int:
        wanted = _wanted(body)
        if _read_in_sql(actor, body.values or {}):
            async with engine.pool.connection() as conn:
                return await threads.count(conn, actor, wanted)
        return len(await _matching(engine, actor, wanted, body.values or {}, None))

    @routes.post("/prune", responses=responses(400, 409))
    async def prune_threads(body: PruneBody, actor: Caller, engine: TheEngine) -> Pruned:
        """Deletes threads, or all but the latest state of each. Ids one may not see are passed over."""
        pruned = 0
        for thread_id in dict.fromkeys(body.thread_ids):
            try:
                if body.strategy == "delete":
                    await thread_acts.delete(engine, actor, thread_id)
                else:
                    await thread_acts.keep_latest(engine, actor, thread_id)
            except NotFound:
                continue
            pruned += 1
        return Pruned(pruned_count=pruned)


def _one(routes: APIRouter) -> None:
    @routes.get("/{thread_id}", response_model=ThreadView, responses=responses(404))
    async def get_thread(
        thread_id: UUID,
        actor: Caller,
        engine: TheEngine,
        include: Annotated[str, Query(max_length=100, description="`ttl`, to be told it too")] = "",
    ) -> Response:
        async with engine.pool.connection() as conn:
            thread = await threads.get(conn, actor, thread_id)
        told = await view(engine, actor, thread)
        if "ttl" in include.split(",") and thread.ttl_minutes is not None:
            ttl = {"strategy": thread.ttl_strategy, "ttl_minutes": thread.ttl_minutes, "expires_at": thread.expires_at}
            told["ttl"] = ttl
        return json_response(told)

    @routes.patch("/{thread_id}", response_model=ThreadView, responses=responses(400, 404, 409) | {204: {}})
    async def update_thread(
        thread_id: UUID,
        body: ThreadPatchBody,
        actor: Caller,
        engine: TheEngine,
        prefer: Annotated[str | None, Header(description="`return=minimal`: no answer but 204")] = None,
    ) -> Response:
        """Merges metadata, key by key."""
        async with engine.pool.connection() as conn, conn.transaction():
            thread = await thread_acts.own(conn, actor, thread_id)
            if body.ttl is not None:
                thread_acts.not_a_record(engine, thread, "it is a record and has no time to live")
            await threads.edit(conn, thread_id, body.metadata or {}, body.ttl.value() if body.ttl else None)
            deed = {"metadata": body.metadata, "ttl": body.ttl and body.ttl.model_dump()}
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "thread.edited", deed, thread_id))
            thread = await threads.get(conn, actor, thread_id)
        return (
            Response(status_code=204)
            if prefer == "return=minimal"
            else json_response(await view(engine, actor, thread))
        )

    @routes.delete("/{thread_id}", status_code=204, responses=responses(404, 409))
    async def delete_thread(thread_id: UUID, actor: Caller, engine: TheEngine) -> None:
        """With its runs and states. Not a case of a workflow of ours, which is a record."""
        await thread_acts.delete(engine, actor, thread_id)

    @routes.post("/{thread_id}/copy", response_model=ThreadView, responses=responses(404, 409))
    async def copy_thread(thread_id: UUID, actor: Caller, engine: TheEngine) -> Response:
        """A thread of one's own with the same states. Not of a case of a workflow of ours."""
        copied = await thread_acts.copy(engine, actor, thread_id)
        return json_response(await view(engine, actor, copied))


def json_response(content: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(encoded(content), media_type="application/json", headers=dict(headers or {}))


async def view(engine: Engine, actor: Actor, thread: Thread, *, with_state: bool = True) -> dict[str, Any]:
    """The SDK's `Thread`, and what ours has beyond it. `values` are None without a state, or without its graph."""
    state = None
    if with_state and thread.workflow in engine.served:
        state = await snapshot_of(engine, actor, thread)
    error = thread.error if sight_of(actor, thread.workflow) is None else fault(thread.error)
    derived = {"graph_id": thread.workflow, "assistant_id": thread.assistant_id}
    return {
        "thread_id": thread.thread_id,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
        "state_updated_at": thread.state_updated_at,
        "metadata": thread.metadata | {key: value for key, value in derived.items() if value is not None},
        "config": {},
        "status": thread.status,
        "values": None if state is None or state.created_at is None else state.values,
        "interrupts": {} if state is None else interrupts_by_task(state),
        "workflow": thread.workflow,
        "workflow_version": thread.workflow_version,
        "outcome": thread.outcome,
        "started_by": thread.started_by,
        "error": error and {"error": error["type"], "message": error["detail"]},
    }


async def _views(engine: Engine, actor: Actor, found: Sequence[Thread], *, with_state: bool) -> list[dict[str, Any]]:
    turn = asyncio.Semaphore(READ_AT_ONCE)

    async def one(thread: Thread) -> dict[str, Any]:
        async with turn:
            return await view(engine, actor, thread, with_state=with_state)

    return list(await asyncio.gather(*map(one, found)))


async def _create(engine: Engine, actor: Actor, body: NewThreadBody) -> Thread:
    metadata = body.metadata or {}
    served = engine.served.get(str(metadata.get("graph_id")))
    if served is not None and served.workflow is not None:
        require(actor, *served.workflow.may_start)
        if body.ttl is not None or body.supersteps:
            raise Conflict(f"a case of {served.name} is a record: it has no time to live, and no state but its own")
    thread_id: UUID = body.thread_id or uuids.uuid7()
    new = NewThread(
        thread_id=thread_id,
        tenant_id=actor.tenant_id,
        workflow=served.name if served else None,
        workflow_version=served.version if served else None,
        started_by=actor.person,
        metadata=metadata,
        ttl=body.ttl.value() if body.ttl else None,
    )
    if (created := await engine.new_threads.ask(new)) is not None:
        return created
    if body.if_exists != "do_nothing":
        raise Conflict(f"thread {thread_id} exists already")
    async with engine.pool.connection() as conn:
        try:
            return await threads.get(conn, actor, thread_id)
        except NotFound as exc:
            raise Conflict(f"thread {thread_id} exists already") from exc


async def _matching(
    engine: Engine, actor: Actor, wanted: Wanted, values: Mapping[str, Any], most: int | None
) -> list[Thread]:
    """The first `most` that match; values that SQL cannot read are read from the states, one batch after another."""
    if _read_in_sql(actor, values) and most is not None:
        async with engine.pool.connection() as conn:
            return await threads.search(conn, actor, wanted, most)
    found: list[Thread] = []
    for offset in range(0, 2**31, BATCH):
        async with engine.pool.connection() as conn:
            batch = await threads.search(conn, actor, wanted, BATCH, offset)
        views = await _views(engine, actor, batch, with_state=True)
        found += [t for t, told in zip(batch, views, strict=True) if _contains(told["values"], values)]
        if len(batch) < BATCH or (most is not None and len(found) >= most):
            break
    return found[:most]


def _wanted(body: ThreadFilterBody) -> Wanted:
    ids = sort_by = sort_order = None
    if isinstance(body, ThreadSearchBody):
        ids, sort_by, sort_order = body.ids or None, body.sort_by, body.sort_order
    return Wanted(
        ids=ids,
        status=body.status,
        metadata=body.metadata or {},
        values=body.values or {},
        sort_by=sort_by or "updated_at",
        descending=(sort_order or "desc").lower() == "desc",
    )


def _select(told: dict[str, Any], fields: Sequence[str] | None, extract: Mapping[str, str]) -> dict[str, Any]:
    selected = {key: value for key, value in told.items() if fields is None or key in fields}
    return selected | ({"extracted": extracted(told, extract)} if extract else {})


def _read_in_sql(actor: Actor, values: Mapping[str, Any]) -> bool:
    """SQL looks into whole states: to those who are not shown all of them, it alone would tell the rest."""
    return not values or (actor.sees_whole_tenant and all(isinstance(v, str | int | float) for v in values.values()))


def _contains(whole: Any, part: Any) -> bool:
    """As PostgreSQL's `@>` on JSON."""
    if isinstance(part, dict):
        return isinstance(whole, Mapping) and all(k in whole and _contains(whole[k], v) for k, v in part.items())
    if isinstance(part, list):
        return isinstance(whole, list | tuple) and all(any(_contains(w, p) for w in whole) for p in part)
    return bool(whole == part) and isinstance(whole, bool) == isinstance(part, bool)
