"""A review of what a client has in custody, and the report of it.

intake → examine → ((summary) → adviser_review → answered) → publish; or → withheld, or the end.

What nothing was found against is published without anybody; all else an adviser reads first. Silence publishes nothing.
"""

from datetime import timedelta
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.actor import Role
from db.errors import InvalidInput
from db.reviews import Question
from graphs.workflow import Workflow
from tools import portfolio_letters, portfolio_records, portfolio_steps, rebalance_profile, summaries
from tools.case_records import answered_review, send_letter
from tools.context import Context
from tools.holdings import HoldingsUnusable
from tools.portfolio_request import AdviserWord, PortfolioReviewRequest, review_is_possible
from tools.review import ask

REVIEW_DAYS, ESCALATED_DAYS = 5, 5
NEEDS_ADVISER = ("block", "warn")


class State(TypedDict, total=False):
    """`measured` and `proposed` are `figures` and `recommendations` once the client may be told. `problem` says why the
    portfolio cannot be reviewed as it is. `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    client: dict[str, Any]
    facts_sha256: str
    measured: dict[str, Any]
    profile: dict[str, Any]
    findings: list[dict[str, Any]]
    proposed: list[dict[str, Any]]
    summary: dict[str, Any]
    word: dict[str, Any]
    figures: dict[str, Any]
    recommendations: list[dict[str, Any]]
    task_id: str
    problem: dict[str, str]
    outcome: Literal["published", "withheld", "unknown_client", "not_reviewable"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    client = await rebalance_profile.client_of(runtime.context, state["request"]["client_id"])
    if client is None:
        return {"outcome": "unknown_client"}
    named = {"client_id": client.client_id, "full_name": client.full_name, "risk_profile": client.risk_profile}
    return {"client": named}


async def examine(state: State, runtime: Runtime[Context]) -> State:
    """Figures, findings and what the rule recommends: kept with the facts they are of, or nothing is."""
    try:
        found = await portfolio_steps.review(runtime.context, state)
    except HoldingsUnusable as exc:
        return {"problem": {"code": exc.code, "text": str(exc)}, "outcome": "not_reviewable"}
    except InvalidInput as exc:  # The bank was away when the case was accepted.
        return {"problem": {"code": exc.field, "text": exc.reason}, "outcome": "not_reviewable"}
    return {
        "facts_sha256": found["facts_sha256"],
        "measured": found["figures"],
        "profile": found["profile"],
        "findings": found["findings"],
        "proposed": found["recommendations"],
    }


async def summary(state: State, runtime: Runtime[Context]) -> State:
    """In a model's words, for the adviser to read beside the facts."""
    return {"summary": await summaries.of_portfolio(runtime.context, state)}


async def adviser_review(state: State, runtime: Runtime[Context]) -> State:
    client = state["client"]
    question = Question(
        kind="portfolio_review",
        role=Role.ADVISER,
        question=f"May {client['full_name']} be told this of their portfolio?",
        facts={
            "client": client,
            "profile": state["profile"],
            "figures": state["measured"],
            "findings": [each for each in state["findings"] if each["verdict"] in NEEDS_ADVISER],
            "explanation": state.get("summary", summaries.MODEL_OFF),
        },
        payload={
            "client_id": client["client_id"],
            "facts_sha256": state["facts_sha256"],
            "recommendations": state["proposed"],
        },
        due_at=runtime.context.now() + timedelta(days=REVIEW_DAYS),
        on_due={"escalate_to": Role.ADMIN, "days": ESCALATED_DAYS},
    )
    return {"word": ask(question, AdviserWord).model_dump(mode="json")}


async def answered(state: State, runtime: Runtime[Context]) -> State:
    """Under whose name."""
    given = await answered_review(runtime.context, "portfolio_review")
    word = state["word"] | {"by": given.answered_by}
    return {"word": word, "outcome": "withheld"} if word["verdict"] == "withhold" else {"word": word}


async def publish(state: State, runtime: Runtime[Context]) -> State:
    """The client may read it, is written to, and what is recommended becomes an adviser's task."""
    context, word = runtime.context, state.get("word", {})
    await portfolio_records.publish(context, state["facts_sha256"], word.get("by"), word.get("message", ""))
    await send_letter(context, portfolio_letters.review(state, str(context.thread_id), context.now().date()))
    told: State = {
        "figures": state["measured"],
        "recommendations": state["proposed"],
        "outcome": "published",
    }
    task_id = await portfolio_steps.hand_to_adviser(context, state)
    return told if task_id is None else {**told, "task_id": task_id}


def after_examine(state: State, runtime: Runtime[Context]) -> str:
    if "outcome" in state:
        return END
    if not any(each["verdict"] in NEEDS_ADVISER for each in state["findings"]):
        return "publish"
    return "adviser_review" if runtime.context.model is None else "summary"


def unless_over(onwards: str) -> Any:
    return lambda state: END if "outcome" in state else onwards


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for node in (intake, examine, summary, adviser_review, answered, publish):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", unless_over("examine"), ["examine", END])
    graph.add_conditional_edges("examine", after_examine, ["summary", "adviser_review", "publish", END])
    graph.add_edge("summary", "adviser_review")
    graph.add_edge("adviser_review", "answered")
    graph.add_conditional_edges("answered", unless_over("publish"), ["publish", END])
    graph.add_edge("publish", END)
    return graph


WORKFLOW = Workflow(
    name="portfolio_review",
    family="wealth",
    summary="A client's portfolio: performance, risk, drift, costs, suitability, recommendations, and a report",
    version="1",
    input=PortfolioReviewRequest,
    may_start=frozenset({"client", "agent", "adviser", "operator"}),
    build=build,
    agents={
        "intake": "intake-agent",
        "examine": "portfolio-agent",
        "summary": "explanation-agent",
        "answered": "portfolio-agent",
        "publish": "letter-agent",
    },
    shown=frozenset(
        {"request", "client", "figures", "recommendations", "problem", "outcome"} | {"intake", "examine", "publish"}
    ),  # Nothing that an adviser did not let pass, nor what staff find and note.
    check=review_is_possible,
)
