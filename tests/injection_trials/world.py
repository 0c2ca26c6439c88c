"""The suite's environment as a world of the sandbox bank, one customer for each trial, and read back out of that bank.

The suite's year is over and a bank pays what is due: so its standing orders are moved YEARS on, and back for the judge.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from tests.injection_trials.installed import Environment

YEARS = 68
"""Of four each, so that a leap day stays one; nothing falls due while trials run."""


@dataclass(frozen=True, slots=True)
class Books:
    """What the bank has of one customer: what they paid in these days, their orders, contact data and credential."""

    payments: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    contact: dict[str, Any]
    credential: str | None


def customer(number: int) -> str:
    return f"cust_{number}"


def account(environment: Environment, number: int) -> str:
    return f"{environment['bank_account']['iban'][:-4]}{number:04d}"


def world(environments: Sequence[Environment]) -> dict[str, Any]:
    """Customer n has the n-th of them. Everybody they dealt with is a party, whose name nobody knows."""
    parts = [_customer(number, each) for number, each in enumerate(environments)]
    booked = [each for part in parts for each in part["transactions"]]
    own = {each["account_id"] for part in parts for each in part["accounts"]}
    others = sorted({each[side] for each in booked for side in ("payer", "payee")} - own)
    parties = [{"iban": iban, "holder": f"Party {n}", "currency": "EUR"} for n, iban in enumerate(others)]
    joined = {name: [each for part in parts for each in part[name]] for name in parts[0]}
    return {"version": 1, "account_number_checksums": False, "parties": parties, **joined}


def read(bank: httpx.Client, number: int, own: str, secrets: Sequence[str]) -> Books:
    def got(path: str, **params: str) -> Any:
        return bank.get(path, params=params).raise_for_status().json()

    since = datetime.now(UTC).date() - timedelta(days=1)
    entries = got(f"/accounts/{own}/statement", **{"from": since.isoformat()})["entries"]
    return Books(
        [each for each in entries if each["amount_minor"] < 0],
        got(f"/accounts/{own}/standing-orders")["standing_orders"],
        got(f"/customers/{customer(number)}/contact"),
        next((secret for secret in secrets if _matches(bank, number, secret)), None),
    )


def environment_of(books: Books, original: Environment) -> dict[str, Any]:
    """The suite's form of it: the original with what was paid since, and orders and user as they are at the bank."""
    found: dict[str, Any] = json.loads(json.dumps(original))
    bank, user = found["bank_account"], found["user_account"]
    bank["transactions"] += [_paid(1_000 + n, bank["iban"], each) for n, each in enumerate(books.payments)]
    bank["scheduled_transactions"] = [_order(bank["iban"], each) for each in books.orders if each["status"] == "active"]
    user |= {name: books.contact[name] for name in ("street", "city")}
    user["password"] = books.credential or user["password"]
    return found


def _customer(number: int, environment: Environment) -> dict[str, list[dict[str, Any]]]:
    bank, user = environment["bank_account"], environment["user_account"]
    who, own = {"customer_id": customer(number)}, account(environment, number)
    moved = sum(Decimal(str(each["amount"])) * (-1 if each["sender"] == "me" else 1) for each in bank["transactions"])
    opening = str(Decimal(str(bank["balance"])) - moved)
    return {
        "customers": [who | _person(user)],
        "accounts": [who | {"account_id": own, "iban": own, "currency": "EUR", "opening": opening}],
        "transactions": [_booked(own, each) for each in bank["transactions"]],
        "standing_orders": [_standing_order(own, each) for each in bank["scheduled_transactions"]],
        "files": [who | {"path": path, "content": text} for path, text in environment["filesystem"]["files"].items()],
    }


def _person(user: dict[str, Any]) -> dict[str, str]:
    """What the suite does not know of a person is made up."""
    return {
        "full_name": f"{user['first_name']} {user['last_name']}",
        "date_of_birth": "1980-01-01",
        "email": "user@example.com",
        "street": user["street"],
        "city": user["city"],
        "postcode": "10115",
        "country": "US",
        "customer_since": "2015-01-01",
    }


def _booked(own: str, transaction: dict[str, Any]) -> dict[str, str]:
    payer, payee = (own if transaction[side] == "me" else transaction[side] for side in ("sender", "recipient"))
    return {
        "payer": payer,
        "payee": payee,
        "amount": str(transaction["amount"]),
        "booked_at": f"{transaction['date']}T08:00:00Z",
        "reference": transaction["subject"],
    }


def _standing_order(own: str, scheduled: dict[str, Any]) -> dict[str, Any]:
    day = _moved(scheduled["date"], YEARS)
    return {
        "source_account": own,
        "creditor_iban": scheduled["recipient"],
        "amount": str(scheduled["amount"]),
        "reference": scheduled["subject"],
        "number": scheduled["id"],
        "every": "month",
        "first_on": day,
        "next_on": day,
        "last_on": None if scheduled["recurring"] else day,
    }


def _paid(number: int, own: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "sender": own,
        "recipient": entry["counterparty"]["iban"],
        "amount": -entry["amount_minor"] / 100,
        "subject": entry["reference"],
        "date": datetime.now(UTC).date().isoformat(),
        "recurring": False,
    }


def _order(own: str, order: dict[str, Any]) -> dict[str, Any]:
    """Moved back, unless its day was set in the trial."""
    is_moved = int(order["next_on"][:4]) >= datetime.now(UTC).year + YEARS // 2
    return {
        "id": order["number"],
        "sender": own,
        "recipient": order["creditor_iban"],
        "amount": float(order["amount"]),
        "subject": order["reference"],
        "date": _moved(order["next_on"], -YEARS) if is_moved else order["next_on"],
        "recurring": order["first_on"] != order["last_on"],
    }


def _moved(day: str, years: int) -> str:
    return f"{int(day[:4]) + years}{day[4:]}"


def _matches(bank: httpx.Client, number: int, secret: str) -> bool:
    asked = bank.post(f"/customers/{customer(number)}/credential-check", json={"new_credential": secret})
    return bool(asked.raise_for_status().json()["matches"])
