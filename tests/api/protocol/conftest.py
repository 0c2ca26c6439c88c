"""LangGraph's own client against `countersign up`, with a key of any role."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.service import Service, service

OWN_GRAPHS = '''
import asyncio
import operator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt


class State(TypedDict, total=False):
    question: str
    answer: str
    trail: Annotated[list[str], operator.add]


class Tone(TypedDict, total=False):
    tone: str


async def think(state: State, runtime: Runtime[Tone]) -> State:
    get_stream_writer()({"thinking": state["question"]})
    tone = (runtime.context or {}).get("tone", "plain")
    return {"answer": f"{tone}: {state['question']}", "trail": ["think"]}


async def publish(state: State) -> State:
    return {"trail": ["publish"]}


def echo() -> StateGraph:
    """Two steps, no question."""
    graph = StateGraph(State, context_schema=Tone)
    graph.add_node("think", think)
    graph.add_node("publish", publish)
    graph.add_edge(START, "think")
    graph.add_edge("think", "publish")
    graph.add_edge("publish", END)
    return graph


async def ask(state: State) -> State:
    given = interrupt({"may I publish?": state["answer"]})
    return {"answer": str(given), "trail": ["ask"]}


def asking() -> StateGraph:
    """Asks between its two steps."""
    graph = StateGraph(State, context_schema=Tone)
    graph.add_node("think", think)
    graph.add_node("ask", ask)
    graph.add_node("publish", publish)
    graph.add_edge(START, "think")
    graph.add_edge("think", "ask")
    graph.add_edge("ask", "publish")
    graph.add_edge("publish", END)
    return graph


class Seconds(TypedDict, total=False):
    seconds: float
    trail: Annotated[list[str], operator.add]


async def sleep(state: Seconds) -> Seconds:
    await asyncio.sleep(state["seconds"])
    return {"trail": ["slept"]}


def sleeping() -> StateGraph:
    """Sleeps for `seconds`, which a cancel must cut short."""
    graph = StateGraph(Seconds)
    graph.add_node("sleep", sleep)
    graph.add_edge(START, "sleep")
    graph.add_edge("sleep", END)
    return graph


def break_down(state: State) -> State:
    raise ValueError("this graph always fails")


def failing() -> StateGraph:
    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_node("break_down", break_down)
    graph.add_edge(START, "think")
    graph.add_edge("think", "break_down")
    graph.add_edge("break_down", END)
    return graph


def nested() -> StateGraph:
    """`echo` as a node of another graph."""
    graph = StateGraph(State)
    graph.add_node("inner", asking().compile())
    graph.add_node("publish", publish)
    graph.add_edge(START, "inner")
    graph.add_edge("inner", "publish")
    graph.add_edge("publish", END)
    return graph


compiled = echo().compile()
builder = asking()


@asynccontextmanager
async def opened(config: dict[str, Any]):
    graph = echo().compile()
    yield graph
'''
LANGGRAPH_JSON = """
{
  "dependencies": ["."],
  "graphs": {
    "echo": "./own_graphs.py:compiled",
    "asking": {"path": "./own_graphs.py:builder", "description": "Asks before it publishes."},
    "sleeping": "./own_graphs.py:sleeping",
    "failing": "./own_graphs.py:failing",
    "nested": "./own_graphs.py:nested",
    "opened": "./own_graphs.py:opened"
  }
}
"""


@pytest.fixture(scope="module")
def own_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team's own `langgraph.json`, of graphs that need no model and no network."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_graphs.py").write_text(OWN_GRAPHS)
    (folder / "langgraph.json").write_text(LANGGRAPH_JSON)
    return folder / "langgraph.json"


@pytest.fixture(scope="module")
def countersign(
    module_database_url: str, own_graphs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """`countersign up --config langgraph.json`, shared by a module's tests."""
    home = tmp_path_factory.mktemp("home")
    with service(module_database_url, home, COUNTERSIGN_CONFIG=str(own_graphs)) as served:
        yield served


@pytest.fixture
async def sdk(countersign: Service) -> AsyncIterator[Callable[..., LangGraphClient]]:
    """`sdk("operator")`: LangGraph's client with a fresh key of that role; `sdk("client", "ada")` names its person."""
    async with AsyncExitStack() as stack:

        def client(role: str, person: str | None = None) -> LangGraphClient:
            key = countersign.client(role, person).headers["x-api-key"]
            made = get_client(url=countersign.url, api_key=key)
            stack.push_async_callback(made.aclose)
            return made

        yield client
