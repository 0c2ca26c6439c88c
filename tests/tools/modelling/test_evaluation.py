"""The measures, worked out by hand, and the Handbook's rule on whom to test."""

from datetime import UTC, datetime, timedelta

import pytest

from tools.modelling.calibration import calibration, thresholds
from tools.modelling.evaluation import average_precision, figures
from tools.modelling.fitting import uncompromised
from tools.rules.fraud_features import Paid
from tools.rules.fraud_model import probability_bps

DAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _paid(account: str, amount_minor: int, *, fraud: bool = False, day: int = 0) -> Paid:
    return Paid(DAY + timedelta(days=day), account, "P", amount_minor, fraud)


def test_average_precision_counts_equal_scores_at_once() -> None:
    assert average_precision([True, False, True], [3, 2, 1]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([True, False, True], [1, 1, 1]) == pytest.approx(2 / 3)
    assert average_precision([False, True], [2, 1]) == 0.5


def test_figures_worked_out_by_hand() -> None:
    paid = [_paid("A", 100, fraud=True), _paid("A", 900), _paid("B", 300, fraud=True, day=1), _paid("C", 50, day=1)]

    found = figures(paid, [4, 2, 3, 3])

    assert found.auc_bps == 8750  # 3.5 of 4 pairs are in order, the tie counting half
    assert found.average_precision_bps == round((1 + 2 / 3) / 2 * 10_000)
    assert found.card_precision_100_bps == 100  # one account of a hundred on each day
    assert found.amount_caught_bps == 2500  # the one alert catches 100 of 400


def test_account_is_not_tested_once_its_fraud_is_known() -> None:
    before = [_paid("A", 1, fraud=True, day=-14), _paid("B", 1, fraud=True, day=-15), _paid("C", 1, fraud=True, day=-7)]
    tested = [_paid(account, 1, day=day) for day in (0, 1) for account in ("A", "B", "C", "D")]

    kept = [(tested[number].account, tested[number].at.date().day - 2) for number in uncompromised(before, tested)]

    assert kept == [("B", 0), ("C", 0), ("D", 0), ("B", 1), ("D", 1)]


def test_calibration_finds_the_shares_that_it_is_shown() -> None:
    margins = [-2_000_000] * 1000 + [2_000_000] * 1000
    frauds = [number < 10 for number in range(1000)] + [number < 600 for number in range(1000)]

    fitted = calibration(margins, frauds)

    assert probability_bps(fitted, -2_000_000) == pytest.approx(100, abs=1)
    assert probability_bps(fitted, 2_000_000) == pytest.approx(6000, abs=1)
    found = thresholds(fitted, margins, frauds)
    assert (found.hold_bps, found.block_bps) == (6000, 10_000)  # nothing is sure enough to be blocked
