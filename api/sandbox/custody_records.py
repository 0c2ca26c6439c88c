"""Orders and holdings in custody as they are told, each written by one statement."""

from typing import Any

from api.sandbox.custody_market import plain
from api.sandbox.database import Connection

OF_ACCOUNT = "WHERE custody_account_id = %(id)s"

_FILLS = """
    (SELECT coalesce(json_agg(json_build_object('trade_id', trade_id, 'quantity', trades.quantity::text,
                                                'price', price::text, 'amount_minor', amount_minor,
                                                'fee_minor', fee_minor, 'currency', currency, 'at', at)
                              ORDER BY seq), '[]')
     FROM trades WHERE trades.order_id = custody_orders.order_id)
"""
COLUMNS = f"""
    order_id, idempotency_key AS key, custody_account_id, side, instrument_id, quantity, limit_price AS "limit", status,
    filled_quantity, {_FILLS} AS fills, reason, reserved_minor, placed_at
"""
_OPEN_ORDERS = f"""
    (SELECT coalesce(json_agg(json_build_object(
                'order_id', order_id, 'key', idempotency_key, 'custody_account_id', custody_account_id, 'side', side,
                'instrument_id', instrument_id, 'quantity', quantity::text, 'limit', limit_price::text,
                'status', status, 'filled_quantity', filled_quantity::text, 'fills', {_FILLS}, 'reason', reason,
                'reserved_minor', reserved_minor, 'placed_at', placed_at) ORDER BY seq), '[]')
     FROM custody_orders WHERE custody_account_id = found.custody_account_id
       AND status IN ('accepted', 'partially_filled'))
"""
ACCOUNT = """
    json_build_object('custody_account_id', custody_account_id, 'customer_id', customer_id, 'currency', currency,
                      'tax_status', tax_status, 'state', state, 'household_id', household_id)
"""
HOLDINGS = f"""
    json_build_object(
        'account', {ACCOUNT},
        'cash', (SELECT json_object_agg(currency, booked_minor ORDER BY currency) FROM accounts
                 WHERE custody_account_id = found.custody_account_id),
        'reserved', (SELECT json_object_agg(currency, held_minor ORDER BY currency) FROM accounts
                     WHERE custody_account_id = found.custody_account_id),
        'lots', (SELECT coalesce(json_agg(json_build_object(
                            'lot_id', lot_id, 'instrument_id', instrument_id, 'quantity', quantity::text,
                            'cost_minor', cost_minor, 'currency', instruments.currency, 'acquired_on', acquired_on,
                            'reserved_quantity', reserved_quantity::text)
                        ORDER BY instrument_id, acquired_on, lot_id), '[]')
                 FROM lots JOIN instruments USING (instrument_id)
                 WHERE custody_account_id = found.custody_account_id AND quantity > 0),
        'pending_orders', {_OPEN_ORDERS},
        'as_of', now())
"""
"""Of a custody account that the statement calls `found`. One statement is one snapshot. `cash` includes what open buys
have reserved, lots what open sells have."""


async def order(conn: Connection, order_id: str) -> dict[str, Any] | None:
    cur = await conn.execute(
        f"SELECT {COLUMNS} FROM custody_orders WHERE order_id = %(id)s".encode(), {"id": order_id.replace("\x00", "")}
    )
    row = await cur.fetchone()
    return None if row is None else plain(row)
