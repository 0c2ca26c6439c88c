"""Orders in custody as they are told: how each stands, and its fills."""

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


async def order(conn: Connection, order_id: str) -> dict[str, Any] | None:
    cur = await conn.execute(
        f"SELECT {COLUMNS} FROM custody_orders WHERE order_id = %(id)s".encode(), {"id": order_id.replace("\x00", "")}
    )
    row = await cur.fetchone()
    return None if row is None else plain(row)


async def open_orders(conn: Connection, custody_account_id: str) -> list[dict[str, Any]]:
    cur = await conn.execute(
        f"""
        SELECT {COLUMNS} FROM custody_orders {OF_ACCOUNT} AND status IN ('accepted', 'partially_filled') ORDER BY seq
        """.encode(),
        {"id": custody_account_id},
    )
    return [plain(row) for row in await cur.fetchall()]
