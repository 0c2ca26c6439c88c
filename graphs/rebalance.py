"""A rebalance from a client's profile to the confirmation of its fills.

intake → read_holdings → propose → (conflict_review → relax → propose) → (adviser_review → answered
→ (second_approval → seconded)) → recheck → sell → (sell_fills → look_at_sells) → buy → (buy_fills → look_at_buys)
→ confirm → (exceptions) → close. Whatever has an `ending` goes to close, which tells the client why nothing was done.

Where prices or holdings changed since the approval, or an adviser wants another proposal, it begins again with
read_holdings, as the next round; nothing was ordered by then. Buys are sent when no sell is open any more: as approved,
or not at all where the bank says that the proceeds do not suffice.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypedDict, get_args

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import ProfileNotInForce
from db.reviews import Question
from graphs.workflow import Workflow
from tools import rebalance_confirmation, rebalance_orders, rebalance_profile, rebalance_reviews, rebalance_steps
from tools.bank_custody import Side
from tools.case_records import answered_review
from tools.context import Context
from tools.holdings import HoldingsUnusable
from tools.rebalance_orders import open_ids
from tools.rebalance_request import RebalanceRequest, rebalance_is_possible
from tools.rebalance_reviews import ExceptionsAnswer, SecondAnswer, Told, form_of
from tools.review import ask_form

Undone = Literal["declined", "stopped", "refused"]
Done = Literal["within_bands", "nothing_to_trade", "proposal_only", "rebalanced", "partly_rebalanced"]
Outcome = Literal[Done, Undone, "profile_needed", "unknown_client"]


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
        profile = await rebalance_profile.suiting_all(runtime.context, state["request"], client)
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


async def propose(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Trades at the proven optimum, with what suitability finds; or what conflicts."""
    try:
        found = await rebalance_steps.propose(runtime.context, state)
    except HoldingsUnusable as exc:
        return dict(_refused(exc.code, str(exc)))
    if found["conflict"]:
        return found
    if not found["proposal"]["orders"]:
        return {**found, "ending": "nothing_to_trade"}
    if state["profile"]["source"] == "self_declared":
        return {**found, "ending": "proposal_only"}
    orders = found["proposal"].pop("orders")
    return {**found, "payload": rebalance_reviews.payload(state, orders)}


async def relax(state: State, runtime: Runtime[Context]) -> State:
    """Loosens what the adviser was shown."""
    if state["conflict_answer"]["verdict"] == "stop":
        return await _ended_by(runtime.context, "rebalance_conflict", "stopped")
    return {"relaxed": state["conflict"]["relaxation"], "conflict": {}}


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


async def seconded(state: State, runtime: Runtime[Context]) -> State:
    if state["second_answer"]["verdict"] == "approve":
        return {}
    return await _ended_by(runtime.context, "second_approval", "declined")


async def recheck(state: State, runtime: Runtime[Context]) -> State:
    """Whether what was approved still stands: prices, holdings, and nobody else's trades in the same accounts."""
    try:
        because = await rebalance_steps.voided_by(runtime.context, state)
    except HoldingsUnusable as exc:
        return _refused(exc.code, str(exc))
    if because is None or state["round"] < rebalance_steps.MOST_ROUNDS:
        return {"voided": because}
    return {"voided": because, **_refused("approval_void", because)}


def sending(side: Side) -> Any:
    """Each order of this side once, whatever happens to this process meanwhile; buys when no sell is open any more."""

    async def send(state: State, runtime: Runtime[Context]) -> State:
        return {"orders": await rebalance_orders.send(runtime.context, state, side)}

    return send


async def look(state: State, runtime: Runtime[Context]) -> State:
    return {"orders": await rebalance_orders.look(runtime.context, state)}


async def confirm(state: State, runtime: Runtime[Context]) -> State:
    """Holds what is held now against the proposal, and tells the client."""
    confirmed = await rebalance_confirmation.confirm(runtime.context, state)
    ended: State = {} if confirmed["differences"] else {"ending": "rebalanced"}
    return {"confirmation": confirmed, **ended}


async def close(state: State, runtime: Runtime[Context]) -> State:
    """Tells the client if nothing was done that they may have expected."""
    ending = state.get("ending", "partly_rebalanced")
    if ending in get_args(Undone):
        await rebalance_confirmation.tell_why_not(runtime.context, state)
    return {"outcome": ending}


def asking(key: str, question: Callable[[Any, datetime], Question], form: Callable[[Any], Any]) -> Any:
    """A gate: the question of this state, and under `key` its answer."""

    async def gate(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        return {key: dict(ask_form(question(state, runtime.context.now()), form(state)))}

    return gate


def after_propose(state: State) -> str:
    return "adviser_review" if not state["conflict"] else "conflict_review"


def after_answered(state: State) -> str:
    return {"approve": "recheck", "override": "second_approval"}.get(state["answer"]["verdict"], "read_holdings")


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


async def _ended_by(context: Context, kind: str, ending: Undone) -> State:
    """By a person, or because nobody answered."""
    given = await answered_review(context, kind)
    return {"ending": ending, "because": "not_answered" if given.status == "expired" else ending}


NODES: dict[str, Any] = {
    "intake": intake,
    "read_holdings": read_holdings,
    "propose": propose,
    "conflict_review": asking("conflict_answer", rebalance_reviews.conflict, rebalance_reviews.conflict_form),
    "relax": relax,
    "adviser_review": asking("answer", rebalance_reviews.review, rebalance_reviews.review_form),
    "answered": answered,
    "second_approval": asking("second_answer", rebalance_reviews.second_approval, form_of(SecondAnswer)),
    "seconded": seconded,
    "recheck": recheck,
    "sell": sending("sell"),
    "sell_fills": asking("told", rebalance_reviews.sell_fills, form_of(Told)),
    "look_at_sells": look,
    "buy": sending("buy"),
    "buy_fills": asking("told", rebalance_reviews.buy_fills, form_of(Told)),
    "look_at_buys": look,
    "confirm": confirm,
    "exceptions": asking("followed_up", rebalance_reviews.exceptions, form_of(ExceptionsAnswer)),
    "close": close,
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
    "recheck": (
        unless_ending(lambda state: "read_holdings" if state["voided"] else "sell"),
        ("sell", "read_holdings", "close"),
    ),
    **dict.fromkeys(("sell", "look_at_sells"), (unless_open("sell_fills", "buy"), ("sell_fills", "buy"))),
    **dict.fromkeys(("buy", "look_at_buys"), (unless_open("buy_fills", "confirm"), ("buy_fills", "confirm"))),
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
