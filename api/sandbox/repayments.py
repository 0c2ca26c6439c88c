"""Loans being paid back: repayments, and what is due, paid and late on a day."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python

from api.sandbox.access import needs
from api.sandbox.amortisation import Instalment, allocated
from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.ledger import Account, Posting, book, customer_account, hold_accounts
from api.sandbox.loan_schedules import SchedulePart, instalments, part_on
from api.sandbox.loans import loan_account
from api.sandbox.money import MAX_MINOR, RecordId, Reference, in_major
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import fetch_one
from api.sandbox.teller import TellerRoute
from api.sandbox.transfer_records import Payment, record

_LOAN = """
    SELECT loan_account_id, status, principal_minor, annual_rate_bps, term_months, first_due_on, currency,
           schedule_version,
           (SELECT coalesce(sum(amount_minor), 0)::bigint FROM loan_repayments AS paid
            WHERE paid.loan_account_id = loan_accounts.loan_account_id
              AND paid.schedule_version = loan_accounts.schedule_version) AS paid_minor
    FROM loan_accounts WHERE loan_account_id = %(id)s
"""


class RepaymentOrder(BaseModel):
    """More than what is due pays instalments ahead, with their interest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_account: RecordId
    amount_minor: Annotated[int, Field(strict=True, ge=1, le=MAX_MINOR)]
    reference: Reference = ""


router = APIRouter(route_class=TellerRoute, dependencies=[needs("loans")])


