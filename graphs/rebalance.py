"""A rebalance from a client's profile to the confirmation of its fills.

intake → read_holdings → propose → (conflict_review → relax → propose) → (adviser_review → answered
→ (second_approval → seconded)) → recheck → sell → (sell_fills → look_at_sells) → buy → (buy_fills → look_at_buys)
→ confirm → (exceptions) → close. Whatever has an `ending` goes to close, which tells the client why nothing was done.

Where prices or holdings changed since the approval, or an adviser wants another proposal, it begins again with
read_holdings, as the next round; nothing was ordered by then. Buys are sent when no sell is open any more: as approved,
or not at all where the bank says that the proceeds do not suffice.
"""

from typing import Any, Literal, TypedDict, get_args

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import ProfileNotInForce
from graphs.workflow import Workflow
from tools import (
    rebalance_changes,
    rebalance_confirmation,
    rebalance_letters,
    rebalance_orders,
    rebalance_profile,
    rebalance_records,
    rebalance_reviews,
    rebalance_steps,
)
from tools.bank_custody import Side
from tools.case_records import answered_review, send_letter
from tools.context import Context
from tools.holdings import HoldingsUnusable
from tools.rebalance_orders import open_ids
from tools.rebalance_request import RebalanceRequest, rebalance_is_possible
from tools.rebalance_reviews import FORMS, ConflictAnswer, ConflictStop, ExceptionsAnswer, SecondAnswer, Told
from tools.review import ask, ask_form

Refused = Literal["declined", "stopped", "refused"]
Outcome = Literal[
    "within_bands",
    "proposal_only",
    "rebalanced",
    "partly_rebalanced",
    "nothing_to_trade",
    "profile_needed",
    "unknown_client",
    Refused,
]


class State(TypedDict, total=False):
    """`round` counts proposals. `payload` is what was put before the adviser, and is ordered; `orders` how it stands.

    `refused_for` says why nothing can be proposed, `changes` what an adviser wants of the next proposal, and who.
    `ending` is the outcome that is certain, `because` a code for the client; `outcome` is there when, and only when,
    the case is over.
    """

    request: dict[str, Any]
    client: dict[str, Any]
    profile: dict[str, Any]
    round: int
    holdings: dict[str, Any]
    conflict: dict[str, Any]
    conflict_answer: dict[str, Any]
    relaxed: list[dict[str, Any]]
    proposal: dict[str, Any]
    findings: list[dict[str, Any]]
    worst: Literal["block", "warn", "pass"]
    payload: dict[str, Any]
    answer: dict[str, Any]
    second_answer: dict[str, Any]
    revised_by: list[str]
    changes: dict[str, Any]
    voided: str | None
    orders: list[dict[str, Any]]
    told: dict[str, Any]
    confirmation: dict[str, Any]
    followed_up: dict[str, Any]
    refused_for: dict[str, Any]
    ending: Outcome
    because: str
    outcome: Outcome


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """The client, and the profile that everything has to suit."""
    client = await rebalance_profile.client_of(runtime.context, state["request"]["client_id"])
    if client is None:
        return {"ending": "unknown_client"}
    named = {"client_id": client.client_id, "full_name": client.full_name}
    try:
        profile = await rebalance_profile.profile_of(runtime.context, client)
        if state["request"]["custody_accounts"]:
            profile = await rebalance_profile.with_owners(runtime.context, state["request"], profile)
    except HoldingsUnusable as exc:
        return {"client": named, **_refused(exc.code, str(exc))}
    except ProfileNotInForce as exc:
        refused = {"code": exc.reason, "text": rebalance_profile.TO_DO.get(exc.reason, str(exc))}
        return {"client": named, "refused_for": refused, "ending": "profile_needed"}
    return {"client": named, "profile": profile, "round": 0}


async def read_holdings(state: State, runtime: Runtime[Context]) -> State:
    """A round's snapshot, and whether there is anything to do."""
    round_ = state["round"] + 1
    try:
        found = await rebalance_steps.read_holdings(runtime.context, state, round_)
    except HoldingsUnusable as exc:
        return _refused(exc.code, str(exc))
    if not found["reasons"]:
        return {"round": round_, "holdings": found, "ending": "within_bands"}
    return {"round": round_, "holdings": found, "relaxed": []}


