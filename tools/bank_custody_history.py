"""What was in custody before, at the core bank: closing prices, cash flows and valuations."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from urllib.parse import urlencode

from pydantic import AwareDatetime, TypeAdapter

from db.errors import NotFound
from tools.bank import Bank, accepted, named, read
from tools.bank_custody import PAGE, Positive, account_path
from tools.bank_records import Currency, Minor, SignedMinor


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Below zero it left the account. Trades are none of these; deposits and withdrawals alone come from outside."""

    flow_id: str
    kind: Literal["deposit", "withdrawal", "dividend", "fee"]
    amount_minor: SignedMinor
    currency: Currency
    instrument_id: str | None
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Valuation:
    """At the end of a weekday, in the account's currency; `flow_minor` came from outside since the valuation before,
    and is within `total_minor`.
    """

    on: date
    cash_minor: Minor
    securities_minor: Minor
    total_minor: Minor
    flow_minor: SignedMinor


@dataclass(frozen=True, slots=True)
class Close:
    on: date
    close: Positive


@dataclass(frozen=True, slots=True)
class _Answer:
    """The one of these that was asked for."""

    cash_flows: tuple[CashFlow, ...] = ()
    valuations: tuple[Valuation, ...] = ()
    histories: dict[str, tuple[Close, ...]] = field(default_factory=dict)
    next_cursor: int | None = None


_ANSWER = TypeAdapter(_Answer)


async def read_price_history(bank: Bank, instrument_ids: Iterable[str], since: date) -> dict[str, tuple[Close, ...]]:
    """Closes of weekdays, oldest first; the last is today's price so far. Raises NotFound."""
    wanted = sorted({named("instrument", instrument_id) for instrument_id in instrument_ids})
    if not wanted:
        return {}
    asked = [*(("instrument_id", instrument_id) for instrument_id in wanted), ("since", since.isoformat())]
    histories = read(_ANSWER, accepted(await bank.call("GET", f"price-history?{urlencode(asked)}"))).histories
    for instrument_id in wanted:
        if instrument_id not in histories:
            raise NotFound("instrument", instrument_id)
    return histories


async def read_cash_flows(bank: Bank, account_id: str, since: datetime) -> tuple[CashFlow, ...]:
    """Oldest first. Raises NotFound."""
    flows: list[CashFlow] = []
    cursor: int | None = 0
    while cursor is not None:
        asked = urlencode({"since": since.isoformat(), "cursor": cursor, "limit": PAGE})
        path = f"{account_path(account_id)}/cash-flows?{asked}"
        page = await bank.record(_ANSWER, path, "custody_account", account_id)
        flows += page.cash_flows
        cursor = page.next_cursor
    return tuple(flows)


async def read_valuations(bank: Bank, account_id: str, since: date) -> tuple[Valuation, ...]:
    """One for each weekday since the first flow, oldest first. Raises NotFound."""
    path = f"{account_path(account_id)}/valuations?{urlencode({'since': since.isoformat()})}"
    return (await bank.record(_ANSWER, path, "custody_account", account_id)).valuations
