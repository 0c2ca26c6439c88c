"""A rebalance from a client's profile to the confirmation of its fills.

intake → read_holdings → propose → (conflict_review → relax → propose) → (adviser_review → answered
→ (second_approval → seconded)) → recheck → sell → (sell_fills → look_at_sells) → buy → (buy_fills → look_at_buys)
→ confirm → (exceptions).

Where prices or holdings changed since the approval, or an adviser wants another proposal, it begins again with
read_holdings, as the next round; nothing was ordered by then. Buys are sent when no sell is open any more: as approved,
or not at all where the bank says that the proceeds do not suffice.
"""

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import ProfileNotInForce
from graphs.workflow import Workflow
from tools import (
    rebalance_confirmation,
    rebalance_letters,
    rebalance_orders,
    rebalance_profile,
    rebalance_records,
    rebalance_reviews,
    rebalance_steps,
)
from tools.case_records import answered_review, send_letter
from tools.context import Context
from tools.holdings import HoldingsUnusable
from tools.rebalance_orders import open_ids
from tools.rebalance_request import RebalanceRequest, rebalance_is_possible
from tools.rebalance_reviews import FORMS, ConflictAnswer, ConflictStop, ExceptionsAnswer, SecondAnswer, Told
from tools.review import ask

Outcome = Literal[
    "within_bands",
    "proposal_only",
    "rebalanced",
    "partly_rebalanced",
    "declined",
    "stopped",
    "refused",
    "profile_needed",
    "unknown_client",
    "nothing_to_trade",
]


class State(TypedDict, total=False):
    """`round` counts proposals. `payload` is what was put before the adviser, and is ordered; `orders` how it stands.

    `refused_for` says why nothing can be proposed. `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    client: dict[str, Any]
    profile: dict[str, Any]
    round: int
    holdings: dict[str, Any]
    conflict: dict[str, Any] | None
    conflict_answer: dict[str, Any]
    relaxed: list[dict[str, Any]]
    proposal: dict[str, Any]
    findings: list[dict[str, Any]]
    worst: Literal["block", "warn", "pass"]
    payload: dict[str, Any]
    answer: dict[str, Any]
    second_answer: dict[str, Any]
    revised_by: list[str]
    voided: str | None
    orders: list[dict[str, Any]]
    told: dict[str, Any]
    confirmation: dict[str, Any]
    followed_up: dict[str, Any]
    refused_for: dict[str, Any]
    outcome: Outcome


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """The client, and the profile that everything has to suit."""
    client = await rebalance_profile.client_of(runtime.context, state["request"]["client_id"])
    if client is None:
        return {"outcome": "unknown_client"}
    named = {"client_id": client.client_id, "full_name": client.full_name}
    try:
        profile = await rebalance_profile.profile_of(runtime.context, client)
        if state["request"]["custody_accounts"]:
            profile = await rebalance_profile.with_owners(runtime.context, state["request"], profile)
    except HoldingsUnusable as exc:
        return {"client": named, **_refused(exc)}
    except ProfileNotInForce as exc:
        refused = {"code": exc.reason, "text": rebalance_profile.TO_DO.get(exc.reason, str(exc))}
        return {"client": named, "refused_for": refused, "outcome": "profile_needed"}
    return {"client": named, "profile": profile, "round": 0}


async def read_holdings(state: State, runtime: Runtime[Context]) -> State:
    """A round's snapshot, and whether there is anything to do."""
    round_ = state["round"] + 1
    try:
        found = await rebalance_steps.read_holdings(runtime.context, state, round_)
    except HoldingsUnusable as exc:
        return _refused(exc)
    if not found["reasons"]:
        return {"round": round_, "holdings": found, "outcome": "within_bands"}
    return {"round": round_, "holdings": found, "relaxed": []}


async def propose(state: State, runtime: Runtime[Context]) -> State:
    """Trades at the proven optimum, with what suitability finds; or what conflicts."""
    try:
        found = await rebalance_steps.propose(runtime.context, state)
    except HoldingsUnusable as exc:
        return _refused(exc)
    if "conflict" in found:
        return {"conflict": found["conflict"]}
    proposed: State = {
        "conflict": None,
        "proposal": found["proposal"],
        "findings": found["findings"],
        "worst": found["worst"],
    }
    if not found["proposal"]["orders"]:
        return {**proposed, "outcome": "nothing_to_trade"}
    if state["profile"]["source"] == "self_declared":
        return {**proposed, "outcome": "proposal_only"}
    return {**proposed, "payload": rebalance_reviews.payload({**state, **proposed})}


