"""Crons as LangGraph's SDK knows them: runs that start again and again, in the name of the operator who made them.

Operators make, change and delete them; auditors read them too. A cron of a workflow of ours starts a new case each
time, so it has no thread, and what it will ask for is checked when it is made.
"""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Response

from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.protocol import assistants as assistant_routes
from api.protocol import schedule
from api.protocol.cron_runs import check, next_after
from api.protocol.cron_schema import (
    CronBody,
    CronFilterBody,
    CronPatchBody,
    CronSearchBody,
    CronView,
    FoundCron,
    run_of,
)
from api.protocol.threads import json_response
from api.serving import Served
from api.strict import StrictBodyRoute
from db import audit, crons, threads
from db.actor import Actor, Role
from db.audit import Deed
from db.crons import Cron, Page, Wanted
from db.errors import Conflict, InvalidInput

_READERS = (Role.OPERATOR, Role.AUDITOR)


def router() -> APIRouter:
    routes = APIRouter(
        tags=["crons"], responses=responses(400, 401, 403, 404, 413, 422, 503), route_class=StrictBodyRoute
    )
    _making(routes)
    _finding(routes)
    _one(routes)
    return routes


def _making(routes: APIRouter) -> None:
    @routes.post("/runs/crons", response_model=CronView, responses=responses(409))
    async def create_cron(body: CronBody, actor: Caller, engine: TheEngine) -> Response:
        """Each run gets a thread of its own."""
        return json_response(view(await _create(engine, actor, body, None)))

    @routes.post("/threads/{thread_id}/runs/crons", response_model=CronView, responses=responses(409))
    async def create_thread_cron(thread_id: UUID, body: CronBody, actor: Caller, engine: TheEngine) -> Response:
        """All runs are on this thread; `multitask_strategy` says what to do if it is busy."""
        return json_response(view(await _create(engine, actor, body, thread_id)))


def _finding(routes: APIRouter) -> None:
    @routes.post("/runs/crons/search", response_model=list[FoundCron])
    async def search_crons(body: CronSearchBody, actor: Caller, engine: TheEngine) -> Response:
        require(actor, *_READERS)
        wanted = await _wanted(engine, actor, body)
        page = Page(body.limit + 1, body.offset, body.sort_by, body.sort_order.lower() == "asc")
        async with engine.pool.connection() as conn:
            found = await crons.search(conn, actor.tenant_id, replace(wanted, enabled=body.enabled), page)
        end = body.offset + body.limit
        headers = {"X-Pagination-Next": str(end)} if len(found) > body.limit else {}
        told = [view(cron) for cron in found[: body.limit]]
        return json_response(
            [{k: v for k, v in t.items() if not body.select or k in body.select} for t in told], headers
        )

    @routes.post("/runs/crons/count")
    async def count_crons(body: CronFilterBody, actor: Caller, engine: TheEngine) -> int:
        require(actor, *_READERS)
        wanted = await _wanted(engine, actor, body)
        async with engine.pool.connection() as conn:
            return await crons.count(conn, actor.tenant_id, wanted)


def _one(routes: APIRouter) -> None:
    @routes.get("/runs/crons/{cron_id}", response_model=CronView)
    async def get_cron(cron_id: UUID, actor: Caller, engine: TheEngine) -> Response:
        require(actor, *_READERS)
        async with engine.pool.connection() as conn:
            return json_response(view(await crons.get(conn, actor.tenant_id, cron_id)))

    @routes.patch("/runs/crons/{cron_id}", response_model=CronView, responses=responses(409))
    async def update_cron(cron_id: UUID, body: CronPatchBody, actor: Caller, engine: TheEngine) -> Response:
        """Metadata is merged key by key; another input, config or context takes the place of the one before."""
        require(actor, Role.OPERATOR)
        return json_response(view(await _change(engine, actor, cron_id, body)))

    @routes.delete("/runs/crons/{cron_id}", status_code=204)
    async def delete_cron(cron_id: UUID, actor: Caller, engine: TheEngine) -> None:
        """The runs that it started stay."""
        require(actor, Role.OPERATOR)
        async with engine.pool.connection() as conn, conn.transaction():
            await crons.delete(conn, actor.tenant_id, cron_id)
            await audit.record(conn, Deed(actor.tenant_id, actor.person, "cron.deleted", {"cron_id": str(cron_id)}))


def view(cron: Cron) -> dict[str, Any]:
    """The SDK's `Cron`."""
    told = {field.name: getattr(cron, field.name) for field in fields(Cron)}
    told["user_id"] = told.pop("made_by")
    told["payload"] = {"assistant_id": cron.assistant_id, "metadata": cron.metadata, **cron.payload}
    del told["tenant_id"]
    return told


