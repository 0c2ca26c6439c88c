"""A world out of a JSON file, loaded into the bank once: customers, accounts, what was booked, standing orders, files.

Everybody whom its customers paid, or were paid by, has an account at this bank (`parties`), so that a statement says
with whom. A world may do without check digits in account numbers: tests have numbers that nobody could ever have.
"""

import hashlib
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from psycopg.types.json import Json
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from api.sandbox.database import Connection
from api.sandbox.money import Reference, in_major, to_minor
from api.sandbox.transfer_records import Payment, record

_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_Iban = Annotated[str, Field(pattern=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$")]
_Text = Annotated[str, Field(min_length=1, max_length=200)]
_Amount = Annotated[Decimal, Field(gt=0, le=1_000_000_000)]


LONGEST_REFERENCE = 140
"""Of a transfer."""


class UnreadableWorld(Exception):
    """The file is no world, or not the one that this bank has."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldCustomer(_Part):
    customer_id: _Id
    full_name: _Text
    date_of_birth: date
    email: _Text
    street: _Text
    city: _Text
    postcode: _Text
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    customer_since: date
    kyc_status: Literal["verified", "pending", "blocked"] = "verified"


class WorldAccount(_Part):
    """`opening` is what is on it before the world's first transaction."""

    account_id: _Id
    customer_id: _Id
    currency: Literal["USD", "EUR"]
    kind: Literal["current", "savings"] = "current"
    iban: _Iban | None = None
    opening: Annotated[Decimal, Field(ge=0, le=1_000_000_000)] = Decimal(0)


class WorldParty(_Part):
    """Somebody else: with an account named by its number, in the currency of whom they deal with."""

    iban: _Iban
    holder: _Text
    currency: Literal["USD", "EUR"]


class WorldTransaction(_Part):
    """`payer` and `payee` are accounts' ids, or parties' numbers. The reference may be longer than a transfer's:
    statements tell the whole."""

    payer: _Id
    payee: _Id
    amount: _Amount
    booked_at: AwareDatetime
    reference: Annotated[str, Field(max_length=4_000)] = ""


class WorldStandingOrder(_Part):
    source_account: _Id
    creditor_iban: _Iban
    creditor_name: Annotated[str, Field(max_length=70)] | None = None
    amount: _Amount
    reference: Reference = ""
    every: Literal["day", "week", "month"]
    first_on: date
    next_on: date
    last_on: date | None = None
    number: Annotated[int, Field(ge=1, le=100_000)] | None = None


class WorldFile(_Part):
    customer_id: _Id
    path: _Text
    content: Annotated[str, Field(max_length=100_000)]


class World(_Part):
    version: Literal[1]
    account_number_checksums: bool = True
    customers: Annotated[list[WorldCustomer], Field(min_length=1)]
    accounts: Annotated[list[WorldAccount], Field(min_length=1)]
    parties: list[WorldParty] = []
    transactions: list[WorldTransaction] = []
    standing_orders: list[WorldStandingOrder] = []
    files: list[WorldFile] = []

    def currencies(self) -> dict[str, str]:
        """Of every account, by its id."""
        found: dict[str, str] = {each.account_id: each.currency for each in self.accounts}
        return found | {each.iban: each.currency for each in self.parties}

    @model_validator(mode="after")
    def _names_what_it_has(self) -> "World":
        customers = {each.customer_id for each in self.customers}
        owned = {each.account_id for each in self.accounts}
        ids = [each.account_id for each in self.accounts] + [each.iban for each in self.parties]
        if twice := next((one for one in ids if ids.count(one) > 1), None):
            raise ValueError(f"{twice} is named twice")
        known = self.currencies()
        for place, account in enumerate(self.accounts):
            _must_be(
                account.customer_id in customers, f"accounts.{place}.customer_id: no customer", account.customer_id
            )
        for place, file in enumerate(self.files):
            _must_be(file.customer_id in customers, f"files.{place}.customer_id: no customer", file.customer_id)
        for place, order in enumerate(self.standing_orders):
            where = f"standing_orders.{place}"
            _must_be(order.source_account in owned, f"{where}.source_account: no account", order.source_account)
        for place, booked in enumerate(self.transactions):
            for side in (booked.payer, booked.payee):
                _must_be(side in known, f"transactions.{place}: neither account nor party", side)
            same = known[booked.payer] == known[booked.payee]
            _must_be(same and booked.payer != booked.payee, f"transactions.{place}: no two sides of", booked.payer)
        return self


def read_world(file: Path) -> tuple[World, str]:
    """With the SHA-256 of its bytes. Raises UnreadableWorld, naming the place and the fault."""
    try:
        written = file.read_bytes()
        world = World.model_validate(json.loads(written, parse_float=Decimal, parse_constant=_no_number))
    except ValidationError as exc:
        fault = exc.errors(include_url=False, include_input=False)[0]
        raise UnreadableWorld(f"{file}: {'.'.join(map(str, fault['loc'])) or 'world'}: {fault['msg']}") from exc
    except (OSError, ValueError) as exc:
        raise UnreadableWorld(f"{file}: {exc}") from exc
    return world, hashlib.sha256(written).hexdigest()


async def load(conn: Connection, found: tuple[World, str]) -> None:
    """In the caller's transaction; nothing, if it is there already. Raises UnreadableWorld if another one is."""
    world, sha256 = found
    cur = await conn.execute("SELECT sha256 FROM worlds")
    if (loaded := await cur.fetchone()) is not None:
        if loaded["sha256"] != sha256:
            raise UnreadableWorld("this bank has another world; take a new database for this one")
        return
    values = (sha256, world.account_number_checksums)
    await conn.execute("INSERT INTO worlds (sha256, checksums) VALUES (%s, %s)", values)
    await _customers(conn, world)
    await _accounts(conn, world)
    for number, booked in enumerate(sorted(world.transactions, key=lambda one: one.booked_at)):
        await _book(conn, world, booked, f"world:{number}")
    for number, order in enumerate(world.standing_orders):
        await _standing_order(conn, order, f"world:order:{number}")
    for file in world.files:
        row = (file.customer_id, file.path, file.content)
        await conn.execute("INSERT INTO files (customer_id, path, content) VALUES (%s, %s, %s)", row)


async def has_check_digits(conn: Connection) -> bool:
    cur = await conn.execute("SELECT coalesce(bool_and(checksums), true) AS checked FROM worlds")
    row = await cur.fetchone()
    return bool(row and row["checked"])


async def _customers(conn: Connection, world: World) -> None:
    currencies = {each.customer_id: each.currency for each in world.accounts}
    for each in world.customers:
        await _customer(conn, each.model_dump() | {"currency": currencies.get(each.customer_id, "USD")})
    for party in world.parties:
        unknown = {"date_of_birth": date(1970, 1, 1), "email": "nobody@example.com", "street": "-", "city": "-"}
        unknown |= {"postcode": "-", "country": party.iban[:2], "customer_since": date(2000, 1, 1)}
        name = {"customer_id": f"party_{party.iban}", "full_name": party.holder, "currency": party.currency}
        await _customer(conn, {**unknown, **name, "kyc_status": "verified"})


async def _customer(conn: Connection, values: dict[str, Any]) -> None:
    await conn.execute(
        """
        INSERT INTO customers (customer_id, full_name, date_of_birth, email, street, city, postcode, country,
                               customer_since, kyc_status, currency)
        VALUES (%(customer_id)s, %(full_name)s, %(date_of_birth)s, %(email)s, %(street)s, %(city)s, %(postcode)s,
                %(country)s, %(customer_since)s, %(kyc_status)s, %(currency)s)
        """,
        values,
    )


async def _accounts(conn: Connection, world: World) -> None:
    """Whoever is no customer of the world's has in their account what they pay out in it."""
    for each in world.accounts:
        minor = 0 if not each.opening else to_minor(each.opening, each.currency)
        await _account(conn, each.model_dump(include={"account_id", "customer_id", "currency", "kind", "iban"}), minor)
    for party in world.parties:
        paid = sum(to_minor(one.amount, party.currency) for one in world.transactions if one.payer == party.iban)
        values = {"account_id": party.iban, "customer_id": f"party_{party.iban}", "kind": "current"}
        await _account(conn, values | {"currency": party.currency, "iban": party.iban}, paid)


async def _account(conn: Connection, values: dict[str, Any], opening_minor: int) -> None:
    await conn.execute("DELETE FROM external_accounts WHERE iban = %s", (values["iban"],))
    await conn.execute(
        """
        INSERT INTO accounts (account_id, customer_id, currency, kind, iban)
        VALUES (%(account_id)s, %(customer_id)s, %(currency)s, %(kind)s, %(iban)s)
        """,
        values,
    )
    if opening_minor:
        moved = (f"BANK-CASH-{values['currency']}", values["account_id"], opening_minor)
        await _booked(conn, values["currency"], ("opening balance", date(2000, 1, 3)), moved)


async def _book(conn: Connection, world: World, booked: WorldTransaction, key: str) -> None:
    currency = world.currencies()[booked.payer]
    minor = to_minor(booked.amount, currency)
    moved = (booked.payer, booked.payee, minor)
    transaction_id = await _booked(conn, currency, (booked.reference or "transfer", booked.booked_at), moved)
    await _request(conn, key, "/transfers")
    payment = Payment(booked.payer, minor, currency, booked.reference[:LONGEST_REFERENCE], booked.payee)
    await record(conn, payment, key, transaction_id)


async def _booked(conn: Connection, currency: str, said: tuple[str, Any], moved: tuple[str, str, int]) -> int:
    payer, payee, amount_minor = moved
    cur = await conn.execute(
        """
        WITH booked AS (
            INSERT INTO transactions (reference, booked_at) VALUES (%(reference)s, %(at)s) RETURNING transaction_id
        )
        INSERT INTO postings (transaction_id, account_id, currency, amount_minor)
        SELECT transaction_id, account_id, %(currency)s, amount FROM booked,
            (VALUES (%(payer)s, -%(amount)s::bigint), (%(payee)s, %(amount)s::bigint)) AS side (account_id, amount)
        RETURNING transaction_id
        """,
        {
            "reference": said[0],
            "at": said[1],
            "currency": currency,
            "payer": payer,
            "payee": payee,
            "amount": amount_minor,
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return int(row["transaction_id"])


async def _standing_order(conn: Connection, order: WorldStandingOrder, key: str) -> None:
    await _request(conn, key, "/standing-orders")
    payment = order.model_dump(mode="json", include={"source_account", "creditor_iban", "creditor_name", "reference"})
    payment |= {"amount": in_major(to_minor(order.amount, "USD"), "USD")}
    await conn.execute(
        """
        INSERT INTO standing_orders (standing_order_id, idempotency_key, source_account, transfer_order, interval_unit,
                                     first_on, next_on, last_on, number)
        VALUES ('sto_' || md5(%(key)s), %(key)s, %(source_account)s, %(payment)s, %(every)s, %(first_on)s, %(next_on)s,
                %(last_on)s, %(number)s)
        """,
        order.model_dump(include={"source_account", "every", "first_on", "next_on", "last_on", "number"})
        | {"key": key, "payment": Json({name: value for name, value in payment.items() if value is not None})},
    )


async def _request(conn: Connection, key: str, path: str) -> None:
    await conn.execute(
        """
        INSERT INTO requests (idempotency_key, method, path, request_sha256, status, response)
        VALUES (%(key)s, 'POST', %(path)s, repeat('0', 64), 201, '{"world": true}')
        """,
        {"key": key, "path": path},
    )


def _must_be(holds: bool, fault: str, value: str) -> None:
    if not holds:
        raise ValueError(f"{fault} {value}")


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
