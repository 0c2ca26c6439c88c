"""A loan on a day: what its account shows, how late it is, what to do about it, and that done.

intake → account activity → delinquency → recommendation → no action, or → reminder, or
→ (servicing review → (consent) → bank action → confirmation), or → declined.

Gate nodes ask and do nothing else; the effect and the letters have nodes of their own, after the gates.
"""

from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict, Field

from db.actor import Role
from db.errors import BankRefused, BankUnavailable, InvalidInput, NotFound
from db.reviews import Question
from graphs.workflow import Workflow
from tools import (
    bank_loans,
    case_records,
    servicing,
    servicing_effect,
    servicing_facts,
    servicing_letters,
)
from tools.bank import Bank
from tools.context import Context
from tools.review import ask
from tools.rules.plain import to_plain
from tools.rules.servicing_policies import servicing_policy_in_force
from tools.rules.servicing_policy import recommend
from tools.servicing_request import ServicingRequest, check_day

REVIEW_DAYS = 5
CONSENT_DAYS = 14
"""With a review that is answered in time, both are over before a new schedule begins (`notice_days`)."""

Outcome = Literal[
    "none", "reminded", "plan_agreed", "re_aged", "restructured", "referred", "declined", "action_refused"
]
DONE: dict[str, Outcome] = {
    "payment_plan": "plan_agreed",
    "re_age": "re_aged",
    "restructure": "restructured",
    "refer": "referred",
}


class State(TypedDict, total=False):
    """`request` is the validated input; all else is what a node found, in minor units and bps, JSON-plain.

    `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    loan: dict[str, Any]
    activity: dict[str, Any]
    delinquency: dict[str, Any]
    recommendation: dict[str, Any]
    review: dict[str, Any]
    consent: dict[str, Any]
    done: dict[str, Any]
    outcome: Outcome


class ReviewAnswer(BaseModel):
    """An approval is of exactly the schedule shown."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["approve", "decline"]
    note: str = Field(min_length=1, max_length=2000, description="Why, for the file.")


