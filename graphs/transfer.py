"""A transfer from request to receipt.

intake → identity → (limits, payee, sanctions, fraud) → decision → hold → (fraud case) → (release → (second release))
→ capture → settle → (settlement → settle) → (return window → settle), or → void → refusal, or → returned.

The amount is set aside before anybody is asked, so that it cannot leave meanwhile. Gate nodes ask and do nothing else.
"""

from collections.abc import Callable
from typing import Any, Literal, TypedDict
from uuid import uuid4

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import BankRefused
from graphs.workflow import Workflow
from tools import payment_checks, payment_effects, payment_facts, payment_reviews, payments, transfer_letters
from tools.case_records import answered_review, send_letter
from tools.context import Context
from tools.fraud import score_payment
from tools.payment_request import PaymentRequest
from tools.payment_reviews import BanksWord, FraudVerdict, ReleaseAnswer
from tools.payments import Standing
from tools.review import ask
from tools.rules import transfer_policy
from tools.rules.plain import to_plain
from tools.rules.transfer_policy import Reason

CHECKS = ("limits", "payee_checks", "sanctions_agent", "fraud_agent")


class State(TypedDict, total=False):
    """`request` is the validated input; all else is what a node found, in minor units and bps, JSON-plain.

    `fraud_thread` is the id of the fraud case, if there is to be one: chance gives it, so that nobody who knows the
    transfer's can ask after it. `refused_for` holds the reasons once it is clear that nothing will be paid. `outcome`
    is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    transfer: dict[str, Any]
    identity: dict[str, Any]
    limits: dict[str, Any]
    payee: dict[str, Any]
    sanctions: dict[str, Any]
    fraud: dict[str, Any]
    fraud_thread: str
    decision: dict[str, Any]
    hold: dict[str, Any]
    fraud_case: dict[str, Any]
    release: dict[str, Any]
    second_release: dict[str, Any]
    capture: dict[str, Any]
    void: dict[str, Any]
    settlement: dict[str, Any]
    refused_for: list[dict[str, Any]]
    outcome: Literal["settled", "refused", "rejected", "returned"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    return {"transfer": await payment_facts.receive(runtime.context, state["request"])}


async def identity(state: State, runtime: Runtime[Context]) -> State:
    return {"identity": await payment_checks.identify(runtime.context, state)}


async def limits(state: State, runtime: Runtime[Context]) -> State:
    return {"limits": await payment_checks.check_limits(runtime.context, state)}


async def payee_checks(state: State, runtime: Runtime[Context]) -> State:
    return {"payee": await payment_checks.check_payee(runtime.context, state)}


async def sanctions(state: State, runtime: Runtime[Context]) -> State:
    return {"sanctions": await payment_checks.screen(runtime.context, state)}


async def fraud(state: State, runtime: Runtime[Context]) -> State:
    return {"fraud": await score_payment(runtime.context, payment_facts.judged_payment(state))}


async def decision(state: State, runtime: Runtime[Context]) -> State:
    facts = payment_facts.facts(state)
    decided = to_plain(transfer_policy.decide(facts, transfer_policy.policy_in_force(facts.on)))
    await payments.store_decision(runtime.context, to_plain(facts), decided)
    if decided["outcome"] == "refuse":
        return {"decision": decided, "refused_for": decided["reasons"]}
    if decided["fraud_case"]:
        return {"decision": decided, "fraud_thread": str(uuid4())}
    return {"decision": decided}


async def hold(state: State, runtime: Runtime[Context]) -> State:
    """Sets the amount aside: once, whatever happens to this process meanwhile."""
    try:
        return {"hold": await payment_effects.hold(runtime.context, payment_facts.order_of(state))}
    except BankRefused as exc:
        return _refused_by_the_bank(exc)


async def open_fraud_case(state: State, runtime: Runtime[Context]) -> State:
    """A case of its own, for an analyst; whoever comes again opens no second one."""
    await payment_facts.open_fraud_case(runtime.context, state)
    return {}


async def fraud_case(state: State, runtime: Runtime[Context]) -> State:
    return {"fraud_case": ask(payment_reviews.fraud_case(state, runtime.context.now()), FraudVerdict).model_dump()}


async def fraud_verdict(state: State, runtime: Runtime[Context]) -> State:
    if state["fraud_case"]["verdict"] == "release":
        return {}
    return _refused(Reason("fraud_blocked", "The fraud case did not release the transfer", disclosed=False))


async def release(state: State, runtime: Runtime[Context]) -> State:
    return {"release": ask(payment_reviews.release(state, runtime.context.now()), ReleaseAnswer).model_dump()}


async def released(state: State, runtime: Runtime[Context]) -> State:
    """Who answered, since a second release is another person's."""
    answered = await answered_review(runtime.context, "release")
    if (reason := payment_reviews.refusal_by(state["release"], answered)) is not None:
        return _refused(reason)
    return {"release": state["release"] | {"by": answered.answered_by}}


