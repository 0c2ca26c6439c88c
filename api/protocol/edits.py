"""Writing a thread's state by hand: an operator's right, audited, and never against what was done or asked."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import InvalidUpdateError
from langgraph.types import Command, Send, StateUpdate

from api.bootstrap import Engine
from api.protocol.schema import CommandBody, SuperstepBody, UpdateBody
from api.protocol.snapshots import graph_of, opened
from api.protocol.state import config_of
from api.serving import Graph, Served
from db import audit, threads
from db.actor import Actor
from db.audit import Deed
from db.errors import Conflict, InvalidInput
from db.threads import Status, Thread

Write = Callable[[Graph, RunnableConfig], Awaitable[RunnableConfig]]


@dataclass(frozen=True, slots=True)
class StateEdit:
    """`checkpoint` is where it forks from; none: the latest state."""

    values: Any
    as_node: str | None = None
    checkpoint: dict[str, Any] = field(default_factory=dict)


async def write_state(engine: Engine, actor: Actor, thread: Thread, edit: StateEdit) -> RunnableConfig:
    """The config of the checkpoint it made.

    Raises Conflict if the thread is busy, or its state is not to be written by hand (`threads.refuse_contradiction`),
    InvalidInput for values or a node that its graph does not take.
    """

    async def write(graph: Graph, config: RunnableConfig) -> RunnableConfig:
        return await graph.aupdate_state(config, edit.values, as_node=edit.as_node)

    record = {"values": edit.values, "as_node": edit.as_node, "checkpoint": edit.checkpoint}
    deed = Deed(actor.tenant_id, actor.person, "state.updated", record, thread.thread_id)
    return await _write(engine, thread, edit.checkpoint, write, deed)


async def write_supersteps(
    engine: Engine, actor: Actor, thread: Thread, supersteps: Sequence[SuperstepBody]
) -> RunnableConfig:
    """A history made up of whole steps, each as if its nodes had returned these updates. Raises as `write_state`."""
    steps = [[_update(given) for given in superstep.updates] for superstep in supersteps]

    async def write(graph: Graph, config: RunnableConfig) -> RunnableConfig:
        return await graph.abulk_update_state(config, steps)

    record = {"supersteps": [superstep.model_dump(mode="json") for superstep in supersteps]}
    deed = Deed(actor.tenant_id, actor.person, "state.updated", record, thread.thread_id)
    return await _write(engine, thread, {}, write, deed)


async def _write(
    engine: Engine, thread: Thread, checkpoint: dict[str, Any], write: Write, deed: Deed
) -> RunnableConfig:
    """The thread stays locked while it is written, so that no run starts from, or ends into, half of it."""
    if thread.workflow is None:
        raise Conflict(f"thread {thread.thread_id} has no graph yet: run one on it, or name it in metadata.graph_id")
    served, config = graph_of(engine, thread), config_of(thread, checkpoint)
    async with (
        opened(engine, thread, "threads.update", config) as graph,
        engine.editing,
        engine.pool.connection() as conn,
        conn.transaction(),
    ):
        await _lock(conn, thread)
        before = await graph.aget_state(config_of(thread))
        run_id = (before.metadata or {}).get("run_id")
        try:
            written = await write(graph, {**config, "metadata": {"run_id": run_id} if run_id else {}})
        except InvalidUpdateError as exc:
            raise InvalidInput("as_node", str(exc)) from exc
        except (TypeError, ValueError, LookupError) as exc:  # A reducer's word on values that it cannot take.
            raise InvalidInput("values", f"the graph does not take them: {exc}") from exc
        after = await graph.aget_state(config_of(thread))
        await threads.set_status(conn, thread.thread_id, _status(thread, served, goes_on=bool(after.next)))
        await audit.record(conn, deed)
    return written


async def _lock(conn: Any, thread: Thread) -> None:
    owner = Actor(thread.tenant_id, thread.started_by, frozenset())
    locked = await threads.get(conn, owner, thread.thread_id, lock=True)
    if locked.status == "busy":
        raise Conflict(f"thread {thread.thread_id} is busy")
    await threads.refuse_contradiction(conn, locked)


def _status(thread: Thread, served: Served, *, goes_on: bool) -> Status:
    """A case of ours whose run failed stays so: what it waits for is that run's restart."""
    if not goes_on:
        return "idle"
    return "error" if served.workflow is not None and thread.status == "error" else "interrupted"


def _update(given: UpdateBody) -> StateUpdate:
    values: Any = given.values if given.command is None else _command(given.command)
    return StateUpdate(values, given.as_node)


def _command(command: CommandBody) -> Command[Any]:
    goto = command.goto if isinstance(command.goto, list) else [command.goto] if command.goto else []
    return Command(update=command.update, goto=[_target(target) for target in goto])


def _target(target: Any) -> str | Send:
    if isinstance(target, str):
        return target
    if isinstance(target, dict) and isinstance(target.get("node"), str):
        return Send(target["node"], target.get("input"))
    raise InvalidInput("command.goto", 'must be a node\'s name, or {"node": name, "input": its input}, or several')
