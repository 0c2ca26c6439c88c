"""Transfers: between accounts of this bank booked as they are asked for, to other banks submitted for clearing."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg.rows import class_row
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from stdnum import iban
from stdnum.exceptions import ValidationError
from stdnum.us import rtn

from api.sandbox import account_numbers
from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.ledger import Account, customer_account, hold_accounts
from api.sandbox.money import Amount, Currency, RecordId, Reference, minor_of, printable
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import fetch_one, one
from api.sandbox.teller import TellerRoute
from api.sandbox.transfer_records import COLUMNS, Elsewhere, Payment, answer, carry_out


def _valid_iban(written: str) -> str:
    if not account_numbers.has_check_digits() and account_numbers.FORM.fullmatch(written):
        return written
    try:
        return str(iban.validate(written))
    except ValidationError as exc:
        raise ValueError(f"is no IBAN: {exc}") from exc


def _valid_routing_number(written: str) -> str:
    try:
        return str(rtn.validate(written))
    except ValidationError as exc:
        raise ValueError(f"is no ABA routing number: {exc}") from exc


def together(routing_number: str | None, account_number: str | None, called: str) -> None:
    """Raises ValueError for one without the other."""
    if (routing_number is None) != (account_number is None):
        raise ValueError(f"goes together with {called}")


Iban = Annotated[str, Field(max_length=42), AfterValidator(_valid_iban)]
RoutingNumber = Annotated[str, Field(max_length=9), AfterValidator(_valid_routing_number)]
AccountNumber = Annotated[str, Field(pattern="^[0-9]{4,17}$")]
PartyName = Annotated[str, Field(min_length=1, max_length=70), AfterValidator(printable)]


class Creditor(BaseModel):
    """Who is paid: a `destination_account`, or whoever has the account `creditor_iban`, or in dollars the account
    `creditor_account_number` at the US bank `creditor_routing_number`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    destination_account: RecordId | None = None
    creditor_routing_number: RoutingNumber | None = None
    creditor_account_number: Annotated[AccountNumber | None, Field(validate_default=True)] = None
    creditor_iban: Annotated[Iban | None, Field(validate_default=True)] = None
    creditor_name: PartyName | None = None

    @field_validator("creditor_account_number")
    @classmethod
    def _with_its_bank(cls, account_number: str | None, info: ValidationInfo) -> str | None:
        if "creditor_routing_number" in info.data:
            together(info.data["creditor_routing_number"], account_number, "creditor_routing_number")
        return account_number

    @field_validator("creditor_iban")
    @classmethod
    def _one_creditor(cls, creditor_iban: str | None, info: ValidationInfo) -> str | None:
        ways = [info.data.get(name, "faulty") for name in ("destination_account", "creditor_routing_number")]
        if "faulty" not in ways and sum(way is not None for way in (*ways, creditor_iban)) != 1:
            raise ValueError("give one of destination_account, creditor_iban and creditor_routing_number")
        return creditor_iban

    def field(self) -> str:
        if self.creditor_routing_number is not None:
            return "creditor_routing_number"
        return "destination_account" if self.destination_account else "creditor_iban"


class TransferOrder(Creditor):
    """`amount` is in major units, a JSON number or a string. Without `currency` it is the source account's."""

    source_account: RecordId
    amount: Amount
    currency: Currency | None = None
    reference: Reference = ""


router = APIRouter(route_class=TellerRoute, dependencies=[needs("transfer")])


