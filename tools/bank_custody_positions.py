"""What all accounts in the bank's custody hold, page by page, over its client."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from pydantic import AwareDatetime, TypeAdapter

from tools.bank import Bank, accepted, read
from tools.bank_custody import Positive
from tools.bank_records import Currency


@dataclass(frozen=True, slots=True)
class Position:
    instrument_id: str
    quantity: Positive


@dataclass(frozen=True, slots=True)
class AccountPositions:
    """`as_of` is the bank's clock."""

    custody_account_id: str
    customer_id: str
    currency: Currency
    state: Literal["open", "frozen", "closed"]
    as_of: AwareDatetime
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class PositionsPage:
    """`next_after` asks for the page after; None on the last one."""

    custody_positions: tuple[AccountPositions, ...]
    next_after: str | None


_PAGE = TypeAdapter(PositionsPage)


async def read_positions(bank: Bank, after: str, limit: int) -> PositionsPage:
    """Of the accounts whose ids come `after`; none does before the empty one."""
    asked = urlencode({"after": after, "limit": limit})
    return read(_PAGE, accepted(await bank.call("GET", f"custody-positions?{asked}")))
