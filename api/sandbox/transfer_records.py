"""A transfer's record: how it was booked, and each step it took since."""

import uuid
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from api.sandbox.database import Connection
from api.sandbox.ledger import Posting, book
from api.sandbox.money import in_major

COLUMNS = """
    transfer_id, status, source_account, coalesce(destination_account, external_account) AS destination_account,
    creditor_name, creditor_iban, creditor_routing_number, creditor_account_number, amount_minor, currency, reference,
    reason, created_at
"""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An account at another bank, and what will become of a payment to it; without an id it is a number alone: an
    IBAN, or a US account's with its bank's routing number."""

    iban: str | None
    routing_number: str | None
    account_number: str | None
    holder: str | None
    account_id: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A transfer that was examined and can be booked, as long as its accounts stay locked.

    `destination_account` is one of this bank's; without one the money goes `elsewhere`.
    """

    source_account: str
    amount_minor: int
    currency: str
    reference: str
    destination_account: str | None = None
    elsewhere: Elsewhere | None = None


def new_id() -> str:
    return f"trf_{uuid.uuid4().hex}"


async def carry_out(conn: Connection, payment: Payment, key: str, transfer_id: str | None = None) -> dict[str, Any]:
    """Within the bank it is settled at once; to another it is submitted, and the clearing account has the money."""
    postings = (
        Posting(payment.source_account, -payment.amount_minor),
        Posting(payment.destination_account or f"BANK-CLEARING-{payment.currency}", payment.amount_minor),
    )
    transaction_id = await book(conn, payment.currency, payment.reference or "transfer", postings)
    return await record(conn, payment, key, transaction_id, transfer_id)


async def record(
    conn: Connection, payment: Payment, key: str, transaction_id: int, transfer_id: str | None = None
) -> dict[str, Any]:
    elsewhere = payment.elsewhere
    cur = await conn.execute(
        f"""
        WITH stepped AS (
            INSERT INTO transfer_steps (transfer_id, status, transaction_id)
            VALUES (%(transfer_id)s, %(status)s, %(transaction_id)s)
        )
        INSERT INTO transfers (transfer_id, transaction_id, idempotency_key, source_account, destination_account,
                               external_account, creditor_name, creditor_iban, creditor_routing_number,
                               creditor_account_number, amount_minor, currency, status, expects, reference)
        VALUES (%(transfer_id)s, %(transaction_id)s, %(key)s, %(source_account)s, %(destination_account)s,
                %(external_account)s, %(creditor_name)s, %(creditor_iban)s, %(creditor_routing_number)s,
                %(creditor_account_number)s, %(amount_minor)s, %(currency)s, %(status)s, %(expects)s, %(reference)s)
        RETURNING {COLUMNS}
        """.encode(),
        {
            "transfer_id": transfer_id or new_id(),
            "transaction_id": transaction_id,
            "key": key,
            "source_account": payment.source_account,
            "destination_account": payment.destination_account,
            "external_account": elsewhere and elsewhere.account_id,
            "creditor_name": elsewhere and elsewhere.holder,
            "creditor_iban": elsewhere and elsewhere.iban,
            "creditor_routing_number": elsewhere and elsewhere.routing_number,
            "creditor_account_number": elsewhere and elsewhere.account_number,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "status": "submitted" if elsewhere else "settled",
            # What comes back was settled first.
            "expects": elsewhere and ("rejected" if elsewhere.outcome == "rejected" else "settled"),
            "reference": payment.reference,
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return answer(row)


def answer(row: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = to_jsonable_python(row | {"amount": in_major(row["amount_minor"], row["currency"])})
    return told
