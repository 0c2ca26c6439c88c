"""What part of a year lies between two dates, by the conventions that lending names, and the interest of that part."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from fractions import Fraction


class DayCount(StrEnum):
    """ISDA 2006 Definitions, section 4.16: (f) bond basis, (d) fixed, (e), and (b) that of ISDA."""

    THIRTY_360 = "30/360"
    ACTUAL_365 = "actual/365"
    ACTUAL_360 = "actual/360"
    ACTUAL_ACTUAL = "actual/actual"


def year_fraction(start: date, end: date, convention: DayCount) -> Fraction:
    """Exact; the first day counts, the last does not. ValueError if end is before start."""
    if end < start:
        raise ValueError(f"{end} is before {start}")
    return _CONVENTIONS[convention](start, end)


def interest_minor(principal_minor: int, annual_rate_bps: int, years: Fraction) -> int:
    """Simple interest, rounded HALF_UP to the minor unit once."""
    exact = Fraction(principal_minor * annual_rate_bps, 10_000) * years
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


def _thirty_360(start: date, end: date) -> Fraction:
    """Section 4.16(f): a 31st counts as the 30th; as the end, only if the start is a 30th or 31st."""
    first = min(start.day, 30)
    last = 30 if end.day == 31 and first == 30 else end.day
    days = 360 * (end.year - start.year) + 30 * (end.month - start.month) + last - first
    return Fraction(days, 360)


def _actual_365(start: date, end: date) -> Fraction:
    return Fraction((end - start).days, 365)


def _actual_360(start: date, end: date) -> Fraction:
    return Fraction((end - start).days, 360)


def _actual_actual(start: date, end: date) -> Fraction:
    """Section 4.16(b): days of a leap year over 366, the others over 365."""
    total = Fraction(0)
    for year in range(start.year, end.year + 1):
        begin, next_year = date(year, 1, 1), date(year + 1, 1, 1)
        total += Fraction((min(end, next_year) - max(start, begin)).days, (next_year - begin).days)
    return total


_CONVENTIONS: dict[DayCount, Callable[[date, date], Fraction]] = {
    DayCount.THIRTY_360: _thirty_360,
    DayCount.ACTUAL_365: _actual_365,
    DayCount.ACTUAL_360: _actual_360,
    DayCount.ACTUAL_ACTUAL: _actual_actual,
}
