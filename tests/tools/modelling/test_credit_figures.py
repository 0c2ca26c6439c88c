"""The measures of a scorecard, worked out by hand; merged bins against every way to merge."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.modelling.credit_figures import curve, judged, stability, tenths
from tools.modelling.merged_bins import BINS_MAX, LOSS_PER_BIN, merged

CHANCES = [0.9, 0.8, 0.4, 0.4, 0.1]
BADS = [True, False, True, False, False]


def test_figures_worked_out_by_hand() -> None:
    found = judged(CHANCES, BADS)

    assert found.auc == pytest.approx(4.5 / 6)  # the tie counts half
    assert found.gini == pytest.approx(0.5)
    assert found.ks == 0.5  # at 0.9: half of the bad rows, none of the good
    assert found.brier == pytest.approx((0.01 + 0.64 + 0.36 + 0.16 + 0.01) / 5)


def test_curve_takes_equal_chances_at_once() -> None:
    assert [(good, bad) for _, good, bad in curve(CHANCES, BADS)] == [
        (0, 0),
        (0, 0.5),
        (1 / 3, 0.5),
        (2 / 3, 1),
        (1, 1),
    ]


def test_tenths_compare_what_was_promised_with_what_came() -> None:
    chances = [0.1] * 10 + [0.5] * 10

    found = tenths(chances, [n == 0 or (n % 2 == 1 and n >= 10) for n in range(20)])

    assert sum(each.rows for each in found) == 20
    assert {each.promised for each in found} == {0.1, 0.5}
    assert sum(each.found * each.rows for each in found) == 6


def test_stability_index_worked_out_by_hand() -> None:
    before, after = [1.0] * 50 + [2.0] * 50, [1.0] * 80 + [2.0] * 20

    assert stability(before, before) == 0
    assert stability(before, after) == pytest.approx(0.3 * log(0.8 / 0.5) - 0.3 * log(0.2 / 0.5))


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 5)), min_size=1, max_size=8))
def test_merged_bins_lose_least_of_all_ways_to_merge(fine: list[tuple[float, float]]) -> None:
    values, weights = [value for value, _ in fine], [weight for _, weight in fine]

    found = merged(values, weights)

    assert found[0][0] == 0
    assert found[-1][1] == len(fine)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    every = (
        list(pairwise([0, *cuts, len(fine)]))
        for count in range(min(BINS_MAX, len(fine)))
        for cuts in combinations(range(1, len(fine)), count)
    )
    least = min(_lost(values, weights, bins) for bins in every)
    assert _lost(values, weights, found) == pytest.approx(least, abs=1e-9)


def _lost(values: Sequence[float], weights: Sequence[float], bins: Sequence[tuple[int, int]]) -> float:
    lost = LOSS_PER_BIN * len(bins)
    for first, last in bins:
        weight = sum(weights[first:last])
        mean = sum(v * w for v, w in zip(values[first:last], weights[first:last], strict=True)) / weight
        lost += sum(w * (v - mean) ** 2 for v, w in zip(values[first:last], weights[first:last], strict=True))
    return lost
