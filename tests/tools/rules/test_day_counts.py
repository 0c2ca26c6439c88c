"""Parts of years by every convention, as published, and the interest of an odd first period."""

from datetime import date
from fractions import Fraction

import pytest

from tools.rules.amortisation import schedule
from tools.rules.day_counts import DayCount, interest_minor, year_fraction


# ISDA, "EMU and Market Conventions: Recent Developments" (1998), gives these periods and the ISDA method's figures.
@pytest.mark.parametrize(
    ("start", "end", "years"),
    [
        (date(2003, 11, 1), date(2004, 5, 1), "0.4977243806"),
        (date(1999, 2, 1), date(1999, 7, 1), "0.4109589041"),
        (date(1999, 7, 1), date(2000, 7, 1), "1.0013773486"),
        (date(2002, 8, 15), date(2003, 7, 15), "0.9150684932"),
        (date(2003, 7, 15), date(2004, 1, 15), "0.5040047908"),
        (date(1999, 7, 30), date(2000, 1, 30), "0.5038925069"),
        (date(2000, 1, 30), date(2000, 6, 30), "0.4153005464"),
    ],
)
def test_actual_actual_equals_the_published_examples(start: date, end: date, years: str) -> None:
    assert f"{float(year_fraction(start, end, DayCount.ACTUAL_ACTUAL)):.10f}" == years


# The table of ISDA's "30/360 Day Count Conventions" (2008), column 30/360 bond basis.
@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (date(2007, 1, 15), date(2007, 1, 30), 15),
        (date(2007, 1, 15), date(2007, 2, 15), 30),
        (date(2007, 1, 15), date(2007, 7, 15), 180),
        (date(2007, 9, 30), date(2008, 3, 31), 180),
        (date(2007, 9, 30), date(2007, 10, 31), 30),
        (date(2007, 9, 30), date(2008, 9, 30), 360),
        (date(2007, 1, 15), date(2007, 1, 31), 16),
        (date(2007, 1, 31), date(2007, 2, 28), 28),
        (date(2007, 2, 28), date(2007, 3, 31), 33),
        (date(2006, 8, 31), date(2007, 2, 28), 178),
        (date(2007, 2, 28), date(2007, 8, 31), 183),
        (date(2007, 2, 14), date(2007, 2, 28), 14),
        (date(2007, 2, 26), date(2008, 2, 29), 363),
        (date(2008, 2, 29), date(2009, 2, 28), 359),
        (date(2008, 2, 29), date(2008, 3, 30), 31),
        (date(2008, 2, 29), date(2008, 3, 31), 32),
    ],
)
def test_thirty_360_equals_the_published_table(start: date, end: date, days: int) -> None:
    assert year_fraction(start, end, DayCount.THIRTY_360) == Fraction(days, 360)


def test_days_are_counted_over_365_or_360_whatever_the_year() -> None:
    leap_year = date(2024, 1, 1), date(2025, 1, 1)

    assert year_fraction(*leap_year, DayCount.ACTUAL_365) == Fraction(366, 365)
    assert year_fraction(*leap_year, DayCount.ACTUAL_360) == Fraction(366, 360)


def test_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before"):
        year_fraction(date(2026, 1, 2), date(2026, 1, 1), DayCount.ACTUAL_365)


def test_odd_days_of_the_first_period_cost_their_interest_and_nothing_else() -> None:
    regular = schedule(12_000_00, 799, 36, date(2027, 1, 1))
    # 10 days of 12,000.00 at 7.99 %: 12000 * 0.0799 * 10 / 365 = 26.2684...
    odd = interest_minor(12_000_00, 799, year_fraction(date(2026, 11, 21), date(2026, 12, 1), DayCount.ACTUAL_365))

    longer = schedule(12_000_00, 799, 36, date(2027, 1, 1), odd)

    assert odd == 26_27
    assert longer[1:] == regular[1:]
    assert longer[0].payment_minor - regular[0].payment_minor == odd
    assert longer[0].principal_minor == longer[0].payment_minor - longer[0].interest_minor == regular[0].principal_minor
