"""A loan's schedule of level instalments, and what of it is paid."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

_MONTHS_OF_BPS = 120_000
_EXACT = Context(prec=50)


@dataclass(frozen=True, slots=True)
class Instalment:
    number: int
    due_on: date
    interest_minor: int
    principal_minor: int

    @property
    def amount_minor(self) -> int:
        return self.interest_minor + self.principal_minor


def schedule(principal_minor: int, annual_rate_bps: int, term_months: int, first_due_on: date) -> list[Instalment]:
    """Interest is of whole months at a twelfth of the rate, half a cent is rounded up, and the last instalment takes
    what rounding left.
    """
    instalment_minor = _instalment_minor(principal_minor, annual_rate_bps, term_months)
    left_minor, instalments = principal_minor, []
    for number in range(1, term_months + 1):
        interest_minor = _rounded(Decimal(left_minor * annual_rate_bps) / _MONTHS_OF_BPS)
        paid_off_minor = min(max(instalment_minor - interest_minor, 0), left_minor)
        if number == term_months:
            paid_off_minor = left_minor
        due_on = _months_after(first_due_on, number - 1)
        instalments.append(Instalment(number, due_on, interest_minor, paid_off_minor))
        left_minor -= paid_off_minor
    return instalments


def allocated(instalments: Sequence[Instalment], paid_minor: int) -> list[tuple[int, int]]:
    """Interest and principal paid of each: the oldest first, its interest before its principal."""
    paid = []
    for instalment in instalments:
        interest_minor = min(paid_minor, instalment.interest_minor)
        principal_minor = min(paid_minor - interest_minor, instalment.principal_minor)
        paid_minor -= interest_minor + principal_minor
        paid.append((interest_minor, principal_minor))
    return paid


def _instalment_minor(principal_minor: int, annual_rate_bps: int, term_months: int) -> int:
    if annual_rate_bps == 0:
        return _rounded(Decimal(principal_minor) / term_months)
    rate = _EXACT.divide(Decimal(annual_rate_bps), Decimal(_MONTHS_OF_BPS))
    growth = _EXACT.power(1 + rate, term_months)
    return _rounded(_EXACT.divide(principal_minor * rate * growth, growth - 1))


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _months_after(day: date, months: int) -> date:
    """The same day of a later month, or its last one."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
