"""Level-payment loans: the monthly instalment and a schedule that sums to the cent.

Rates are nominal annual rates in basis points, charged at one twelfth a month. Nothing is rounded but amounts
of money, once each, from exact integer ratios.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from tools.rules.dates import add_months
from tools.rules.money import MAX_MINOR

MAX_RATE_BPS = 10_000
MAX_TERM_MONTHS = 480
_TWELVE_TIMES_10_000 = 120_000  # bps per year in one, times months per year


class Rounding(StrEnum):
    """How a fraction of a minor unit becomes a whole one."""

    HALF_UP = "half_up"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Instalment:
    """One line of a schedule. `balance_minor` is what is owed after it; `due_on` is ISO 8601, JSON-plain."""

    number: int
    due_on: str
    payment_minor: int
    interest_minor: int
    principal_minor: int
    balance_minor: int


def instalment_minor(
    principal_minor: int, annual_rate_bps: int, term_months: int, rounding: Rounding = Rounding.HALF_UP
) -> int:
    """The level payment that repays the loan in arrears: P·i / (1 - (1+i)^-n), i = rate/12; P/n at rate 0.

    Rounded once, from the exact ratio, to the minor unit. HALF_UP is ours; UP is that of LendingClub's
    published loans. ValueError outside 1..MAX_MINOR, 0..MAX_RATE_BPS, 1..MAX_TERM_MONTHS.
    """
    _check_loan(principal_minor, annual_rate_bps, term_months)
    if annual_rate_bps == 0:
        return _rounded(principal_minor, term_months, rounding)
    # Both over the same power of 120,000: whole numbers, so that no digit is lost before rounding.
    grown = (_TWELVE_TIMES_10_000 + annual_rate_bps) ** term_months
    flat = _TWELVE_TIMES_10_000**term_months
    return _rounded(principal_minor * annual_rate_bps * grown, _TWELVE_TIMES_10_000 * (grown - flat), rounding)


def schedule(
    principal_minor: int, annual_rate_bps: int, term_months: int, first_due_on: date, odd_days_interest_minor: int = 0
) -> tuple[Instalment, ...]:
    """The instalments, one a month: principal parts sum to the principal and the last balance is 0.

    Interest of a month is balance * rate / 12, HALF_UP to the minor unit. Every payment is the instalment but
    the last, which clears the balance and so absorbs what rounding left; no part is ever negative. The first
    period bears one month's interest however long it is, and `odd_days_interest_minor` (day_counts.interest_minor)
    comes on top of its payment: at 0 its extra days are free, but the APR counts them. Due dates keep the first due
    date's day of month, clamped to shorter months.
    """
    payment = instalment_minor(principal_minor, annual_rate_bps, term_months)
    first, *rest = _lines(principal_minor, annual_rate_bps, term_months, payment, first_due_on)
    odd = odd_days_interest_minor
    return replace(first, payment_minor=first.payment_minor + odd, interest_minor=first.interest_minor + odd), *rest


def _lines(balance: int, rate_bps: int, term_months: int, payment: int, first_due_on: date) -> Iterator[Instalment]:
    for number in range(1, term_months + 1):
        interest = _rounded(balance * rate_bps, _TWELVE_TIMES_10_000, Rounding.HALF_UP)
        # Principals of a few cents are repaid before the term ends: the rest of the payments is then zero.
        paid = balance + interest if number == term_months else min(payment, balance + interest)
        balance -= paid - interest
        due_on = add_months(first_due_on, number - 1).isoformat()
        yield Instalment(number, due_on, paid, interest, paid - interest, balance)


def _check_loan(principal_minor: int, annual_rate_bps: int, term_months: int) -> None:
    if not 1 <= principal_minor <= MAX_MINOR:
        raise ValueError(f"principal must be 1 to {MAX_MINOR} minor units, not {principal_minor}")
    if not 0 <= annual_rate_bps <= MAX_RATE_BPS:
        raise ValueError(f"rate must be 0 to {MAX_RATE_BPS} bps a year, not {annual_rate_bps}")
    if not 1 <= term_months <= MAX_TERM_MONTHS:
        raise ValueError(f"term must be 1 to {MAX_TERM_MONTHS} months, not {term_months}")


def _rounded(numerator: int, denominator: int, rounding: Rounding) -> int:
    if rounding is Rounding.UP:
        return -(-numerator // denominator)
    return (2 * numerator + denominator) // (2 * denominator)
