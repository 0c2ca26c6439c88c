"""From a request and the bank's records to exactly what is to be done with a standing order: the payload."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any

from db.errors import BankUnavailable, InvalidInput, NotFound
from tools import bank_standing_orders
from tools.bank import Bank
from tools.bank_payments import Order
from tools.bank_standing_orders import Standing
from tools.desk import Prepared
from tools.rules.money import format_minor, from_minor, to_minor
from tools.rules.standing_order_days import first_due
from tools.standing_order_request import StandingOrderRequest

Payload = Mapping[str, Any]
_TERMS = (
    *("payee_name", "payee_account", "amount_minor", "amount", "currency", "reference", "every", "first_on", "last_on"),
)


async def proposed(asked: StandingOrderRequest, bank: Bank, today: date) -> dict[str, Any]:
    """Exactly what a person confirms and what is done: the order as it will be, and as it is.

    Raises NotFound, and InvalidInput naming the field.
    """
    account = await bank.account(asked.source_account)
    payload: dict[str, Any] = {"do": asked.do, "source_account": asked.source_account}
    if asked.do == "create":
        return payload | _terms(asked, None, account.currency, today) | {"old": None}
    current = await _named(asked, bank)
    old = {
        "payee_name": current.creditor_name,
        "payee_account": current.destination_account or current.creditor_iban,
        **_amount(to_minor(current.amount, account.currency), account.currency),
        "reference": current.reference,
        "every": current.rhythm,
        "first_on": (current.next_on or current.first_on).isoformat(),
        "last_on": current.last_on.isoformat() if current.last_on else None,
    }
    payload |= {"standing_order_id": current.standing_order_id, "number": current.number, "version": current.version}
    new = {} if asked.do == "cancel" else _terms(asked, current, account.currency, today)
    return payload | new | {"old": old}


async def prepared(asked: StandingOrderRequest, bank: Bank, today: date) -> Prepared | None:
    payload = await proposed(asked, bank, today)
    return None if changes_nothing(payload) else Prepared(payload, words(payload))


async def account_is_known(asked: StandingOrderRequest, bank: Bank) -> None:
    """Raises InvalidInput. A bank that is away is not asked twice: the run waits for it."""
    with suppress(BankUnavailable):
        try:
            await bank.account(asked.source_account)
        except NotFound as exc:
            raise InvalidInput("source_account", f"the bank knows no account {exc.record_id}") from exc


def changes_nothing(payload: Payload) -> bool:
    return payload["do"] == "change" and all(payload[name] == payload["old"][name] for name in _TERMS)


def order_of(payload: Payload) -> Order:
    """Each payment of the order, as the checks of transfers look at one."""
    return Order(
        source_account=payload["source_account"],
        destination_account=None if payload["payee_by_iban"] else payload["payee_account"],
        creditor_iban=payload["payee_account"] if payload["payee_by_iban"] else None,
        creditor_name=payload["payee_name"],
        amount_minor=payload["amount_minor"],
        currency=payload["currency"],
        reference=payload["reference"],
    )


def body_of(payload: Payload) -> dict[str, Any]:
    """What the bank is sent of what was confirmed."""
    if payload["do"] == "cancel":
        return {"version": payload["version"]}
    once = payload["every"] == "once"
    body = {
        "source_account": payload["source_account"],
        "creditor_iban" if payload["payee_by_iban"] else "destination_account": payload["payee_account"],
        "creditor_name": payload["payee_name"],
        "amount": str(from_minor(payload["amount_minor"], payload["currency"])),
        "currency": payload["currency"],
        "reference": payload["reference"],
        "every": "month" if once else payload["every"],
        "first_on": payload["first_on"],
        "last_on": payload["first_on"] if once else payload["last_on"],
        "version": payload.get("version"),
    }
    return {name: value for name, value in body.items() if value is not None}


def words(payload: Payload) -> str:
    """The question that its customer answers, each figure in it."""
    account, number = payload["source_account"], payload.get("number")
    if payload["do"] == "cancel":
        return f"Cancel standing order {number} of {account}: {_described(payload['old'])}?"
    if payload["do"] == "create":
        return f"Set up a standing order from {account}: {_described(payload)}?"
    old, new = _described(payload["old"]), _described(payload)
    return f"Change standing order {number} of {account} to: {new}? Now it is: {old}."


def _described(terms: Payload) -> str:
    name = f" ({terms['payee_name']})" if terms["payee_name"] else ", no name given"
    subject = f"with the subject “{terms['reference']}”" if terms["reference"] else "without a subject"
    days = "once, on" if terms["every"] == "once" else f"every {terms['every']} from"
    last = f" until {terms['last_on']}" if terms["last_on"] and terms["every"] != "once" else ""
    amount = f"{from_minor(terms['amount_minor'], terms['currency']):.2f} {terms['currency']}"
    return f"pay {amount} to {terms['payee_account']}{name}, {subject}, {days} {terms['first_on']}{last}"


async def _named(asked: StandingOrderRequest, bank: Bank) -> Standing:
    for one in await bank_standing_orders.of_account(bank, asked.source_account):
        if asked.standing_order_id == one.standing_order_id or (
            asked.number is not None and asked.number == one.number
        ):
            if one.status != "active":
                raise InvalidInput("number" if asked.number else "standing_order_id", f"is {one.status}")
            return one
    raise NotFound("standing order", asked.standing_order_id or str(asked.number))


def _terms(asked: StandingOrderRequest, now: Standing | None, currency: str, today: date) -> dict[str, Any]:
    """Of a change, what is not asked stays; a payee's name stays with their account."""
    stated = asked.destination_account or asked.creditor_iban
    kept = None if now is None else now.destination_account or now.creditor_iban
    same = now is not None and stated in (None, kept)
    amount = asked.amount if now is None or asked.amount is not None else now.amount
    every = asked.every or (now.rhythm if now else "month")
    wanted = asked.first_on or (now.next_on if now else None) or today
    first_on = first_due(wanted, every, today)
    last_on = asked.last_on or (now.last_on if now and every != "once" and now.rhythm != "once" else None)
    if last_on is not None and last_on < first_on:
        raise InvalidInput("last_on", f"is before the first day, {first_on}")
    assert amount is not None
    return {
        "payee_name": asked.creditor_name or (now.creditor_name if now and same else None),
        "payee_account": kept if same else stated,
        "payee_by_iban": bool(now and now.creditor_iban) if same else asked.creditor_iban is not None,
        **_amount(to_minor(amount, currency), currency),
        "reference": (now.reference if now else "") if asked.reference is None else asked.reference,
        "every": every,
        "first_on": first_on.isoformat(),
        "last_on": first_on.isoformat() if every == "once" else last_on and last_on.isoformat(),
    }


def _amount(amount_minor: int, currency: str) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "amount": format_minor(amount_minor, currency), "currency": currency}
