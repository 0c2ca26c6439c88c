"""What the bank's own books say: its record of our requests, its records of what they made, its statements."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AwareDatetime, Field, TypeAdapter

from db.errors import BankRefused, NotFound
from tools.bank import Bank, accepted, named, read
from tools.bank_records import Currency, Minor, SignedMinor

PAGE = 500


@dataclass(frozen=True, slots=True)
class BankRequest:
    """A request made with our API key, and the bank's answer to it."""

    idempotency_key: str
    method: str
    path: str
    request_sha256: str
    status: int
    response: dict[str, Any]
    received_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class BookedTransfer:
    transfer_id: str
    status: Literal["submitted", "settled", "rejected", "returned"]
    source_account: str
    destination_account: str | None
    creditor_iban: str | None
    amount_minor: Minor
    currency: Currency
    creditor_routing_number: str | None = None
    creditor_account_number: str | None = None


@dataclass(frozen=True, slots=True)
class TransferStep:
    status: str
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class BookedHold:
    hold_id: str
    status: Literal["active", "captured", "voided", "expired"]
    account_id: str
    currency: Currency
    amount_minor: Minor
    captured_minor: Minor
    transfer_id: str | None


@dataclass(frozen=True, slots=True)
class LoanAccount:
    loan_account_id: str
    transfer_id: str
    status: str
    customer_id: str
    disburse_to_account: str
    principal_minor: Minor
    fee_minor: Minor
    paid_out_minor: Minor
    currency: Currency


@dataclass(frozen=True, slots=True)
class LoanAction:
    action_id: str
    kind: str
    outstanding_principal_minor: Minor


@dataclass(frozen=True, slots=True)
class Entry:
    """`amount_minor` is below zero for a debit; `transfer_status` is the step that booked it."""

    amount_minor: SignedMinor
    transfer_id: str | None
    transfer_status: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    account_id: str
    opening_booked_minor: SignedMinor
    closing_booked_minor: SignedMinor
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Page:
    requests: tuple[BankRequest, ...]
    next_cursor: Annotated[int, Field(ge=1)] | None


@dataclass(frozen=True, slots=True)
class _Actions:
    actions: tuple[LoanAction, ...]


@dataclass(frozen=True, slots=True)
class _Steps:
    steps: tuple[TransferStep, ...]


_PAGE = TypeAdapter(_Page)
_TRANSFER = TypeAdapter(BookedTransfer)
_STEPS = TypeAdapter(_Steps)
_HOLD = TypeAdapter(BookedHold)
_LOAN = TypeAdapter(LoanAccount)
_ACTIONS = TypeAdapter(_Actions)
_STATEMENT = TypeAdapter(Statement)


async def requests(bank: Bank, since: datetime, until: datetime) -> AsyncIterator[tuple[BankRequest, ...]]:
    """Page by page, what the bank answered under our API key, oldest first."""
    cursor: int | None = 0
    while cursor is not None:
        asked = urlencode({"since": since.isoformat(), "until": until.isoformat(), "cursor": cursor, "limit": PAGE})
        page = read(_PAGE, accepted(await bank.call("GET", f"requests?{asked}")))
        yield page.requests
        cursor = page.next_cursor


async def transfer(bank: Bank, transfer_id: str) -> BookedTransfer:
    """Raises NotFound."""
    return await bank.record(_TRANSFER, f"transfers/{named('transfer', transfer_id)}", "transfer", transfer_id)


async def steps(bank: Bank, transfer_id: str) -> tuple[TransferStep, ...]:
    """Oldest first. Raises NotFound."""
    path = f"transfers/{named('transfer', transfer_id)}/steps"
    return (await bank.record(_STEPS, path, "transfer", transfer_id)).steps


async def hold(bank: Bank, hold_id: str) -> BookedHold:
    """Raises NotFound."""
    return await bank.record(_HOLD, f"holds/{named('hold', hold_id)}", "hold", hold_id)


async def loan_account(bank: Bank, loan_account_id: str) -> LoanAccount:
    """Raises NotFound."""
    path = f"loan-accounts/{named('loan_account', loan_account_id)}"
    return await bank.record(_LOAN, path, "loan_account", loan_account_id)


async def loan_action(bank: Bank, loan_account_id: str, action_id: str) -> LoanAction:
    """Raises NotFound."""
    path = f"loan-accounts/{named('loan_account', loan_account_id)}/actions"
    for action in (await bank.record(_ACTIONS, path, "loan_account", loan_account_id)).actions:
        if action.action_id == action_id:
            return action
    raise NotFound("loan_action", action_id)


async def statement(bank: Bank, account_id: str, first: date, last: date) -> Statement:
    """Of both days and all between. One that is too long for the bank is asked for in parts. Raises NotFound."""
    period = urlencode({"from": first.isoformat(), "to": last.isoformat()})
    path = f"accounts/{named('account', account_id)}/statement?{period}"
    try:
        return await bank.record(_STATEMENT, path, "account", account_id)
    except BankRefused as exc:
        if exc.code != "statement_too_long" or first == last:
            raise
    middle = first + (last - first) // 2
    earlier = await statement(bank, account_id, first, middle)
    later = await statement(bank, account_id, middle + timedelta(days=1), last)
    entries = earlier.entries + later.entries
    return Statement(account_id, earlier.opening_booked_minor, later.closing_booked_minor, entries)
