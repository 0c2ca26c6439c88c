"""What a market event means for one client.

intake → (draft) → (summary) → adviser_review → conclude.
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any, Literal, TypedDict
from uuid import uuid5

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.actor import Role
from db.reviews import AGENT_TASK, Question
from graphs.workflow import Workflow
from tools import client_tasks, interactions, market_events, summaries
from tools.case_records import answered_review
from tools.client_tasks import NewTask
from tools.context import Context
from tools.interactions import NewInteraction
from tools.market_event_request import Draft, FollowUpRequest, FollowUpVerdict
from tools.review import ask

DRAFT_HOURS, REVIEW_DAYS, ESCALATED_DAYS = 12, 5, 5


class State(TypedDict, total=False):
    """`about` is the event and the client's exposure; `draft` an agent's words, which decide nothing.

    `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    about: dict[str, Any]
    task_id: str
    draft: dict[str, Any]
    summary: dict[str, Any]
    verdict: dict[str, Any]
    outcome: Literal["no_action", "contacted", "rebalance"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """Reads what is to be looked at, and hands the draft out if an agent is to write one."""
    context, request = runtime.context, state["request"]
    found = await market_events.concerned(context, request["event_id"], request["client_id"])
    about = asdict(found)
    if request["draft_by"] is None:
        return {"about": about}
    task_id = uuid5(context.thread_id, "draft")
    task = NewTask(task_id, request["client_id"], request["draft_by"], {"about": about}, context.thread_id)
    await client_tasks.hand_out(context, task)
    return {"about": about, "task_id": str(task_id)}


async def draft(state: State, runtime: Runtime[Context]) -> State:
    question = Question(
        kind="draft",
        role=AGENT_TASK,
        question="What should the adviser tell this client?",
        facts={"about": state["about"]},
        payload={"task_id": state["task_id"], "agent_name": state["request"]["draft_by"]},
        due_at=runtime.context.now() + timedelta(hours=DRAFT_HOURS),
        on_due={"answer": {"lapsed": True}},
    )
    return {"draft": ask(question, Draft).model_dump()}


async def summary(state: State, runtime: Runtime[Context]) -> State:
    """In a model's words, for the adviser to read beside the facts. An agent's draft is none of them."""
    return {"summary": await summaries.of_follow_up(runtime.context, state)}


async def adviser_review(state: State, runtime: Runtime[Context]) -> State:
    about = state["about"]
    question = Question(
        kind="client_follow_up",
        role=Role.ADVISER,
        question=f"{about['event']['headline']}: what does it mean for {about['full_name']}?",
        facts={
            "about": about,
            "explanation": state.get("summary", summaries.MODEL_OFF),
            "untrusted": {"draft": state.get("draft", {}).get("text", "")},
        },
        payload={"event_id": state["request"]["event_id"], "client_id": about["client_id"]},
        due_at=runtime.context.now() + timedelta(days=REVIEW_DAYS),
        on_due={"escalate_to": Role.ADMIN, "days": ESCALATED_DAYS},
    )
    return {"verdict": ask(question, FollowUpVerdict).model_dump()}


async def conclude(state: State, runtime: Runtime[Context]) -> State:
    """What was said to the client is an interaction that the next agent goes on from; a rebalance is a task."""
    context, about, verdict = runtime.context, state["about"], state["verdict"]
    if verdict["verdict"] == "contacted":
        answered = await answered_review(context, "client_follow_up")
        spoken = NewInteraction(
            interaction_id=uuid5(context.thread_id, "interaction"),
            client_id=about["client_id"],
            channel="phone",
            occurred_at=answered.answered_at,
            summary=f"{about['event']['headline']}: {verdict['note']}",
        )
        await interactions.store_by_case(context, spoken, answered.answered_by)
    if verdict["verdict"] == "rebalance":
        payload = {"objective": "rebalance", "event_id": state["request"]["event_id"], "note": verdict["note"]}
        task = NewTask(uuid5(context.thread_id, "rebalance"), about["client_id"], "rebalancing_agent", payload)
        await client_tasks.hand_out(context, task)
    return {"outcome": verdict["verdict"]}


def after_intake(state: State, runtime: Runtime[Context]) -> str:
    return "ask_draft" if "task_id" in state else after_draft(state, runtime)


def after_draft(state: State, runtime: Runtime[Context]) -> str:
    return "adviser_review" if runtime.context.model is None else "summary"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    graph.add_node("intake", intake)
    graph.add_node("ask_draft", draft)
    graph.add_node("summary", summary)
    graph.add_node("adviser_review", adviser_review)
    graph.add_node("conclude", conclude)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", after_intake, ["ask_draft", "summary", "adviser_review"])
    graph.add_conditional_edges("ask_draft", after_draft, ["summary", "adviser_review"])
    graph.add_edge("summary", "adviser_review")
    graph.add_edge("adviser_review", "conclude")
    graph.add_edge("conclude", END)
    return graph


WORKFLOW = Workflow(
    name="client_follow_up",
    family="wealth",
    summary="What a market event means for one client: an agent's draft if wanted, then an adviser",
    version="1",
    input=FollowUpRequest,
    may_start=frozenset({"operator"}),
    build=build,
    agents={"intake": "market-agent", "summary": "explanation-agent", "conclude": "market-agent"},
    shown=frozenset(),  # What staff make of a client.
)
