"""Money: exact minor units, or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.money import MAX_MINOR, format_minor, from_minor, minor_exponent, to_minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("125.50", "USD", 12550),
        ("125.5000", "USD", 12550),
        ("-0.01", "USD", -1),
        ("0E+30", "USD", 0),
        ("1E+4", "JPY", 10000),
        ("1.234", "KWD", 1234),
        ("10000000000000", "USD", MAX_MINOR),
    ],
)
def test_amount_becomes_minor_units_by_the_currencys_exponent(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "why"),
    [
        ("0.001", "USD", "at most 2 decimals"),
        ("1E-999999", "USD", "at most 2 decimals"),
        ("0.5", "JPY", "at most 0 decimals"),
        ("NaN", "USD", "finite"),
        ("sNaN", "USD", "finite"),
        ("-Infinity", "USD", "finite"),
        ("1E+40", "USD", "at most 10,000,000,000,000.00 USD"),
        ("1E+999999", "USD", "at most 10,000,000,000,000.00 USD"),
        ("10000000000000.01", "USD", "at most 10,000,000,000,000.00 USD"),
        ("1", "usd", "ISO 4217"),
        ("1", "XXX", "ISO 4217"),
    ],
)
def test_amount_that_is_no_exact_money_is_refused_with_the_reason(amount: str, currency: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        to_minor(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1_200_000, "USD", "12,000.00 USD"), (-5, "USD", "-0.05 USD"), (1200, "JPY", "1,200 JPY")],
)
def test_money_is_written_for_people(minor: int, currency: str, text: str) -> None:
    assert format_minor(minor, currency) == text


@given(st.integers(-MAX_MINOR, MAX_MINOR), st.sampled_from(["USD", "JPY", "KWD"]))
def test_minor_units_survive_the_way_to_major_and_back(minor: int, currency: str) -> None:
    major = from_minor(minor, currency)

    assert to_minor(major, currency) == minor
    assert major.as_tuple().exponent == -minor_exponent(currency)
