"""Risk figures against hand-worked and published examples, and what must hold of them."""

from datetime import date, timedelta
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.portfolio_risk import (
    TooFewReturns,
    drawdown,
    expected_shortfall,
    over_horizon,
    tracking_error,
    value_at_risk,
    volatility,
    weighted,
)

START = date(2025, 1, 1)
YEAR = [at / 10_000 for at in range(-125, 125)]
"""250 days, the worst of them -1.25 %, each a hundredth of a percent better than the one before."""


def fall(*index: float) -> tuple[float, int, int, int | None]:
    days = [START + timedelta(days=at) for at in range(len(index))]
    found = drawdown(days, index)
    again = None if found.recovered_on is None else (found.recovered_on - START).days
    return round(found.depth, 9), (found.peak_on - START).days, (found.trough_on - START).days, again


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ((100, 110, 99, 104, 110, 120), (0.1, 1, 2, 4)),
        ((100, 80, 90), (0.2, 0, 1, None)),
        ((100, 90, 120, 96, 121, 100), (0.2, 2, 3, 4)),
        ((1, 2, 3), (0.0, 0, 0, 0)),
        ((500, 750, 400, 600, 350, 800), (0.533333333, 1, 4, 5)),  # CFI: 500,000 to 350,000 thousands, 53.33 %.
    ],
)
def test_drawdown_is_the_deepest_fall_from_a_peak(
    index: tuple[float, ...], expected: tuple[float, int, int, int | None]
) -> None:
    assert fall(*index) == expected


@settings(max_examples=50)
@given(st.lists(st.floats(0.01, 1000), min_size=1, max_size=30))
def test_drawdown_is_a_share(index: list[float]) -> None:
    depth, peak, trough, _ = fall(*index)

    assert 0 <= depth <= 1 and peak <= trough


@pytest.mark.parametrize(
    ("confidence_bps", "loss"), [(9900, 0.0123), (9500, 0.0113), (9960, 0.0124), (9999, 0.0125), (5000, 0.0)]
)
def test_value_at_risk_is_the_least_loss_that_no_more_days_than_allowed_exceeded(
    confidence_bps: int, loss: float
) -> None:
    """Of 250 days 2.5 may be worse at 99 %, so it is the third worst: as Basel's year of trading days has it."""
    found = value_at_risk(YEAR, confidence_bps)

    assert found == pytest.approx(loss)
    assert sum(-each > found + 1e-12 for each in YEAR) * 10_000 <= 250 * (10_000 - confidence_bps)


@settings(max_examples=30)
@given(
    returns=st.lists(st.floats(-0.5, 0.5), min_size=250, max_size=260),
    first=st.integers(1, 9999),
    second=st.integers(1, 9999),
)
def test_value_at_risk_rises_with_confidence_and_shortfall_is_no_less(
    returns: list[float], first: int, second: int
) -> None:
    low, high = sorted((first, second))

    assert 0 <= value_at_risk(returns, low) <= value_at_risk(returns, high)
    assert expected_shortfall(returns, high) >= value_at_risk(returns, high) - 1e-12


def test_volatility_is_the_sample_deviation_of_a_years_weekdays() -> None:
    """Of ten ups and ten downs of 1 %: the root of 20/19 percent a day."""
    assert volatility([0.01, -0.01] * 10) == pytest.approx(0.01 * sqrt(20 / 19) * sqrt(261))
    assert tracking_error([0.02, 0.0] * 10, [0.01, -0.01] * 10) == pytest.approx(0.0, abs=1e-12)


def test_windows_compound_and_overlap() -> None:
    assert over_horizon([0.1, 0.1, -0.5], 2) == pytest.approx([0.21, -0.45])
    assert over_horizon([0.1], 2) == []


def test_cash_does_not_move_and_weights_count() -> None:
    assert weighted({"A": 0.5, "cash": 0.5}, {"A": [0.1, -0.2]}) == pytest.approx([0.05, -0.1])
    with pytest.raises(ValueError, match="different days"):
        weighted({"A": 1.0}, {"A": [0.1], "B": [0.1, 0.2]})


def test_too_few_days_tell_nothing() -> None:
    with pytest.raises(TooFewReturns) as refused:
        value_at_risk(YEAR[1:], 9900)
    assert (refused.value.found, refused.value.needed) == (249, 250)
    with pytest.raises(TooFewReturns):
        volatility([0.01] * 19)
