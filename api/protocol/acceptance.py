"""Accepting a run as LangGraph's SDK asks for it: of a team's own graph here, of a case in `case_runs`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection

from api import idempotent
from api.auth import require
from api.bootstrap import Engine
from api.idempotent import Wish
from api.protocol import case_runs
from api.protocol.assistants import find
from api.protocol.run_schema import RunBody, StatelessRunBody, options_of
from api.protocol.run_views import new_run_view
from api.serving import Served
from db import assistants, audit, runs, stopping, threads
from db.actor import Actor, Role
from db.audit import Deed
from db.errors import Forbidden
from db.pool import transaction
from db.runs import NewRun
from db.stopping import Stop
from db.threads import NewThread, Ttl

TEMPORARY = Ttl(1, "delete")
"""Of a thread made for one run, but for a case: how long it may be asked about after that. Whoever waits deletes it."""


@dataclass(frozen=True, slots=True)
class Request:
    """`thread_id` None: on a thread of its own. `told` False: nobody will watch, only wait. `learns` hears which
    graph it is, before anything is accepted."""

    actor: Actor
    thread_id: UUID | None
    body: StatelessRunBody
    path: str
    key: str | None = None
    told: bool = True
    run_id: UUID | None = None
    learns: Callable[[str], None] | None = None


async def accept(engine: Engine, request: Request) -> dict[str, Any]:
    """The run, as the SDK knows it: newly accepted, or accepted before under the same key.

    Raises InvalidInput, NotFound, Forbidden or Conflict; then nothing is written.
    """
    actor, body = request.actor, request.body
    if actor.roles <= {Role.AUDITOR}:
        raise Forbidden("an auditor reads and changes nothing")
    body.refuse_not_served()
    if body.webhook is not None:
        engine.destinations.refuse(body.webhook)
    served, assistant_id = await _graph(engine, actor, body.assistant_id)
    if request.learns is not None:
        request.learns(served.name)
    thread_id = request.thread_id or uuids.uuid7()
    run = await _new_run(engine, request, served, (thread_id, assistant_id))
    with engine.queue.claim() as claim:
        return await _accept(engine, request, served, replace(run, claim=claim))


async def _accept(engine: Engine, request: Request, served: Served, run: NewRun) -> dict[str, Any]:
    actor, body = request.actor, request.body
    act = _acceptance(engine, request, served, run)
    if request.key is not None:
        wish = Wish(actor, request.key, request.path, body.model_dump(mode="json"))

        async def remembered(conn: AsyncConnection[Any]) -> idempotent.Answer:
            return 200, await act(conn)

        return (await idempotent.grant(engine.pool, wish, remembered)).body
    if request.thread_id is not None and served.workflow is None and _is_plain(body):
        created_at = await engine.new_runs.ask(run)
        if created_at is not None:
            return new_run_view(run, created_at)
    async with transaction(engine.pool) as conn:
        return await act(conn)


def _is_plain(body: StatelessRunBody) -> bool:
    """Whether it takes the one statement of `runs.accept` and no more."""
    stops = isinstance(body, RunBody) and body.multitask_strategy in ("interrupt", "rollback")
    edits = body.command is not None and (body.command.update is not None or body.command.goto is not None)
    return not stops and not edits and body.if_not_exists == "reject"


async def _graph(engine: Engine, actor: Actor, assistant_id: str) -> tuple[Served, UUID]:
    served = engine.served.get(assistant_id)
    if served is not None:
        return served, assistants.own_id(assistant_id)
    async with engine.pool.connection() as conn:
        assistant = await find(conn, engine, actor, assistant_id)
    return engine.served[assistant.graph_id], assistant.assistant_id


async def _new_run(engine: Engine, request: Request, served: Served, ids: tuple[UUID, UUID]) -> NewRun:
    body, actor, (thread_id, assistant_id) = request.body, request.actor, ids
    options = options_of(body) if served.workflow is None else case_runs.options_of(body)
    options = replace(options, ignored=body.ignored())
    answers = body.command is not None and body.command.resume is not None
    delay_s = body.after_seconds or 0
    return NewRun(
        run_id=request.run_id or uuids.uuid7(),
        tenant_id=actor.tenant_id,
        thread_id=thread_id,
        started_by=actor.person,
        input=body.input if served.workflow is None else await case_runs.input_of(engine, served.workflow, actor, body),
        workflow=(served.name, served.version),
        assistant_id=assistant_id,
        options=(options if request.told else replace(options, stream_modes=())).stored(),
        metadata=body.metadata or {},
        answers=answers,
        multitask=body.multitask_strategy if isinstance(body, RunBody) and not answers else "reject",
        at=datetime.now(UTC) + timedelta(seconds=delay_s) if delay_s else None,
        owner=None if actor.sees_whole_tenant else actor.person,
        blind_to=actor.blind_to,
        records=[name for name, one in engine.served.items() if one.workflow is not None],
    )


def _acceptance(
    engine: Engine, request: Request, served: Served, run: NewRun
) -> Callable[[AsyncConnection[Any]], Awaitable[dict[str, Any]]]:
    actor, body = request.actor, request.body

    async def act(conn: AsyncConnection[Any]) -> dict[str, Any]:
        if request.thread_id is None or body.if_not_exists == "create":
            is_temporary = request.thread_id is None and body.on_completion == "delete" and served.workflow is None
            ttl = TEMPORARY if is_temporary else None
            bare = NewThread(run.thread_id, run.tenant_id, None, None, actor.person, ttl=ttl)
            await threads.create(conn, bare)
        if served.workflow is not None:
            accepted, created_at = await case_runs.accept(conn, actor, body, run, served.workflow)
            return new_run_view(accepted, created_at)
        if body.command is not None and (body.command.update is not None or body.command.goto is not None):
            require(actor, Role.OPERATOR)
            command = {"command": body.command.model_dump(mode="json", exclude_unset=True)}
            deed = Deed(actor.tenant_id, actor.person, "thread.commanded", command, run.thread_id, run.run_id)
            await audit.record(conn, deed)
        if run.multitask in ("interrupt", "rollback"):
            await threads.get(conn, actor, run.thread_id)
            action = stopping.action_of(run.multitask)
            await stopping.ask(conn, engine.queue, Stop(run.tenant_id, run.thread_id, action))
        return new_run_view(run, await runs.accept(conn, run))

    return act
