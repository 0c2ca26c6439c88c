"""A loan from application to letter.

intake → (scorecard, affordability, fraud, challengers) → policy → decision → (underwriter review → underwriting)
→ offer → (acceptance) → disburse → book, or → adverse action, or → withdrawal.

Gate nodes ask and do nothing else; effects and letters have nodes of their own, after the gates.
"""

from contextlib import suppress
from datetime import date, timedelta
from typing import Annotated, Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from db.actor import Role
from db.errors import BankRefused, BankUnavailable, InvalidInput, NotFound
from db.reviews import REQUESTER, Question
from graphs.workflow import Workflow
from tools import case_records, disbursement, lending, loan_challengers, loan_facts, loan_letters
from tools.bank import Bank
from tools.context import Context
from tools.lending import NewDecision
from tools.loan_request import LoanApplication, ShortApplication
from tools.review import ask
from tools.rules import affordability, application_fraud, credit_policy, findings, scorecard
from tools.rules.findings import Findings
from tools.rules.plain import from_plain, to_plain
from tools.rules.reg_b import C1, MAX_REASONS, SPECIFIC, reason

UNDERWRITING_DAYS = 5
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
    loan: dict[str, Any]
    outcome: Literal["disbursed", "declined", "withdrawn", "disbursement_refused"]


SpecificReason = Annotated[C1, WithJsonSchema({"enum": [str(phrase) for phrase in SPECIFIC]})]


class UnderwriterAnswer(BaseModel):
    """An approval is of exactly the terms shown; a refusal names the principal reasons that the applicant is told."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "if": {"required": ["verdict"], "properties": {"verdict": {"const": "decline"}}},
            "then": {"required": ["reasons"], "properties": {"reasons": {"minItems": 1}}},
        },
    )

    verdict: Literal["approve", "decline"]
    note: str = Field(min_length=1, max_length=2000, description="Why, for the file.")
    reasons: list[SpecificReason] = Field(default=[], max_length=MAX_REASONS)


class OfferAnswer(BaseModel):
    """The applicant takes exactly the terms shown, or not."""

    model_config = ConfigDict(extra="forbid")

    accepted: bool


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
    return {"decision": plain}


async def underwriter_review(state: State, runtime: Runtime[Context]) -> State:
    question = Question(
        kind="underwriting",
        role="underwriter",
        question="Policy refers this application. Approve it at these terms, or decline it?",
        facts=loan_facts.for_underwriter(state),
        payload={"applicant_id": state["application"]["applicant_id"], "terms": state["decision"]["terms"]},
        due_at=runtime.context.now() + timedelta(days=UNDERWRITING_DAYS),
        on_due={"escalate_to": Role.ADMIN, "days": UNDERWRITING_DAYS},
    )
    return {"underwriting": ask(question, UnderwriterAnswer).model_dump(mode="json")}


async def underwriting(state: State, runtime: Runtime[Context]) -> State:
    """The underwriter's verdict becomes the decision, under their name."""
    answered = await case_records.answered_review(runtime.context, "underwriting")
    outcome, phrases = state["underwriting"]["verdict"], state["underwriting"]["reasons"]
    reasons = [to_plain(reason("underwriter", C1(phrase))) for phrase in phrases]
    decided = state["decision"] | {"outcome": outcome, "reasons": reasons or state["decision"]["reasons"]}
    stored = NewDecision(
        outcome, decided["policy_version"], state["underwriting"], decided, person=answered.answered_by
    )
    await lending.store_decision(runtime.context, stored)
    return {"decision": decided}


async def offer(state: State, runtime: Runtime[Context]) -> State:
    context = runtime.context
    today = context.now().date()
    facts = loan_letters.offer(state, context.creditor, today, today + timedelta(days=OFFER_DAYS))
    return {"offer": loan_letters.offer_dates(await case_records.send_letter(context, facts))}


async def acceptance(state: State, runtime: Runtime[Context]) -> State:
    application, terms = state["application"], state["decision"]["terms"]
    question = Question(
        kind="acceptance",
        role=REQUESTER,
        question="Do you accept this loan at these terms?",
        facts={"outcome": state["decision"]["outcome"], "expires_on": state["offer"]["expires_on"]},
        payload={"terms": terms, "payout_account": application["payout_account"]},
        due_at=loan_facts.end_of_day(date.fromisoformat(state["offer"]["expires_on"])),
        on_due={"answer": {"accepted": False}},
    )
    return {"acceptance": ask(question, OfferAnswer).model_dump()}


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
    facts = loan_letters.adverse_action(state, context.creditor, context.now().date())
    await case_records.send_letter(context, facts)
    return {"outcome": "declined"}


async def withdrawal(state: State, runtime: Runtime[Context]) -> State:
    answered = await case_records.answered_review(runtime.context, "acceptance")
    await case_records.send_letter(runtime.context, loan_letters.withdrawal(state, answered))
    return {"outcome": "withdrawn"}


def after_intake(state: State) -> list[str]:
    return [*RISK_AGENTS, "challenger_agent"] if state["application"]["challengers"] else list(RISK_AGENTS)


def after_decision(state: State) -> Literal["offer", "underwriter_review", "adverse_action"]:
    outcome = state["decision"]["outcome"]
    if outcome == "refer":
        return "underwriter_review"
    return "adverse_action" if outcome == "decline" else "offer"


def after_underwriting(state: State) -> Literal["offer", "adverse_action"]:
    return "adverse_action" if state["decision"]["outcome"] == "decline" else "offer"


def after_acceptance(state: State) -> Literal["disburse", "withdrawal"]:
    return "disburse" if state["acceptance"]["accepted"] else "withdrawal"


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
    graph.add_conditional_edges("disburse", after_disburse, ["book", END])
    for last in ("book", "adverse_action", "withdrawal"):
        graph.add_edge(last, END)
    return graph


async def applicant_is_known(application: LoanApplication | ShortApplication, bank: Bank) -> None:
    """Raises InvalidInput for an applicant, or an account to pay out to, that the bank does not know.

    A bank that is away is not asked twice: the case is accepted, and its run waits for the bank at intake.
    """
    with suppress(BankUnavailable):
        try:
            await bank.customer(application.applicant_id)
            if application.payout_account is not None:
                await bank.account(application.payout_account)
        except NotFound as exc:
            field = "applicant_id" if exc.record == "customer" else "payout_account"
            raise InvalidInput(field, f"the bank knows no {exc.record} {exc.record_id}") from exc


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
    "disburse": disburse,
    "book": book,
    "adverse_action": adverse_action,
    "withdrawal": withdrawal,
}

WORKFLOW = Workflow(
    name="loan_origination",
    family="lending",
    summary="A consumer instalment loan: application, risk, decision, offer, disbursement, letters",
    version="1",
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
    check=applicant_is_known,
)
