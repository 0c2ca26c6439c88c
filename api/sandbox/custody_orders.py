"""Orders to buy and sell what is in custody: examined and reserved as they are placed, filled by the bank's clock."""

import uuid
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from api.sandbox import custody_records
from api.sandbox.access import needs
from api.sandbox.custody_accounts import known_account
from api.sandbox.custody_examination import CustodyOrder, Examined, examine
from api.sandbox.custody_market import plain
from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.misbehaviour import Switches
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import After, Limit
from api.sandbox.teller import TellerRoute


class CancelOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


router = APIRouter(route_class=TellerRoute, dependencies=[needs("custody")])


@router.post("/custody-accounts/{custody_account_id}/orders", status_code=201)
async def place(custody_account_id: str, order: CustodyOrder, keyed: Keyed, request: Request) -> Response:
    switches: Switches = request.state.switches

    async def execute(conn: Connection) -> dict[str, Any]:
        account = await known_account(conn, custody_account_id, locked=True)
        examined = await examine(conn, account, order, switches)
        return await _write(conn, custody_account_id, order, examined, keyed.key)

    return await answer_once(request, keyed, execute)


@router.post("/custody-orders/{order_id}/cancel", status_code=201)
async def cancel(order_id: str, keyed: Keyed, request: Request, order: CancelOrder | None = None) -> Response:
    """What is not filled yet never will be."""

    async def execute(conn: Connection) -> dict[str, Any]:
        found = await locked_order(conn, order_id)
        if found["status"] not in ("accepted", "partially_filled"):
            raise Refused(409, f"order_{found['status']}", f"{order_id} is {found['status']}")
        return await end(conn, order_id, "cancelled", "cancelled_by_customer")

    return await answer_once(request, keyed, execute)


@router.get("/custody-orders/{order_id}")
async def order_by_id(order_id: str, request: Request) -> dict[str, Any]:
    async with request.state.pool.connection() as conn:
        found = await custody_records.order(conn, order_id)
    if found is None:
        raise unknown("order", order_id)
    return found


@router.get("/custody-orders")
async def orders(
    request: Request, since: AwareDatetime, until: AwareDatetime, cursor: After = 0, limit: Limit = 100
) -> dict[str, Any]:
    """Those that the caller's own API key placed, oldest first. `next_cursor` asks for the page after."""
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            f"""
            SELECT seq, {custody_records.COLUMNS} FROM custody_orders
            WHERE placed_at >= %(since)s AND placed_at < %(until)s AND seq > %(cursor)s
              AND EXISTS (SELECT FROM requests
                          WHERE requests.idempotency_key = custody_orders.idempotency_key AND key_id = %(key_id)s)
            ORDER BY seq LIMIT %(most)s
            """.encode(),
            {
                "key_id": request.state.caller.key_id,
                "since": since,
                "until": until,
                "cursor": cursor,
                "most": limit + 1,
            },
        )
        rows = [plain(row) for row in await cur.fetchall()]
    seqs = [row.pop("seq") for row in rows]
    return {"orders": rows[:limit], "next_cursor": seqs[limit - 1] if len(rows) > limit else None}


async def locked_order(conn: Connection, order_id: str) -> dict[str, Any]:
    """With its account locked first, as everybody does. Raises Refused if there is none."""
    found = await custody_records.order(conn, order_id)
    if found is None:
        raise unknown("order", order_id)
    await known_account(conn, found["custody_account_id"], locked=True)
    found = await custody_records.order(conn, order_id)
    assert found is not None
    return found


async def end(conn: Connection, order_id: str, status: str, reason: str) -> dict[str, Any]:
    """Frees what the order had reserved, of cash or of lots."""
    await conn.execute(
        """
        UPDATE lots SET reserved_quantity = reserved_quantity - left_quantity FROM custody_order_lots AS taken
        WHERE taken.order_id = %(order_id)s AND taken.lot_id = lots.lot_id AND left_quantity > 0
        """,
        {"order_id": order_id},
    )
    await conn.execute(
        """
        WITH freed AS (UPDATE custody_order_lots SET left_quantity = 0 WHERE order_id = %(order_id)s)
        UPDATE custody_orders SET status = %(status)s, reason = %(reason)s, reserved_minor = 0
        WHERE order_id = %(order_id)s
        """,
        {"order_id": order_id, "status": status, "reason": reason},
    )
    ended = await custody_records.order(conn, order_id)
    assert ended is not None
    return ended


async def _write(
    conn: Connection, custody_account_id: str, order: CustodyOrder, examined: Examined, key: str
) -> dict[str, Any]:
    order_id = f"ord_{uuid.uuid4().hex}"
    await conn.execute(
        """
        INSERT INTO custody_orders (order_id, idempotency_key, custody_account_id, cash_account_id, side, instrument_id,
                                    quantity, limit_price, parts, outcome, reserved_minor)
        VALUES (%(order_id)s, %(key)s, %(custody_account_id)s, %(cash_account_id)s, %(side)s, %(instrument_id)s,
                %(quantity)s, %(limit)s, %(parts)s, %(outcome)s, %(reserved_minor)s)
        """,
        {
            "order_id": order_id,
            "key": key,
            "custody_account_id": custody_account_id,
            "cash_account_id": examined.cash_account_id,
            "side": order.side,
            "instrument_id": order.instrument_id,
            "quantity": order.quantity,
            "limit": order.limit,
            "parts": examined.parts,
            "outcome": examined.outcome,
            "reserved_minor": examined.reserved_minor,
        },
    )
    if examined.taken:
        await _reserve(conn, order_id, examined.taken)
    written = await custody_records.order(conn, order_id)
    assert written is not None
    return written


async def _reserve(conn: Connection, order_id: str, taken: tuple[tuple[str, Decimal], ...]) -> None:
    await conn.execute(
        """
        WITH taken AS (
            INSERT INTO custody_order_lots (order_id, place, lot_id, left_quantity)
            SELECT %(order_id)s, place, lot_id, quantity
            FROM unnest(%(lot_ids)s::text[], %(quantities)s::numeric[]) WITH ORDINALITY
                AS named (lot_id, quantity, place)
            RETURNING lot_id, left_quantity
        )
        UPDATE lots SET reserved_quantity = reserved_quantity + left_quantity FROM taken
        WHERE taken.lot_id = lots.lot_id
        """,
        {
            "order_id": order_id,
            "lot_ids": [lot_id for lot_id, _ in taken],
            "quantities": [quantity for _, quantity in taken],
        },
    )