@router.post("/transfers", status_code=201)
async def transfer(order: TransferOrder, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await carry_out(conn, await examined(conn, order), keyed.key)

    return await answer_once(request, keyed, execute)


@router.get("/transfers/{transfer_id}")
async def transfer_by_id(transfer_id: str, request: Request) -> dict[str, Any]:
    """Between banks `submitted` is pending; `settled` is the end unless it is `returned`; `rejected` is the end."""
    row = await one(request.state.pool, f"SELECT {COLUMNS} FROM transfers WHERE transfer_id = %(id)s", transfer_id)
    if row is None:
        raise unknown("transfer", transfer_id)
    return answer(row)


@router.get("/transfers/{transfer_id}/steps")
async def steps(transfer_id: str, request: Request) -> dict[str, Any]:
    """Every state the transfer was in, and the transaction that each one booked."""
    await transfer_by_id(transfer_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT status, transaction_id, reason, at FROM transfer_steps WHERE transfer_id = %(id)s
            ORDER BY transaction_id
            """,
            {"id": transfer_id},
        )
        return {"steps": await cur.fetchall()}


async def examined(conn: Connection, order: TransferOrder, freed_minor: int = 0) -> Payment:
    """Locks the accounts. `freed_minor` is held money that the source will have back before this is booked.

    Raises Refused.
    """
    here = await account_here(conn, order)
    if order.source_account == here:
        raise Refused(422, "same_account", "source and destination are one account", order.field())
    accounts = await hold_accounts(conn, tuple(filter(None, (order.source_account, here))))
    source = customer_account(accounts, order.source_account, "source_account")
    elsewhere = None if here in accounts else await _elsewhere(conn, order)
    destination = None if elsewhere else customer_account(accounts, here or "", order.field())
    if elsewhere is not None and elsewhere.routing_number is not None and source.currency != "USD":
        detail = f"{source.account_id} is in {source.currency}; US accounts are paid in USD"
        raise Refused(422, "currency_mismatch", detail, order.field())
    return Payment(
        source_account=source.account_id,
        destination_account=None if destination is None else destination.account_id,
        elsewhere=elsewhere,
        amount_minor=_amount_minor(order, source, destination, freed_minor),
        currency=source.currency,
        reference=order.reference,
    )


async def account_here(conn: Connection, creditor: Creditor) -> str | None:
    """An IBAN of one of this bank's accounts stands for that account."""
    if creditor.creditor_iban is None:
        return creditor.destination_account
    row = await fetch_one(conn, "SELECT account_id FROM accounts WHERE iban = %(id)s", creditor.creditor_iban)
    return None if row is None else str(row["account_id"])


async def _elsewhere(conn: Connection, order: TransferOrder) -> Elsewhere | None:
    async with conn.cursor(row_factory=class_row(Elsewhere)) as cur:
        await cur.execute(
            """
            SELECT iban, routing_number, account_number, coalesce(%(name)s, holder) AS holder, account_id, outcome
            FROM external_accounts
            WHERE account_id = %(account_id)s OR iban = %(iban)s
               OR (routing_number, account_number) = (%(routing_number)s, %(account_number)s)
            """,
            {
                "account_id": order.destination_account,
                "iban": order.creditor_iban,
                "routing_number": order.creditor_routing_number,
                "account_number": order.creditor_account_number,
                "name": order.creditor_name,
            },
        )
        known = await cur.fetchone()
    if known is None and order.destination_account is None:
        us_account = (order.creditor_routing_number, order.creditor_account_number)
        return Elsewhere(order.creditor_iban, *us_account, order.creditor_name, None, "settled")
    return known


def _amount_minor(order: TransferOrder, source: Account, destination: Account | None, freed_minor: int) -> int:
    if order.currency is not None and order.currency != source.currency:
        detail = f"{source.account_id} is in {source.currency}, not {order.currency}"
        raise Refused(422, "currency_mismatch", detail, "currency")
    if destination is not None and destination.currency != source.currency:
        detail = f"{destination.account_id} is in {destination.currency}, not {source.currency}"
        raise Refused(422, "currency_mismatch", detail, order.field())
    amount_minor = minor_of(order.amount, source.currency)
    if not source.can_pay(amount_minor - freed_minor):
        raise Refused(422, "insufficient_funds", f"{source.account_id} cannot pay {order.amount}", "amount")
    return amount_minor
