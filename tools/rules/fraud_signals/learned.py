"""The learned scorer among the others: its calibrated probability on their scale.

The model's own thresholds are two marks of the scale: where it alone would hold, it scores 500, where it alone would
block, 900; between these the score runs straight. What is held and blocked in the end the policy says.

Much of what the model looks at is the account's habit. Of an account that has none yet, it cannot tell a theft from a
beginning, and alone it does not have a payment held.
"""

from itertools import pairwise

from tools.rules.fraud_features import FraudFeatures
from tools.rules.fraud_model import FraudModel
from tools.rules.fraud_model_document import UNIT_BPS, Thresholds
from tools.rules.fraud_signals.scored import MAX_SCORE, Scored, Signal

HOLD_MARK, BLOCK_MARK = 500, 900
HABIT_PAYMENTS, WITHOUT_HABIT = 5, 300
"""Payments of the month before the last day that make a habit; and the most that the model scores without it."""
OFF = "off"
"""In place of the version where no model is configured."""


def score(model: FraudModel | None, features: FraudFeatures) -> Scored:
    """The points of the reasons are their shares of the score, rounded down."""
    if model is None:
        return Scored("model", OFF, 0, ())
    found = model.score(features)
    total = on_scale(found.probability_bps, model.thresholds)
    if features.account_count_30d - features.account_count_1d < HABIT_PAYMENTS:
        total = min(total, WITHOUT_HABIT)
    raised = sum(reason.micro for reason in found.reasons) or 1
    signals = (Signal(each.code.lower(), total * each.micro // raised, each.text) for each in found.reasons)
    return Scored("model", model.version, total, tuple(signal for signal in signals if signal.points))


def on_scale(probability_bps: int, thresholds: Thresholds) -> int:
    """0 to 1000, never falling as the probability rises."""
    marks = (
        (0, 0), (thresholds.hold_bps, HOLD_MARK), (thresholds.block_bps, BLOCK_MARK),
        (UNIT_BPS, MAX_SCORE),
    )  # fmt: skip
    for (low, worth), (high, more) in pairwise(marks):
        if low <= probability_bps < high:
            return worth + (probability_bps - low) * (more - worth) // (high - low)
    return MAX_SCORE
