"""What becomes of orders: each is one fill further when its time has come; trade, lots and cash move together."""

import uuid
from decimal import Decimal
from typing import Any

from api.sandbox import custody_records
from api.sandbox.custody_orders import end, locked_order
from api.sandbox.custody_trading import amount_minor, cost_minor, cost_of_part, fee_minor
from api.sandbox.database import Connection
from api.sandbox.ledger import Posting, book, hold_accounts
from api.sandbox.money import MAX_MINOR
from api.sandbox.webhooks import tell

_OPEN = ("accepted", "partially_filled")


async def step_one(conn: Connection, settlement_s: float) -> bool:
    """Takes the next step of one order whose last was `settlement_s` ago; False if there is none."""
    async with conn.transaction():
        cur = await conn.execute(
            """
            SELECT order_id FROM custody_orders
            WHERE status IN ('accepted', 'partially_filled')
              AND step_at <= now() - make_interval(secs => %(settlement_s)s)
            ORDER BY step_at, seq LIMIT 1
            """,
            {"settlement_s": settlement_s},
        )
        due = await cur.fetchone()
        if due is None:
            return False
        order_id = due["order_id"]
        # Locked only now: it may have been cancelled meanwhile.
        if (await locked_order(conn, order_id))["status"] in _OPEN and await _step(conn, order_id):
            stepped = await custody_records.order(conn, order_id)
            assert stepped is not None
            await tell(conn, f"order.{stepped['status']}", stepped)
    return True


async def _step(conn: Connection, order_id: str) -> bool:
    """False if the order waits for its limit; it is looked at again later, so that it does not keep others waiting."""
    order = await _order(conn, order_id)
    if not order["parts"]:
        await _stop(conn, order, "rejected_by_market" if order["outcome"] == "reject" else "no_more_liquidity")
        return True
    if not _within_limit(order):
        await conn.execute(
            "UPDATE custody_orders SET step_at = now() + INTERVAL '250 ms' WHERE order_id = %(order_id)s",
            {"order_id": order_id},
        )
        return False
    part, price = order["parts"][0], order["price"]
    amount = amount_minor(part, price)
    fee = fee_minor(amount, order["fee_bps"])
    if not 1 <= amount <= MAX_MINOR:
        await _stop(conn, order, "amount_out_of_range")
    elif not await _free_for_fill(conn, order, amount + fee):
        await _stop(conn, order, "price_moved")
    else:
        await _fill(conn, order, amount, fee)
    return True


async def _order(conn: Connection, order_id: str) -> dict[str, Any]:
    cur = await conn.execute(
        """
        SELECT order_id, custody_account_id, cash_account_id, side, instrument_id, custody_orders.quantity,
               filled_quantity, limit_price, parts, outcome, status, currency, fee_bps, price
        FROM custody_orders JOIN instruments USING (instrument_id) JOIN quotes ON quote_id = instrument_id
        WHERE order_id = %(order_id)s
        """,
        {"order_id": order_id},
    )
    row = await cur.fetchone()
    assert row is not None
    return row


def _within_limit(order: dict[str, Any]) -> bool:
    if order["limit_price"] is None:
        return True
    if order["side"] == "buy":
        return bool(order["price"] <= order["limit_price"])
    return bool(order["price"] >= order["limit_price"])


async def _stop(conn: Connection, order: dict[str, Any], reason: str) -> None:
    await end(conn, order["order_id"], "cancelled" if order["filled_quantity"] else "rejected", reason)


async def _free_for_fill(conn: Connection, order: dict[str, Any], needed_minor: int) -> bool:
    """Gives the cash of this fill free from what the order reserved; False if a price that moved made it too little."""
    if order["side"] == "sell":
        return True
    later = order["quantity"] - order["filled_quantity"] - order["parts"][0]
    rest = [*order["parts"][1:], later - sum(order["parts"][1:])]
    keep_minor = cost_minor(rest, order["limit_price"] or order["price"], order["fee_bps"])
    cur = await conn.execute(
        """
        UPDATE custody_orders SET reserved_minor = least(reserved_minor, %(keep_minor)s)
        WHERE order_id = %(order_id)s
        """,
        {"keep_minor": keep_minor, "order_id": order["order_id"]},
    )
    cash = (await hold_accounts(conn, (order["cash_account_id"],)))[order["cash_account_id"]]
    return cur.rowcount == 1 and cash.can_pay(needed_minor)


