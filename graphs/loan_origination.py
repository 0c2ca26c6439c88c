"""A loan from application to letter.

intake → (scorecard, affordability, fraud, challengers) → policy → decision → (underwriter review → underwriting)
→ offer → (acceptance) → (contract → cooling off) → disburse → book, or → adverse action, → withdrawal, → cancellation.

Gate nodes ask and do nothing else; effects and letters have nodes of their own, after the gates.
"""

from datetime import timedelta
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import BankRefused
from graphs.workflow import Workflow
from tools import (
    case_records,
    disbursement,
    explanation,
    lending,
    loan_challengers,
    loan_facts,
    loan_letters,
    loan_reviews,
)
from tools.context import Context
from tools.lending import NewDecision
from tools.loan_request import LoanApplication
from tools.loan_reviews import CoolingOffAnswer, OfferAnswer, UnderwriterAnswer
from tools.review import ask
from tools.rules import affordability, application_fraud, credit_policy, findings, scorecard
from tools.rules.findings import Findings
from tools.rules.plain import from_plain, to_plain
from tools.rules.reg_b import C1, reason

OFFER_DAYS = 14
RISK_AGENTS = ["scorecard_agent", "affordability_agent", "fraud_agent"]


class State(TypedDict, total=False):
    """`request` is the validated input; all else is what a node found, in minor units and bps, JSON-plain.

    `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    application: dict[str, Any]
    scorecard: dict[str, Any]
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
    outcome: Literal["disbursed", "declined", "withdrawn", "cancelled", "disbursement_refused"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """The application in minor units, completed from the bank's records, and stored."""
    application = await loan_facts.complete(runtime.context, state["request"])
    return {"application": application}


async def score(state: State, runtime: Runtime[Context]) -> State:
    card = await loan_challengers.champion(runtime.context, state["application"])
    found = to_plain(scorecard.score(loan_facts.scored_file(state["application"]), card))
    await lending.store_assessment(runtime.context, "scorecard", found["version"], found)
    return {"scorecard": found}


async def assess_affordability(state: State, runtime: Runtime[Context]) -> State:
    """At the dearest price lent at, since the score is not known yet; the decision assesses at its own."""
    policy = await loan_facts.policy_of(runtime.context, state["application"])
    found = to_plain(affordability.assess(loan_facts.affordability_facts(state["application"], policy)))
    await lending.store_assessment(runtime.context, "affordability", found["version"], found)
    return {"affordability": found}


async def assess_fraud(state: State, runtime: Runtime[Context]) -> State:
    found = to_plain(application_fraud.assess(loan_facts.fraud_facts(state["application"])))
    await lending.store_assessment(runtime.context, "fraud", found["version"], found)
    return {"fraud": found}


async def challenge(state: State, runtime: Runtime[Context]) -> State:
    """What other scorecards and policies would make of the case: stored, and read by nothing that follows."""
    await loan_challengers.assess(runtime.context, state["application"])
    return {}


async def policy(state: State, runtime: Runtime[Context]) -> State:
    in_force = await loan_facts.policy_of(runtime.context, state["application"])
    return {"findings": to_plain(findings.evaluate(loan_facts.credit_facts(state), in_force))}


async def decision(state: State, runtime: Runtime[Context]) -> State:
    facts = loan_facts.credit_facts(state)
    in_force = await loan_facts.policy_of(runtime.context, state["application"])
    decided = credit_policy.decide(facts, in_force, from_plain(Findings, state["findings"]))
    plain = to_plain(decided)
    stored = NewDecision(decided.outcome, decided.policy_version, to_plain(facts), plain)
    await lending.store_decision(runtime.context, stored)
    if decided.outcome == "refer":
        # Reasons are told with a refusal, and nobody has refused yet.
        plain["reasons"] = []
    return {"decision": plain}


async def underwriter_review(state: State, runtime: Runtime[Context]) -> State:
    question = loan_reviews.underwriting(state, runtime.context.now())
    return {"underwriting": ask(question, UnderwriterAnswer).model_dump(mode="json")}


