"""Graphs whose nodes write down, in a file that their input names, what they did: a crash cannot take that back."""

import asyncio
import operator
import os
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    file: str
    seconds: float
    answers: Annotated[list[str], operator.add]


def note(state: State, line: str) -> int:
    """How often this line has been written."""
    with Path(state["file"]).open("a+") as file:
        file.write(f"{line}\n")
        file.seek(0)
        return file.read().split("\n").count(line)


async def ask(state: State) -> State:
    """Two questions in one node, which an authors' graph may have."""
    return {"answers": [interrupt("first?"), interrupt("second?")]}


def step(name: str) -> Any:
    async def node(state: State) -> State:
        note(state, name)
        await asyncio.sleep(state.get("seconds", 0))
        return {"answers": [name]}

    return node


async def be_alone(state: State) -> State:
    note(state, f"begin {os.getpid()}")
    await asyncio.sleep(state.get("seconds", 0))
    note(state, f"end {os.getpid()}")
    return {}


async def linger(state: State) -> State:
    """The first time for longer than anybody waits."""
    if note(state, "slow") == 1:
        await asyncio.sleep(600)
    return {"answers": ["slow"]}


def fan(*nodes: tuple[str, Any]) -> StateGraph[Any, Any, Any, Any]:
    graph: Any = StateGraph(State)
    for name, node in nodes:
        graph.add_node(name, node)
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    return cast(StateGraph[Any, Any, Any, Any], graph)


def chain(**nodes: Any) -> StateGraph[Any, Any, Any, Any]:
    graph: Any = StateGraph(State)
    names = [START, *nodes]
    for name, node in nodes.items():
        graph.add_node(name, node)
    for before, after in zip(names, [*nodes, END], strict=True):
        graph.add_edge(before, after)
    return cast(StateGraph[Any, Any, Any, Any], graph)


twice = chain(ask=ask)
nested_twice = chain(inner=chain(ask=ask).compile())
steps = chain(**{name: step(name) for name in ("one", "two", "three", "four")})
alone = chain(alone=be_alone)
branches = fan(("left", step("left")), ("right", step("right")), ("slow", linger))
