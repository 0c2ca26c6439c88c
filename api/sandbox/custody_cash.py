"""Cash that comes into custody and leaves it other than by trades; what the market or the teller would do, tests do."""

import uuid
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from api.sandbox.access import needs
from api.sandbox.custody_accounts import known_account
from api.sandbox.custody_market import InstrumentId, plain
from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.ledger import Posting, book, hold_accounts
from api.sandbox.money import Amount, Currency, minor_of
from api.sandbox.problems import Refused
from api.sandbox.records import fetch_one
from api.sandbox.teller import TellerRoute

_OTHER_SIDE = {"deposit": "CUSTODY", "withdrawal": "CUSTODY", "dividend": "MARKET", "fee": "FEES"}


class CashFlow(BaseModel):
    """`amount` is above zero, whichever way it goes. A dividend may name what paid it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["deposit", "withdrawal", "dividend", "fee"]
    amount: Amount
    currency: Currency
    instrument_id: InstrumentId | None = None


router = APIRouter(route_class=TellerRoute, dependencies=[needs("custody")])


@router.post("/custody-accounts/{custody_account_id}/cash-flows", status_code=201)
async def flow(custody_account_id: str, order: CashFlow, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        await known_account(conn, custody_account_id, locked=True)
        amount_minor = await _examined(conn, custody_account_id, order)
        return await _book(conn, custody_account_id, order, amount_minor, keyed.key)

    return await answer_once(request, keyed, execute)


async def _examined(conn: Connection, custody_account_id: str, order: CashFlow) -> int:
    """Signed. Raises Refused."""
    cash_id = f"{custody_account_id}-{order.currency}"
    cash = (await hold_accounts(conn, (cash_id,))).get(cash_id)
    if cash is None:
        detail = f"{custody_account_id} has no cash account in {order.currency}"
        raise Refused(422, "no_cash_in_currency", detail, "currency")
    await _known_instrument(conn, order)
    amount_minor = minor_of(order.amount, order.currency)
    if order.kind in ("deposit", "dividend"):
        return amount_minor
    if not cash.can_pay(amount_minor):
        raise Refused(422, "insufficient_cash", f"{custody_account_id} cannot pay {order.amount}", "amount")
    return -amount_minor


async def _known_instrument(conn: Connection, order: CashFlow) -> None:
    """Raises Refused."""
    if order.instrument_id is None:
        return
    if order.kind != "dividend":
        raise Refused(422, "instrument_not_allowed", f"a {order.kind} is of no instrument", "instrument_id")
    known = "SELECT instrument_id FROM instruments WHERE instrument_id = %(id)s"
    if await fetch_one(conn, known, order.instrument_id) is None:
        raise Refused(422, "unknown_instrument", f"no instrument {order.instrument_id}", "instrument_id")


async def _book(
    conn: Connection, custody_account_id: str, order: CashFlow, amount_minor: int, key: str
) -> dict[str, Any]:
    postings = (
        Posting(f"{custody_account_id}-{order.currency}", amount_minor),
        Posting(f"BANK-{_OTHER_SIDE[order.kind]}-{order.currency}", -amount_minor),
    )
    transaction_id = await book(conn, order.currency, order.kind, postings)
    cur = await conn.execute(
        """
        INSERT INTO custody_cash_flows (flow_id, idempotency_key, custody_account_id, kind, amount_minor, currency,
                                        instrument_id, transaction_id)
        VALUES (%(flow_id)s, %(key)s, %(custody_account_id)s, %(kind)s, %(amount_minor)s, %(currency)s,
                %(instrument_id)s, %(transaction_id)s)
        RETURNING flow_id, kind, amount_minor, currency, instrument_id, at
        """,
        {
            "flow_id": f"flw_{uuid.uuid4().hex}",
            "key": key,
            "custody_account_id": custody_account_id,
            "kind": order.kind,
            "amount_minor": amount_minor,
            "currency": order.currency,
            "instrument_id": order.instrument_id,
            "transaction_id": transaction_id,
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return plain(row)