async def _create(engine: Engine, actor: Actor, body: CronBody, thread_id: UUID | None) -> Cron:
    require(actor, Role.OPERATOR)
    schedule.parse(body.schedule, body.timezone)
    async with engine.pool.connection() as conn:
        assistant = await assistant_routes.find(conn, engine, actor, body.assistant_id)
        if thread_id is not None:
            await threads.get(conn, actor, thread_id)
    now = datetime.now(UTC)
    cron = Cron(
        cron_id=uuids.uuid7(),
        tenant_id=actor.tenant_id,
        assistant_id=assistant.assistant_id,
        thread_id=thread_id,
        made_by=actor.person,
        schedule=body.schedule,
        timezone=body.timezone,
        end_time=body.end_time,
        enabled=body.enabled is not False,
        next_run_date=None,
        on_run_completed=body.on_run_completed,
        payload=body.run_payload(),
        metadata=body.metadata or {},
        created_at=now,
        updated_at=now,
    )
    cron = await _checked(engine, actor, cron, engine.served[assistant.graph_id])
    cron = replace(cron, next_run_date=next_after(cron, now))
    async with engine.pool.connection() as conn, conn.transaction():
        await crons.create(conn, cron)
        await audit.record(conn, _deed(actor, "cron.created", cron))
    return cron


async def _change(engine: Engine, actor: Actor, cron_id: UUID, body: CronPatchBody) -> Cron:
    """Checked first, which may ask the bank, and written if nobody else changed it meanwhile."""
    async with engine.pool.connection() as conn:
        before = await crons.get(conn, actor.tenant_id, cron_id)
        assistant = await assistant_routes.find(conn, engine, actor, str(before.assistant_id))
    wanted = replace(
        before,
        schedule=body.schedule or before.schedule,
        timezone=body.timezone or before.timezone,
        end_time=body.end_time if "end_time" in body.model_fields_set else before.end_time,
        enabled=before.enabled if body.enabled is None else body.enabled,
        on_run_completed=body.on_run_completed or before.on_run_completed,
        payload=before.payload | body.run_payload(),
        metadata=before.metadata | (body.metadata or {}),
    )
    schedule.parse(wanted.schedule, wanted.timezone)
    wanted = await _checked(engine, actor, wanted, engine.served[assistant.graph_id])
    async with engine.pool.connection() as conn, conn.transaction():
        now = datetime.now(UTC)
        latest = await crons.lock(conn, actor.tenant_id, cron_id)
        if latest.updated_at != before.updated_at:
            raise Conflict(f"cron {cron_id} was changed by somebody else meanwhile")
        due = latest.next_run_date if _same_times(before, wanted) else next_after(wanted, now)
        wanted = replace(wanted, next_run_date=due, updated_at=now)
        await crons.change(conn, wanted)
        await audit.record(conn, _deed(actor, "cron.changed", wanted))
    return wanted


async def _checked(engine: Engine, actor: Actor, cron: Cron, served: Served) -> Cron:
    """With what becomes of its threads. Raises InvalidInput or Forbidden for what its runs would be refused for."""
    wanted = run_of(cron.payload, cron.assistant_id)
    request = check(served, wanted)
    if wanted.webhook is not None:
        engine.destinations.refuse(wanted.webhook)
    if cron.thread_id is not None:
        if served.workflow is not None:
            raise InvalidInput("thread_id", f"a cron of {served.name} starts a new case each time, on no thread")
        if cron.on_run_completed is not None:
            raise InvalidInput("on_run_completed", "it is for threads that are made for a run; this one stays")
        return cron
    if served.workflow is None:
        return replace(cron, on_run_completed=cron.on_run_completed or "delete")
    require(actor, *served.workflow.may_start)
    if cron.on_run_completed == "delete":
        raise InvalidInput("on_run_completed", f"a case of {served.name} is a record and is kept")
    if served.workflow.check is not None:
        await served.workflow.check(request, engine.bank)
    return replace(cron, on_run_completed="keep")


def _same_times(before: Cron, after: Cron) -> bool:
    """One that was off does not catch up when it is switched on."""
    return (before.schedule, before.timezone, before.end_time, before.enabled) == (
        after.schedule,
        after.timezone,
        after.end_time,
        after.enabled,
    )


async def _wanted(engine: Engine, actor: Actor, body: CronFilterBody) -> Wanted:
    assistant_id = None
    if body.assistant_id is not None:
        async with engine.pool.connection() as conn:
            assistant_id = (await assistant_routes.find(conn, engine, actor, body.assistant_id)).assistant_id
    return Wanted(assistant_id=assistant_id, thread_id=body.thread_id, metadata=body.metadata)


def _deed(actor: Actor, action: str, cron: Cron) -> Deed:
    told = ("cron_id", "assistant_id", "schedule", "timezone", "end_time", "enabled", "payload", "metadata")
    record = {field: getattr(cron, field) for field in told}
    record |= {field: str(record[field]) for field in ("cron_id", "assistant_id")}
    record["end_time"] = cron.end_time and cron.end_time.isoformat()
    return Deed(actor.tenant_id, actor.person, action, record, cron.thread_id)
