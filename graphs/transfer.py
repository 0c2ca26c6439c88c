"""A transfer from request to receipt.

intake → identity → (limits, payee, sanctions, fraud) → decision → hold → (fraud case) → (release → (second release))
→ capture → settle → (settlement → settle) → (return window → settle), or → void → refusal, or → returned.

The amount is set aside before anybody is asked, so that it cannot leave meanwhile. Gate nodes ask and do nothing else.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import BankRefused
from graphs.workflow import Workflow
from tools import case_records, payment_effects, payment_facts, payment_reviews, payments, transfer_letters
from tools import fraud as fraud_scoring
from tools.context import Context
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

    `refused_for` holds the reasons once it is clear that nothing will be paid. `outcome` is there when, and only when,
    the case is over.
    """

    request: dict[str, Any]
    transfer: dict[str, Any]
    identity: dict[str, Any]
    limits: dict[str, Any]
    payee: dict[str, Any]
    sanctions: dict[str, Any]
    fraud: dict[str, Any]
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
    """The transfer in minor units, stored."""
    return {"transfer": await payment_facts.receive(runtime.context, state["request"])}


async def identity(state: State, runtime: Runtime[Context]) -> State:
    """Who pays, whose account it is, who is paid."""
    return {"identity": await payment_facts.identify(runtime.context, state)}


async def limits(state: State, runtime: Runtime[Context]) -> State:
    found = await payment_facts.check_limits(runtime.context, state)
    await payments.store_check(runtime.context, "limits", found["version"], found)
    return {"limits": found}


async def payee_checks(state: State, runtime: Runtime[Context]) -> State:
    found = await payment_facts.check_payee(runtime.context, state)
    await payments.store_check(runtime.context, "payee", found["version"], found)
    return {"payee": found}


async def sanctions(state: State, runtime: Runtime[Context]) -> State:
    found = await asyncio.to_thread(payment_facts.screen, runtime.context, state)
    await payments.store_check(runtime.context, "sanctions", found["version"], found)
    return {"sanctions": found}


async def fraud(state: State, runtime: Runtime[Context]) -> State:
    return {"fraud": await fraud_scoring.score_payment(runtime.context, payment_facts.judged_payment(state))}


async def decision(state: State, runtime: Runtime[Context]) -> State:
    facts = payment_facts.facts(state)
    decided = to_plain(transfer_policy.decide(facts, transfer_policy.policy_in_force(facts.on)))
    await payments.store_decision(runtime.context, to_plain(facts), decided)
    if decided["outcome"] == "refuse":
        return {"decision": decided, "refused_for": decided["reasons"]}
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
    answered = await case_records.answered_review(runtime.context, "release")
    by: State = {"release": state["release"] | {"by": answered.answered_by}}
    return by | _unless_released(state["release"], answered.status)


async def second_release(state: State, runtime: Runtime[Context]) -> State:
    question = payment_reviews.second_release(state, runtime.context.now())
    return {"second_release": ask(question, ReleaseAnswer).model_dump()}


async def second_released(state: State, runtime: Runtime[Context]) -> State:
    answered = await case_records.answered_review(runtime.context, "second_release")
    return _unless_released(state["second_release"], answered.status)


async def capture(state: State, runtime: Runtime[Context]) -> State:
    """The hold becomes the transfer: once, and only what people released."""
    try:
        return {"capture": await payment_effects.capture(runtime.context, state)}
    except BankRefused as exc:
        return _refused_by_the_bank(exc)


async def settlement(state: State, runtime: Runtime[Context]) -> State:
    word = ask(payment_reviews.settlement(state, runtime.context.now()), BanksWord)
    return {"settlement": state["settlement"] | {"told": word.model_dump()}}


async def return_window(state: State, runtime: Runtime[Context]) -> State:
    word = ask(payment_reviews.return_window(state, runtime.context.now()), BanksWord)
    return {"settlement": state["settlement"] | {"told": word.model_dump()}}


