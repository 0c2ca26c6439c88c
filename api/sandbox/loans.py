"""Loan accounts: opened and paid out in one transaction."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import to_jsonable_python

from api.sandbox import transfer_records
from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.dates import WrittenDate
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.ledger import Account, Posting, book, customer_account, hold_accounts
from api.sandbox.money import MAX_MINOR, Currency, RecordId, Reference
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import customer, fetch_one, one
from api.sandbox.teller import TellerRoute
from api.sandbox.transfer_records import Payment

COLUMNS = """
    loan_account_id, transfer_id, status, customer_id, disburse_to_account, principal_minor, fee_minor,
    paid_out_minor, currency, annual_rate_bps, term_months, first_due_on, reference, disbursed_at
"""


class LoanOrder(BaseModel):
    """`fee_minor` is withheld: the customer owes the principal and is paid the principal less the fee."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer_id: RecordId
    disburse_to_account: RecordId
    principal_minor: Annotated[int, Field(strict=True, ge=1, le=MAX_MINOR)]
    fee_minor: Annotated[int, Field(strict=True, ge=0, le=MAX_MINOR)]
    currency: Currency
    annual_rate_bps: Annotated[int, Field(strict=True, ge=0, le=10_000)]
    term_months: Annotated[int, Field(strict=True, ge=1, le=600)]
    first_due_on: WrittenDate
    reference: Reference = ""

    @field_validator("fee_minor")
    @classmethod
    def _something_is_paid_out(cls, fee_minor: int, info: ValidationInfo) -> int:
        if fee_minor >= info.data.get("principal_minor", MAX_MINOR + 1):
            raise ValueError("must be less than principal_minor")
        return fee_minor


router = APIRouter(route_class=TellerRoute, dependencies=[needs("loans")])


@router.post("/loan-accounts", status_code=201)
async def open_loan_account(order: LoanOrder, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _open_and_pay_out(conn, order, keyed.key)

    return await answer_once(request, keyed, execute)


@router.get("/loan-accounts/{loan_account_id}")
async def loan_account(loan_account_id: str, request: Request) -> dict[str, Any]:
    sql = f"SELECT {COLUMNS} FROM loan_accounts WHERE loan_account_id = %(id)s"
    row = await one(request.state.pool, sql, loan_account_id)
    if row is None:
        raise unknown("loan_account", loan_account_id)
    return row


@router.get("/customers/{customer_id}/loan-accounts")
async def loan_accounts(
    customer_id: str, request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, Any]:
    """The latest first."""
    await customer(customer_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            f"""
            SELECT {COLUMNS} FROM loan_accounts WHERE customer_id = %(id)s
            ORDER BY disbursed_at DESC LIMIT %(limit)s
            """.encode(),
            {"id": customer_id, "limit": limit},
        )
        return {"loan_accounts": await cur.fetchall()}


async def _open_and_pay_out(conn: Connection, order: LoanOrder, key: str) -> dict[str, Any]:
    """Three postings: the customer owes the principal, is paid it less the fee, and the bank earns the fee."""
    target = await _target(conn, order)
    loan_account_id = f"lon_{uuid.uuid4().hex}"
    paid_out_minor = order.principal_minor - order.fee_minor
    await _open(conn, order, loan_account_id)
    postings = [Posting(loan_account_id, -order.principal_minor), Posting(target.account_id, paid_out_minor)]
    if order.fee_minor:
        postings.append(Posting(f"BANK-FEES-{order.currency}", order.fee_minor))
    payment = Payment(
        source_account=loan_account_id,
        destination_account=target.account_id,
        amount_minor=paid_out_minor,
        currency=order.currency,
        reference=order.reference,
    )
    transaction_id = await book(conn, order.currency, order.reference or "loan payout", postings)
    transfer = await transfer_records.record(conn, payment, key, transaction_id)
    return await _record(conn, order, loan_account_id, transfer["transfer_id"])


async def _target(conn: Connection, order: LoanOrder) -> Account:
    sql = "SELECT kyc_status FROM customers WHERE customer_id = %(id)s"
    row = await fetch_one(conn, sql, order.customer_id)
    if row is None:
        raise Refused(422, "unknown_customer", f"no customer {order.customer_id}", "customer_id")
    if row["kyc_status"] != "verified":
        detail = f"the identity of {order.customer_id} is {row['kyc_status']}, not verified"
        raise Refused(422, "kyc_not_verified", detail, "customer_id")
    accounts = await hold_accounts(conn, (order.disburse_to_account,))
    target = customer_account(accounts, order.disburse_to_account, "disburse_to_account")
    if target.customer_id != order.customer_id:
        detail = f"{target.account_id} is not an account of {order.customer_id}"
        raise Refused(422, "account_not_owned", detail, "disburse_to_account")
    if target.currency != order.currency:
        detail = f"{target.account_id} is in {target.currency}, not {order.currency}"
        raise Refused(422, "currency_mismatch", detail, "currency")
    return target


async def _open(conn: Connection, order: LoanOrder, loan_account_id: str) -> None:
    await conn.execute(
        """
        INSERT INTO accounts (account_id, customer_id, currency, kind, overdraft_limit_minor)
        VALUES (%(loan_account_id)s, %(customer_id)s, %(currency)s, 'loan', %(principal_minor)s)
        """,
        order.model_dump() | {"loan_account_id": loan_account_id},
    )


async def _record(conn: Connection, order: LoanOrder, loan_account_id: str, transfer_id: str) -> dict[str, Any]:
    cur = await conn.execute(
        f"""
        INSERT INTO loan_accounts ({COLUMNS})
        VALUES (%(loan_account_id)s, %(transfer_id)s, 'disbursed', %(customer_id)s, %(disburse_to_account)s,
                %(principal_minor)s, %(fee_minor)s, %(paid_out_minor)s, %(currency)s, %(annual_rate_bps)s,
                %(term_months)s, %(first_due_on)s, %(reference)s, now())
        RETURNING {COLUMNS}
        """.encode(),
        order.model_dump()
        | {
            "loan_account_id": loan_account_id,
            "transfer_id": transfer_id,
            "paid_out_minor": order.principal_minor - order.fee_minor,
        },
    )
    answer: dict[str, Any] = to_jsonable_python(await cur.fetchone())
    return answer
