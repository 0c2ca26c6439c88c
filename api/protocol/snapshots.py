"""Reading the states of a thread through its graph, which alone knows what comes next and who asks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from api.bootstrap import Engine
from api.disclosure import sight_of
from api.protocol.state import config_of
from api.serving import Access, Graph, Opening, Served
from db.actor import Actor
from db.errors import NotFound
from db.tenancy import acting_for
from db.threads import Thread


@dataclass(frozen=True, slots=True)
class Past:
    """Which of a thread's states: before a checkpoint, made with this metadata, at most so many."""

    limit: int
    before: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Mapping[str, Any] = field(default_factory=dict)


async def snapshot_of(
    engine: Engine,
    actor: Actor,
    thread: Thread,
    checkpoint: Mapping[str, Any] | None = None,
    *,
    subgraphs: bool = False,
) -> StateSnapshot | None:
    """The thread's latest state, or the one at a checkpoint, as far as it is shown to this actor. None: no graph has
    been named for the thread yet.

    Raises NotFound if the thread's graph is not served here, or there is no such checkpoint. The state of a subgraph
    that has not begun is empty.
    """
    if thread.workflow is None:
        return None
    config = config_of(thread, checkpoint)
    async with opened(engine, thread, "threads.read", config) as graph:
        snapshot = await graph.aget_state(config, subgraphs=subgraphs)
    if snapshot.created_at is None and (checkpoint or {}).get("checkpoint_id"):
        raise NotFound("checkpoint", (checkpoint or {})["checkpoint_id"])
    sight = sight_of(actor, thread.workflow)
    return snapshot if sight is None else sight.snapshot(snapshot)


async def history_of(engine: Engine, actor: Actor, thread: Thread, past: Past) -> list[StateSnapshot]:
    """The newest first. Raises as `snapshot_of` does."""
    if thread.workflow is None:
        return []
    config = config_of(thread, past.checkpoint)
    before: RunnableConfig | None = {"configurable": {"checkpoint_id": past.before}} if past.before else None
    async with opened(engine, thread, "threads.read", config) as graph:
        states = graph.aget_state_history(config, filter=dict(past.metadata), before=before, limit=past.limit)
        sight = sight_of(actor, thread.workflow)
        return [state if sight is None else sight.snapshot(state) async for state in states]


def graph_of(engine: Engine, thread: Thread) -> Served:
    served = engine.served.get(thread.workflow or "")
    if served is None:
        raise NotFound("graph", thread.workflow)
    return served


@asynccontextmanager
async def opened(engine: Engine, thread: Thread, access: Access, config: RunnableConfig) -> AsyncIterator[Graph]:
    """The thread's graph, on behalf of the thread's tenant and whoever started it."""
    opening = Opening(access, config, person=thread.started_by)
    with acting_for(thread.tenant_id):
        async with graph_of(engine, thread).opened(opening) as graph:
            yield graph
