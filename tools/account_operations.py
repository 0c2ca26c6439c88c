"""What an agent may read of a customer's accounts at the bank: accounts, balances, transactions, payees, custody."""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated

from pydantic import Field

from db.errors import InvalidInput
from tools import bank_activity, bank_custody, bank_payments
from tools.bank_activity import Entry
from tools.bank_custody import Holdings
from tools.bank_payments import SavedPayee
from tools.bank_records import Account, Balance
from tools.operation import READ, Caller, Input, operation

LONGEST_DAYS = 92
MOST = 200
_RecordId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$")]


class OfCustomer(Input):
    customer_id: _RecordId


class OfAccount(Input):
    account_id: _RecordId


class OfPeriod(OfAccount):
    """`until` is the last day; without it, today; without `since`, thirty days before."""

    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class AccountStanding:
    account: Account
    balance: Balance


@dataclass(frozen=True, slots=True)
class Activity:
    """The latest entries of the period, oldest first; `left_out` are earlier ones, of which there were too many."""

    account_id: str
    since: date
    until: date
    entries: tuple[Entry, ...]
    left_out: int


@operation(READ)
async def list_my_customers(caller: Caller, wanted: Input) -> list[str]:
    """The bank's customers that the caller's key speaks for; staff may read others, too, by their ids."""
    return sorted(caller.actor.customers)


@operation(READ)
async def list_accounts(caller: Caller, wanted: OfCustomer) -> list[AccountStanding]:
    """A customer's accounts at the bank, with what is on each. Amounts in minor units."""
    caller.must_read(wanted.customer_id, "customer", wanted.customer_id)
    customer = await caller.bank.customer(wanted.customer_id)
    return list(await asyncio.gather(*(_standing(caller, account_id) for account_id in customer.accounts)))


@operation(READ)
async def get_balance(caller: Caller, wanted: OfAccount) -> AccountStanding:
    """What is on an account, and what of it can be spent. Amounts in minor units."""
    standing = await _standing(caller, wanted.account_id)
    caller.must_read(standing.account.customer_id, "account", wanted.account_id)
    return standing


@operation(READ)
async def list_transactions(caller: Caller, wanted: OfPeriod) -> Activity:
    """What was booked on an account; money that came in is positive. References are whatever the payer wrote."""
    account = await caller.bank.account(wanted.account_id)
    caller.must_read(account.customer_id, "account", wanted.account_id)
    until = wanted.until or caller.now().date()
    since = wanted.since or until - timedelta(days=30)
    if not timedelta(0) <= until - since <= timedelta(days=LONGEST_DAYS):
        raise InvalidInput("since", f"must lie within the {LONGEST_DAYS} days before {until}, or on it")
    tz = caller.now().tzinfo
    start, end = datetime.combine(since, time(), tz), datetime.combine(until + timedelta(days=1), time(), tz)
    entries = await bank_activity.activity(caller.bank, wanted.account_id, start, end)
    return Activity(wanted.account_id, since, until, entries[-MOST:], max(0, len(entries) - MOST))


@operation(READ)
async def list_payees(caller: Caller, wanted: OfCustomer) -> list[SavedPayee]:
    """Whom a customer saved as payees at the bank. Being saved is no approval of a payment."""
    caller.must_read(wanted.customer_id, "customer", wanted.customer_id)
    return list(await bank_payments.saved_payees(caller.bank, wanted.customer_id))


@operation(READ)
async def list_holdings(caller: Caller, wanted: OfCustomer) -> list[Holdings]:
    """A customer's custody accounts: cash in minor units, lots, and orders that are open."""
    caller.must_read(wanted.customer_id, "customer", wanted.customer_id)
    accounts = await bank_custody.read_custody_accounts(caller.bank, wanted.customer_id)
    reads = (bank_custody.read_holdings(caller.bank, account.custody_account_id) for account in accounts)
    return list(await asyncio.gather(*reads))


async def _standing(caller: Caller, account_id: str) -> AccountStanding:
    account, balance = await asyncio.gather(caller.bank.account(account_id), caller.bank.balance(account_id))
    return AccountStanding(account, balance)