async def propose(state: State, runtime: Runtime[Context]) -> State:
    """Trades at the proven optimum, with what suitability finds; or what conflicts."""
    try:
        found = await rebalance_steps.propose(runtime.context, state)
    except HoldingsUnusable as exc:
        return _refused(exc.code, str(exc))
    if "conflict" in found:
        return {"conflict": found["conflict"]}
    proposed: State = {
        "conflict": {},
        "proposal": found["proposal"],
        "findings": found["findings"],
        "worst": found["worst"],
    }
    if not found["proposal"]["orders"]:
        return {**proposed, "ending": "nothing_to_trade"}
    if state["profile"]["source"] == "self_declared":
        return {**proposed, "ending": "proposal_only"}
    orders = proposed["proposal"].pop("orders")
    return {**proposed, "payload": rebalance_reviews.payload(state, orders)}


async def conflict_review(state: State, runtime: Runtime[Context]) -> State:
    form = ConflictAnswer if state["conflict"]["is_relaxable"] else ConflictStop
    question = rebalance_reviews.conflict(state, runtime.context.now())
    return {"conflict_answer": ask(question, form).model_dump()}


async def relax(state: State, runtime: Runtime[Context]) -> State:
    """Loosens what the adviser was shown."""
    if state["conflict_answer"]["verdict"] == "stop":
        return await _ended_by(runtime.context, "rebalance_conflict", "stopped")
    return {"relaxed": state["conflict"]["relaxation"], "conflict": {}}


async def adviser_review(state: State, runtime: Runtime[Context]) -> State:
    question = rebalance_reviews.review(state, runtime.context.now())
    return {"answer": dict(ask_form(question, rebalance_changes.form(FORMS[state["worst"]], state)))}


async def answered(state: State, runtime: Runtime[Context]) -> State:
    """Under whose name. Whoever asked for another proposal does not approve that one."""
    if state["answer"]["verdict"] == "decline":
        return await _ended_by(runtime.context, "rebalance_review", "declined")
    given = await answered_review(runtime.context, "rebalance_review")
    answer = state["answer"] | {"by": given.answered_by}
    if answer["verdict"] != "revise":
        return {"answer": answer}
    revised: State = {"answer": answer, "revised_by": [*state.get("revised_by", []), given.answered_by]}
    if "changes" in answer:
        revised["changes"] = answer["changes"] | {"by": given.answered_by, "of_round": state["round"]}
    return revised


async def second_approval(state: State, runtime: Runtime[Context]) -> State:
    question = rebalance_reviews.second_approval(state, runtime.context.now())
    return {"second_answer": ask(question, SecondAnswer).model_dump()}


async def seconded(state: State, runtime: Runtime[Context]) -> State:
    if state["second_answer"]["verdict"] == "approve":
        return {}
    return await _ended_by(runtime.context, "second_approval", "declined")


async def recheck(state: State, runtime: Runtime[Context]) -> State:
    """Whether what was approved still stands: prices, holdings, and nobody else's trades in the same accounts."""
    context = runtime.context
    try:
        because = await rebalance_steps.voided_by(context, state)
    except HoldingsUnusable as exc:
        await rebalance_records.release_accounts(context)
        return _refused(exc.code, str(exc))
    if because is None:
        return {"voided": None}
    await rebalance_records.release_accounts(context)
    if state["round"] >= rebalance_steps.MOST_ROUNDS:
        return {"voided": because, **_refused("approval_void", because)}
    return {"voided": because}


def sending(side: Side) -> Any:
    """Each order of this side once, whatever happens to this process meanwhile; buys when no sell is open any more."""

    async def send(state: State, runtime: Runtime[Context]) -> State:
        return {"orders": await rebalance_orders.send(runtime.context, state, side)}

    return send


def fills_of(side: Side) -> Any:
    async def fills(state: State, runtime: Runtime[Context]) -> State:
        return {"told": ask(rebalance_reviews.fills(state, side, runtime.context.now()), Told).model_dump()}

    return fills


async def look(state: State, runtime: Runtime[Context]) -> State:
    return {"orders": await rebalance_orders.look(runtime.context, state)}


async def confirm(state: State, runtime: Runtime[Context]) -> State:
    """Holds what is held now against the proposal, and tells the client."""
    context = runtime.context
    confirmed = await rebalance_confirmation.confirm(context, state)
    found: State = {**state, "confirmation": confirmed}
    letter = rebalance_letters.confirmation(found, str(context.thread_id), context.now().date())
    await send_letter(context, letter)
    await rebalance_records.release_accounts(context)
    return (
        {"confirmation": confirmed} if confirmed["differences"] else {"confirmation": confirmed, "ending": "rebalanced"}
    )


async def exceptions(state: State, runtime: Runtime[Context]) -> State:
    question = rebalance_reviews.exceptions(state, runtime.context.now())
    return {"followed_up": ask(question, ExceptionsAnswer).model_dump()}


