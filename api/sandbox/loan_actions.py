"""What is done about loans that are not paid as agreed: new schedules, and referral to collections."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import to_jsonable_python

from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.dates import WrittenDate
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.ledger import hold_accounts
from api.sandbox.loans import loan_account
from api.sandbox.money import MAX_MINOR, Reference, in_major
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import fetch_one
from api.sandbox.repayments import standing
from api.sandbox.teller import TellerRoute

_COLUMNS = """
    action_id, loan_account_id, kind, reason, outstanding_principal_minor, schedule_version, created_at
"""
Part = Annotated[int, Field(strict=True, ge=0, le=MAX_MINOR)]


class NewInstalment(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    due_on: WrittenDate
    interest_minor: Part
    principal_minor: Part


class ActionOrder(BaseModel):
    """A payment plan, a re-ageing and a restructuring replace the schedule; a referral leaves it as it is.

    `schedule_version` is the one that was looked at, and must still stand. The principal of a new schedule sums to
    `outstanding_principal_minor`, which is what is owed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["payment_plan", "re_age", "restructure", "referral"]
    reason: Reference = ""
    schedule_version: Annotated[int, Field(strict=True, ge=1, le=10_000)]
    outstanding_principal_minor: Annotated[int, Field(strict=True, ge=1, le=MAX_MINOR)]
    instalments: Annotated[tuple[NewInstalment, ...], Field(max_length=600)] = ()

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if (self.kind == "referral") != (not self.instalments):
            raise ValueError("instalments are given with every kind but a referral")
        if any(later.due_on <= earlier.due_on for earlier, later in pairwise(self.instalments)):
            raise ValueError("instalments must each be due later than the one before")
        return self


router = APIRouter(route_class=TellerRoute, dependencies=[needs("loans")])


@router.get("/loan-accounts")
async def due_loans(
    request: Request,
    due_on_or_before: WrittenDate,
    after: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Loans that are not repaid with an instalment due on the day, or due earlier and not paid in full; by their ids.

    `limit` loans are looked at; `next_after` is where the next page begins, and null on the last one.
    """
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT loan_account_id FROM loan_accounts
            WHERE status <> 'repaid' AND loan_account_id > %(after)s ORDER BY loan_account_id LIMIT %(limit)s
            """,
            {"after": after.replace("\x00", ""), "limit": limit},
        )
        looked_at = [row["loan_account_id"] for row in await cur.fetchall()]
        found = [await standing(conn, loan_account_id, due_on_or_before) for loan_account_id in looked_at]
    return {
        "loan_accounts": [_due(loan) for loan in found if _is_due(loan, due_on_or_before)],
        "next_after": looked_at[-1] if len(looked_at) == limit else None,
    }


