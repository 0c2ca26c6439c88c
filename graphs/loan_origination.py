"""A loan from application to letter.

intake → (incompleteness → completion → intake) → (scorecard, affordability, fraud, challengers) → policy → decision
→ (underwriter review → underwriting) → offer → (acceptance) → (contract → cooling off) → disburse → book, or → adverse
action, → withdrawal, → cancellation, → closing of what nobody completed.

Gate nodes ask and do nothing else; effects and letters have nodes of their own, after the gates.
"""

from typing import Any, Literal, TypedDict, cast

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import BankRefused
from graphs.workflow import Workflow
from tools import disbursement, loan_assessments, loan_challengers, loan_decisions, loan_facts, loan_post, loan_reviews
from tools.context import Context
from tools.loan_completion import LAPSED, WITHDRAWN
from tools.loan_letters import is_counter_offer
from tools.loan_request import LoanApplication
from tools.loan_reviews import CoolingOffAnswer, UnderwriterAnswer
from tools.review import ask, ask_form
from tools.rules.completeness import Person

RISK_AGENTS = ["scorecard_agent", "affordability_agent", "fraud_agent"]
AFTER_INTAKE = [*RISK_AGENTS, "challenger_agent", "incompleteness", "withdrawal"]


class State(TypedDict, total=False):
    """`request` is the validated input; all else is what a node found, in minor units and bps, JSON-plain.

    `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    incompleteness: dict[str, Any]
    answers: list[dict[str, Any]]
    application: dict[str, Any]
    scorecard: dict[str, Any]
    scored_as: Person
    affordability: dict[str, Any]
    fraud: dict[str, Any]
    findings: dict[str, Any]
    decision: dict[str, Any]
    underwriting: dict[str, Any]
    offer: dict[str, Any]
    acceptance: dict[str, Any]
    contract: dict[str, Any]
    cooling_off: dict[str, Any]
    loan: dict[str, Any]
    explanation: dict[str, Any]
    outcome: Literal["disbursed", "declined", "withdrawn", "incomplete", "cancelled", "disbursement_refused"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """The application in minor units, completed from the bank's records and the applicant's answers, and stored."""
    return {"application": await loan_facts.complete(runtime.context, state)}


async def incompleteness(state: State, runtime: Runtime[Context]) -> State:
    return {"incompleteness": await loan_post.incompleteness(runtime.context, state)}


async def completion(state: State, runtime: Runtime[Context]) -> State:
    answer = ask_form(loan_reviews.completion(state), loan_reviews.completion_form(state))
    return {"answers": [*state.get("answers", []), dict(answer)]}


async def closing(state: State, runtime: Runtime[Context]) -> State:
    """Nobody answered in time: the application is given no further consideration (12 CFR 1002.9(c)(2))."""
    await loan_post.closing(runtime.context, state)
    return {"outcome": "incomplete"}


async def score(state: State, runtime: Runtime[Context]) -> State:
    who, found = await loan_assessments.score(runtime.context, state["application"])
    return {"scorecard": found, "scored_as": who}


async def assess_affordability(state: State, runtime: Runtime[Context]) -> State:
    return {"affordability": await loan_assessments.affordability(runtime.context, state["application"])}


async def assess_fraud(state: State, runtime: Runtime[Context]) -> State:
    return {"fraud": await loan_assessments.fraud(runtime.context, state["application"])}


async def challenge(state: State, runtime: Runtime[Context]) -> State:
    """What other scorecards and policies would make of the case: stored, and read by nothing that follows."""
    await loan_challengers.assess(runtime.context, state["application"])
    return {}


async def policy(state: State, runtime: Runtime[Context]) -> State:
    return {"findings": await loan_assessments.rules(runtime.context, state)}


async def decision(state: State, runtime: Runtime[Context]) -> State:
    return {"decision": await loan_decisions.by_policy(runtime.context, state)}


async def underwriter_review(state: State, runtime: Runtime[Context]) -> State:
    question = loan_reviews.underwriting(state, runtime.context.now())
    return {"underwriting": ask(question, UnderwriterAnswer).model_dump(mode="json")}


async def underwriting(state: State, runtime: Runtime[Context]) -> State:
    return {"decision": await loan_decisions.by_underwriter(runtime.context, state)}


async def offer(state: State, runtime: Runtime[Context]) -> State:
    return cast("State", await loan_post.offer(runtime.context, state))


async def acceptance(state: State, runtime: Runtime[Context]) -> State:
    return {"acceptance": ask(loan_reviews.acceptance(state), loan_reviews.offer_form(state)).model_dump()}


async def contract(state: State, runtime: Runtime[Context]) -> State:
    """Confirms what was agreed, and until when it may be cancelled."""
    return {"contract": await loan_post.contract(runtime.context, state)}


async def cooling_off(state: State, runtime: Runtime[Context]) -> State:
    return {"cooling_off": ask(loan_reviews.cooling_off(state), CoolingOffAnswer).model_dump()}


async def disburse(state: State, runtime: Runtime[Context]) -> State:
    """Opens the loan account and pays out: once, whatever happens to this process meanwhile."""
    try:
        loan = await disbursement.disburse(runtime.context, state["application"], state["decision"]["terms"])
    except BankRefused as exc:
        return {"loan": {"refused": exc.code, "detail": exc.detail}, "outcome": "disbursement_refused"}
    return {"loan": loan}


async def book(state: State, runtime: Runtime[Context]) -> State:
    """Stores the loan with its schedule and confirms it to the borrowers."""
    schedule = await disbursement.book(runtime.context, state["decision"]["terms"], state["loan"])
    await loan_post.disbursement(runtime.context, state, schedule)
    return {"outcome": "disbursed"}


async def adverse_action(state: State, runtime: Runtime[Context]) -> State:
    explained = await loan_post.adverse_action(runtime.context, state)
    return cast("State", explained | {"outcome": "declined"})


async def withdrawal(state: State, runtime: Runtime[Context]) -> State:
    """Of an offer that was not taken, or of the application before there was one."""
    await loan_post.withdrawal(runtime.context, state)
    return {"outcome": "withdrawn"}


async def cancellation(state: State, runtime: Runtime[Context]) -> State:
    await loan_post.cancellation(runtime.context, state)
    return {"outcome": "cancelled"}


def after_intake(state: State) -> list[str]:
    application = state["application"]
    if application["withdrawn"]:
        return ["withdrawal"]
    if application["gaps"]:
        return ["incompleteness"]
    return [*RISK_AGENTS, "challenger_agent"] if application["challengers"] else list(RISK_AGENTS)


def after_completion(state: State) -> Literal["intake", "closing", "withdrawal"]:
    given = state["answers"][-1]
    if given == WITHDRAWN:
        return "withdrawal"
    return "closing" if given == LAPSED else "intake"


def after_review(state: State) -> Literal["underwriting", "withdrawal"]:
    return "withdrawal" if state["underwriting"]["verdict"] == "withdrawn" else "underwriting"


def after_decision(state: State) -> Literal["offer", "underwriter_review", "adverse_action"]:
    outcome = state["decision"]["outcome"]
    if outcome == "refer":
        return "underwriter_review"
    return "adverse_action" if outcome == "decline" else "offer"


def after_underwriting(state: State) -> Literal["offer", "adverse_action"]:
    return "adverse_action" if state["decision"]["outcome"] == "decline" else "offer"


def after_acceptance(state: State) -> Literal["contract", "disburse", "adverse_action", "withdrawal"]:
    """Whoever does not take the loan offered instead was denied the one they asked for (12 CFR 1002.9(a)(1)(iv))."""
    if not state["acceptance"]["accepted"]:
        return "adverse_action" if is_counter_offer(state) else "withdrawal"
    return "contract" if state["decision"]["terms"]["cooling_off_days"] else "disburse"


def after_cooling_off(state: State) -> Literal["disburse", "cancellation"]:
    return "cancellation" if state["cooling_off"]["decision"] == "cancel" else "disburse"


def after_disburse(state: State) -> str:
    return END if "outcome" in state else "book"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", after_intake, AFTER_INTAKE)
    graph.add_edge("incompleteness", "completion")
    graph.add_conditional_edges("completion", after_completion)
    graph.add_edge(RISK_AGENTS, "policy")
    graph.add_edge("policy", "decision")
    graph.add_conditional_edges("decision", after_decision)
    graph.add_conditional_edges("underwriter_review", after_review)
    graph.add_conditional_edges("underwriting", after_underwriting)
    graph.add_edge("offer", "acceptance")
    graph.add_conditional_edges("acceptance", after_acceptance)
    graph.add_edge("contract", "cooling_off")
    graph.add_conditional_edges("cooling_off", after_cooling_off)
    graph.add_conditional_edges("disburse", after_disburse, ["book", END])
    for last in ("book", "adverse_action", "withdrawal", "cancellation", "closing"):
        graph.add_edge(last, END)
    return graph


NODES = {
    "intake": intake,
    "incompleteness": incompleteness,
    "completion": completion,
    "closing": closing,
    "scorecard_agent": score,
    "affordability_agent": assess_affordability,
    "fraud_agent": assess_fraud,
    "challenger_agent": challenge,
    "policy": policy,
    "decision": decision,
    "underwriter_review": underwriter_review,
    "underwriting": underwriting,
    "offer": offer,
    "acceptance": acceptance,
    "contract": contract,
    "cooling_off": cooling_off,
    "disburse": disburse,
    "book": book,
    "adverse_action": adverse_action,
    "withdrawal": withdrawal,
    "cancellation": cancellation,
}

SHOWN = frozenset(
    {"request", "scorecard", "affordability", "offer", "acceptance", "contract", "cooling_off", "loan", "outcome"}
    | {"intake", "scorecard_agent", "affordability_agent", "fraud_agent", "policy"}
    | {"incompleteness", "answers", "completion", "closing"}
    | {f"application.co_applicant.{name}" for name in ("applicant_id", "income_monthly_minor", "employment_status")}
    | {f"application.co_applicant.{name}" for name in ("housing_status", "applicant.name", "applicant.address")}
    | {"disburse", "book", "adverse_action", "withdrawal", "cancellation"}
    | {f"application.{name}" for name in ("application_id", "reference", "applicant_id", "amount_minor", "currency")}
    | {f"application.{name}" for name in ("term_months", "income_monthly_minor", "purpose", "applied_on", "means")}
    | {f"application.{name}" for name in ("applicant.name", "applicant.address", "customer_months", "payout_account")}
    | {f"application.{name}" for name in ("employment_status", "housing_status")}
    | {f"decision.{name}" for name in ("outcome", "policy_version", "scorecard_version", "price_band")}
    | {f"decision.{name}" for name in ("terms", "affordability", "reasons.wording", "reasons.text")}
)
"""The applicant's own figures, and the decision in the words of its letter. Not shown: `fraud`, `findings`, the rules
that referred and the codes of reasons (they name signals); what those look at (`kyc_status`, `payout_account_owned`,
`applications_30d`, the bureau's `file`, `gaps` and `evidence`); `underwriting`, which holds the underwriter's note."""

WORKFLOW = Workflow(
    name="loan_origination",
    family="lending",
    summary="A consumer instalment loan: application, risk, decision, offer, disbursement, letters",
    version="3",
    input=LoanApplication,
    may_start=frozenset({"client", "agent", "operator"}),
    build=build,
    agents={
        "intake": "intake-agent",
        "incompleteness": "intake-agent",
        "closing": "intake-agent",
        "scorecard_agent": "scorecard-agent",
        "affordability_agent": "affordability-agent",
        "fraud_agent": "fraud-agent",
        "challenger_agent": "challenger-agent",
        "policy": "policy-agent",
        "decision": "policy-agent",
        "underwriting": "policy-agent",
        "disburse": "settlement-agent",
        "book": "settlement-agent",
    },
    shown=SHOWN,
    check=loan_facts.applicant_is_known,
)
