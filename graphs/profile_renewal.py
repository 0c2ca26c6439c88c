"""One client's suitability profile that ends soon or has ended: a letter to them, and an adviser who sees to it.

intake → tell → adviser_review → conclude; or → the end, where a new profile is there already.
"""

from datetime import date, datetime, time, timedelta
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.actor import Role
from db.reviews import Question
from graphs.workflow import Workflow
from tools import profile_letters, profile_renewals
from tools.case_records import send_letter
from tools.context import Context
from tools.profile_renewal_request import RenewalRequest, RenewalVerdict
from tools.review import ask

EXPIRED_DAYS, ESCALATED_DAYS = 14, 14


class State(TypedDict, total=False):
    """`profile` is the one that ends. `outcome` is there when, and only when, the case is over."""

    request: dict[str, Any]
    profile: dict[str, Any]
    verdict: dict[str, Any]
    outcome: Literal["renewed", "contacted", "not_reached", "no_longer_advised"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    found = await profile_renewals.ending(runtime.context, state["request"])
    return {"profile": found} if found is not None else {"outcome": "renewed"}


async def tell(state: State, runtime: Runtime[Context]) -> State:
    context = runtime.context
    facts = profile_letters.expiry(state["profile"], str(context.thread_id), context.now().date())
    await send_letter(context, facts)
    return {}


async def adviser_review(state: State, runtime: Runtime[Context]) -> State:
    """One that ends soon is asked about until it has ended, when a case of its own begins about that."""
    profile, now = state["profile"], runtime.context.now()
    due_at = datetime.combine(date.fromisoformat(profile["valid_until"]), time(), now.tzinfo) + timedelta(days=1)
    on_due: dict[str, Any] = {"answer": {"verdict": "not_reached", "note": "nobody answered until it ended"}}
    if profile["stage"] == "expired":
        due_at = now + timedelta(days=EXPIRED_DAYS)
        on_due = {"escalate_to": Role.ADMIN, "days": ESCALATED_DAYS}
    question = Question(
        kind="profile_renewal",
        role=Role.ADVISER,
        question=f"The profile of {profile['full_name']} "
        + ("has ended" if profile["stage"] == "expired" else "ends soon")
        + ": have they been asked again?",
        facts={"profile": profile},
        payload={"client_id": profile["client_id"], "version": profile["version"]},
        due_at=due_at,
        on_due=on_due,
    )
    return {"verdict": ask(question, RenewalVerdict).model_dump()}


async def conclude(state: State, runtime: Runtime[Context]) -> State:
    if await profile_renewals.ending(runtime.context, state["request"]) is None:
        return {"outcome": "renewed"}
    outcome: Literal["contacted", "not_reached", "no_longer_advised"] = state["verdict"]["verdict"]
    return {"outcome": outcome}


def after_intake(state: State) -> str:
    return END if "outcome" in state else "tell"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for node in (intake, tell, adviser_review, conclude):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", after_intake, ["tell", END])
    graph.add_edge("tell", "adviser_review")
    graph.add_edge("adviser_review", "conclude")
    graph.add_edge("conclude", END)
    return graph


WORKFLOW = Workflow(
    name="profile_renewal",
    family="wealth",
    summary="A client's suitability profile that ends soon or has ended: a letter, and an adviser sees to it",
    version="1",
    input=RenewalRequest,
    may_start=frozenset({"operator"}),
    build=build,
    agents=dict.fromkeys(("intake", "tell", "conclude"), "suitability-agent"),
    shown=frozenset(),  # What staff make of a client.
)