@router.post("/loan-accounts/{loan_account_id}/actions", status_code=201)
async def act(loan_account_id: str, order: ActionOrder, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _act(conn, loan_account_id, order, keyed.key)

    return await answer_once(request, keyed, execute)


@router.get("/loan-accounts/{loan_account_id}/actions")
async def actions(loan_account_id: str, request: Request) -> dict[str, Any]:
    """Oldest first."""
    await loan_account(loan_account_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            f"SELECT {_COLUMNS} FROM loan_actions WHERE loan_account_id = %(id)s ORDER BY created_at LIMIT 1000",
            {"id": loan_account_id},
        )
        return {"actions": await cur.fetchall()}


async def _act(conn: Connection, loan_account_id: str, order: ActionOrder, key: str) -> dict[str, Any]:
    if "\x00" in loan_account_id:
        raise unknown("loan_account", loan_account_id)
    held = await hold_accounts(conn, (loan_account_id,))
    sql = "SELECT status, currency, schedule_version FROM loan_accounts WHERE loan_account_id = %(id)s"
    loan = await fetch_one(conn, sql, loan_account_id)
    if loan is None:
        raise unknown("loan_account", loan_account_id)
    _check(loan, -held[loan_account_id].booked_minor, order)
    version = loan["schedule_version"] + 1 if order.instalments else None
    await conn.execute(
        """
        UPDATE loan_accounts SET schedule_version = coalesce(%(version)s, schedule_version), status = %(status)s
        WHERE loan_account_id = %(id)s
        """,
        {
            "id": loan_account_id,
            "version": version,
            "status": "in_collections" if order.kind == "referral" else loan["status"],
        },
    )
    answer = await _record(conn, loan_account_id, order, key, version)
    if version is not None:
        await _store(conn, loan_account_id, version, order.instalments)
    return answer | {"instalments": to_jsonable_python(order.instalments)}


def _check(loan: dict[str, Any], owed_minor: int, order: ActionOrder) -> None:
    """Raises Refused."""
    if loan["status"] != "disbursed":
        raise Refused(422, f"loan_{loan['status']}", f"the loan is {loan['status'].replace('_', ' ')}")
    if order.schedule_version != loan["schedule_version"]:
        detail = f"version {loan['schedule_version']} of the schedule stands"
        raise Refused(422, "schedule_was_replaced", detail, "schedule_version")
    if order.outstanding_principal_minor != owed_minor:
        detail = f"{in_major(owed_minor, loan['currency'])} of principal is owed"
        raise Refused(422, "not_what_is_owed", detail, "outstanding_principal_minor")
    if not order.instalments:
        return
    if (summed := sum(line.principal_minor for line in order.instalments)) != owed_minor:
        detail = f"the principal sums to {in_major(summed, loan['currency'])}"
        raise Refused(422, "schedule_does_not_sum", detail, "instalments")
    if order.instalments[0].due_on <= datetime.now(UTC).date():
        raise Refused(422, "schedule_in_the_past", "the first instalment must be due after today", "instalments")


async def _record(
    conn: Connection, loan_account_id: str, order: ActionOrder, key: str, version: int | None
) -> dict[str, Any]:
    cur = await conn.execute(
        f"""
        INSERT INTO loan_actions (action_id, loan_account_id, idempotency_key, kind, reason,
                                  outstanding_principal_minor, schedule_version)
        VALUES (%(action_id)s, %(loan_account_id)s, %(key)s, %(kind)s, %(reason)s, %(outstanding_principal_minor)s,
                %(version)s)
        RETURNING {_COLUMNS}
        """.encode(),
        {
            "action_id": f"act_{uuid.uuid4().hex}",
            "loan_account_id": loan_account_id,
            "key": key,
            "kind": order.kind,
            "reason": order.reason,
            "outstanding_principal_minor": order.outstanding_principal_minor,
            "version": version,
        },
    )
    answer: dict[str, Any] = to_jsonable_python(await cur.fetchone())
    return answer


async def _store(conn: Connection, loan_account_id: str, version: int, lines: Sequence[NewInstalment]) -> None:
    await conn.execute(
        """
        INSERT INTO loan_instalments (loan_account_id, schedule_version, number, due_on, interest_minor,
                                      principal_minor)
        SELECT %(id)s, %(version)s, line.number, line.due_on, line.interest_minor, line.principal_minor
        FROM unnest(%(due)s::date[], %(interest)s::bigint[], %(principal)s::bigint[])
             WITH ORDINALITY AS line (due_on, interest_minor, principal_minor, number)
        """,
        {
            "id": loan_account_id,
            "version": version,
            "due": [line.due_on for line in lines],
            "interest": [line.interest_minor for line in lines],
            "principal": [line.principal_minor for line in lines],
        },
    )


def _is_due(loan: dict[str, Any], day: date) -> bool:
    return loan["due_minor"] > 0 or any(line["due_on"] == day for line in loan["instalments"])


def _due(loan: dict[str, Any]) -> dict[str, Any]:
    shown = ("loan_account_id", "currency", "status", "due_minor", "past_due_minor", "days_past_due", "next_due_on")
    return {key: loan[key] for key in shown}
