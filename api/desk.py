"""What a conversation's run works with, put together from its process: its caller's rights, and what it may start."""

import asyncio
from collections.abc import Collection, Mapping
from contextvars import Context as Variables
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from api.disclosure import STAFFS_ALONE, sight_of
from api.protocol.state import config_of
from api.serving import Opening, Served
from api.starting import started_by
from db import keys, threads
from db.actor import Actor
from db.errors import CountersignError
from db.runs import Begun
from db.tenancy import acting_for
from tools import register
from tools.copilot_exposed import Exposed, read_exposed
from tools.desk import Desk, Offer
from tools.operation import Caller

if TYPE_CHECKING:
    from api.driver import Surroundings


def desk_of(around: "Surroundings", run: Begun) -> Desk:
    async def caller() -> Caller:
        async with around.pool.connection() as conn:
            person = await started_by(conn, run)
            actor = replace(await keys.least_of(conn, run.tenant_id, person), blind_to=STAFFS_ALONE)

        async def state_of(thread_id: UUID) -> Mapping[str, Any]:
            # Of its own variables: within a node LangGraph would take the case for a subgraph of the conversation.
            return await asyncio.create_task(_state(around, actor, thread_id), context=Variables())

        return Caller(actor, around.pool, around.bank, lambda: datetime.now(UTC), around.home_tenant, state_of)

    return Desk(caller, lambda: offers(around.served), around.exposed)


def offers(served: Mapping[str, Served]) -> dict[str, Offer]:
    """The workflows that a conversation may start, by their names."""
    workflows = [one.workflow for one in served.values() if one.workflow is not None]
    return {
        each.name: Offer(each.name, each.summary, each.input, each.may_start, each.check, each.prepare)
        for each in workflows
        if each.may_start and not each.converses
    }


def exposed_of(file: Path | None, startable: Collection[str]) -> Exposed | None:
    """Raises CountersignError for a file that names nothing that there is."""
    if file is None:
        return None
    try:
        exposed = read_exposed(file.read_text(encoding="utf-8"))
        for tool in exposed.tools:
            if tool.operation not in {None, *register.BY_NAME} or tool.workflow not in {None, *startable}:
                raise ValueError(f"{tool.name} names {tool.operation or tool.workflow}, and there is no such")
        return exposed
    except (OSError, ValueError) as exc:
        raise CountersignError(f"COUNTERSIGN_COPILOT_TOOLS: {file}: {exc}") from exc


async def _state(around: "Surroundings", actor: Actor, thread_id: UUID) -> Mapping[str, Any]:
    async with around.pool.connection() as conn:
        thread = await threads.get(conn, actor, thread_id)
    served = around.served.get(thread.workflow or "")
    if served is None:
        return {}
    config = config_of(thread)
    with acting_for(thread.tenant_id):
        async with served.opened(Opening("threads.read", config, person=thread.started_by)) as graph:
            snapshot = await graph.aget_state(config)
    sight = sight_of(actor, thread.workflow)
    values: Mapping[str, Any] = (snapshot if sight is None else sight.snapshot(snapshot)).values
    return values
