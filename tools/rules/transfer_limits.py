"""How much a customer may transfer: at once, in a day and in a month, by tier and currency; versioned.

A day and a month are those of the calendar in UTC. What was refused, rejected or returned does not count.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal

from tools.rules.money import format_minor

Breach = Literal["currency_not_served", "over_transfer_limit", "over_daily_limit", "over_monthly_limit"]


@dataclass(frozen=True, slots=True)
class Limits:
    currency: str
    per_transfer_minor: int
    daily_minor: int
    monthly_minor: int


@dataclass(frozen=True, slots=True)
class Tier:
    """Of customers who have been with the bank for at least so many months."""

    name: str
    from_months: int
    limits: tuple[Limits, ...]


@dataclass(frozen=True, slots=True)
class LimitDocument:
    """`tiers` from the longest standing to the newest."""

    version: str
    in_force_from: date
    tiers: tuple[Tier, ...]

    def tier_of(self, customer_months: int) -> Tier:
        return next(tier for tier in self.tiers if customer_months >= tier.from_months)


@dataclass(frozen=True, slots=True)
class Used:
    """What the customer has under way or paid in this currency, this transfer aside."""

    today_minor: int
    this_month_minor: int


@dataclass(frozen=True, slots=True)
class LimitsFound:
    version: str
    tier: str
    limits: Limits | None
    used: Used
    breaches: tuple[Breach, ...]


def _tier(name: str, from_months: int, per_transfer: int, daily: int, monthly: int) -> Tier:
    """Amounts in major units, the same in each currency."""
    of_each = (Limits(currency, per_transfer * 100, daily * 100, monthly * 100) for currency in ("USD", "EUR"))
    return Tier(name, from_months, tuple(of_each))


_DOCUMENT_2026_01 = LimitDocument(
    version="2026-01",
    in_force_from=date(2026, 1, 1),
    tiers=(
        _tier("established", 60, per_transfer=25_000, daily=30_000, monthly=100_000),
        _tier("standard", 12, per_transfer=5_000, daily=10_000, monthly=40_000),
        _tier("new", 0, per_transfer=1_000, daily=2_000, monthly=5_000),
    ),
)

DOCUMENTS: tuple[LimitDocument, ...] = (_DOCUMENT_2026_01,)
"""Every version, oldest first: none is ever edited or removed, since transfers name theirs."""


def limits_in_force(on: date) -> LimitDocument:
    """ValueError before the first."""
    in_force = [document for document in DOCUMENTS if document.in_force_from <= on]
    if not in_force:
        raise ValueError(f"no limits were in force on {on}; the first are from {DOCUMENTS[0].in_force_from}")
    return in_force[-1]


def judge(document: LimitDocument, tier: Tier, amount_minor: int, currency: str, used: Used) -> LimitsFound:
    """Which limits this amount would break on top of what is used."""
    limits = next((limits for limits in tier.limits if limits.currency == currency), None)
    breaches: list[Breach] = []
    if limits is None:
        breaches.append("currency_not_served")
    else:
        if amount_minor > limits.per_transfer_minor:
            breaches.append("over_transfer_limit")
        if used.today_minor + amount_minor > limits.daily_minor:
            breaches.append("over_daily_limit")
        if used.this_month_minor + amount_minor > limits.monthly_minor:
            breaches.append("over_monthly_limit")
    return LimitsFound(document.version, tier.name, limits, used, tuple(breaches))


def describe(found: LimitsFound, breach: Breach) -> str:
    """One sentence for the customer."""
    if found.limits is None:
        return "We make no transfers in this currency"
    limits, used = found.limits, found.used
    match breach:
        case "over_transfer_limit":
            return f"A single transfer may be {format_minor(limits.per_transfer_minor, limits.currency)} at most"
        case "over_daily_limit":
            left_minor, span = limits.daily_minor - used.today_minor, "today"
        case _:
            left_minor, span = limits.monthly_minor - used.this_month_minor, "this month"
    return f"Of your limit {format_minor(max(left_minor, 0), limits.currency)} are left {span}"


def day_of(now: datetime) -> datetime:
    """Its first moment."""
    return datetime.combine(now.astimezone(UTC).date(), time.min, tzinfo=UTC)


def month_of(now: datetime) -> datetime:
    """Its first moment."""
    return day_of(now).replace(day=1)
