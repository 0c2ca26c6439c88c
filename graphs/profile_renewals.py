"""Profiles that end soon or have ended: a profile_renewal case for each, once, however often the day is begun.

intake → page, again and again until no profile is left.
"""

from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import InvalidInput
from graphs.workflow import Workflow
from tools import profile_renewals
from tools.bank import Bank
from tools.context import Context
from tools.profile_renewal_request import RenewalsDay


class State(TypedDict, total=False):
    """`day` says which, how far it is (`after` the last client), and how many cases it began."""

    request: dict[str, Any]
    day: dict[str, Any]
    outcome: Literal["begun"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    on = state["request"]["on"] or runtime.context.now().date().isoformat()
    return {"day": {"on": on, "within_days": state["request"]["within_days"], "after": "", "begun": 0}}


async def page(state: State, runtime: Runtime[Context]) -> State:
    """A step a page, so that a day of many profiles goes on where it was."""
    day = await profile_renewals.begin_page(runtime.context, state["day"])
    return {"day": day} if day["after"] is not None else {"day": day, "outcome": "begun"}


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


async def day_has_come(request: RenewalsDay, bank: Bank) -> None:
    """Raises InvalidInput for a day on which profiles would have ended that are in force."""
    if request.on is not None and request.on > datetime.now(UTC).date():
        raise InvalidInput("on", f"{request.on} is later than today (UTC)")


WORKFLOW = Workflow(
    name="profile_renewals",
    family="wealth",
    summary="Suitability profiles that end soon or have ended: a profile_renewal case for each, by itself every day",
    version="1",
    input=RenewalsDay,
    may_start=frozenset({"adviser", "operator"}),
    build=build,
    agents={"intake": "intake-agent", "page": "suitability-agent"},
    shown=frozenset(),  # Other people's profiles.
    check=day_has_come,
    daily=lambda day: {"on": day.isoformat()},
)