async def _fill(conn: Connection, order: dict[str, Any], amount: int, fee: int) -> None:
    part: Decimal = order["parts"][0]
    trade_id = f"trd_{uuid.uuid4().hex}"
    transaction_id = await book(
        conn, order["currency"], f"{order['side']} {order['instrument_id']}", _postings(order, amount, fee)
    )
    await conn.execute(
        """
        INSERT INTO trades (trade_id, order_id, custody_account_id, side, instrument_id, quantity, price, amount_minor,
                            fee_minor, currency, transaction_id)
        VALUES (%(trade_id)s, %(order_id)s, %(custody_account_id)s, %(side)s, %(instrument_id)s, %(part)s, %(price)s,
                %(amount)s, %(fee)s, %(currency)s, %(transaction_id)s)
        """,
        order | {"trade_id": trade_id, "part": part, "amount": amount, "fee": fee, "transaction_id": transaction_id},
    )
    if order["side"] == "buy":
        await _make_lot(conn, order, trade_id, amount + fee)
    else:
        await _reduce_lots(conn, order, trade_id)
    filled = order["filled_quantity"] + part
    await conn.execute(
        """
        UPDATE custody_orders SET filled_quantity = %(filled)s, parts = parts[2:], step_at = now(),
            status = CASE WHEN quantity = %(filled)s THEN 'filled' ELSE 'partially_filled' END,
            reserved_minor = CASE WHEN quantity = %(filled)s THEN 0 ELSE reserved_minor END
        WHERE order_id = %(order_id)s
        """,
        {"filled": filled, "order_id": order["order_id"]},
    )


def _postings(order: dict[str, Any], amount: int, fee: int) -> list[Posting]:
    market, fees = (f"BANK-{kind}-{order['currency']}" for kind in ("MARKET", "FEES"))
    signed = amount if order["side"] == "buy" else -amount
    postings = [Posting(order["cash_account_id"], -signed - fee), Posting(market, signed), Posting(fees, fee)]
    return [posting for posting in postings if posting.amount_minor]


async def _make_lot(conn: Connection, order: dict[str, Any], trade_id: str, cost: int) -> None:
    await conn.execute(
        """
        WITH made AS (
            INSERT INTO lots (lot_id, custody_account_id, instrument_id, quantity, cost_minor, acquired_on)
            VALUES (%(lot_id)s, %(custody_account_id)s, %(instrument_id)s, %(quantity)s, %(cost)s, CURRENT_DATE)
        )
        INSERT INTO trade_lots (trade_id, lot_id, quantity, cost_minor)
        VALUES (%(trade_id)s, %(lot_id)s, %(quantity)s, %(cost)s)
        """,
        {
            "lot_id": f"lot_{uuid.uuid4().hex}",
            "custody_account_id": order["custody_account_id"],
            "instrument_id": order["instrument_id"],
            "quantity": order["parts"][0],
            "cost": cost,
            "trade_id": trade_id,
        },
    )


async def _reduce_lots(conn: Connection, order: dict[str, Any], trade_id: str) -> None:
    """In the order that the lots were taken in."""
    cur = await conn.execute(
        """
        SELECT lot_id, left_quantity, quantity, cost_minor FROM custody_order_lots JOIN lots USING (lot_id)
        WHERE order_id = %(order_id)s AND left_quantity > 0 ORDER BY place
        """,
        {"order_id": order["order_id"]},
    )
    to_sell: Decimal = order["parts"][0]
    for lot in await cur.fetchall():
        part = min(to_sell, lot["left_quantity"])
        if part == 0:
            break
        to_sell -= part
        cost = cost_of_part(lot["cost_minor"], part, lot["quantity"])
        await conn.execute(
            """
            WITH left_over AS (
                UPDATE custody_order_lots SET left_quantity = left_quantity - %(part)s
                WHERE order_id = %(order_id)s AND lot_id = %(lot_id)s
            ), sold AS (
                INSERT INTO trade_lots (trade_id, lot_id, quantity, cost_minor)
                VALUES (%(trade_id)s, %(lot_id)s, %(part)s, %(cost)s)
            )
            UPDATE lots SET quantity = quantity - %(part)s, reserved_quantity = reserved_quantity - %(part)s,
                cost_minor = cost_minor - %(cost)s
            WHERE lot_id = %(lot_id)s
            """,
            {"part": part, "cost": cost, "order_id": order["order_id"], "lot_id": lot["lot_id"], "trade_id": trade_id},
        )
