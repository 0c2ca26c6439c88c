"""Standing orders: payments that repeat, made by the clock, or skipped if they cannot be."""

import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg.types.json import Json
from pydantic import ValidationInfo, field_validator
from pydantic_core import to_jsonable_python

from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.dates import WrittenDate
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.money import MAX_MINOR, in_major
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import account, one
from api.sandbox.teller import TellerRoute
from api.sandbox.transfer_records import Payment, carry_out
from api.sandbox.transfers import TransferOrder, examined
from api.sandbox.webhooks import tell

COLUMNS = """
    standing_order_id, number, version, status, source_account, transfer_order, interval_unit AS every, first_on,
    last_on, next_on, created_at
"""
# Counted from the first day, so that the 31st stays one where there is one.
_NEXT = "(first_on + (done + 1) * ('1 ' || interval_unit)::interval)::date"


class StandingOrder(TransferOrder):
    """`first_on` is today or later, in UTC; `last_on` may be left out."""

    every: Literal["day", "week", "month"]
    first_on: WrittenDate
    last_on: WrittenDate | None = None

    @field_validator("last_on")
    @classmethod
    def _not_before_the_first(cls, last_on: WrittenDate | None, info: ValidationInfo) -> WrittenDate | None:
        if last_on is not None and "first_on" in info.data and last_on < info.data["first_on"]:
            raise ValueError("must not be before first_on")
        return last_on


router = APIRouter(route_class=TellerRoute, dependencies=[needs("transfer")])


@router.post("/standing-orders", status_code=201)
async def create(order: StandingOrder, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _create(conn, order, keyed.key)

    return await answer_once(request, keyed, execute)


@router.get("/standing-orders/{standing_order_id}")
async def standing_order(standing_order_id: str, request: Request) -> dict[str, Any]:
    """With what became of its due days, the latest first."""
    sql = f"SELECT {COLUMNS} FROM standing_orders WHERE standing_order_id = %(id)s"
    row = await one(request.state.pool, sql, standing_order_id)
    if row is None:
        raise unknown("standing_order", standing_order_id)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT due_on, status, transfer_id, reason, detail, at FROM standing_order_executions
            WHERE standing_order_id = %(id)s ORDER BY due_on DESC LIMIT 100
            """,
            {"id": standing_order_id},
        )
        return answer(row) | {"executions": await cur.fetchall()}


@router.get("/accounts/{account_id}/standing-orders")
async def standing_orders(account_id: str, request: Request) -> dict[str, Any]:
    await account(account_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            f"SELECT {COLUMNS} FROM standing_orders WHERE source_account = %(id)s ORDER BY created_at LIMIT 1000",
            {"id": account_id},
        )
        return {"standing_orders": [answer(row) for row in await cur.fetchall()]}


@router.delete("/standing-orders/{standing_order_id}", status_code=204)
async def cancel(standing_order_id: str, request: Request) -> None:
    """What was executed stays so."""
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            UPDATE standing_orders
            SET status = CASE status WHEN 'ended' THEN status ELSE 'cancelled' END, next_on = NULL,
                version = version + 1
            WHERE standing_order_id = %(id)s
            """,
            {"id": standing_order_id.replace("\x00", "")},
        )
        if cur.rowcount == 0:
            raise unknown("standing_order", standing_order_id)


async def execute_one(conn: Connection) -> bool:
    """Executes or skips one due day of one standing order; False if nothing is due."""
    async with conn.transaction():
        cur = await conn.execute(
            b"""
            SELECT standing_order_id, transfer_order, next_on FROM standing_orders
            WHERE status = 'active' AND next_on <= CURRENT_DATE ORDER BY next_on LIMIT 1 FOR UPDATE SKIP LOCKED
            """
        )
        due = await cur.fetchone()
        if due is None:
            return False
        executed = await _execute(conn, due)
        await _advance(conn, due["standing_order_id"])
        await tell(conn, f"standing_order.{executed['status']}", executed)
    return True