async def second_release(state: State, runtime: Runtime[Context]) -> State:
    question = payment_reviews.second_release(state, runtime.context.now())
    return {"second_release": ask(question, ReleaseAnswer).model_dump()}


async def second_released(state: State, runtime: Runtime[Context]) -> State:
    answered = await answered_review(runtime.context, "second_release")
    reason = payment_reviews.refusal_by(state["second_release"], answered)
    return {} if reason is None else _refused(reason)


async def capture(state: State, runtime: Runtime[Context]) -> State:
    """The hold becomes the transfer: once, and only what people released."""
    try:
        return {"capture": await payment_effects.capture(runtime.context, state)}
    except BankRefused as exc:
        return _refused_by_the_bank(exc)


async def settlement(state: State, runtime: Runtime[Context]) -> State:
    """Asked again, as the return window, once the transfer is settled."""
    word = ask(payment_reviews.settlement(state, runtime.context.now()), BanksWord)
    return {"settlement": state["settlement"] | {"told": word.model_dump()}}


async def settle(state: State, runtime: Runtime[Context]) -> State:
    """How it stands by the bank's own word, whoever said that it is time to ask."""
    context = runtime.context
    found = await payment_effects.settlement(context, state)
    if found["status"] != "settled":
        return {"settlement": found}
    await send_letter(context, transfer_letters.receipt(state, context.now().date()))
    if found["is_final"] or state.get("settlement", {}).get("told", {}).get("final"):
        return {"settlement": found, "outcome": "settled"}
    return {"settlement": found}


async def returned(state: State, runtime: Runtime[Context]) -> State:
    """The money is back: the bank books it back before it says so."""
    context = runtime.context
    await send_letter(context, transfer_letters.returned(state, context.now().date()))
    return {"outcome": state["settlement"]["status"]}


async def void(state: State, runtime: Runtime[Context]) -> State:
    """Gives back what was set aside: once."""
    return {"void": await payment_effects.void(runtime.context, state["hold"]["hold_id"])}


async def refusal(state: State, runtime: Runtime[Context]) -> State:
    context, reasons = runtime.context, state["refused_for"]
    if state["identity"]["payer"] is not None:
        await send_letter(context, transfer_letters.refusal(state, reasons, context.now().date()))
    await payments.stand(context, Standing("refused", reasons=reasons))
    return {"outcome": "refused"}


def after_identity(state: State) -> list[str]:
    """Of a transfer that nobody can be said to pay, nothing is worth checking."""
    return ["decision"] if state["identity"]["payer"] is None else list(CHECKS)


def after_hold(state: State) -> str:
    return "open_fraud_case" if state["decision"]["fraud_case"] else after_fraud_verdict(state)


def after_fraud_verdict(state: State) -> str:
    return "release" if state["decision"]["approvals"] else "capture"


def after_settle(state: State) -> str:
    if "outcome" in state:
        return END
    gates = {"submitted": "settlement", "settled": "return_window"}
    return gates.get(state["settlement"]["status"], "returned")


