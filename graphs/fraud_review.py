"""A payment under suspicion, from its scores to a verdict.

intake → (velocity, amount, payee, structuring, novelty, model) → combine → release, or block, or
(narrative) → analyst review → analysis → (information request → information → analyst review) → (senior review →
senior) → conclude.

Gate nodes ask and do nothing else. Nothing moves here: whoever opened the case hears the verdict, and acts.
"""

from collections.abc import Awaitable
from typing import Any, Literal, Protocol, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.actor import SYSTEM
from graphs.workflow import Workflow
from tools import case_records, explanation, fraud, fraud_cases, fraud_facts, fraud_questions
from tools.case_records import AnsweredReview
from tools.context import Context
from tools.fraud import SCORERS
from tools.fraud_cases import Decision, Verdict
from tools.fraud_questions import InformationAnswer, SeniorAnswer
from tools.fraud_request import FraudCase
from tools.review import ask
from tools.rules.fraud_signals import facts
from tools.rules.fraud_signals.facts import PaymentFacts
from tools.rules.plain import from_plain, to_plain
from tools.rules.untrusted import visible

VERDICTS: dict[str, Verdict] = {
    "release": "released",
    "block": "blocked",
    "mark_fraud": "fraud",
}


class State(TypedDict, total=False):
    """`request` is the validated input; `facts` are what the scorers look at; each scorer's word is under its name.

    `history` is what people did and said of the case, in order; `information` what the requester was asked and
    answered, which is untrusted. `duplicate_of` is the thread of the payment's case, if that is another one.
    `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    payment: dict[str, Any]
    facts: dict[str, Any]
    duplicate_of: str
    velocity: dict[str, Any]
    amount: dict[str, Any]
    payee: dict[str, Any]
    structuring: dict[str, Any]
    novelty: dict[str, Any]
    model: dict[str, Any]
    combined: dict[str, Any]
    narrative: dict[str, Any]
    analysis: dict[str, Any]
    information_answer: dict[str, Any]
    senior: dict[str, Any]
    history: list[dict[str, Any]]
    information: list[dict[str, Any]]
    decision: dict[str, Any]
    outcome: Literal["released", "blocked", "fraud", "duplicate"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """The payment and its case stored, and the facts that the scorers look at."""
    case = FraudCase.model_validate(state["request"])
    payment, other = await fraud_cases.receive(runtime.context, case)
    if other is not None:
        return {"duplicate_of": str(other), "outcome": "duplicate"}
    found = facts.look(await fraud_facts.background(runtime.context, payment))
    return {"payment": case.payment.model_dump(mode="json"), "facts": to_plain(found)}


class Node(Protocol):
    def __call__(self, state: State, runtime: Runtime[Context]) -> Awaitable[State]: ...


def scoring(scorer: str) -> Node:
    """The node of one scorer."""

    async def score(state: State, runtime: Runtime[Context]) -> State:
        said = fraud.score_of(scorer, from_plain(PaymentFacts, state["facts"]), runtime.context.fraud_model)
        kept = await fraud.store_score(runtime.context, state["payment"]["payment_id"], said)
        return {scorer: kept}  # type: ignore[misc]  # one of SCORERS, each a key of the state

    return score


async def combine(state: State, runtime: Runtime[Context]) -> State:
    combined = fraud.combined([state[scorer] for scorer in SCORERS])  # type: ignore[literal-required]  # see above
    await fraud_cases.store_combined(runtime.context, combined)
    if combined["band"] == "hold":
        return {"combined": combined}
    action = "release" if combined["band"] == "release" else "block"
    note = f"score {combined['score']}, policy {combined['version']}"
    return {"combined": combined, "decision": {"action": action, "by": SYSTEM, "note": note}}


async def narrative(state: State, runtime: Runtime[Context]) -> State:
    """What was found, in a model's words, for the analyst to read beside the facts."""
    template = fraud_questions.narrative(state)
    return {"narrative": await explanation.narrative(runtime.context, state, template)}


async def analyst_review(state: State, runtime: Runtime[Context]) -> State:
    question = fraud_questions.analyst_review(state, runtime.context.now())
    return {"analysis": ask(question, fraud_questions.analyst_form(state)).model_dump()}


async def analysis(state: State, runtime: Runtime[Context]) -> State:
    kind = fraud_questions.numbered(fraud_questions.ANALYSIS, state)
    answered = await case_records.answered_review(runtime.context, kind)
    return _said(state, state["analysis"], answered)


