"""The learned fraud scorer: gradient-boosted trees read from a strict JSON document, scored in plain Python.

Each feature's contribution is the sum of the changes of the node mean along the paths that split on it (Saabas 2014,
"Interpreting random forests"; Lundberg et al. 2020 call it the path attribution): with the base they make the margin
exactly. Unlike SHAP it favours splits near the root; for a ranking of reasons that is enough and costs nothing.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import exp
from operator import attrgetter

from tools.rules.fraud_features import FraudFeatures
from tools.rules.fraud_model_document import (
    FEATURES,
    LEAF,
    UNIT_BPS,
    Calibration,
    ModelDocument,
    Thresholds,
    Tree,
    version_of,
)
from tools.rules.fraud_reasons import FraudReason, reasons
from tools.rules.plain import from_plain
from tools.rules.strict_json import parse

MICRO = 1_000_000
EXPONENT_MAX = 50.0

_values = attrgetter(*FEATURES)


@dataclass(frozen=True, slots=True)
class Scored:
    """`margin_micro` = `base_micro` + the sum of `contributions_micro` (in the features' order), exactly.

    Payments are ranked by the margin; the probability is the same ranking, calibrated.
    """

    probability_bps: int
    margin_micro: int
    base_micro: int
    contributions_micro: tuple[int, ...]
    reasons: tuple[FraudReason, ...]


class FraudModel:
    def __init__(self, document: ModelDocument) -> None:
        self.document = document
        self._trees = [_nodes(tree) for tree in document.trees]
        self._base = sum(tree.value_micro[0] for tree in document.trees)

    @property
    def version(self) -> str:
        return self.document.version

    @property
    def thresholds(self) -> Thresholds:
        return self.document.thresholds

    def score(self, features: FraudFeatures) -> Scored:
        values: tuple[int, ...] = _values(features)
        contributions = [0] * len(values)
        for nodes in self._trees:
            feature, at_most, left, right, value = nodes[0]
            while feature != LEAF:
                below = nodes[left if values[feature] <= at_most else right]
                contributions[feature] += below[4] - value
                feature, at_most, left, right, value = below
        margin, parts = self._base + sum(contributions), tuple(contributions)
        return Scored(probability_bps(self.document.calibration, margin), margin, self._base, parts, reasons(parts))


def load(text: str) -> FraudModel:
    """ValueError says what in the document is not as it must be, for instance its version."""
    plain = parse(text)
    document = from_plain(ModelDocument, plain)
    if document.version != version_of(document):
        raise ValueError(f"version {document.version!r:.60} is not that of its content, {version_of(document)}")
    return FraudModel(document)


@cache
def shipped() -> FraudModel:
    """The model that comes with the program, trained on simulated payments alone."""
    return load(files("tools.rules").joinpath("data/fraud_model.json").read_text(encoding="utf-8"))


def probability_bps(calibration: Calibration, margin_micro: int) -> int:
    """Never 0 nor 10,000 by rounding alone: a model is never certain."""
    line = (calibration.slope_micro * margin_micro / MICRO + calibration.offset_micro) / MICRO
    share = 1 / (1 + exp(-max(-EXPONENT_MAX, min(EXPONENT_MAX, line))))
    return max(1, min(UNIT_BPS - 1, round(share * UNIT_BPS)))


def _nodes(tree: Tree) -> list[tuple[int, int, int, int, int]]:
    return list(zip(tree.feature, tree.at_most, tree.left, tree.right, tree.value_micro, strict=True))