async def conflict_review(state: State, runtime: Runtime[Context]) -> State:
    assert state["conflict"] is not None
    form = ConflictAnswer if state["conflict"]["is_relaxable"] else ConflictStop
    question = rebalance_reviews.conflict(state, runtime.context.now())
    return {"conflict_answer": ask(question, form).model_dump()}


async def relax(state: State, runtime: Runtime[Context]) -> State:
    """Loosens what the adviser was shown."""
    if state["conflict_answer"]["verdict"] == "stop":
        return {"outcome": "stopped"}
    assert state["conflict"] is not None
    return {"relaxed": state["conflict"]["relaxation"], "conflict": None}


async def adviser_review(state: State, runtime: Runtime[Context]) -> State:
    question = rebalance_reviews.review(state, runtime.context.now())
    return {"answer": ask(question, FORMS[state["worst"]]).model_dump()}


async def answered(state: State, runtime: Runtime[Context]) -> State:
    """Under whose name. Whoever asked for another proposal does not approve that one."""
    given = await answered_review(runtime.context, "rebalance_review")
    answer = state["answer"] | {"by": given.answered_by}
    if answer["verdict"] == "decline":
        return {"answer": answer, "outcome": "declined"}
    if answer["verdict"] == "revise":
        return {"answer": answer, "revised_by": [*state.get("revised_by", []), given.answered_by]}
    return {"answer": answer}


async def second_approval(state: State, runtime: Runtime[Context]) -> State:
    question = rebalance_reviews.second_approval(state, runtime.context.now())
    return {"second_answer": ask(question, SecondAnswer).model_dump()}


async def seconded(state: State, runtime: Runtime[Context]) -> State:
    return {} if state["second_answer"]["verdict"] == "approve" else {"outcome": "declined"}


async def recheck(state: State, runtime: Runtime[Context]) -> State:
    """Whether what was approved still stands: prices, holdings, and nobody else's trades in the same accounts."""
    context = runtime.context
    try:
        because = await rebalance_steps.voided_by(context, state)
    except HoldingsUnusable as exc:
        await rebalance_records.release_accounts(context)
        return _refused(exc)
    if because is None:
        return {"voided": None}
    await rebalance_records.release_accounts(context)
    if state["round"] >= rebalance_steps.MOST_ROUNDS:
        return {"voided": because, "refused_for": {"code": "approval_void", "text": because}, "outcome": "refused"}
    return {"voided": because}


async def sell(state: State, runtime: Runtime[Context]) -> State:
    """Each sell once, whatever happens to this process meanwhile."""
    return {"orders": await rebalance_orders.send(runtime.context, state, "sell")}


async def sell_fills(state: State, runtime: Runtime[Context]) -> State:
    return {"told": ask(rebalance_reviews.fills(state, "sell", runtime.context.now()), Told).model_dump()}


async def look(state: State, runtime: Runtime[Context]) -> State:
    return {"orders": await rebalance_orders.look(runtime.context, state)}


async def buy(state: State, runtime: Runtime[Context]) -> State:
    """Each buy once, now that no sell is open."""
    return {"orders": await rebalance_orders.send(runtime.context, state, "buy")}


async def buy_fills(state: State, runtime: Runtime[Context]) -> State:
    return {"told": ask(rebalance_reviews.fills(state, "buy", runtime.context.now()), Told).model_dump()}


async def confirm(state: State, runtime: Runtime[Context]) -> State:
    """Holds what is held now against the proposal, and tells the client."""
    context = runtime.context
    confirmed = await rebalance_confirmation.confirm(context, state)
    found: State = {**state, "confirmation": confirmed}
    letter = rebalance_letters.confirmation(found, str(context.thread_id), context.now().date())
    await send_letter(context, letter)
    await rebalance_records.release_accounts(context)
    if confirmed["differences"]:
        return {"confirmation": confirmed}
    return {"confirmation": confirmed, "outcome": "rebalanced"}


async def exceptions(state: State, runtime: Runtime[Context]) -> State:
    question = rebalance_reviews.exceptions(state, runtime.context.now())
    return {"followed_up": ask(question, ExceptionsAnswer).model_dump()}


