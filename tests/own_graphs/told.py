"""Graphs that give back what they are told by their server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph_sdk.runtime import ServerRuntime

Graph = StateGraph[Any, Any, Any, Any]


class State(TypedDict, total=False):
    known: dict[str, Any]
    described: dict[str, Any]
    context: Any
    server: dict[str, Any]


@dataclass
class Tone:
    tone: str = "plain"
    loud: bool = False


async def look(state: State, config: RunnableConfig, runtime: Runtime[Any]) -> State:
    configurable = {k: v for k, v in config["configurable"].items() if not k.startswith(("__", "langgraph_auth_user"))}
    server, execution = runtime.server_info, runtime.execution_info
    assert server is not None and server.user is not None and execution is not None
    return {
        "known": configurable,
        "described": {k: v for k, v in config["metadata"].items() if not k.startswith("langgraph_")},
        "context": runtime.context,
        "server": {
            "assistant_id": server.assistant_id,
            "graph_id": server.graph_id,
            "user": server.user.identity,
            "thread_id": execution.thread_id,
        },
    }


def _looking(**options: Any) -> Graph:
    graph: Any = StateGraph(State, **options)
    graph.add_node("look", look)
    graph.add_edge(START, "look")
    graph.add_edge("look", END)
    return cast(Graph, graph)


told = _looking()
typed = _looking(context_schema=Tone)


@asynccontextmanager
async def made(config: RunnableConfig, runtime: ServerRuntime[Any]) -> AsyncIterator[Graph]:
    """Counts in the store how often it was made, and for what."""
    seen = await runtime.store.aget(("made",), runtime.access_context)
    await runtime.store.aput(("made",), runtime.access_context, {"times": 1 + (seen.value["times"] if seen else 0)})
    yield _looking()
