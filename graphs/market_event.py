"""A market event: whom it concerns, and a follow-up begun for each, chunk by chunk.

intake → find → queue, again and again until each client has a follow-up.
"""

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from graphs.workflow import Workflow
from tools import market_events
from tools.context import Context
from tools.market_event_request import MarketEvent


class State(TypedDict, total=False):
    """`progress`: how many are concerned, and how many of them were queued.

    `outcome` is there when, and only when, the case is over: `known` if the event had a case already.
    """

    request: dict[str, Any]
    progress: dict[str, int]
    outcome: Literal["queued", "nobody_concerned", "known", "contradicted"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    found = await market_events.receive(runtime.context, state["request"])
    if found == "new":
        return {"progress": {"found": 0, "queued": 0}}
    return {"outcome": "known" if found == "known" else "contradicted"}


async def find(state: State, runtime: Runtime[Context]) -> State:
    found = await market_events.find(runtime.context, state["request"])
    progress = {"found": found, "queued": 0}
    return {"progress": progress} if found else {"progress": progress, "outcome": "nobody_concerned"}


async def queue(state: State, runtime: Runtime[Context]) -> State:
    """A step a chunk, so that an event of many clients goes on where it was."""
    found, before = state["progress"]["found"], state["progress"]["queued"]
    queued = await market_events.queue_chunk(runtime.context, state["request"], before)
    progress = {"found": found, "queued": queued}
    return {"progress": progress, "outcome": "queued"} if queued >= found else {"progress": progress}


def unless_over(onwards: str) -> Any:
    return lambda state: END if "outcome" in state else onwards


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for node in (intake, find, queue):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", unless_over("find"), ["find", END])
    graph.add_conditional_edges("find", unless_over("queue"), ["queue", END])
    graph.add_conditional_edges("queue", unless_over("queue"), ["queue", END])
    return graph


WORKFLOW = Workflow(
    name="market_event",
    family="wealth",
    summary="A market event: the clients that it concerns, and a client_follow_up begun for each",
    version="1",
    input=MarketEvent,
    may_start=frozenset({"adviser", "operator"}),
    build=build,
    agents=dict.fromkeys(("intake", "find", "queue"), "market-agent"),
    shown=frozenset(),  # Other people's holdings.
)