class ConsentAnswer(BaseModel):
    """The borrower takes exactly the terms shown, or not; a yes says how it was given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "if": {"required": ["agreed"], "properties": {"agreed": {"const": True}}},
            "then": {"required": ["given"], "properties": {"given": {"type": "string"}}},
        },
    )

    agreed: bool
    given: Literal["signed", "secure_message", "recorded_call"] | None = None
    note: str = Field(default="", max_length=2000)


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """The loan, and who owes it."""
    return {"loan": await servicing_facts.loan(runtime.context, state["request"])}


async def account_activity(state: State, runtime: Runtime[Context]) -> State:
    return {"activity": await servicing_facts.account_activity(runtime.context, state["loan"])}


async def delinquency(state: State, runtime: Runtime[Context]) -> State:
    found = to_plain(await servicing_facts.delinquency(runtime.context, state["loan"], state["activity"]))
    await servicing.store_assessment(runtime.context, state["loan"], found)
    return {"delinquency": found}


async def recommendation(state: State, runtime: Runtime[Context]) -> State:
    facts = await servicing_facts.recommendation_facts(runtime.context, state)
    found = to_plain(recommend(facts, servicing_policy_in_force(date.fromisoformat(facts.as_of))))
    await servicing.store_recommendation(runtime.context, to_plain(facts), found)
    return {"recommendation": found}


async def no_action(state: State, runtime: Runtime[Context]) -> State:
    return {"outcome": "none"}


async def reminder(state: State, runtime: Runtime[Context]) -> State:
    context = runtime.context
    await case_records.send_letter(context, servicing_letters.reminder(state, context.now().date()))
    return {"outcome": "reminded"}


async def servicing_review(state: State, runtime: Runtime[Context]) -> State:
    refers = state["recommendation"]["action"] == "refer"
    question = Question(
        kind="servicing",
        role=Role.OPERATOR if refers else Role.UNDERWRITER,
        question="Refer this loan to collections?" if refers else "Replace this loan's schedule by the one shown?",
        facts=servicing_facts.for_reviewer(state),
        payload=servicing_facts.payload(state),
        due_at=runtime.context.now() + timedelta(days=REVIEW_DAYS),
        on_due={"escalate_to": Role.ADMIN, "days": REVIEW_DAYS},
    )
    return {"review": ask(question, ReviewAnswer).model_dump()}


async def consent(state: State, runtime: Runtime[Context]) -> State:
    """Of whoever started the case for the borrower; where it started by itself, an operator brings it."""
    question = Question(
        kind="consent",
        role=state["loan"]["consent_from"],
        question="Does the borrower agree to these payments in place of those of the loan's schedule?",
        facts=servicing_facts.for_borrower(state),
        payload=servicing_facts.payload(state),
        due_at=runtime.context.now() + timedelta(days=CONSENT_DAYS),
        on_due={"answer": {"agreed": False, "note": "no answer in time"}},
    )
    return {"consent": ask(question, ConsentAnswer).model_dump()}


async def bank_action(state: State, runtime: Runtime[Context]) -> State:
    """Once, whatever happens to this process meanwhile."""
    try:
        done = await servicing_effect.act(runtime.context, servicing_facts.payload(state))
    except BankRefused as exc:
        return {"done": {"refused": exc.code, "detail": exc.detail}, "outcome": "action_refused"}
    return {"done": {key: done[key] for key in ("action_id", "schedule_version", "created_at")}}


async def confirmation(state: State, runtime: Runtime[Context]) -> State:
    context = runtime.context
    await case_records.send_letter(context, servicing_letters.confirmation(state, context.now().date()))
    return {"outcome": DONE[state["recommendation"]["action"]]}


async def declined(state: State, runtime: Runtime[Context]) -> State:
    return {"outcome": "declined"}


def after_recommendation(state: State) -> Literal["no_action", "reminder", "servicing_review"]:
    action = state["recommendation"]["action"]
    if action == "none":
        return "no_action"
    return "reminder" if action == "reminder" else "servicing_review"


def after_review(state: State) -> Literal["declined", "bank_action", "consent"]:
    if state["review"]["verdict"] == "decline":
        return "declined"
    return "bank_action" if state["recommendation"]["action"] == "refer" else "consent"


def after_consent(state: State) -> Literal["bank_action", "declined"]:
    return "bank_action" if state["consent"]["agreed"] else "declined"


def after_action(state: State) -> str:
    return END if "outcome" in state else "confirmation"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "account_activity")
    graph.add_edge("account_activity", "delinquency")
    graph.add_edge("delinquency", "recommendation")
    graph.add_conditional_edges("recommendation", after_recommendation)
    graph.add_conditional_edges("servicing_review", after_review)
    graph.add_conditional_edges("consent", after_consent)
    graph.add_conditional_edges("bank_action", after_action, ["confirmation", END])
    for last in ("no_action", "reminder", "confirmation", "declined"):
        graph.add_edge(last, END)
    return graph


async def loan_is_known(request: ServicingRequest, bank: Bank) -> None:
    """Raises InvalidInput for a loan that the bank does not know, and for a day that cannot be judged.

    A bank that is away is not asked twice: the case is accepted, and its run waits for the bank at intake.
    """
    if request.as_of is not None:
        check_day("as_of", request.as_of)
    with suppress(BankUnavailable):
        try:
            await bank_loans.loan_account(bank, request.loan_account_id)
        except NotFound as exc:
            raise InvalidInput("loan_account_id", f"the bank knows no loan account {exc.record_id}") from exc


NODES = {
    "intake": intake,
    "account_activity": account_activity,
    "delinquency": delinquency,
    "recommendation": recommendation,
    "no_action": no_action,
    "reminder": reminder,
    "servicing_review": servicing_review,
    "consent": consent,
    "bank_action": bank_action,
    "confirmation": confirmation,
    "declined": declined,
}

SHOWN = frozenset(
    {"request", "loan", "activity", "delinquency", "recommendation", "consent", "done", "outcome"}
    | {"intake", "account_activity", "no_action", "reminder", "bank_action", "confirmation", "declined"}
)
"""The borrower's own account and what is proposed of it. Not shown: `review`, which holds the reviewer's note."""

WORKFLOW = Workflow(
    name="loan_servicing",
    family="banking",
    summary="A loan on a day: account activity, delinquency, recommendation, review, action at the bank, letter",
    version="1",
    input=ServicingRequest,
    may_start=frozenset({"agent", "operator"}),
    build=build,
    agents={
        "intake": "intake-agent",
        "account_activity": "activity-agent",
        "delinquency": "delinquency-agent",
        "recommendation": "policy-agent",
        "reminder": "letter-agent",
        "bank_action": "settlement-agent",
        "confirmation": "letter-agent",
    },
    shown=SHOWN,
    check=loan_is_known,
)
