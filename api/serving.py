"""The graphs that a process drives: our workflows and a team's own, and how a run of each is to be driven."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel

from graphs.workflow import Workflow

Graph = Pregel[Any, Any, Any, Any]
Access = Literal["threads.create_run", "threads.update", "threads.read", "assistants.read"]
"""Why a graph is opened, in the words of LangGraph's `ServerRuntime`."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a graph is opened for: a factory may build it accordingly."""

    access: Access
    config: RunnableConfig
    context: Any = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A graph under its name. `workflow` is None for a team's own graph, which is no case of ours: it states
    no outcome, asks no review and is handed no Context.

    `opened` gives the compiled graph with our saver, for as long as it is entered: one that a factory makes is made
    then, and may end with it.
    """

    name: str
    version: str
    opened: Callable[[Opening], AbstractAsyncContextManager[Graph]]
    workflow: Workflow | None = None
    description: str | None = None

    def agent_of(self, node: str) -> str:
        return node if self.workflow is None else self.workflow.agents.get(node, node)


def always(graph: Graph) -> Callable[[Opening], AbstractAsyncContextManager[Graph]]:
    """The same graph, whatever it is opened for."""
    return lambda _: nullcontext(graph)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How one run is driven, as it is stored on its row.

    `stream_modes` are what its watchers are told: `task`, our own account of each node's work, or modes of LangGraph's
    SDK. `command` and `checkpoint` are as the SDK sends them; `assistant` is its config and context when the run was
    accepted. `webhook` is told of the run's end; `ignored` tells the client what it asked for and nobody acts on.
    """

    stream_modes: tuple[str, ...] = ("task",)
    stream_subgraphs: bool = False
    durability: Literal["sync", "async", "exit"] = "sync"
    interrupt_before: Any = None
    interrupt_after: Any = None
    config: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None
    command: Mapping[str, Any] | None = None
    checkpoint: Mapping[str, Any] | None = None
    assistant: Mapping[str, Any] = field(default_factory=dict)
    webhook: str | None = None
    ignored: Mapping[str, str] | None = None

    def stored(self) -> dict[str, Any]:
        """Those that are not what they usually are."""
        given = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: value for name, value in given if value != getattr(_USUAL, name)}

    def merged_config(self) -> dict[str, Any]:
        """The assistant's config, overridden by the run's own. Parameters given as `context` are `configurable` too."""
        base, own = self.assistant.get("config") or {}, self.config or {}
        given = {**(own.get("configurable") or {}), **(self.context or {})}
        return {**base, **own, "configurable": {**(base.get("configurable") or {}), **given}}

    def merged_context(self) -> dict[str, Any] | None:
        """As the config; parameters given as `configurable` alone are context too."""
        own = self.context or (self.config or {}).get("configurable") or {}
        shown = {key: value for key, value in own.items() if not key.startswith("__")}
        return (self.assistant.get("context") or {}) | shown or None


_USUAL = RunOptions()