def refuse_past(order: StandingOrder) -> None:
    if order.first_on < datetime.now(UTC).date():
        raise Refused(422, "invalid_first_day", "first_on has passed", "first_on")


def written(order: StandingOrder, payment: Payment) -> dict[str, Any]:
    """The payment as each due day makes it."""
    kept = order.model_dump(mode="json", include=set(TransferOrder.model_fields), exclude_none=True)
    return kept | {"amount": in_major(payment.amount_minor, payment.currency)}


async def _create(conn: Connection, order: StandingOrder, key: str) -> dict[str, Any]:
    refuse_past(order)
    # Whether it is covered is asked on each due day.
    payment = await examined(conn, order, freed_minor=MAX_MINOR)
    cur = await conn.execute(
        f"""
        INSERT INTO standing_orders (standing_order_id, idempotency_key, source_account, transfer_order, interval_unit,
                                     first_on, last_on, next_on)
        VALUES (%(id)s, %(key)s, %(source_account)s, %(payment)s, %(every)s, %(first_on)s, %(last_on)s, %(first_on)s)
        RETURNING {COLUMNS}
        """.encode(),
        {
            "id": f"sto_{uuid.uuid4().hex}",
            "key": key,
            "source_account": order.source_account,
            "payment": Json(written(order, payment)),
            "every": order.every,
            "first_on": order.first_on,
            "last_on": order.last_on,
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return answer(row)


async def _execute(conn: Connection, due: dict[str, Any]) -> dict[str, Any]:
    """Under a key of its own, so that its payment is found by it like any other's. A refusal skips the day."""
    key = f"{due['standing_order_id']}:{due['next_on']}"
    execution = {"standing_order_id": due["standing_order_id"], "due_on": due["next_on"].isoformat()}
    try:
        payment = await examined(conn, TransferOrder.model_validate(due["transfer_order"]))
        if not await _claim(conn, key, due["transfer_order"]):
            raise Refused(409, "key_taken", f"somebody used the key {key}")
        transfer = await carry_out(conn, payment, key)
        await conn.execute(
            "UPDATE requests SET status = 201, response = %(response)s WHERE idempotency_key = %(key)s",
            {"response": Json(transfer), "key": key},
        )
        execution |= {"status": "executed", "transfer_id": transfer["transfer_id"]}
    except Refused as refusal:
        execution |= {"status": "skipped", "reason": refusal.code, "detail": refusal.detail}
    await conn.execute(
        """
        INSERT INTO standing_order_executions (standing_order_id, due_on, status, transfer_id, reason, detail)
        VALUES (%(standing_order_id)s, %(due_on)s, %(status)s, %(transfer_id)s, %(reason)s, %(detail)s)
        """,
        {"transfer_id": None, "reason": None, "detail": None} | execution,
    )
    return execution


async def _claim(conn: Connection, key: str, body: dict[str, Any]) -> bool:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    cur = await conn.execute(
        """
        INSERT INTO requests (idempotency_key, method, path, request_sha256)
        VALUES (%(key)s, 'POST', '/transfers', %(sha256)s) ON CONFLICT (idempotency_key) DO NOTHING
        """,
        {"key": key, "sha256": hashlib.sha256(canonical.encode()).hexdigest()},
    )
    return cur.rowcount == 1


async def _advance(conn: Connection, standing_order_id: str) -> None:
    await conn.execute(
        f"""
        UPDATE standing_orders SET done = done + 1,
            status = CASE WHEN last_on < {_NEXT} THEN 'ended' ELSE status END,
            next_on = CASE WHEN last_on < {_NEXT} THEN NULL ELSE {_NEXT} END
        WHERE standing_order_id = %(id)s
        """.encode(),
        {"id": standing_order_id},
    )


def answer(row: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = to_jsonable_python({**row, **row["transfer_order"]})
    del told["transfer_order"]
    return told
