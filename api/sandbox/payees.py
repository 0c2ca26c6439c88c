"""Confirmation of payee, and the payees that a customer keeps."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import to_jsonable_python

from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.money import RecordId
from api.sandbox.party_names import likeness
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import customer, fetch_one
from api.sandbox.teller import TellerRoute
from api.sandbox.transfers import AccountNumber, Iban, PartyName, RoutingNumber, together

Confirmation = Literal["match", "close_match", "no_match", "unavailable"]

_COLUMNS = "payee_id, customer_id, name, account, iban, routing_number, account_number, confirmation, created_at"


class Claim(BaseModel):
    """That the account, or whatever account has the IBAN or the US bank's number, belongs to somebody of this name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: RecordId | None = None
    routing_number: RoutingNumber | None = None
    account_number: Annotated[AccountNumber | None, Field(validate_default=True)] = None
    iban: Annotated[Iban | None, Field(validate_default=True)] = None
    name: PartyName

    @field_validator("account_number")
    @classmethod
    def _with_its_bank(cls, account_number: str | None, info: ValidationInfo) -> str | None:
        if "routing_number" in info.data:
            together(info.data["routing_number"], account_number, "routing_number")
        return account_number

    @field_validator("iban")
    @classmethod
    def _one_account(cls, iban: str | None, info: ValidationInfo) -> str | None:
        ways = [info.data.get(name, "faulty") for name in ("account", "routing_number")]
        if "faulty" not in ways and sum(way is not None for way in (*ways, iban)) != 1:
            raise ValueError("give one of account, iban and routing_number")
        return iban


router = APIRouter(route_class=TellerRoute)


@router.post("/payees/confirm", dependencies=[needs("read")])
async def confirm(claim: Claim, request: Request) -> dict[str, Any]:
    """Needs no key: it changes nothing. `name` is the right one, told only if the claimed one is close to it."""
    async with request.state.pool.connection() as conn:
        return _confirmed(claim, await _found(conn, claim))


@router.post("/customers/{customer_id}/payees", status_code=201, dependencies=[needs("transfer")])
async def add_payee(customer_id: str, claim: Claim, keyed: Keyed, request: Request) -> Response:
    """Whatever the confirmation says: it is kept with the payee."""

    async def execute(conn: Connection) -> dict[str, Any]:
        return await _add(conn, customer_id, claim, keyed.key)

    return await answer_once(request, keyed, execute)


@router.get("/customers/{customer_id}/payees", dependencies=[needs("read")])
async def payees(customer_id: str, request: Request) -> dict[str, Any]:
    await customer(customer_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            f"""
            SELECT {_COLUMNS} FROM payees WHERE customer_id = %(id)s AND removed_at IS NULL
            ORDER BY created_at, payee_id LIMIT 1000
            """.encode(),
            {"id": customer_id},
        )
        return {"payees": await cur.fetchall()}


@router.delete("/customers/{customer_id}/payees/{payee_id}", status_code=204, dependencies=[needs("transfer")])
async def remove_payee(customer_id: str, payee_id: str, request: Request) -> None:
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            UPDATE payees SET removed_at = coalesce(removed_at, now())
            WHERE customer_id = %(customer_id)s AND payee_id = %(payee_id)s
            """,
            {"customer_id": customer_id.replace("\x00", ""), "payee_id": payee_id.replace("\x00", "")},
        )
        if cur.rowcount == 0:
            raise unknown("payee", payee_id)


async def _found(conn: Connection, claim: Claim) -> dict[str, Any] | None:
    """The account here or at another bank."""
    cur = await conn.execute(
        """
        SELECT account_id, iban, NULL AS routing_number, NULL AS account_number, full_name AS holder, true AS confirms
        FROM accounts JOIN customers USING (customer_id)
        WHERE (account_id = %(account)s OR iban = %(iban)s) AND kind NOT IN ('loan', 'custody') AND state <> 'closed'
        UNION ALL
        SELECT account_id, iban, routing_number, account_number, holder, confirms FROM external_accounts
        WHERE account_id = %(account)s OR iban = %(iban)s
           OR (routing_number, account_number) = (%(routing_number)s, %(account_number)s)
        """,
        claim.model_dump(include={"account", "iban", "routing_number", "account_number"}),
    )
    return await cur.fetchone()


def _confirmed(claim: Claim, found: dict[str, Any] | None) -> dict[str, Any]:
    """An unknown account id is nobody's; of a number that the bank does not know it cannot tell."""
    confirmation: Confirmation
    if found is None:
        confirmation = "unavailable" if claim.account is None else "no_match"
    else:
        confirmation = likeness(claim.name, found["holder"]) if found["confirms"] else "unavailable"
    name = found["holder"] if found is not None and confirmation == "close_match" else None
    return {"confirmation": confirmation, "name": name} | claim.model_dump(exclude={"name"})


async def _add(conn: Connection, customer_id: str, claim: Claim, key: str) -> dict[str, Any]:
    sql = "SELECT customer_id FROM customers WHERE customer_id = %(id)s"
    if "\x00" in customer_id or await fetch_one(conn, sql, customer_id) is None:
        raise unknown("customer", customer_id)
    found = await _found(conn, claim)
    if found is None and claim.account is not None:
        raise Refused(422, "unknown_account", f"no account {claim.account}", "account")
    confirmed = _confirmed(claim, found)
    cur = await conn.execute(
        f"""
        INSERT INTO payees (payee_id, idempotency_key, customer_id, name, account, iban, routing_number,
                            account_number, confirmation)
        VALUES (%(payee_id)s, %(key)s, %(customer_id)s, %(name)s, %(account)s, %(iban)s, %(routing_number)s,
                %(account_number)s, %(confirmation)s)
        RETURNING {_COLUMNS}
        """.encode(),
        {
            "payee_id": f"pye_{uuid.uuid4().hex}",
            "key": key,
            "customer_id": customer_id,
            "name": claim.name,
            "account": claim.account if found is None else found["account_id"],
            "iban": claim.iban if found is None else found["iban"],
            "routing_number": claim.routing_number if found is None else found["routing_number"],
            "account_number": claim.account_number if found is None else found["account_number"],
            "confirmation": confirmed["confirmation"],
        },
    )
    answer: dict[str, Any] = to_jsonable_python(await cur.fetchone())
    return answer