async def close(state: State, runtime: Runtime[Context]) -> State:
    """Tells the client if nothing was done that they may have expected."""
    context, ending = runtime.context, state.get("ending", "partly_rebalanced")
    if ending in get_args(Refused):
        await send_letter(context, rebalance_letters.not_made(state, str(context.thread_id), context.now().date()))
    return {"outcome": ending}


def after_propose(state: State) -> str:
    return "adviser_review" if not state["conflict"] else "conflict_review"


def after_answered(state: State) -> str:
    return {"approve": "recheck", "override": "second_approval"}.get(state["answer"]["verdict"], "read_holdings")


def after_recheck(state: State) -> str:
    return "sell" if state["voided"] is None else "read_holdings"


def unless_open(gate: str, onwards: str) -> Any:
    return lambda state: gate if open_ids(state["orders"]) else onwards


def unless_ending(choose: Any) -> Any:
    """`choose` is what comes next, or says so of a state."""
    return lambda state: "close" if "ending" in state else choose if isinstance(choose, str) else choose(state)


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    for name, onwards in EDGES:
        graph.add_edge(name, onwards)
    for name, (choose, ways) in FORKS.items():
        graph.add_conditional_edges(name, choose, list(ways))
    return graph


def _refused(code: str, text: str) -> State:
    return {"refused_for": {"code": code, "text": text}, "ending": "refused", "because": code}


async def _ended_by(context: Context, kind: str, ending: Refused) -> State:
    """By a person, or because nobody answered."""
    given = await answered_review(context, kind)
    return {"ending": ending, "because": "not_answered" if given.status == "expired" else ending}


_NAMED = (
    *(intake, read_holdings, propose, conflict_review, relax, adviser_review, answered, second_approval, seconded),
    *(recheck, confirm, exceptions, close),
)
NODES: dict[str, Any] = {node.__name__: node for node in _NAMED} | {
    "sell": sending("sell"), "sell_fills": fills_of("sell"), "look_at_sells": look,
    "buy": sending("buy"), "buy_fills": fills_of("buy"), "look_at_buys": look,
}
EDGES = (
    *((START, "intake"), ("conflict_review", "relax"), ("adviser_review", "answered"), ("second_approval", "seconded")),
    *(("sell_fills", "look_at_sells"), ("buy_fills", "look_at_buys"), ("exceptions", "close"), ("close", END)),
)
FORKS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "intake": (unless_ending("read_holdings"), ("read_holdings", "close")),
    "read_holdings": (unless_ending("propose"), ("propose", "close")),
    "propose": (unless_ending(after_propose), ("conflict_review", "adviser_review", "close")),
    "relax": (unless_ending("propose"), ("propose", "close")),
    "answered": (unless_ending(after_answered), ("recheck", "second_approval", "read_holdings", "close")),
    "seconded": (unless_ending("recheck"), ("recheck", "close")),
    "recheck": (unless_ending(after_recheck), ("sell", "read_holdings", "close")),
    "sell": (unless_open("sell_fills", "buy"), ("sell_fills", "buy")),
    "look_at_sells": (unless_open("sell_fills", "buy"), ("sell_fills", "buy")),
    "buy": (unless_open("buy_fills", "confirm"), ("buy_fills", "confirm")),
    "look_at_buys": (unless_open("buy_fills", "confirm"), ("buy_fills", "confirm")),
    "confirm": (unless_ending("exceptions"), ("exceptions", "close")),
}

SHOWN = frozenset(
    {"request", "client", "refused_for", "outcome", "confirmation.orders", "confirmation.drift", "orders"}
    | {"intake", "sell", "sell_fills", "look_at_sells", "buy", "buy_fills", "look_at_buys", "confirm", "close"}
    | {"holdings.drift", "holdings.worth_minor", "holdings.currency", "holdings.as_of"}
)
"""What the client has, what was ordered for them, and what came of it. Not shown: proposals that nobody approved, what
suitability found, what advisers say among themselves, and differences that staff look into."""

WORKFLOW = Workflow(
    name="rebalance",
    family="wealth",
    summary="A rebalance: profile, holdings, drift, proposal, suitability, adviser's review, orders, fills, letter",
    version="2",
    input=RebalanceRequest,
    may_start=frozenset({"client", "agent", "adviser"}),
    build=build,
    agents={
        "intake": "intake-agent",
        "read_holdings": "holdings-agent",
        **dict.fromkeys(("propose", "relax", "answered", "seconded", "recheck"), "rebalancing-agent"),
        **dict.fromkeys(("sell", "look_at_sells", "buy", "look_at_buys", "confirm", "close"), "order-agent"),
    },
    shown=SHOWN,
    check=rebalance_is_possible,
)