async def information_request(state: State, runtime: Runtime[Context]) -> State:
    question = fraud_questions.information_request(state, runtime.context.now())
    return {"information_answer": ask(question, InformationAnswer).model_dump()}


async def information(state: State, runtime: Runtime[Context]) -> State:
    """What the requester said, made visible, for the analyst."""
    kind = fraud_questions.numbered(fraud_questions.INFORMATION, state)
    answered = await case_records.answered_review(runtime.context, kind)
    text = state["information_answer"]["text"]
    told = {
        "question": state["analysis"]["question"],
        "text": None if text is None else visible(text),
        "by": answered.answered_by,
    }
    return {"information": [*state.get("information", []), told]}


async def senior_review(state: State, runtime: Runtime[Context]) -> State:
    return {"senior": ask(fraud_questions.senior_review(state, runtime.context.now()), SeniorAnswer).model_dump()}


async def senior(state: State, runtime: Runtime[Context]) -> State:
    answered = await case_records.answered_review(runtime.context, fraud_questions.SENIOR)
    return _said(state, state["senior"], answered)


async def conclude(state: State, runtime: Runtime[Context]) -> State:
    """The verdict stored, its label with it, and told to whoever opened the case."""
    decided = state["decision"]
    verdict = VERDICTS[decided["action"]]
    await fraud_cases.conclude(runtime.context, Decision(verdict, decided["by"], decided["note"]))
    return {"outcome": verdict}


def after_intake(state: State) -> str | list[str]:
    return END if "outcome" in state else [f"{scorer}_agent" for scorer in SCORERS]


def after_combine(state: State, runtime: Runtime[Context]) -> Literal["conclude", "narrative", "analyst_review"]:
    if "decision" in state:
        return "conclude"
    return "analyst_review" if runtime.context.model is None else "narrative"


def after_analysis(state: State) -> Literal["conclude", "information_request", "senior_review"]:
    if "decision" in state:
        return "conclude"
    return "information_request" if state["analysis"]["action"] == "request_information" else "senior_review"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    agents = [f"{scorer}_agent" for scorer in SCORERS]
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", after_intake, [*agents, END])
    graph.add_edge(agents, "combine")
    graph.add_conditional_edges("combine", after_combine)
    graph.add_edge("narrative", "analyst_review")
    graph.add_edge("analyst_review", "analysis")
    graph.add_conditional_edges("analysis", after_analysis)
    graph.add_edge("information_request", "information")
    graph.add_edge("information", "analyst_review")
    graph.add_edge("senior_review", "senior")
    graph.add_edge("senior", "conclude")
    graph.add_edge("conclude", END)
    return graph


def _said(state: State, answer: dict[str, Any], answered: AnsweredReview) -> State:
    """What a person did, and the decision if it is one; in nobody's name if nobody answered."""
    by = SYSTEM if answered.status == "expired" else answered.answered_by
    done = {"action": answer["action"], "by": by, "note": visible(answer["note"])}
    said: State = {"history": [*state.get("history", []), done]}
    return said | {"decision": done} if done["action"] in VERDICTS else said


NODES: dict[str, Node] = {
    "intake": intake,
    **{f"{scorer}_agent": scoring(scorer) for scorer in SCORERS},
    "combine": combine,
    "narrative": narrative,
    "analyst_review": analyst_review,
    "analysis": analysis,
    "information_request": information_request,
    "information": information,
    "senior_review": senior_review,
    "senior": senior,
    "conclude": conclude,
}

SHOWN: frozenset[str] = frozenset()
"""That a payment is suspected is nobody's to know but staff's, least of all whoever ordered it."""

WORKFLOW = Workflow(
    name="fraud_review",
    family="banking",
    summary="A payment under suspicion: scores, analyst, verdict",
    version="1",
    input=FraudCase,
    may_start=frozenset({"operator", "analyst"}),
    build=build,
    agents={
        "intake": "intake-agent",
        **{f"{scorer}_agent": f"{scorer}-agent" for scorer in SCORERS},
        "combine": "policy-agent",
        "narrative": "explanation-agent",
        "analysis": "policy-agent",
        "information": "intake-agent",
        "senior": "policy-agent",
        "conclude": "policy-agent",
    },
    shown=SHOWN,
)