async def underwriting(state: State, runtime: Runtime[Context]) -> State:
    """The underwriter's verdict becomes the decision, under their name. What referred the case is a reason no more."""
    answered = await case_records.answered_review(runtime.context, "underwriting")
    outcome, phrases = state["underwriting"]["verdict"], state["underwriting"]["reasons"]
    if outcome == "approve":
        reasons = credit_policy.counter_offer_reasons(from_plain(Findings, state["findings"]))
    else:
        reasons = tuple(reason("underwriter", C1(phrase)) for phrase in phrases)
    decided = state["decision"] | {"outcome": outcome, "reasons": to_plain(reasons)}
    stored = NewDecision(
        outcome, decided["policy_version"], state["underwriting"], decided, person=answered.answered_by
    )
    await lending.store_decision(runtime.context, stored)
    return {"decision": decided}


async def offer(state: State, runtime: Runtime[Context]) -> State:
    context = runtime.context
    today = context.now().date()
    facts = loan_letters.offer(state, context.creditor, today, today + timedelta(days=OFFER_DAYS))
    letter, explained = await explanation.in_letter(context, facts)
    made: State = {"offer": loan_letters.offer_dates(await case_records.send_letter(context, letter))}
    if explained is not None:
        made["explanation"] = explained
    return made


async def acceptance(state: State, runtime: Runtime[Context]) -> State:
    return {"acceptance": ask(loan_reviews.acceptance(state), OfferAnswer).model_dump()}


async def contract(state: State, runtime: Runtime[Context]) -> State:
    """Confirms what was agreed, and until when it may be cancelled."""
    accepted = await case_records.answered_review(runtime.context, "acceptance")
    facts = loan_letters.contract(state, accepted)
    await case_records.send_letter(runtime.context, facts)
    return {"contract": {"accepted_on": facts.accepted_on, "cancel_until": facts.cancel_until}}


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
    """Stores the loan with its schedule and confirms it to the borrower."""
    terms, loan = state["decision"]["terms"], state["loan"]
    schedule = disbursement.repayment_schedule(terms, loan)
    await lending.store_loan(runtime.context, loan, terms, schedule)
    await case_records.send_letter(runtime.context, loan_letters.disbursement(state, schedule))
    return {"outcome": "disbursed"}


async def adverse_action(state: State, runtime: Runtime[Context]) -> State:
    context = runtime.context
    refused = await case_records.answered_review(context, "acceptance") if "acceptance" in state else None
    facts = loan_letters.adverse_action(state, context.creditor, context.now().date(), refused)
    letter, explained = await explanation.in_letter(context, facts)
    await case_records.send_letter(context, letter)
    made: State = {"outcome": "declined"}
    if explained is not None:
        made["explanation"] = explained
    return made


async def withdrawal(state: State, runtime: Runtime[Context]) -> State:
    answered = await case_records.answered_review(runtime.context, "acceptance")
    await case_records.send_letter(runtime.context, loan_letters.withdrawal(state, answered))
    return {"outcome": "withdrawn"}


async def cancellation(state: State, runtime: Runtime[Context]) -> State:
    cancelled = await case_records.answered_review(runtime.context, "cooling_off")
    await case_records.send_letter(runtime.context, loan_letters.cancellation(state, cancelled))
    return {"outcome": "cancelled"}


def after_intake(state: State) -> list[str]:
    return [*RISK_AGENTS, "challenger_agent"] if state["application"]["challengers"] else list(RISK_AGENTS)


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
        return "adverse_action" if loan_letters.is_counter_offer(state) else "withdrawal"
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
    graph.add_conditional_edges("intake", after_intake, [*RISK_AGENTS, "challenger_agent"])
    graph.add_edge(RISK_AGENTS, "policy")
    graph.add_edge("policy", "decision")
    graph.add_conditional_edges("decision", after_decision)
    graph.add_edge("underwriter_review", "underwriting")
    graph.add_conditional_edges("underwriting", after_underwriting)
    graph.add_edge("offer", "acceptance")
    graph.add_conditional_edges("acceptance", after_acceptance)
    graph.add_edge("contract", "cooling_off")
    graph.add_conditional_edges("cooling_off", after_cooling_off)
    graph.add_conditional_edges("disburse", after_disburse, ["book", END])
    for last in ("book", "adverse_action", "withdrawal", "cancellation"):
        graph.add_edge(last, END)
    return graph


NODES = {
    "intake": intake,
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
`applications_30d`, the bureau's `file`); `underwriting`, which holds the underwriter's note."""

WORKFLOW = Workflow(
    name="loan_origination",
    family="lending",
    summary="A consumer instalment loan: application, risk, decision, offer, disbursement, letters",
    version="2",
    input=LoanApplication,
    may_start=frozenset({"client", "agent", "operator"}),
    build=build,
    agents={
        "intake": "intake-agent",
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
