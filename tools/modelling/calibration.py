"""From margins to probabilities (Platt 1999) and to the thresholds from which payments are held and blocked."""

from collections.abc import Sequence
from itertools import groupby
from math import exp

from tools.rules.fraud_model import MICRO, probability_bps
from tools.rules.fraud_model_document import UNIT_BPS, Calibration, Thresholds

STEPS = 50
RIDGE = 1e-6
HOLD_SHARE = 100
"""One payment in so many is held."""
BLOCK_PRECISION = 0.95
BLOCKED_MIN = 20


def calibration(margins_micro: Sequence[int], frauds: Sequence[bool], start: float = 1.0) -> Calibration:
    """Logistic regression on the margin by Newton's steps, over payments that the model was not trained on."""
    slope, offset = start, 0.0
    points = [(margin / MICRO, float(fraud)) for margin, fraud in zip(margins_micro, frauds, strict=True)]
    for _ in range(STEPS):
        g0 = g1 = 0.0
        h00 = h01 = h11 = RIDGE
        for margin, fraud in points:
            share = 1 / (1 + exp(-max(-50.0, min(50.0, slope * margin + offset))))
            weight = share * (1 - share)
            g0 += share - fraud
            g1 += (share - fraud) * margin
            h00 += weight
            h01 += weight * margin
            h11 += weight * margin * margin
        det = h00 * h11 - h01 * h01
        down, across = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
        slope, offset = slope - across, offset - down
        if abs(down) + abs(across) < RIDGE:
            break
    return Calibration(round(slope * MICRO), round(offset * MICRO))


def thresholds(fitted: Calibration, margins_micro: Sequence[int], frauds: Sequence[bool]) -> Thresholds:
    """Hold the most suspect 1 %; block from where 95 % of at least 20 payments were fraud, else never short of
    certainty."""
    ranked = sorted(zip(margins_micro, frauds, strict=True), key=lambda each: -each[0])
    hold = probability_bps(fitted, ranked[len(ranked) // HOLD_SHARE][0])
    seen, caught, block = 0, 0, UNIT_BPS
    for margin, alike in groupby(ranked, key=lambda each: each[0]):
        labels = [fraud for _, fraud in alike]
        seen, caught = seen + len(labels), caught + sum(labels)
        if seen >= BLOCKED_MIN and caught >= BLOCK_PRECISION * seen:
            block = probability_bps(fitted, margin)
    return Thresholds(min(hold, UNIT_BPS - 1), max(block, hold + 1))
