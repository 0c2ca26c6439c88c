"""The learned fraud scorer as a document: trees, calibration, thresholds and origin, checked when it is made.

Whole numbers only, so that a score is exact on every machine: margins (log-odds) in millionths, shares in
ten-thousandths.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import date
from itertools import chain
from typing import Literal

from tools.rules.fraud_features import FraudFeatures
from tools.rules.plain import to_plain

FEATURES = tuple(field.name for field in fields(FraudFeatures))
FORMAT: Literal["countersign-fraud-model-1"] = "countersign-fraud-model-1"
LEAF = -1
VALUE_MAX_MICRO = 100_000_000
UNIT_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes by number, the root 0. An inner node sends a payment whose feature is `at_most` to `left`, else `right`;
    both have greater numbers. A leaf has the feature LEAF and 0 in the other three. `value_micro` of a leaf is what it
    adds to the margin; of an inner node the mean of the leaves below, weighted by their training payments.
    """

    feature: tuple[int, ...]
    at_most: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value_micro: tuple[int, ...]

    def __post_init__(self) -> None:
        size = len(self.feature)
        if not size or any(len(each) != size for each in (self.at_most, self.left, self.right, self.value_micro)):
            raise ValueError("a tree's lists must have the same length, at least 1")
        if any(abs(value) > VALUE_MAX_MICRO for value in self.value_micro):
            raise ValueError(f"a tree's values must be within ±{VALUE_MAX_MICRO}")
        for number in range(size):
            self._check_node(number)
        inner = [number for number in range(size) if self.feature[number] != LEAF]
        children = sorted(chain.from_iterable((self.left[number], self.right[number]) for number in inner))
        if children != list(range(1, size)):
            raise ValueError("each node but the root must be the child of exactly one")

    def _check_node(self, number: int) -> None:
        feature, left, right = self.feature[number], self.left[number], self.right[number]
        if feature == LEAF:
            if (self.at_most[number], left, right) != (0, 0, 0):
                raise ValueError(f"node {number}: a leaf has neither a threshold nor children")
        elif not 0 <= feature < len(FEATURES):
            raise ValueError(f"node {number}: there is no feature {feature}")
        elif not (number < left < len(self.feature) and number < right < len(self.feature)):
            raise ValueError(f"node {number}: children must be nodes of greater numbers")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability = 1 / (1 + exp(-(slope × margin + offset))): Platt (1999), fitted on payments not trained on."""

    slope_micro: int
    offset_micro: int

    def __post_init__(self) -> None:
        if not 0 < self.slope_micro <= VALUE_MAX_MICRO or abs(self.offset_micro) > VALUE_MAX_MICRO:
            raise ValueError("the slope must be positive and both within reason: a greater margin is never less likely")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Calibrated probabilities from which this scorer alone would hold, and block."""

    hold_bps: int
    block_bps: int

    def __post_init__(self) -> None:
        if not 0 < self.hold_bps < self.block_bps <= UNIT_BPS:
            raise ValueError("thresholds must ascend: 0 < hold < block ≤ 10,000")


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The payments from `first_day` to `last_day`, of a file (or generated text) with this SHA-256."""

    source: str
    sha256: str
    first_day: date
    last_day: date
    payments: int
    frauds: int
    trainer: str

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            raise ValueError("sha256 must be 64 lower-case hexadecimal digits")
        if self.first_day > self.last_day or not 0 < self.frauds < self.payments:
            raise ValueError("the training window must hold days, payments and frauds among them")


@dataclass(frozen=True, slots=True)
class Figures:
    """How well payments were ranked, in ten-thousandths. `amount_caught_bps`: of the fraud amount, at 1 % alerts."""

    first_day: date
    last_day: date
    payments: int
    frauds: int
    auc_bps: int
    average_precision_bps: int
    card_precision_100_bps: int
    amount_caught_bps: int

    def __post_init__(self) -> None:
        shares = (self.auc_bps, self.average_precision_bps, self.card_precision_100_bps, self.amount_caught_bps)
        if any(not 0 <= share <= UNIT_BPS for share in shares):
            raise ValueError("figures are shares from 0 to 10,000")


@dataclass(frozen=True, slots=True)
class ModelDocument:
    """`version` ends in a hash of all the rest, so that no two different models can bear the same."""

    format: Literal["countersign-fraud-model-1"]
    version: str
    trained_on: TrainedOn
    tested: Figures
    calibration: Calibration
    thresholds: Thresholds
    features: tuple[str, ...]
    trees: tuple[Tree, ...]

    def __post_init__(self) -> None:
        if self.features != FEATURES:
            raise ValueError("features must be those this program computes, in its order")
        if not self.trees:
            raise ValueError("a model has at least one tree")


def version_of(document: ModelDocument) -> str:
    """The version that belongs to what the document says."""
    said = {name: value for name, value in to_plain(document).items() if name != "version"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return f"fraud-{document.trained_on.last_day}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
