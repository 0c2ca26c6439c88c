"""What was booked on an account at the bank: the statement says with whom, the postings say when."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from pydantic import AwareDatetime, Field, TypeAdapter

from db.errors import BankRefused, BankUnavailable
from tools.bank import Bank, named
from tools.bank_records import Currency, SignedMinor
from tools.rules.account_numbers import us_account
from tools.rules.completeness import Credit

LONGEST_DAYS = 366
"""Of one statement."""
PAGE = 1000
GAVE_BACK = ("returned", "rejected")


@dataclass(frozen=True, slots=True)
class Entry:
    """`amount_minor` is positive for money that came in. The counterparty is the other account of a transfer: an
    account that the bank knows by its id, any other by its number; without a transfer there is none.
    `counterparty_number` is its IBAN, or a US account's routing and account number as `us_account` writes them.

    `transfer_status` is the step that this entry booked: money that a `returned` or `rejected` one gives back is a
    credit of the account that paid.
    """

    entry_id: int
    at: datetime
    amount_minor: int
    currency: str
    counterparty: str | None
    counterparty_number: str | None
    counterparty_name: str | None
    reference: str
    transfer_id: str | None
    transfer_status: str | None


@dataclass(frozen=True, slots=True)
class Booked:
    """A transfer as the bank took it; it names the payee by an account that it knows, or by IBAN."""

    transfer_id: str
    source_account: str
    destination_account: str | None
    creditor_name: str | None
    creditor_iban: str | None
    amount_minor: Annotated[int, Field(ge=1)]
    currency: Currency
    reference: str
    created_at: AwareDatetime
    creditor_routing_number: str | None = None
    creditor_account_number: str | None = None

    @property
    def payee(self) -> str:
        us = _us_account(self.creditor_routing_number, self.creditor_account_number)
        return self.destination_account or self.creditor_iban or us or ""


async def booked_transfer(bank: Bank, transfer_id: str) -> Booked:
    """Raises NotFound."""
    return await bank.record(_BOOKED, f"transfers/{named('transfer', transfer_id)}", "transfer", transfer_id)


async def activity(bank: Bank, account_id: str, since: datetime, until: datetime) -> tuple[Entry, ...]:
    """What was booked at `since` or later and before `until`, oldest first.

    Raises NotFound, BankUnavailable, and BankRefused for a day of more entries than a statement holds.
    """
    lines: dict[int, _Line] = {}
    last_day = (until.astimezone(UTC) - timedelta(microseconds=1)).date()
    async for line in _lines(bank, account_id, since.astimezone(UTC).date(), last_day):
        lines[line.entry_id] = line
    if not lines:
        return ()
    entries = [_entry(lines[posting.posting_id], posting) async for posting in _postings(bank, account_id, lines)]
    return tuple(entry for entry in entries if since <= entry.at < until)


async def money_in(bank: Bank, account_id: str, first: date, last: date) -> tuple[Credit, ...]:
    """What came in from one day to another, both included; without money that a transfer gave back.

    One statement, unlike `activity`: whoever asks what is regular needs no hours. Raises as `activity` does.
    """
    return tuple(
        [
            Credit(_payer(line), line.booking_date, line.amount_minor)
            async for line in _lines(bank, account_id, first, last)
            if line.amount_minor > 0 and line.transfer_status not in GAVE_BACK
        ]
    )


def _payer(line: "_Line") -> str:
    other = line.counterparty
    return (other and (other.account or other.iban or other.name)) or line.reference


@dataclass(frozen=True, slots=True)
class _Counterparty:
    account: str | None
    iban: str | None
    name: str | None
    routing_number: str | None = None
    account_number: str | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """An entry of a statement, which knows its day alone."""

    entry_id: Annotated[int, Field(ge=1)]
    booking_date: date
    amount_minor: SignedMinor
    reference: str
    transfer_id: str | None
    transfer_status: str | None
    counterparty: _Counterparty | None


@dataclass(frozen=True, slots=True)
class _Statement:
    account_id: str
    entries: tuple[_Line, ...]


@dataclass(frozen=True, slots=True)
class _Posting:
    posting_id: Annotated[int, Field(ge=1)]
    amount_minor: SignedMinor
    currency: Currency
    booked_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class _Page:
    postings: tuple[_Posting, ...]


_STATEMENT = TypeAdapter(_Statement)
_PAGE = TypeAdapter(_Page)
_BOOKED = TypeAdapter(Booked)


async def _lines(bank: Bank, account_id: str, first: date, last: date) -> AsyncIterator[_Line]:
    """Of a period of any length: the bank gives so many days at most, and fewer if they are busy."""
    if last < first:
        return
    if (last - first).days < LONGEST_DAYS:
        query = urlencode({"from": first.isoformat(), "to": last.isoformat(), "format": "json"})
        path = f"accounts/{named('account', account_id)}/statement?{query}"
        try:
            statement = await bank.record(_STATEMENT, path, "account", account_id)
        except BankRefused as exc:
            if exc.code != "statement_too_long" or first == last:
                raise
        else:
            for line in statement.entries:
                yield line
            return
    middle = first + (last - first) // 2
    async for line in _lines(bank, account_id, first, middle):
        yield line
    async for line in _lines(bank, account_id, middle + timedelta(days=1), last):
        yield line


async def _postings(bank: Bank, account_id: str, lines: dict[int, _Line]) -> AsyncIterator[_Posting]:
    """Of these lines. Raises BankUnavailable if one of them has no posting."""
    missing, after = set(lines), min(lines) - 1
    while missing:
        path = f"accounts/{named('account', account_id)}/postings?{urlencode({'after': after, 'limit': PAGE})}"
        page = await bank.record(_PAGE, path, "account", account_id)
        if not page.postings:
            raise BankUnavailable(f"the bank's statement of {account_id} has entries that its postings lack")
        for posting in page.postings:
            if posting.posting_id in missing:
                missing.remove(posting.posting_id)
                yield posting
        after = page.postings[-1].posting_id


def _entry(line: _Line, posting: _Posting) -> Entry:
    other = line.counterparty or _Counterparty(None, None, None)
    number = other.iban or _us_account(other.routing_number, other.account_number)
    return Entry(
        entry_id=line.entry_id,
        at=posting.booked_at,
        amount_minor=posting.amount_minor,
        currency=posting.currency,
        counterparty=other.account or number,
        counterparty_number=number,
        counterparty_name=other.name,
        reference=line.reference,
        transfer_id=line.transfer_id,
        transfer_status=line.transfer_status,
    )


def _us_account(routing_number: str | None, account_number: str | None) -> str | None:
    return us_account(routing_number, account_number) if routing_number and account_number else None
