"""What leaves a customer's accounts at the bank again and again, whatever they say of it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from tools.bank import Bank, named
from tools.bank_records import Currency
from tools.rules.money import to_minor

_TIMES_A_YEAR = {"day": 365, "week": 52, "month": 12}


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """`amount` is in major units. `destination_account` None: an account at another bank."""

    status: Literal["active", "ended", "cancelled"]
    amount: Annotated[Decimal, Field(strict=False)]
    every: Literal["day", "week", "month"]
    currency: Currency | None = None
    destination_account: str | None = None

    def monthly_minor(self, currency: str) -> int:
        """A twelfth of a year's payments, rounded up."""
        return -(-to_minor(self.amount, currency) * _TIMES_A_YEAR[self.every] // 12)


@dataclass(frozen=True, slots=True)
class _StandingOrders:
    standing_orders: tuple[StandingOrder, ...]


_ORDERS = TypeAdapter(_StandingOrders)


async def standing_orders(bank: Bank, account_id: str) -> tuple[StandingOrder, ...]:
    """Oldest first. Raises NotFound."""
    path = f"accounts/{named('account', account_id)}/standing-orders"
    return (await bank.record(_ORDERS, path, "account", account_id)).standing_orders
