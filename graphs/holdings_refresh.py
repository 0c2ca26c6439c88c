"""What clients hold, read anew from the bank's custody, page by page until it has no more."""

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict

from graphs.workflow import Workflow
from tools import client_holdings
from tools.context import Context


class HoldingsRefresh(BaseModel):
    """Of all clients."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})


class State(TypedDict, total=False):
    """`refresh` says how far it is; see tools/client_holdings.py."""

    request: dict[str, Any]
    refresh: dict[str, Any]
    outcome: Literal["refreshed"]


async def page(state: State, runtime: Runtime[Context]) -> State:
    """A step a page, so that a custody of many accounts goes on where it was."""
    refresh = dict(await client_holdings.refresh_page(runtime.context, state.get("refresh") or client_holdings.begin()))
    return {"refresh": refresh} if refresh["next_after"] is not None else {"refresh": refresh, "outcome": "refreshed"}


def after_page(state: State) -> str:
    return END if "outcome" in state else "page"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    graph.add_node("page", page)
    graph.add_edge(START, "page")
    graph.add_conditional_edges("page", after_page, ["page", END])
    return graph


WORKFLOW = Workflow(
    name="holdings_refresh",
    family="wealth",
    summary="What clients hold, read anew from the bank's custody: by itself every day, and when asked",
    version="1",
    input=HoldingsRefresh,
    may_start=frozenset({"adviser", "operator"}),
    build=build,
    agents={"page": "custody-agent"},
    shown=frozenset(),  # Other people's holdings.
    daily=lambda day: {},
)
