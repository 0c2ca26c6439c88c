"""All loans that are due on a day: a servicing case for each, once, however often the day is begun.

intake → page, again and again until the bank has no more.
"""

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from graphs.workflow import Workflow
from tools import servicing_day
from tools.bank import Bank
from tools.context import Context
from tools.servicing_request import ServicingDay, check_day


class State(TypedDict, total=False):
    """`day` says which, how far it is, and how many cases it has."""

    request: dict[str, Any]
    day: dict[str, Any]
    outcome: Literal["started"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    on = state["request"]["on"] or runtime.context.now().date().isoformat()
    return {"day": {"on": on, "next_after": None, "cases": 0, "not_ours": 0}}


async def page(state: State, runtime: Runtime[Context]) -> State:
    """A step a page, so that a day of many loans goes on where it was."""
    day = await servicing_day.start_page(runtime.context, state["day"])
    return {"day": day} if day["next_after"] is not None else {"day": day, "outcome": "started"}


def after_page(state: State) -> str:
    return END if "outcome" in state else "page"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    graph.add_node("intake", intake)
    graph.add_node("page", page)
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "page")
    graph.add_conditional_edges("page", after_page, ["page", END])
    return graph


async def day_has_come(request: ServicingDay, bank: Bank) -> None:
    """Raises InvalidInput."""
    if request.on is not None:
        check_day("on", request.on)


WORKFLOW = Workflow(
    name="loan_servicing_day",
    family="banking",
    summary="All loans due on a day: a loan_servicing case for each, by itself every day",
    version="1",
    input=ServicingDay,
    may_start=frozenset({"operator"}),
    build=build,
    agents={"intake": "intake-agent", "page": "servicing-agent"},
    shown=frozenset(),  # Other people's loans.
    check=day_has_come,
    daily=lambda day: {"on": day.isoformat()},
)
