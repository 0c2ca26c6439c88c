"""Standing orders at the bank: made, changed and cancelled under a key, and their versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from db.errors import NeedsReconcile
from tools.bank import Bank, named, read
from tools.rules.money import to_minor

_COMPARED = ("source_account", "destination_account", "creditor_iban", "every", "first_on", "last_on", "reference")


@dataclass(frozen=True, slots=True)
class Standing:
    """`amount` in major units. What is paid once is a month's order that ends on its first day."""

    standing_order_id: Annotated[str, Field(pattern="^sto_")]
    version: int
    status: Literal["active", "ended", "cancelled"]
    source_account: str
    amount: Annotated[Decimal, Field(strict=False)]
    every: Literal["day", "week", "month"]
    first_on: date
    next_on: date | None = None
    last_on: date | None = None
    number: int | None = None
    destination_account: str | None = None
    creditor_iban: str | None = None
    creditor_name: str | None = None
    reference: str = ""

    @property
    def rhythm(self) -> str:
        return "once" if self.last_on == self.first_on else self.every


@dataclass(frozen=True, slots=True)
class _List:
    standing_orders: tuple[Standing, ...]


_LIST, _ONE = TypeAdapter(_List), TypeAdapter(Standing)


async def of_account(bank: Bank, account_id: str) -> tuple[Standing, ...]:
    """Oldest first. Raises NotFound."""
    path = f"accounts/{named('account', account_id)}/standing-orders"
    return (await bank.record(_LIST, path, "account", account_id)).standing_orders


async def version_of(bank: Bank, standing_order_id: str, version: int) -> Standing:
    """As that version had it. Raises NotFound."""
    path = f"standing-orders/{named('standing_order', standing_order_id)}/versions/{int(version)}"
    return await bank.record(_ONE, path, "standing_order", standing_order_id)


async def create(bank: Bank, body: dict[str, Any], key: str) -> dict[str, Any]:
    """Once per key. Raises NeedsReconcile if the bank did something else."""
    return _as_asked(await bank.post("standing-orders", body, key), body, key)


async def change(bank: Bank, standing_order_id: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    path = f"standing-orders/{named('standing_order', standing_order_id)}/changes"
    return _as_asked(await bank.post(path, body, key), body, key)


async def cancel(bank: Bank, standing_order_id: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    response = await bank.post(f"standing-orders/{named('standing_order', standing_order_id)}/cancel", body, key)
    told = read(_ONE, response)
    if (told.standing_order_id, told.status) != (standing_order_id, "cancelled"):
        raise NeedsReconcile(f"key {key} asked to cancel {standing_order_id}, and the bank says {told}")
    return dict(response.json())


def _as_asked(response: Any, body: Mapping[str, Any], key: str) -> dict[str, Any]:
    told, said = read(_ONE, response), dict(response.json())
    wanted = {name: body.get(name) for name in _COMPARED} | {"reference": body.get("reference", "")}
    # An IBAN of this bank is told as it was asked: what becomes of it is each payment's to say.
    same = wanted == {name: said.get(name) for name in _COMPARED} | {"reference": told.reference}
    if not same or to_minor(told.amount, body["currency"]) != to_minor(Decimal(body["amount"]), body["currency"]):
        raise NeedsReconcile(f"key {key} asked for {dict(body)}, and the bank says {said}")
    return said
