"""What somebody wrote states the value that both languages read in it, or none."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.written_values import amount, dates, ibans, is_whole, mentions, months


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,56 €", "1234.56"),
        ("1,234.56 USD", "1234.56"),
        ("1.234", "1234"),
        ("1,234", "1234"),
        ("1 234 567,80", "1234567.80"),
        ("12'500.00 CHF", "12500.00"),
        ("125,5", "125.5"),
        ("EUR 12000", "12000"),
        ("12 Tsd. Euro", "12000"),
        ("12k", "12000"),
        ("-50", "-50"),
        ("between 10 and 20", None),
        ("no number", None),
        ("am 03.04.2026", None),
    ],
)
def test_amount_is_read_as_german_and_english_write_it(text: str, value: str | None) -> None:
    assert amount(text) == (None if value is None else Decimal(value))


@pytest.mark.parametrize("text", ["1.23.4", "1,2345", "1.234,567", "12.34,56"])
def test_what_neither_language_writes_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        amount(text)


@settings(max_examples=50)
@given(st.integers(0, 10**12))
def test_every_amount_is_read_the_same_in_both_languages(minor: int) -> None:
    english = f"{Decimal(minor) / 100:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))

    assert amount(english) == amount(german) == Decimal(minor) / 100


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2018-03-01", [date(2018, 3, 1)]),
        ("seit dem 1. März 2018", [date(2018, 3, 1)]),
        ("01.03.2018", [date(2018, 3, 1)]),
        ("March 1, 2018", [date(2018, 3, 1)]),
        ("1st of March 2018", [date(2018, 3, 1)]),
        ("25/12/2026", [date(2026, 12, 25)]),
        ("12/25/2026", [date(2026, 12, 25)]),
        ("03/04/2026", []),
        ("31.02.2026", []),
        ("March 2018", []),
    ],
)
def test_day_is_read_unless_two_readers_would_read_two(text: str, found: list[date]) -> None:
    assert list(dates(text)) == found


def test_terms_ibans_and_listed_words_are_read() -> None:
    assert [months(text) for text in ("36 Monate", "3 Jahre", "5 years", "36", "1,5 Jahre")] == [36, 36, 60, 36, 18]
    iban = "DE89370400440532013000"
    assert ibans("Bitte auf DE89 3704 0044 0532 0130 00 bis Freitag") == (iban,)
    assert ibans("DE89 3704 0044 0532 0130 01") == ()
    assert mentions("home_improvement", "a Home Improvement loan") and not mentions("rent", "parents")


@pytest.mark.parametrize(
    ("text", "span", "whole"),
    [
        ("pay 125.50 now", "125", False),
        ("pay 1.250 now", "250", False),
        ("pay 125.50 now", "125.50", True),
        ("pay -50 now", "50", False),
        ("ACC001", "ACC00", False),
        ("pay 50.", "50", True),
        ("order 4711, pay 50", "4711", True),
        ("Anna-Lena", "Lena", False),
        ("12 000", "12", False),
    ],
)
def test_piece_of_a_longer_word_or_number_is_no_span(text: str, span: str, whole: bool) -> None:
    start = text.index(span)

    assert is_whole(text, start, start + len(span)) is whole