@router.post("/loan-accounts/{loan_account_id}/repayments", status_code=201)
async def repay(loan_account_id: str, order: RepaymentOrder, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _repay(conn, loan_account_id, order, keyed.key)

    return await answer_once(request, keyed, execute)


@router.get("/loan-accounts/{loan_account_id}/repayments")
async def repayments(loan_account_id: str, request: Request) -> dict[str, Any]:
    """Oldest first."""
    await loan_account(loan_account_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT repayment_id, loan_account_id, transfer_id, amount_minor, interest_minor, principal_minor, paid_at
            FROM loan_repayments WHERE loan_account_id = %(id)s ORDER BY paid_at LIMIT 10000
            """,
            {"id": loan_account_id},
        )
        return {"repayments": await cur.fetchall()}


@router.get("/loan-accounts/{loan_account_id}/schedule")
async def loan_schedule(loan_account_id: str, request: Request, as_of: date | None = None) -> dict[str, Any]:
    """As it stands at the end of the day `as_of`, in UTC; without it today. An instalment is late from the day after
    it is due. Where the schedule was replaced, the version is the one of that day, and what was paid is what was paid
    on it.
    """
    await loan_account(loan_account_id, request)
    async with request.state.pool.connection() as conn:
        return await standing(conn, loan_account_id, as_of or datetime.now(UTC).date())


async def standing(conn: Connection, loan_account_id: str, day: date) -> dict[str, Any]:
    loan = await fetch_one(conn, _LOAN, loan_account_id)
    assert loan is not None
    part = await part_on(conn, loan_account_id, day)
    return _standing(loan, await instalments(conn, loan, part.version), part, day)


async def _repay(conn: Connection, loan_account_id: str, order: RepaymentOrder, key: str) -> dict[str, Any]:
    """Three postings: the payer gives the amount, the loan gets its principal and the bank its interest."""
    if "\x00" in loan_account_id:
        raise unknown("loan_account", loan_account_id)
    accounts = await hold_accounts(conn, (order.source_account, loan_account_id))
    loan = await fetch_one(conn, _LOAN, loan_account_id)
    if loan is None:
        raise unknown("loan_account", loan_account_id)
    payer = customer_account(accounts, order.source_account, "source_account")
    lines = await instalments(conn, loan, loan["schedule_version"])
    interest_minor, principal_minor = _split(loan, lines, order, payer)
    postings = [Posting(payer.account_id, -order.amount_minor)]
    if principal_minor:
        postings.append(Posting(loan_account_id, principal_minor))
    if interest_minor:
        postings.append(Posting(f"BANK-INTEREST-{loan['currency']}", interest_minor))
    transaction_id = await book(conn, loan["currency"], order.reference or "loan repayment", postings)
    payment = Payment(payer.account_id, order.amount_minor, loan["currency"], order.reference, loan_account_id)
    transfer = await record(conn, payment, key, transaction_id)
    return await _record(conn, loan, transfer["transfer_id"], (interest_minor, principal_minor))


def _split(loan: dict[str, Any], lines: Sequence[Instalment], order: RepaymentOrder, payer: Account) -> tuple[int, int]:
    """Interest and principal. Raises Refused."""
    if payer.currency != loan["currency"]:
        detail = f"{payer.account_id} is in {payer.currency}, not {loan['currency']}"
        raise Refused(422, "currency_mismatch", detail, "source_account")
    paid_minor: int = loan["paid_minor"]
    owed_minor = sum(line.amount_minor for line in lines) - paid_minor
    if order.amount_minor > owed_minor:
        detail = f"{in_major(owed_minor, payer.currency)} is all that is owed" if owed_minor else "nothing is owed"
        raise Refused(422, "more_than_owed", detail, "amount_minor")
    if not payer.can_pay(order.amount_minor):
        detail = f"{payer.account_id} cannot pay {in_major(order.amount_minor, payer.currency)}"
        raise Refused(422, "insufficient_funds", detail, "amount_minor")
    before, after = (allocated(lines, minor) for minor in (paid_minor, paid_minor + order.amount_minor))
    interest_minor = sum(interest for interest, _ in after) - sum(interest for interest, _ in before)
    return interest_minor, order.amount_minor - interest_minor


async def _record(conn: Connection, loan: dict[str, Any], transfer_id: str, split: tuple[int, int]) -> dict[str, Any]:
    cur = await conn.execute(
        """
        WITH settled AS (
            UPDATE loan_accounts SET status = 'repaid' FROM accounts
            WHERE loan_account_id = %(loan_account_id)s AND account_id = loan_account_id AND booked_minor = 0
        )
        INSERT INTO loan_repayments
            (repayment_id, loan_account_id, transfer_id, amount_minor, interest_minor, principal_minor,
             schedule_version)
        VALUES (%(repayment_id)s, %(loan_account_id)s, %(transfer_id)s, %(amount_minor)s, %(interest_minor)s,
                %(principal_minor)s, %(schedule_version)s)
        RETURNING repayment_id, loan_account_id, transfer_id, amount_minor, interest_minor, principal_minor, paid_at
        """,
        {
            "repayment_id": f"rep_{uuid.uuid4().hex}",
            "loan_account_id": loan["loan_account_id"],
            "schedule_version": loan["schedule_version"],
            "transfer_id": transfer_id,
            "amount_minor": sum(split),
            "interest_minor": split[0],
            "principal_minor": split[1],
        },
    )
    answer: dict[str, Any] = to_jsonable_python(await cur.fetchone())
    return answer


def _standing(loan: dict[str, Any], schedule: Sequence[Instalment], part: SchedulePart, day: date) -> dict[str, Any]:
    paid = allocated(schedule, part.paid_minor)
    lines = [_line(instalment, sum(split), day) for instalment, split in zip(schedule, paid, strict=True)]
    late = [line for line in lines if line["status"] == "late"]
    unpaid = [line for line in lines if line["status"] != "paid"]
    return {
        "loan_account_id": loan["loan_account_id"],
        "as_of": day,
        "currency": loan["currency"],
        "status": loan["status"],
        "schedule_version": part.version,
        "paid_minor": part.paid_minor,
        "due_minor": sum(line["amount_minor"] - line["paid_minor"] for line in lines if line["due_on"] <= day),
        "past_due_minor": sum(line["amount_minor"] - line["paid_minor"] for line in late),
        "days_past_due": (day - late[0]["due_on"]).days if late else 0,
        "outstanding_principal_minor": sum(line.principal_minor for line in schedule)
        - sum(principal for _, principal in paid),
        "next_due_on": unpaid[0]["due_on"] if unpaid else None,
        "instalments": lines,
    }


def _line(instalment: Instalment, paid_minor: int, day: date) -> dict[str, Any]:
    if paid_minor == instalment.amount_minor:
        status = "paid"
    elif instalment.due_on < day:
        status = "late"
    else:
        status = "due" if instalment.due_on == day else "upcoming"
    return {
        "number": instalment.number,
        "due_on": instalment.due_on,
        "amount_minor": instalment.amount_minor,
        "interest_minor": instalment.interest_minor,
        "principal_minor": instalment.principal_minor,
        "paid_minor": paid_minor,
        "status": status,
    }
