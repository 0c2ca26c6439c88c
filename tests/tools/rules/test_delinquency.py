"""How late a loan is, how likely it gets later, and what counts as a sign of hardship."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.dates import add_months
from tools.rules.delinquency import (
    BUCKETS,
    Bucket,
    Conduct,
    Due,
    Rolls,
    assess,
    bucket_of,
    days_past_due,
    hardship,
    next_bucket,
    roll_rate,
)

CALM = Conduct(income_30d_minor=4_000_00, income_before_minor=4_000_00, skipped_90d=0, returned_90d=0, low_days_30d=0)
NONE = Rolls(0, 0)


def due(paid_minor: int = 0) -> list[Due]:
    """Three instalments of 100.00 from 31 January on, paid so far, the oldest first."""
    lines = []
    for number in range(3):
        part = min(paid_minor, 100_00)
        paid_minor -= part
        lines.append(Due(add_months(date(2026, 1, 31), number).isoformat(), 100_00, part))
    return lines


@pytest.mark.parametrize(
    ("as_of", "paid_minor", "days", "past_due_minor"),
    [
        # Due on 31 January, 28 February and 31 March; a day is late from the one after.
        (date(2026, 1, 31), 0, 0, 0),
        (date(2026, 2, 1), 0, 1, 100_00),
        (date(2026, 2, 28), 0, 28, 100_00),
        (date(2026, 3, 1), 0, 29, 200_00),
        (date(2026, 3, 2), 0, 30, 200_00),
        # A payment pays the oldest first, and a part of one does not make it current.
        (date(2026, 3, 2), 60_00, 30, 140_00),
        (date(2026, 3, 2), 100_00, 2, 100_00),
        (date(2026, 3, 2), 160_00, 2, 40_00),
        (date(2026, 3, 2), 200_00, 0, 0),
        (date(2026, 5, 1), 0, 90, 300_00),
    ],
)
def test_days_are_counted_from_the_oldest_instalment_not_paid_in_full(
    as_of: date, paid_minor: int, days: int, past_due_minor: int
) -> None:
    found = assess(due(paid_minor), as_of, CALM, NONE, NONE)

    assert (found.days_past_due, found.past_due_minor) == (days, past_due_minor)


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        *[(0, "current"), (1, "1-29"), (29, "1-29"), (30, "30-59"), (59, "30-59")],
        *[(60, "60-89"), (89, "60-89"), (90, "90+"), (900, "90+")],
    ],
)
def test_buckets_have_thirty_days(days: int, bucket: str) -> None:
    assert bucket_of(days) == bucket


@given(st.integers(0, 300_00), st.integers(0, 300_00), st.integers(0, 400), st.integers(0, 400))
def test_time_makes_a_loan_later_and_payment_never_does(paid: int, more: int, day: int, days: int) -> None:
    as_of = date(2026, 1, 1) + timedelta(days=day)

    now = days_past_due(due(paid), as_of)

    assert days_past_due(due(paid), as_of + timedelta(days=days)) >= now
    assert days_past_due(due(paid + more), as_of) <= now


@pytest.mark.parametrize(
    ("bucket", "portfolio", "own", "roll_bps", "next_bps"),
    [
        # Nothing seen: the assumed rate, 2500 bps of 1-29.
        ("1-29", NONE, NONE, 2500, 2500),
        # (50·0.25 + 10) / (50 + 50) = 0.225
        ("1-29", Rolls(50, 10), NONE, 2250, 2250),
        # then (12·0.225 + 3) / (12 + 3) = 0.38
        ("1-29", Rolls(50, 10), Rolls(3, 3), 2250, 3800),
        # (50·0.7 + 950) / (50 + 950) = 0.985: a portfolio of some size outweighs what was assumed
        ("60-89", Rolls(950, 950), NONE, 9850, 9850),
        ("90+", Rolls(10, 0), NONE, None, None),
    ],
)
def test_roll_rate_is_drawn_towards_what_was_assumed(
    bucket: Bucket, portfolio: Rolls, own: Rolls, roll_bps: int | None, next_bps: int | None
) -> None:
    rate, probability = roll_rate(bucket, portfolio), next_bucket(bucket, portfolio, own)

    assert (rate and rate * 10_000, probability and probability * 10_000) == (roll_bps, next_bps)


@given(
    st.sampled_from(BUCKETS[:-1]),
    st.integers(0, 10**6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
)
def test_probability_stays_one(bucket: Bucket, portfolio: tuple[int, int], own: tuple[int, int]) -> None:
    found = next_bucket(bucket, Rolls(*portfolio), Rolls(*own))

    assert found is not None and 0 < found < 1


@pytest.mark.parametrize(
    ("conduct", "codes"),
    [
        (CALM, []),
        (Conduct(2_800_00, 4_000_00, 0, 0, 0), ["income_drop"]),
        (Conduct(2_801_00, 4_000_00, 0, 0, 0), []),
        (Conduct(0, 0, 0, 0, 0), []),
        (Conduct(4_000_00, 4_000_00, 1, 0, 0), ["missed_other_payments"]),
        (Conduct(4_000_00, 4_000_00, 0, 2, 10), ["returned_payments", "near_zero_balance"]),
        (Conduct(4_000_00, 4_000_00, 0, 0, 9), []),
    ],
)
def test_hardship_shows_in_the_account(conduct: Conduct, codes: list[str]) -> None:
    assert [signal.code for signal in hardship(conduct)] == codes
