"""A customer at one glance, in one answer of the bank: record, credit file, accounts, standing orders, loans."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from tools.bank import Bank, named
from tools.bank_loans import LoanAccount
from tools.bank_records import Account, Balance, CreditFile, Currency, Customer
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
class HeldAccount:
    account: Account
    balance: Balance
    standing_orders: tuple[StandingOrder, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """`credit_file` None: the bureau knows nothing of the customer. `accounts` are those of the customer's record, in
    its order."""

    customer: Customer
    credit_file: CreditFile | None
    accounts: tuple[HeldAccount, ...]
    loan_accounts: tuple[LoanAccount, ...]


_OVERVIEW = TypeAdapter(Overview)


async def overview(bank: Bank, customer_id: str) -> Overview:
    """One call, so that a file of applications costs the bank one read each. Raises NotFound."""
    path = f"customers/{named('customer', customer_id)}/overview"
    return await bank.record(_OVERVIEW, path, "customer", customer_id)
