"""Whose each argument of a start is: typed by the user, out of the caller's own record, or untrusted.

A model puts the arguments together, so what it says of them counts for nothing. Only what follows from the user's own
words by form alone starts without being asked about: see `is_outright`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from tools import intake_fields
from tools.intake_fields import Field
from tools.operation import Caller
from tools.rules import outright, written_values

Source = Literal["typed_by_user", "own_record", "default", "untrusted"]
_NUMERIC = ("amount", "amount_minor", "months", "whole")
_OWN_ACCOUNT = ("source_account", "payout_account")
_OWN_CUSTOMER = ("customer_id", "applicant_id")


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """What of the caller's own is one and not several."""

    customer: str | None = None
    account: str | None = None
    currency: str | None = None

    def named(self, wanted: Any) -> Any:
        """`$account` and the like; anything else is itself."""
        own = {"$customer": self.customer, "$account": self.account, "$currency": self.currency}
        return own.get(wanted, wanted) if isinstance(wanted, str) else wanted


async def own_record(caller: Caller) -> OwnRecord:
    if len(caller.actor.customers) != 1:
        return OwnRecord()
    (customer_id,) = caller.actor.customers
    customer = await caller.bank.customer(customer_id)
    accounts = [await caller.bank.account(account_id) for account_id in customer.accounts]
    current = [account for account in accounts if account.kind == "current"]
    if len(current) != 1:
        return OwnRecord(customer_id)
    return OwnRecord(customer_id, current[0].account_id, current[0].currency)


def sources(shape: type[BaseModel], given: Mapping[str, Any], text: str, own: OwnRecord) -> dict[str, Source]:
    """By the field's path. `given` is the whole input, validated; `text` the user's latest message."""
    fields = {field.path: field for field in intake_fields.fields(shape)}
    usual = {name: field.default for name, field in shape.model_fields.items()}
    found: dict[str, Source] = {}
    for path, value in _flat(given):
        if value is None or (path in usual and value == usual[path] and path != "currency"):
            found[path] = "default"
        else:
            found[path] = _source(fields.get(path), path, value, (text, own))
    return found


def is_outright(shape: type[BaseModel], given: Mapping[str, Any], text: str, own: OwnRecord) -> bool:
    """Whether nobody need be asked: the user ordered it in one plain sentence, typed each value or it is their own
    only one, and no value could be mistaken for another."""
    if not outright.is_order(text):
        return False
    found = sources(shape, given, text, own)
    kinds = {field.path: _kind(field) for field in intake_fields.fields(shape)}
    typed = [kinds.get(path, path) for path, source in found.items() if source == "typed_by_user"]
    if "untrusted" in found.values() or len([kind for kind in typed if kind != "words"]) != len(
        {kind for kind in typed if kind != "words"}
    ):
        return False
    try:
        stated = len(written_values.numbers(text))
    except ValueError:
        return False
    accounts = outright.accounts(text) | set(written_values.ibans(text))
    return stated == 1 and "number" in typed and "account" in typed and len(accounts) == 1


def _kind(field: Field) -> str:
    if field.kind in _NUMERIC:
        return "number"
    names_account = field.kind == "iban" or field.path.endswith(("_account", "_number"))
    return "account" if names_account else "words" if field.kind == "text" else field.kind


def _source(field: Field | None, path: str, value: Any, said: tuple[str, OwnRecord]) -> Source:
    text, own = said
    if (path in _OWN_ACCOUNT and value == own.account) or (path in _OWN_CUSTOMER and value == own.customer):
        return "own_record"
    if path == "currency" and value == own.currency and set(written_values.currencies(text)) <= {value}:
        return "own_record"
    return "typed_by_user" if field is not None and _is_typed(field, value, text) else "untrusted"


def _is_typed(field: Field, value: Any, text: str) -> bool:
    try:
        numbers = written_values.numbers(text)
    except ValueError:
        return False
    if field.kind in _NUMERIC:
        return list(numbers) == [Decimal(str(value))]
    if field.kind == "iban":
        return list(written_values.ibans(text)) == [value]
    if field.kind == "currency":
        return list(written_values.currencies(text)) == [value]
    if field.kind != "text" or not isinstance(value, str):
        return False
    start = text.find(value)
    return start >= 0 and written_values.is_whole(text, start, start + len(value))


def _flat(given: Mapping[str, Any], at: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in given.items():
        path = f"{at}{name}"
        found += _flat(value, f"{path}.") if isinstance(value, Mapping) else [(path, value)]
    return found
