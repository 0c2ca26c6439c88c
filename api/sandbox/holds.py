"""Holds: money set aside for a while, then captured as a transfer, given back, or free again when its time is over."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python

from api.sandbox import transfer_records
from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.ledger import customer_account, hold_accounts
from api.sandbox.money import Amount, Currency, RecordId, Reference, in_major, minor_of
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import account, fetch_one, one
from api.sandbox.teller import TellerRoute
from api.sandbox.transfers import Creditor, TransferOrder, account_here, examined
from api.sandbox.webhooks import tell

LONGEST_S = 60 * 60 * 24 * 31

_COLUMNS = """
    hold_id, status, account_id, currency, amount_minor, captured_minor, reason, transfer_id, expires_at, created_at,
    ended_at
"""
_OF_ID = f"SELECT {_COLUMNS} FROM holds WHERE hold_id = %(id)s"


class HoldOrder(BaseModel):
    """Ends at `expires_at`, or after `expires_in_s`; without either after a week. At most a month ahead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: RecordId
    amount: Amount
    currency: Currency | None = None
    reason: Reference = ""
    expires_at: AwareDatetime | None = None
    expires_in_s: Annotated[float, Field(gt=0, le=LONGEST_S)] | None = None


class CaptureOrder(Creditor):
    """Without `amount` the whole hold is captured. With less, the rest is free again."""

    amount: Amount | None = None
    reference: Reference = ""


class VoidOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


router = APIRouter(route_class=TellerRoute, dependencies=[needs("holds")])


