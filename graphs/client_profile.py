"""A client's suitability profile from a questionnaire.

intake → examine → (clarification → examine …) → (adviser_review → adviser_verdict) → conclude; or → the end.

The requester is asked twice at most; what still contradicts then is an adviser's, who may only be more cautious.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.actor import Role
from db.reviews import REQUESTER, Question
from graphs.workflow import Workflow
from tools import clients, profile_letters
from tools.case_records import answered_review, send_letter
from tools.context import Context
from tools.profile_request import ProfileRequest, answers_of, clarification, verdict_form
from tools.review import ask
from tools.rules import risk_profile
from tools.rules.plain import from_plain, to_plain
from tools.rules.risk_profile import LEVELS, Assessment

MOST_ROUNDS = 2
CLARIFY_DAYS, REVIEW_DAYS, ESCALATED_DAYS = 14, 5, 3


class State(TypedDict, total=False):
    """`answers` as they stand, `contradictions` what of them cannot all be meant, `rounds` how often that was asked.

    `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    client: dict[str, Any]
    answers: dict[str, Any]
    rounds: int
    clarification: dict[str, Any]
    contradictions: list[dict[str, Any]]
    assessment: dict[str, Any]
    verdict: dict[str, Any]
    profile: dict[str, Any]
    outcome: Literal["assessed", "unknown_client", "withdrawn", "declined"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    client = await clients.to_be_profiled(runtime.context, state["request"]["client_id"])
    if client is None:
        return {"outcome": "unknown_client"}
    named = {"client_id": client.client_id, "full_name": client.full_name}
    return {"client": named, "answers": state["request"]["answers"], "rounds": 0}


async def examine(state: State, runtime: Runtime[Context]) -> State:
    """The answers with what was said since, what contradicts in them, and what they come to."""
    said = dict(state.get("clarification", {}))
    if said.pop("withdraw", False):
        return {"outcome": "withdrawn"}
    plain = state["answers"] | {name: value for name, value in said.items() if value is not None}
    answers = answers_of(plain)
    return {
        "answers": plain,
        "contradictions": [to_plain(one) for one in risk_profile.contradictions(answers)],
        "assessment": to_plain(risk_profile.assess(answers)),
        "rounds": state["rounds"] + 1,
    }


async def clarify(state: State, runtime: Runtime[Context]) -> State:
    fields = sorted({name for one in state["contradictions"] for name in one["fields"]})
    question = Question(
        kind="clarification",
        role=REQUESTER,
        question=" ".join(one["question"] for one in state["contradictions"]),
        facts={"contradictions": state["contradictions"], "answers": {name: state["answers"][name] for name in fields}},
        payload={"answers": state["answers"]},
        due_at=runtime.context.now() + timedelta(days=CLARIFY_DAYS),
        on_due={"answer": {"withdraw": True}},
    )
    return {"clarification": ask(question, clarification(fields)).model_dump(mode="json", exclude_unset=True)}


async def adviser_review(state: State, runtime: Runtime[Context]) -> State:
    assessed = state["assessment"]
    question = Question(
        kind="profile_review",
        role=Role.ADVISER,
        question=f"Answers of {state['client']['full_name']} contradict each other after {MOST_ROUNDS} rounds. Which"
        " profile, if any, do they support?",
        facts={"client": state["client"], "contradictions": state["contradictions"], "assessment": assessed},
        payload={"client_id": state["client"]["client_id"], "answers": state["answers"]},
        due_at=runtime.context.now() + timedelta(days=REVIEW_DAYS),
        on_due={"escalate_to": Role.ADMIN, "days": ESCALATED_DAYS},
    )
    form = verdict_form(clients.levels_up_to(assessed["risk_profile"]))
    return {"verdict": ask(question, form).model_dump(mode="json")}


async def adviser_verdict(state: State, runtime: Runtime[Context]) -> State:
    """The profile that the adviser found, under their name."""
    if state["verdict"]["verdict"] == "decline":
        return {"outcome": "declined"}
    answered = await answered_review(runtime.context, "profile_review")
    found, chosen = from_plain(Assessment, state["assessment"]), state["verdict"]["risk_profile"]
    lower = replace(found, risk_profile=chosen, score=min(found.score, 25 * LEVELS.index(chosen)))
    return {"assessment": to_plain(lower), "verdict": state["verdict"] | {"by": answered.answered_by}}


async def conclude(state: State, runtime: Runtime[Context]) -> State:
    """Stores the profile, and tells the client."""
    context = runtime.context
    assessed = from_plain(Assessment, state["assessment"])
    person = state.get("verdict", {}).get("by", context.person)
    client_id = state["client"]["client_id"]
    valid_until = await clients.store_assessed(context, client_id, state["answers"], assessed, person)
    today = context.now().date()
    await send_letter(context, profile_letters.summary(state, str(context.thread_id), today, valid_until))
    profile = {"risk_profile": assessed.risk_profile, "valid_until": valid_until.isoformat()}
    return {"profile": profile, "outcome": "assessed"}


def after_intake(state: State) -> str:
    return END if "outcome" in state else "examine"


def after_examine(state: State) -> str:
    if "outcome" in state:
        return END
    if not state["contradictions"]:
        return "conclude"
    return "clarify" if state["rounds"] <= MOST_ROUNDS else "adviser_review"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for node in (intake, examine, clarify, adviser_review, adviser_verdict, conclude):
        # A gate's name is its own: a key of the state may not have it.
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", after_intake, ["examine", END])
    graph.add_conditional_edges("examine", after_examine, ["clarify", "adviser_review", "conclude", END])
    graph.add_edge("clarify", "examine")
    graph.add_edge("adviser_review", "adviser_verdict")
    graph.add_conditional_edges("adviser_verdict", after_verdict, ["conclude", END])
    graph.add_edge("conclude", END)
    return graph


def after_verdict(state: Mapping[str, Any]) -> str:
    return END if "outcome" in state else "conclude"


WORKFLOW = Workflow(
    name="client_profile",
    family="wealth",
    summary="A client's suitability profile: questionnaire, contradictions asked about, assessment, letter",
    version="1",
    input=ProfileRequest,
    may_start=frozenset({"client", "adviser", "operator"}),
    build=build,
    agents={
        "intake": "intake-agent",
        "examine": "suitability-agent",
        "adviser_verdict": "suitability-agent",
        "conclude": "suitability-agent",
    },
    shown=frozenset(
        {"request", "client", "answers", "contradictions", "clarification", "assessment", "profile", "outcome"}
        | {"intake", "examine", "clarify", "conclude"}
    ),
)
