"""A market event: whom it concerns, and a follow-up begun for each, chunk by chunk.

intake → (refresh, again and again until custody is read) → find → queue, again and again until each client has one.
"""

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from graphs.workflow import Workflow
from tools import client_holdings, market_events
from tools.context import Context
from tools.market_event_request import MarketEvent


class State(TypedDict, total=False):
    """`holdings`: of when the view of them is that clients are found by, and whether that is stale; `refresh` how far
    the reading of a new one is. `progress`: how many are concerned, and how many of them were queued.

    `outcome` is there when, and only when, the case is over: `known` if the event had a case already.
    """

    request: dict[str, Any]
    holdings: dict[str, Any]
    refresh: dict[str, Any]
    progress: dict[str, int]
    outcome: Literal["queued", "nobody_concerned", "known", "contradicted"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    found = await market_events.receive(runtime.context, state["request"])
    if found == "new":
        view = await client_holdings.view(runtime.context)
        return {"progress": {"found": 0, "queued": 0}, "holdings": _told(view)}
    return {"outcome": "known" if found == "known" else "contradicted"}


async def refresh(state: State, runtime: Runtime[Context]) -> State:
    """A step a page. If the bank is away, clients are found by what it said before, and the event says so."""
    context, so_far = runtime.context, state.get("refresh") or client_holdings.begin()
    known = await client_holdings.view(context)
    progress = await client_holdings.refresh_page_if_bank_is_there(context, so_far, known)
    if progress is None:
        return {"holdings": _told(known), "refresh": {**so_far, "next_after": None}}
    if progress["next_after"] is None:
        return {"holdings": _told(await client_holdings.view(context)), "refresh": dict(progress)}
    return {"refresh": dict(progress)}


async def find(state: State, runtime: Runtime[Context]) -> State:
    found = await market_events.find(runtime.context, state["request"])
    progress = {"found": found, "queued": 0}
    return {"progress": progress} if found else {"progress": progress, "outcome": "nobody_concerned"}


async def queue(state: State, runtime: Runtime[Context]) -> State:
    """Some chunks a step, so that an event of many clients goes on where it was."""
    found, before = state["progress"]["found"], state["progress"]["queued"]
    queued = await market_events.queue_chunks(runtime.context, state["request"], before)
    progress = {"found": found, "queued": queued}
    return {"progress": progress, "outcome": "queued"} if queued >= found else {"progress": progress}


def unless_over(onwards: str) -> Any:
    return lambda state: END if "outcome" in state else onwards


def after_intake(state: State) -> str:
    if "outcome" in state:
        return END
    return "read_holdings" if state["holdings"]["is_stale"] else "find"


def after_refresh(state: State) -> str:
    return "find" if state["refresh"]["next_after"] is None else "read_holdings"


def _told(view: client_holdings.View) -> dict[str, Any]:
    return {"as_of": None if view.as_of is None else view.as_of.isoformat(), "is_stale": view.is_stale}


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for node in (intake, find, queue):
        graph.add_node(node.__name__, node)
    graph.add_node("read_holdings", refresh)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", after_intake, ["read_holdings", "find", END])
    graph.add_conditional_edges("read_holdings", after_refresh, ["read_holdings", "find"])
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
    agents=dict.fromkeys(("intake", "read_holdings", "find", "queue"), "market-agent"),
    check=market_events.check,
    shown=frozenset(),  # Other people's holdings.
)
