"""Orders of a rebalance at the bank: each placed once, looked at until it is over, cancelled if it takes too long."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from db import effects
from db.canonical import sha256_hex
from db.effects import Effect, Receiver
from db.errors import ApprovalVoid, BankRefused, Forbidden, NeedsReconcile
from tools import rebalance_records
from tools.bank import Bank
from tools.bank_custody import Order, PlacedOrder, cancel_order, find_order, place_order, placed_order
from tools.context import Context

ORDER_DAYS = 3
"""After so long what is not filled of an order is cancelled."""

Row = dict[str, Any]
State = Mapping[str, Any]


async def send(context: Context, state: State, side: str) -> list[Row]:
    """Every order with this side put in, now or in an earlier attempt. An order that the bank refuses stays unplaced,
    with its reason, and the next is sent. Raises ApprovalVoid or Forbidden if this is not what was approved."""
    await refuse_unapproved(context, state)
    return [
        await _send(context, order) if order["side"] == side else _known(state, order["n"])
        for order in state["payload"]["orders"]
    ]


async def look(context: Context, state: State) -> list[Row]:
    """How the orders stand by the bank's own word; one that took too long is cancelled first."""
    rows = []
    for row in state["orders"]:
        if row["order_id"] is None or row["is_over"]:
            rows.append(row)
            continue
        found = await find_order(context.bank, row["order_id"])
        if not found.is_over and context.now() - found.placed_at > timedelta(days=ORDER_DAYS):
            found = await _cancel(context, row)
        rows.append(seen(row["n"], found))
    return rows


async def word(bank: Bank, payload: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    """For the chore that asks for the case: whether it is worth looking again; None: not yet."""
    for order_id in payload["order_ids"]:
        found = await find_order(bank, order_id)
        if not found.is_over and now - found.placed_at <= timedelta(days=ORDER_DAYS):
            return None
    return {"look": True}


def seen(n: int, order: PlacedOrder) -> Row:
    return {
        "n": n,
        "order_id": order.order_id,
        "status": order.status,
        "is_over": order.is_over,
        "filled_quantity": f"{order.filled_quantity.normalize():f}",
        "amount_minor": sum(fill.amount_minor for fill in order.fills),
        "fee_minor": sum(fill.fee_minor for fill in order.fills),
        "reason": order.reason,
    }


async def refuse_unapproved(context: Context, state: State) -> None:
    """The hash of what is about to be ordered against what the latest review approved, and a second one where it had
    to be overridden."""
    about_to_do = sha256_hex(state["payload"])
    given = await rebalance_records.approvals(context)
    firsts = [one for one in given if one.kind == "rebalance_review"]
    if not firsts or firsts[-1].verdict not in ("approve", "override"):
        raise Forbidden(f"nobody approved the orders of thread {context.thread_id}")
    first = firsts[-1]
    if first.payload_sha256 != about_to_do:
        raise ApprovalVoid(first.review_id)
    if first.verdict == "override" or state["worst"] == "block":
        seconds = [one for one in given if one.kind == "second_approval" and one.payload_sha256 == about_to_do]
        if not any(one.verdict == "approve" and one.answered_by != first.answered_by for one in seconds):
            raise Forbidden(f"the orders of thread {context.thread_id} take a second person")


async def _send(context: Context, order: State) -> Row:
    lots = tuple((lot["lot_id"], Decimal(lot["quantity"])) for lot in order["lots"])
    wanted = Order(order["side"], order["instrument_id"], Decimal(order["quantity"]), lots or None)
    account_id, body = order["custody_account_id"], wanted.body()
    receiver = Receiver(
        send=lambda key: place_order(context.bank, account_id, wanted, key),
        ask=lambda key: context.bank.outcome(key, body),
    )
    request = {"custody_account_id": account_id, **body}
    effect = Effect(f"{context.thread_id}:order:{order['n']}", "custody_order", request, "rebalance.order")
    try:
        placed = placed_order(await effects.once(context.pool, context.owner, effect, receiver))
    except BankRefused as exc:
        return _unplaced(order["n"], "refused", f"{exc.code}: {exc.detail}")
    if (placed.side, placed.instrument_id, placed.quantity) != (wanted.side, wanted.instrument_id, wanted.quantity):
        raise NeedsReconcile(f"{placed.order_id} is not what order {order['n']} of {context.thread_id} asked for")
    await rebalance_records.store_order(context, order, placed.order_id)
    return seen(order["n"], placed)


async def _cancel(context: Context, row: Row) -> PlacedOrder:
    """What was filled meanwhile stays filled."""
    receiver = Receiver(
        send=lambda key: cancel_order(context.bank, row["order_id"], key),
        ask=lambda key: context.bank.outcome(key, {}),
    )
    request = {"order_id": row["order_id"]}
    effect = Effect(f"{context.thread_id}:cancel:{row['n']}", "custody_order_cancel", request, "rebalance.cancel")
    try:
        await effects.once(context.pool, context.owner, effect, receiver)
    except BankRefused as exc:
        if not exc.code.startswith("order_"):
            raise NeedsReconcile(f"{row['order_id']} should have been cancelled, and the bank says: {exc}") from exc
    return await find_order(context.bank, row["order_id"])


def _known(state: State, n: int) -> Row:
    """As it is known; a buy before its turn is not sent yet."""
    return next((row for row in state.get("orders", ()) if row["n"] == n), _unplaced(n, "waiting", None))


def _unplaced(n: int, status: str, reason: str | None) -> Row:
    return {
        "n": n,
        "order_id": None,
        "status": status,
        "is_over": True,
        "filled_quantity": "0",
        "amount_minor": 0,
        "fee_minor": 0,
        "reason": reason,
    }


def open_ids(rows: Sequence[Row]) -> list[str]:
    return [row["order_id"] for row in rows if not row["is_over"]]
