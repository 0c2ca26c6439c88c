"""Whose account a payee's name stands for: one whom the customer saved, or paid before; nobody who paid them.

What came in says whatever its sender wrote, so a name in it leads to no account.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from db.errors import InvalidInput, NotFound
from tools import bank_activity, bank_customers, bank_payments
from tools.bank_activity import Entry
from tools.operation import Caller

YEARS_BACK = 6
_YEAR = timedelta(days=365)
_NUMBER = re.compile(r"(?=.*[0-9])[A-Za-z0-9 ]{5,42}")
"""What may be an account's: letters and digits, of which one at least."""


async def with_account(caller: Caller, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the account's number where only a name was given as one. Raises InvalidInput for nobody's and for several's.

    The whole is shown to whoever confirms it, since the number was not typed by them.
    """
    stated, account_id = given.get("creditor_iban"), given.get("source_account")
    if not isinstance(stated, str) or _NUMBER.fullmatch(stated.strip()) or not isinstance(account_id, str):
        return given
    found = {number async for name, number in _paid(caller, account_id) if _names(stated, name)}
    if len(found) != 1:
        several = "several accounts that you paid" if found else "nobody whom you saved or paid"
        raise InvalidInput("creditor_iban", f"{stated[:60]!r} names {several}; give the account's number")
    return {**given, "creditor_iban": found.pop()}


async def _paid(caller: Caller, account_id: str) -> AsyncIterator[tuple[str, str]]:
    """Names and words of those whom the customer saved or paid, each with their number."""
    account = await caller.bank.account(account_id)
    caller.must_read(account.customer_id, "account", account_id)
    if account.customer_id is None:
        raise NotFound("account", account_id)
    for saved in await bank_payments.saved_payees(caller.bank, account.customer_id):
        if saved.iban is not None:
            yield saved.name, saved.iban
    for order in await bank_customers.standing_orders(caller.bank, account_id):
        if order.creditor_iban is not None:
            yield f"{order.creditor_name or ''} {order.reference}", order.creditor_iban
    end = caller.now() + timedelta(days=1)
    for _ in range(YEARS_BACK):
        for each in _outgoing(await bank_activity.activity(caller.bank, account_id, end - _YEAR, end)):
            yield each
        end -= _YEAR


def _outgoing(entries: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        number = entry.counterparty_number
        if entry.amount_minor < 0 and number is not None and "/" not in number:
            yield f"{entry.counterparty_name or ''} {entry.reference}", number


def _names(stated: str, words: str) -> bool:
    """All of it, in whole words."""
    return re.search(rf"(?<!\w){re.escape(stated.strip())}(?!\w)", words, re.IGNORECASE) is not None
