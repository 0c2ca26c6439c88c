"""The graphs that a process drives: our workflows, each compiled once, and how a run of each is to be driven."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langgraph.graph.state import CompiledStateGraph

from graphs.workflow import Workflow

Graph = CompiledStateGraph[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """A compiled graph under its name. `workflow` is None for a team's own graph, which is no case of ours: it states
    no outcome, asks no review and is handed no Context."""

    name: str
    version: str
    graph: Graph
    workflow: Workflow | None = None

    def agent_of(self, node: str) -> str:
        return node if self.workflow is None else self.workflow.agents.get(node, node)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How one run is driven, as it is stored on its row.

    `stream_modes` are what its watchers are told: `task`, our own account of each node's work, or modes of LangGraph.
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
