"""A standing order made, changed or cancelled, from request to confirmation.

intake → (checks →) decision → (confirm → confirmed) → (release → released → (second release → second released))
→ carry_out; or → refusal.

Who is to be paid, how much, when and instead of what is confirmed by the customer, who sees it; released by further
people where the policy of transfers says so. Gate nodes ask and do nothing else.
"""

from collections.abc import Callable
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import BankRefused
from graphs.workflow import Workflow
from tools import confirmations, standing_order_checks, standing_order_facts
from tools import standing_order_steps as steps
from tools.case_records import answered_review, send_letter
from tools.confirmations import InPerson
from tools.context import Context
from tools.payment_reviews import ReleaseAnswer
from tools.review import ask
from tools.rules.plain import to_plain
from tools.rules.transfer_policy import Reason
from tools.standing_order_request import StandingOrderRequest


class State(TypedDict, total=False):
    """`order` is the payload: exactly what is confirmed and done. `outcome` is there when the case is over."""

    request: dict[str, Any]
    order: dict[str, Any]
    customer: dict[str, Any]
    checks: dict[str, Any]
    decision: dict[str, Any]
    confirmation: dict[str, Any]
    release: dict[str, Any]
    second_release: dict[str, Any]
    bank: dict[str, Any]
    refused_for: list[dict[str, Any]]
    outcome: Literal["done", "unchanged", "declined", "refused"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    found: State = await steps.receive(runtime.context, state["request"])  # type: ignore[assignment]  # keys of it
    if "order" in found and standing_order_facts.changes_nothing(found["order"]):
        return found | State(outcome="unchanged")
    return found


async def checks(state: State, runtime: Runtime[Context]) -> State:
    return {"checks": await standing_order_checks.check(runtime.context, state["order"])}


async def decision(state: State, runtime: Runtime[Context]) -> State:
    """With the customer's confirmation, if they gave it for exactly this in a conversation."""
    context, payload = runtime.context, state["order"]
    if payload["do"] == "cancel":
        decided = standing_order_checks.not_decided(payload)
    else:
        decided = await standing_order_checks.decide(context, payload, state["checks"])
    if decided["outcome"] == "refuse":
        return {"decision": decided, "refused_for": decided["reasons"]}
    given = await confirmations.in_conversation(context, payload)
    return {"decision": decided} if given is None else {"decision": decided, "confirmation": given}


async def confirm(state: State, runtime: Runtime[Context]) -> State:
    return {"confirmation": ask(steps.question(state, runtime.context.now()), InPerson).model_dump()}


async def confirmed(state: State, runtime: Runtime[Context]) -> State:
    return {} if state["confirmation"]["verdict"] == "confirm" else {"outcome": "declined"}


async def release(state: State, runtime: Runtime[Context]) -> State:
    return {"release": ask(steps.release(state, runtime.context.now()), ReleaseAnswer).model_dump()}


async def released(state: State, runtime: Runtime[Context]) -> State:
    """Who answered, since a second release is another person's."""
    answered = await answered_review(runtime.context, "release")
    if (reason := steps.refusal_by(state["release"], answered)) is not None:
        return {"refused_for": [to_plain(reason)]}
    return {"release": state["release"] | {"by": answered.answered_by}}


async def second_release(state: State, runtime: Runtime[Context]) -> State:
    return {"second_release": ask(steps.second_release(state, runtime.context.now()), ReleaseAnswer).model_dump()}


async def second_released(state: State, runtime: Runtime[Context]) -> State:
    answered = await answered_review(runtime.context, "second_release")
    reason = steps.refusal_by(state["second_release"], answered)
    return {} if reason is None else {"refused_for": [to_plain(reason)]}


async def carry_out(state: State, runtime: Runtime[Context]) -> State:
    """Once, and only what was confirmed and released."""
    context = runtime.context
    try:
        made = await steps.carry_out(context, state)
    except BankRefused as exc:
        return {"refused_for": [to_plain(Reason(exc.code, f"The bank refused: {exc.detail.rstrip('.')}"))]}
    what = {"create": "created", "change": "changed", "cancel": "cancelled"}[state["order"]["do"]]
    today = context.now().date().isoformat()
    await send_letter(context, steps.notice(state, what, [], today, str(context.thread_id)))
    return {"bank": made, "outcome": "done"}


async def refusal(state: State, runtime: Runtime[Context]) -> State:
    """What nobody here speaks for is answered by no letter."""
    context, today = runtime.context, runtime.context.now().date().isoformat()
    if "order" in state:
        await send_letter(context, steps.notice(state, "refused", state["refused_for"], today, str(context.thread_id)))
    return {"outcome": "refused"}


def after_intake(state: State) -> str:
    if "outcome" in state:
        return END
    return "decision" if state["order"]["do"] == "cancel" else "checks"


def after_decision(state: State) -> str:
    return "confirm" if "confirmation" not in state else after_confirmed(state)


def after_confirmed(state: State) -> str:
    if "outcome" in state:
        return END
    return "release" if state["decision"]["approvals"] else "carry_out"


def unless_refused(onwards: Callable[[State], str]) -> Callable[[State], str]:
    return lambda state: "refusal" if "refused_for" in state else onwards(state)


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_edge(START, "intake")
    for name, (onwards, ways) in FORKS.items():
        graph.add_conditional_edges(name, unless_refused(onwards), ["refusal", *ways])
    for name, onwards_to in AFTER.items():
        graph.add_edge(name, onwards_to)
    return graph


AFTER = {"checks": "decision", "confirm": "confirmed", "release": "released", "second_release": "second_released"} | {
    "refusal": END
}
FORKS: dict[str, tuple[Callable[[State], str], tuple[str, ...]]] = {
    "intake": (after_intake, ("checks", "decision", END)),
    "decision": (after_decision, ("confirm", "release", "carry_out")),
    "confirmed": (after_confirmed, ("release", "carry_out", END)),
    "released": (
        lambda s: "second_release" if s["decision"]["approvals"] > 1 else "carry_out",
        ("second_release", "carry_out"),
    ),
    "second_released": (lambda _: "carry_out", ("carry_out",)),
    "carry_out": (lambda _: END, (END,)),
}
"""Where each of these goes unless it is refused."""

NODES = {
    "intake": intake,
    "checks": checks,
    "decision": decision,
    "confirm": confirm,
    "confirmed": confirmed,
    "release": release,
    "released": released,
    "second_release": second_release,
    "second_released": second_released,
    "carry_out": carry_out,
    "refusal": refusal,
}

WORKFLOW = Workflow(
    name="standing_order",
    family="banking",
    summary="A standing order made, changed or cancelled: checks, the customer's confirmation, release, the bank",
    version="1",
    input=StandingOrderRequest,
    may_start=frozenset({"client", "agent"}),
    build=build,
    agents={
        "intake": "intake-agent",
        "checks": "payee-agent",
        "decision": "policy-agent",
        **dict.fromkeys(("carry_out", "refusal"), "settlement-agent"),
    },
    shown=frozenset(
        {"request", "order", "confirmation", "bank", "outcome"} | {"intake", "confirm", "confirmed", "carry_out"}
    ),
    check=standing_order_facts.account_is_known,
    prepare=standing_order_facts.prepared,
)
"""Not shown: checks, decision and what staff say, as with transfers; a letter tells what may be told."""