async def end_partly(state: State, runtime: Runtime[Context]) -> State:
    return {"outcome": "partly_rebalanced"}


def after_propose(state: State) -> str:
    if "outcome" in state:
        return END
    return "adviser_review" if state["conflict"] is None else "conflict_review"


def after_answered(state: State) -> str:
    if "outcome" in state:
        return END
    return {"approve": "recheck", "override": "second_approval"}.get(state["answer"]["verdict"], "read_holdings")


def after_recheck(state: State) -> str:
    if "outcome" in state:
        return END
    return "sell" if state["voided"] is None else "read_holdings"


def unless_open(gate: str, onwards: str) -> Any:
    return lambda state: gate if open_ids(state["orders"]) else onwards


def unless_over(onwards: str) -> Any:
    return lambda state: END if "outcome" in state else onwards


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for node in NODES:
        graph.add_node(node.__name__, node)
    graph.add_node("look_at_sells", look)
    graph.add_node("look_at_buys", look)
    for name, onwards in EDGES:
        graph.add_edge(name, onwards)
    for name, (choose, ways) in FORKS.items():
        graph.add_conditional_edges(name, choose, list(ways))
    return graph


def _refused(exc: HoldingsUnusable) -> State:
    return {"refused_for": {"code": exc.code, "text": str(exc)}, "outcome": "refused"}


NODES = (
    *(intake, read_holdings, propose, conflict_review, relax, adviser_review, answered, second_approval, seconded),
    *(recheck, sell, sell_fills, buy, buy_fills, confirm, exceptions, end_partly),
)
EDGES = (
    (START, "intake"),
    ("conflict_review", "relax"),
    ("adviser_review", "answered"),
    ("second_approval", "seconded"),
    ("sell_fills", "look_at_sells"),
    ("buy_fills", "look_at_buys"),
    ("exceptions", "end_partly"),
    ("end_partly", END),
)
FORKS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "intake": (unless_over("read_holdings"), ("read_holdings", END)),
    "read_holdings": (unless_over("propose"), ("propose", END)),
    "propose": (after_propose, ("conflict_review", "adviser_review", END)),
    "relax": (unless_over("propose"), ("propose", END)),
    "answered": (after_answered, ("recheck", "second_approval", "read_holdings", END)),
    "seconded": (unless_over("recheck"), ("recheck", END)),
    "recheck": (after_recheck, ("sell", "read_holdings", END)),
    "sell": (unless_open("sell_fills", "buy"), ("sell_fills", "buy")),
    "look_at_sells": (unless_open("sell_fills", "buy"), ("sell_fills", "buy")),
    "buy": (unless_open("buy_fills", "confirm"), ("buy_fills", "confirm")),
    "look_at_buys": (unless_open("buy_fills", "confirm"), ("buy_fills", "confirm")),
    "confirm": (unless_over("exceptions"), ("exceptions", END)),
}

SHOWN = frozenset(
    {"request", "client", "refused_for", "outcome", "confirmation.orders", "confirmation.drift", "orders"}
    | {"intake", "sell", "sell_fills", "look_at_sells", "buy", "buy_fills", "look_at_buys", "confirm"}
    | {"holdings.drift", "holdings.worth_minor", "holdings.currency", "holdings.as_of"}
)
"""What the client has, what was ordered for them, and what came of it. Not shown: proposals that nobody approved, what
suitability found, what advisers say among themselves, and differences that staff look into."""

WORKFLOW = Workflow(
    name="rebalance",
    family="wealth",
    summary="A rebalance: profile, holdings, drift, proposal, suitability, adviser's review, orders, fills, letter",
    version="1",
    input=RebalanceRequest,
    may_start=frozenset({"client", "agent", "adviser"}),
    build=build,
    agents={
        "intake": "intake-agent",
        "read_holdings": "holdings-agent",
        "propose": "rebalancing-agent",
        "relax": "rebalancing-agent",
        "answered": "rebalancing-agent",
        "seconded": "rebalancing-agent",
        "recheck": "rebalancing-agent",
        **dict.fromkeys(("sell", "look_at_sells", "buy", "look_at_buys", "confirm", "end_partly"), "order-agent"),
    },
    shown=SHOWN,
    check=rebalance_is_possible,
)
