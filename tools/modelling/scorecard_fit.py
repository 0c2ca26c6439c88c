"""From loans with a known end to a scorecard: fine bins, penalised regression, merged bins, whole points.

The fine bins' weights of evidence are estimated together and smoothed by one penalty, chosen by cross-validation.
What the held-out parts then say corrects the scale (Platt 1999), so that points mean the odds they state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from tools.modelling.calibration import calibration
from tools.modelling.credit_file import CreditTable
from tools.modelling.fine_bins import FineBins, binned, coded, fine_bins
from tools.modelling.penalised import penalised_logistic
from tools.rules.fraud_model import MICRO
from tools.rules.fraud_model_document import Calibration
from tools.rules.odds import Scale

Array = Any
Tell = Callable[[str], None]
PENALTIES = (100.0, 30.0, 10.0, 4.0)
INNER_FOLDS = 5
SEED = 20260301


class NothingToTell(ValueError):
    """The columns do not tell good from bad better than chance."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`monotone` by column: 1 if points must not fall as the value rises, -1 if they must not rise.

    `reasons` by column: a phrase of form C-1 or the text of a reason of one's own.
    """

    name: str
    monotone: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    scale: Scale = field(default_factory=lambda: Scale(pdo=40, points=600, odds=10))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Log-odds of going bad: `intercept` plus each attribute's `curves` value for its bin, by `bins`.

    `weights` is what the data say of each bin; both are calibrated. `penalty` was chosen.
    """

    bins: Sequence[FineBins]
    curves: Sequence[Array]
    weights: Sequence[Array]
    intercept: float
    penalty: float


def fitted(table: CreditTable, plan: Plan, rows: Array) -> Fitted:
    """On these rows of the table alone. Raises NothingToTell."""
    bads = np.array(table.bads, dtype=float)
    bins = [fine_bins(column, rows) for column in table.columns]
    found = [binned(column, each) for column, each in zip(table.columns, bins, strict=True)]
    parts = [coded(each, at, rows) for each, at in zip(bins, found, strict=True)]
    design = np.column_stack([columns for columns, _ in parts])
    signs = np.concatenate(
        [_signs(plan.monotone.get(each.name, 0), *part) for each, part in zip(bins, parts, strict=True)]
    )
    penalty, line = _chosen(design[rows], bads[rows], signs)
    weights = penalised_logistic(design[rows], bads[rows], penalty, signs) * line.slope_micro / MICRO
    chance = 1 / (1 + np.exp(-(weights[0] + design[rows] @ weights[1:])))
    curves, said, at, level = [], [], 1, float(weights[0]) + line.offset_micro / MICRO
    for each, found_at, (columns, _) in zip(bins, found, parts, strict=True):
        share = columns @ weights[at : at + columns.shape[1]]
        curve = _by_bin(each, found_at[rows], share[rows])
        curves.append(curve)
        said.append(np.bincount(found_at[rows], weights=chance * (1 - chance), minlength=each.count))
        at += columns.shape[1]
    return Fitted(bins, curves, said, level, penalty)


def folds(bads: Sequence[bool], parts: int, seed: int) -> Array:
    """The part of each row: good and bad dealt out alike, the same for the same seed."""
    random = Random(seed)
    part: Array = np.zeros(len(bads), dtype=int)
    for label in (True, False):
        alike = [row for row, bad in enumerate(bads) if bad == label]
        random.shuffle(alike)
        part[alike] = np.arange(len(alike)) % parts
    return part


def _chosen(design: Array, bads: Array, signs: Array) -> tuple[float, Calibration]:
    """The penalty of least held-out deviance once calibrated, and that calibration."""
    labels = [bool(bad) for bad in bads]
    part = folds(labels, INNER_FOLDS, SEED)
    margins = np.zeros((len(PENALTIES), len(bads)))
    for held in range(INNER_FOLDS):
        rest, out, weights = part != held, part == held, None
        for number, penalty in enumerate(PENALTIES):
            weights = penalised_logistic(design[rest], bads[rest], penalty, signs, weights)
            margins[number, out] = weights[0] + design[out] @ weights[1:]
    try:
        lines = [calibration([round(margin * MICRO) for margin in each], labels) for each in margins.tolist()]
    except ValueError as exc:
        raise NothingToTell("these columns tell good from bad no better than chance") from exc
    lost = [_deviance(line, each, bads) for line, each in zip(lines, margins, strict=True)]
    best = lost.index(min(lost))
    return PENALTIES[best], lines[best]


def _deviance(line: Calibration, margins: Array, bads: Array) -> float:
    calibrated = (line.slope_micro * margins + line.offset_micro) / MICRO
    return float(np.logaddexp(0, np.where(bads > 0, -calibrated, calibrated)).sum())


def _signs(monotone: int, columns: Array, steps: int) -> Array:
    """Points fall where the log-odds of going bad rise."""
    return np.concatenate([np.full(steps, -monotone), np.zeros(columns.shape[1] - steps)])


def _by_bin(bins: FineBins, found: Array, share: Array) -> Array:
    """The attribute's share of the log-odds by bin; average, that is 0, for bins without a row."""
    curve = np.zeros(bins.count)
    curve[found] = share
    return curve
