"""Transfers between customers' accounts, booked as they are asked for."""

import uuid
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python

from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.ledger import Account, Posting, book, customer_account, hold_accounts
from api.sandbox.money import Amount, Currency, RecordId, Reference, in_major, minor_of
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import one
from api.sandbox.teller import TellerRoute


class TransferOrder(BaseModel):
    """`amount` is in major units, a JSON number or a string. Without `currency` it is the source account's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_account: RecordId
    destination_account: RecordId
    amount: Amount
    currency: Currency | None = None
    reference: Reference = ""


@dataclass(frozen=True, slots=True)
class Payment:
    """A transfer that was examined and can be booked, as long as its accounts stay locked."""

    source_account: str
    destination_account: str
    amount_minor: int
    currency: str
    reference: str


@dataclass(frozen=True, slots=True)
class Movement:
    """A transfer as booked: which transaction, and for which request."""

    transaction_id: int
    idempotency_key: str
    source_account: str
    destination_account: str
    amount_minor: int
    currency: str
    reference: str


router = APIRouter(route_class=TellerRoute)


@router.post("/transfers", status_code=201)
async def transfer(order: TransferOrder, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await carry_out(conn, await examined(conn, order), keyed.key)

    return await answer_once(request, keyed, execute)


@router.get("/transfers/{transfer_id}")
async def transfer_by_id(transfer_id: str, request: Request) -> dict[str, Any]:
    row = await one(
        request.state.pool,
        """
        SELECT transfer_id, status, source_account, destination_account, amount_minor, currency, reference, created_at
        FROM transfers WHERE transfer_id = %(id)s
        """,
        transfer_id,
    )
    if row is None:
        raise unknown("transfer", transfer_id)
    return _answer(row)


def new_id() -> str:
    return f"trf_{uuid.uuid4().hex}"


async def examined(conn: Connection, order: TransferOrder, freed_minor: int = 0) -> Payment:
    """Locks the accounts. `freed_minor` is held money that the source will have back before this is booked.

    Raises Refused.
    """
    if order.source_account == order.destination_account:
        raise Refused(422, "same_account", "source and destination are one account", "destination_account")
    accounts = await hold_accounts(conn, (order.source_account, order.destination_account))
    source = customer_account(accounts, order.source_account, "source_account")
    destination = customer_account(accounts, order.destination_account, "destination_account")
    return Payment(
        source_account=source.account_id,
        destination_account=destination.account_id,
        amount_minor=_amount_minor(order, source, destination, freed_minor),
        currency=source.currency,
        reference=order.reference,
    )


async def carry_out(conn: Connection, payment: Payment, key: str, transfer_id: str | None = None) -> dict[str, Any]:
    postings = (
        Posting(payment.source_account, -payment.amount_minor),
        Posting(payment.destination_account, payment.amount_minor),
    )
    movement = Movement(
        transaction_id=await book(conn, payment.currency, payment.reference or "transfer", postings),
        idempotency_key=key,
        source_account=payment.source_account,
        destination_account=payment.destination_account,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        reference=payment.reference,
    )
    return await record(conn, movement, transfer_id or new_id())


async def record(conn: Connection, movement: Movement, transfer_id: str) -> dict[str, Any]:
    cur = await conn.execute(
        """
        INSERT INTO transfers (transfer_id, transaction_id, idempotency_key, source_account, destination_account,
                               amount_minor, currency, status, reference)
        VALUES (%(transfer_id)s, %(transaction_id)s, %(idempotency_key)s, %(source_account)s,
                %(destination_account)s, %(amount_minor)s, %(currency)s, 'settled', %(reference)s)
        RETURNING transfer_id, status, source_account, destination_account, amount_minor, currency, reference,
                  created_at
        """,
        {
            "transfer_id": transfer_id,
            "transaction_id": movement.transaction_id,
            "idempotency_key": movement.idempotency_key,
            "source_account": movement.source_account,
            "destination_account": movement.destination_account,
            "amount_minor": movement.amount_minor,
            "currency": movement.currency,
            "reference": movement.reference,
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return _answer(row)


def _amount_minor(order: TransferOrder, source: Account, destination: Account, freed_minor: int) -> int:
    if order.currency is not None and order.currency != source.currency:
        detail = f"{source.account_id} is in {source.currency}, not {order.currency}"
        raise Refused(422, "currency_mismatch", detail, "currency")
    if destination.currency != source.currency:
        detail = f"{destination.account_id} is in {destination.currency}, not {source.currency}"
        raise Refused(422, "currency_mismatch", detail, "destination_account")
    amount_minor = minor_of(order.amount, source.currency)
    if not source.can_pay(amount_minor - freed_minor):
        raise Refused(422, "insufficient_funds", f"{source.account_id} cannot pay {order.amount}", "amount")
    return amount_minor


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = to_jsonable_python(row | {"amount": in_major(row["amount_minor"], row["currency"])})
    return answer