@router.post("/holds", status_code=201)
async def hold(order: HoldOrder, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _hold(conn, order, keyed.key)

    return await answer_once(request, keyed, execute)


@router.post("/holds/{hold_id}/capture", status_code=201)
async def capture(hold_id: str, order: CaptureOrder, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _capture(conn, hold_id, order, keyed.key)

    return await answer_once(request, keyed, execute)


@router.post("/holds/{hold_id}/void", status_code=201)
async def void(hold_id: str, keyed: Keyed, request: Request, order: VoidOrder | None = None) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        await _active(conn, hold_id)
        return await _end(conn, hold_id, "voided")

    return await answer_once(request, keyed, execute)


@router.get("/holds/{hold_id}")
async def hold_by_id(hold_id: str, request: Request) -> dict[str, Any]:
    row = await one(request.state.pool, _OF_ID, hold_id)
    if row is None:
        raise unknown("hold", hold_id)
    return _answer(row)


@router.get("/accounts/{account_id}/holds")
async def holds_of_account(account_id: str, request: Request) -> dict[str, Any]:
    """The latest hundred, the latest first."""
    await account(account_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            f"SELECT {_COLUMNS} FROM holds WHERE account_id = %(id)s ORDER BY created_at DESC LIMIT 100".encode(),
            {"id": account_id},
        )
        return {"holds": [_answer(row) for row in await cur.fetchall()]}


async def expire_one(conn: Connection) -> bool:
    """Frees the money of one hold whose time is over; False if there is none."""
    async with conn.transaction():
        cur = await conn.execute(
            b"""
            SELECT hold_id, account_id FROM holds WHERE status = 'active' AND expires_at <= now()
            ORDER BY expires_at LIMIT 1
            """
        )
        due = await cur.fetchone()
        if due is None:
            return False
        await hold_accounts(conn, (due["account_id"],))
        current = await fetch_one(conn, _OF_ID, due["hold_id"])
        assert current is not None
        if current["status"] == "active":
            await tell(conn, "hold.expired", await _end(conn, due["hold_id"], "expired"))
    return True


async def _hold(conn: Connection, order: HoldOrder, key: str) -> dict[str, Any]:
    accounts = await hold_accounts(conn, (order.account,))
    payer = customer_account(accounts, order.account, "account")
    if order.currency not in (None, payer.currency):
        raise Refused(422, "currency_mismatch", f"{payer.account_id} is in {payer.currency}", "currency")
    amount_minor = minor_of(order.amount, payer.currency)
    expires_at = await _expiry(conn, order)
    if not payer.can_pay(amount_minor):
        raise Refused(422, "insufficient_funds", f"{payer.account_id} cannot set {order.amount} aside", "amount")
    cur = await conn.execute(
        f"""
        INSERT INTO holds (hold_id, idempotency_key, account_id, currency, amount_minor, reason, expires_at)
        VALUES (%(hold_id)s, %(key)s, %(account_id)s, %(currency)s, %(amount_minor)s, %(reason)s, %(expires_at)s)
        RETURNING {_COLUMNS}
        """.encode(),
        {
            "hold_id": f"hld_{uuid.uuid4().hex}",
            "key": key,
            "account_id": payer.account_id,
            "currency": payer.currency,
            "amount_minor": amount_minor,
            "reason": order.reason,
            "expires_at": expires_at,
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return _answer(row)


async def _expiry(conn: Connection, order: HoldOrder) -> datetime:
    if order.expires_at is not None and order.expires_in_s is not None:
        raise Refused(422, "invalid_expiry", "give expires_at or expires_in_s, not both", "expires_in_s")
    cur = await conn.execute(
        """
        SELECT at FROM coalesce(%(expires_at)s, now() + make_interval(secs => %(in_s)s)) AS at
        WHERE at > now() AND at <= now() + make_interval(secs => %(longest_s)s)
        """,
        {
            "expires_at": order.expires_at,
            "in_s": order.expires_in_s or 60 * 60 * 24 * 7,
            "longest_s": LONGEST_S,
        },
    )
    row = await cur.fetchone()
    if row is None:
        raise Refused(422, "invalid_expiry", "a hold ends within the next 31 days", "expires_at")
    expires_at: datetime = row["at"]
    return expires_at


async def _capture(conn: Connection, hold_id: str, order: CaptureOrder, key: str) -> dict[str, Any]:
    """The transfer is booked with the key of the capture."""
    here = await account_here(conn, order)
    held = await _active(conn, hold_id, *filter(None, [here]))
    whole = in_major(held["amount_minor"], held["currency"])
    wanted = TransferOrder.model_validate(
        order.model_dump()
        | {
            "source_account": held["account_id"],
            "amount": order.amount or whole,
            "currency": held["currency"],
            "reference": order.reference or held["reason"],
        }
    )
    if minor_of(wanted.amount, held["currency"]) > held["amount_minor"]:
        raise Refused(422, "more_than_held", f"{hold_id} holds {whole}", "amount")
    payment = await examined(conn, wanted, freed_minor=held["amount_minor"])
    # Freed first, booked next: between the two nobody else can spend it, as the account is locked.
    transfer_id = transfer_records.new_id()
    captured = await _end(conn, hold_id, "captured", payment.amount_minor, transfer_id)
    await transfer_records.carry_out(conn, payment, key, transfer_id)
    return captured


async def _active(conn: Connection, hold_id: str, *more_accounts: str) -> dict[str, Any]:
    """The hold with its account locked, and these with it. Raises Refused unless it is active."""
    held = await fetch_one(conn, _OF_ID, hold_id) if "\x00" not in hold_id else None
    if held is None:
        raise unknown("hold", hold_id)
    await hold_accounts(conn, (held["account_id"], *more_accounts))
    cur = await conn.execute(
        f"SELECT {_COLUMNS}, expires_at <= now() AS over FROM holds WHERE hold_id = %(id)s".encode(), {"id": hold_id}
    )
    held = await cur.fetchone()
    assert held is not None
    if held["status"] != "active":
        raise Refused(409, f"hold_{held['status']}", f"{hold_id} is {held['status']}")
    if held["over"]:
        raise Refused(409, "hold_expired", f"{hold_id} is expired")
    return held


async def _end(
    conn: Connection, hold_id: str, status: str, captured_minor: int = 0, transfer_id: str | None = None
) -> dict[str, Any]:
    cur = await conn.execute(
        f"""
        UPDATE holds
        SET status = %(status)s, captured_minor = %(captured_minor)s, transfer_id = %(transfer_id)s, ended_at = now()
        WHERE hold_id = %(hold_id)s RETURNING {_COLUMNS}
        """.encode(),
        {"hold_id": hold_id, "status": status, "captured_minor": captured_minor, "transfer_id": transfer_id},
    )
    row = await cur.fetchone()
    assert row is not None
    return _answer(row)


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = to_jsonable_python(row | {"amount": in_major(row["amount_minor"], row["currency"])})
    return answer