def unless_refused(refused: str, onwards: Callable[[State], str]) -> Callable[[State], str]:
    return lambda state: refused if "refused_for" in state else onwards(state)


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("identity", after_identity, [*CHECKS, "decision"])
    graph.add_edge(list(CHECKS), "decision")
    for name, (refused, onwards, ways) in FORKS.items():
        graph.add_conditional_edges(name, unless_refused(refused, onwards), [refused, *ways])
    for name, onwards_to in AFTER.items():
        graph.add_edge(name, onwards_to)
    graph.add_conditional_edges("settle", after_settle, ["settlement", "return_window", "returned", END])
    return graph


def _refused(reason: Reason) -> State:
    return {"refused_for": [to_plain(reason)]}


def _refused_by_the_bank(exc: BankRefused) -> State:
    return _refused(Reason(exc.code, f"The bank refused: {exc.detail.rstrip('.')}"))


AFTER = {
    "intake": "identity",
    "open_fraud_case": "fraud_case",
    "fraud_case": "fraud_verdict",
    "release": "released",
    "second_release": "second_released",
    **dict.fromkeys(("settlement", "return_window"), "settle"),
    "void": "refusal",
    **dict.fromkeys(("refusal", "returned"), END),
}
FORKS: dict[str, tuple[str, Callable[[State], str], tuple[str, ...]]] = {
    "decision": ("refusal", lambda _: "hold", ("hold",)),
    "hold": ("refusal", after_hold, ("open_fraud_case", "release", "capture")),
    "fraud_verdict": ("void", after_fraud_verdict, ("release", "capture")),
    "released": (
        "void",
        lambda s: "second_release" if s["decision"]["approvals"] > 1 else "capture",
        ("second_release", "capture"),
    ),
    "second_released": ("void", lambda _: "capture", ("capture",)),
    "capture": ("void", lambda _: "settle", ("settle",)),
}
"""Where each of these goes once the transfer is refused, and else where to."""

NODES = {
    "intake": intake,
    "identity": identity,
    "limits": limits,
    "payee_checks": payee_checks,
    "sanctions_agent": sanctions,
    "fraud_agent": fraud,
    "decision": decision,
    "hold": hold,
    "open_fraud_case": open_fraud_case,
    "fraud_case": fraud_case,
    "fraud_verdict": fraud_verdict,
    "release": release,
    "released": released,
    "second_release": second_release,
    "second_released": second_released,
    "capture": capture,
    "settle": settle,
    "settlement": settlement,
    "return_window": settlement,
    "returned": returned,
    "void": void,
    "refusal": refusal,
}

SHOWN = frozenset(
    {"request", "transfer", "limits", "payee", "hold", "capture", "void", "settlement", "outcome"}
    | {"intake", "payee_checks", "sanctions_agent", "fraud_agent"}
    | {"settle", "return_window", "returned", "refusal"}
    | {"identity.payer.name", "identity.payee.stated_name", "identity.payee.is_own_account", "decision.policy_version"}
)
"""What the customer ordered and what became of it. Not shown: `sanctions` and `fraud`; the payer's standing with us and
its faults, which may be undisclosed; of the decision whatever tells suspicion from a threshold, and `refused_for`
(letters say what may be said); every gate that others answer, alike, so that none can be told from another."""

WORKFLOW = Workflow(
    name="transfer",
    family="banking",
    summary="A transfer: identity, limits, payee, sanctions, fraud, decision, hold, release, settlement, letters",
    version="1",
    input=PaymentRequest,
    may_start=frozenset({"client", "agent", "operator"}),
    build=build,
    agents={
        "intake": "intake-agent",
        "identity": "identity-agent",
        "limits": "limits-agent",
        "payee_checks": "payee-agent",
        "sanctions_agent": "sanctions-agent",
        "fraud_agent": "fraud-agent",
        "decision": "policy-agent",
        "open_fraud_case": "fraud-agent",
        **dict.fromkeys(("hold", "capture", "void", "settle", "refusal", "returned"), "settlement-agent"),
    },
    shown=SHOWN,
    check=payment_facts.payment_is_possible,
)
