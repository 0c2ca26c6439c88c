"""All that a decision about a customer's portfolio takes of the bank's custody, from one call and one moment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from pydantic import TypeAdapter

from tools.bank import Bank, named
from tools.bank_custody import CustodyAccount, Holdings, Trade, read_trades


@dataclass(frozen=True, slots=True)
class InCustody:
    """One account; `holdings` if they were asked for. `trades` are oldest first."""

    account: CustodyAccount
    holdings: Holdings | None
    trades: tuple[Trade, ...]
    next_cursor: int | None


@dataclass(frozen=True, slots=True)
class _Overview:
    accounts: tuple[InCustody, ...]


_OVERVIEW = TypeAdapter(_Overview)


async def read_custody(
    bank: Bank, customer_id: str, account_ids: Sequence[str], since: datetime
) -> tuple[InCustody, ...]:
    """The customer's accounts, and then those of others in their households, each with its trades since then; with
    holdings those named, or the customer's own that are not closed. Raises NotFound without such a customer."""
    asked = [("since", since.isoformat()), *(("custody_account_id", one) for one in account_ids)]
    path = f"customers/{named('customer', customer_id)}/custody?{urlencode(asked)}"
    found = (await bank.record(_OVERVIEW, path, "customer", customer_id)).accounts
    return tuple([await _complete(bank, one, since) for one in found])


async def _complete(bank: Bank, one: InCustody, since: datetime) -> InCustody:
    """With the trades that the bank's first page had no room for."""
    if one.next_cursor is None:
        return one
    more = await read_trades(bank, one.account.custody_account_id, since, one.next_cursor)
    return replace(one, trades=one.trades + more, next_cursor=None)