async def settle(state: State, runtime: Runtime[Context]) -> State:
    """How it stands by the bank's own word, whoever said that it is time to ask."""
    context = runtime.context
    found = await payment_effects.settlement(context, state)
    if found["status"] != "settled":
        return {"settlement": found}
    await case_records.send_letter(context, transfer_letters.receipt(state, context.now().date()))
    if found["is_final"] or state.get("settlement", {}).get("told", {}).get("final"):
        return {"settlement": found, "outcome": "settled"}
    return {"settlement": found}


async def returned(state: State, runtime: Runtime[Context]) -> State:
    """The money is back: the bank books it back before it says so."""
    context = runtime.context
    await case_records.send_letter(context, transfer_letters.returned(state, context.now().date()))
    return {"outcome": state["settlement"]["status"]}


async def void(state: State, runtime: Runtime[Context]) -> State:
    """Gives back what was set aside: once."""
    return {"void": await payment_effects.void(runtime.context, state["hold"]["hold_id"])}


async def refusal(state: State, runtime: Runtime[Context]) -> State:
    context, reasons = runtime.context, state["refused_for"]
    if state["identity"]["payer"] is not None:
        await case_records.send_letter(context, transfer_letters.refusal(state, reasons, context.now().date()))
    await payments.stand(context, Standing("refused", reasons=reasons))
    return {"outcome": "refused"}


def after_identity(state: State) -> list[str]:
    """Of a transfer that nobody can be said to pay, nothing is worth checking."""
    return ["decision"] if state["identity"]["payer"] is None else list(CHECKS)


def after_hold(state: State) -> str:
    return "open_fraud_case" if state["decision"]["fraud_case"] else after_fraud_verdict(state)


def after_fraud_verdict(state: State) -> str:
    return "release" if state["decision"]["approvals"] else "capture"


def after_release(state: State) -> str:
    return "second_release" if state["decision"]["approvals"] > 1 else "capture"


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
    graph.add_edge("intake", "identity")
    graph.add_conditional_edges("identity", after_identity, [*CHECKS, "decision"])
    graph.add_edge(list(CHECKS), "decision")
    for name, (refused, onwards, ways) in FORKS.items():
        graph.add_conditional_edges(name, unless_refused(refused, onwards), [refused, *ways])
    graph.add_edge("open_fraud_case", "fraud_case")
    graph.add_edge("fraud_case", "fraud_verdict")
    graph.add_edge("release", "released")
    graph.add_edge("second_release", "second_released")
    graph.add_edge("settlement", "settle")
    graph.add_edge("return_window", "settle")
    graph.add_conditional_edges("settle", after_settle, ["settlement", "return_window", "returned", END])
    graph.add_edge("void", "refusal")
    graph.add_edge("refusal", END)
    graph.add_edge("returned", END)
    return graph


def _refused(reason: Reason) -> State:
    return {"refused_for": [to_plain(reason)]}


def _refused_by_the_bank(exc: BankRefused) -> State:
    return _refused(Reason(exc.code, f"The bank refused: {exc.detail.rstrip('.')}"))


def _unless_released(answer: dict[str, Any], status: str) -> State:
    if answer["verdict"] == "release":
        return {}
    if status == "expired":
        return _refused(Reason("review_expired", "Nobody released the transfer in time"))
    return _refused(Reason("refused_by_operator", "A person reviewed the transfer and did not release it"))


FORKS: dict[str, tuple[str, Callable[[State], str], tuple[str, ...]]] = {
    "decision": ("refusal", lambda _: "hold", ("hold",)),
    "hold": ("refusal", after_hold, ("open_fraud_case", "release", "capture")),
    "fraud_verdict": ("void", after_fraud_verdict, ("release", "capture")),
    "released": ("void", after_release, ("second_release", "capture")),
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
    "return_window": return_window,
    "returned": returned,
    "void": void,
    "refusal": refusal,
}

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
        "hold": "settlement-agent",
        "open_fraud_case": "fraud-agent",
        "capture": "settlement-agent",
        "void": "settlement-agent",
        "settle": "settlement-agent",
        "refusal": "settlement-agent",
        "returned": "settlement-agent",
    },
    check=payment_facts.payment_is_possible,
)
