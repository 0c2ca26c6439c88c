"""How well probabilities of going bad rank and how true they are: AUC, Gini, KS, Brier, calibration, stability."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from tools.modelling.calibration import calibration
from tools.modelling.evaluation import auc
from tools.rules.fraud_model import MICRO

TENTHS = 10
CERTAIN = 1e-6


@dataclass(frozen=True, slots=True)
class Judged:
    """`slope` of the log-odds: 1 where probabilities are neither too bold nor too timid. `calibration_error`: mean
    distance of promised and found shares over tenths of the rows, ordered by probability."""

    auc: float
    ks: float
    brier: float
    slope: float
    calibration_error: float

    @property
    def gini(self) -> float:
        return 2 * self.auc - 1


@dataclass(frozen=True, slots=True)
class Tenth:
    """`promised` and `found` shares of bad rows among `rows` neighbours by probability."""

    rows: int
    promised: float
    found: float


def judged(chances: Sequence[float], bads: Sequence[bool]) -> Judged:
    """Of at least one good and one bad row."""
    margins = [round(MICRO * _log_odds(chance)) for chance in chances]
    errors = [(each.rows, abs(each.promised - each.found)) for each in tenths(chances, bads)]
    return Judged(
        auc=auc(bads, chances),
        ks=max(abs(bad - good) for _, good, bad in curve(chances, bads)),
        brier=sum((chance - bad) ** 2 for chance, bad in zip(chances, bads, strict=True)) / len(bads),
        slope=calibration(margins, bads, start=0.0).slope_micro / MICRO,
        calibration_error=sum(rows * error for rows, error in errors) / len(bads),
    )


def curve(chances: Sequence[float], bads: Sequence[bool]) -> list[tuple[float, float, float]]:
    """Chance, and the shares of good and of bad rows at or above it, from the greatest down: the ROC and KS curves."""
    ranked = sorted(zip(chances, bads, strict=True), key=lambda each: -each[0])
    bad_rows = sum(bads)
    points, good, bad = [(1.0, 0.0, 0.0)], 0, 0
    for at, (chance, is_bad) in enumerate(ranked, start=1):
        bad, good = bad + is_bad, good + (not is_bad)
        if at == len(ranked) or ranked[at][0] != chance:
            points.append((chance, good / (len(bads) - bad_rows), bad / bad_rows))
    return points


def tenths(chances: Sequence[float], bads: Sequence[bool]) -> list[Tenth]:
    ranked = sorted(zip(chances, bads, strict=True), key=lambda each: each[0])
    cuts = [len(ranked) * part // TENTHS for part in range(TENTHS + 1)]
    found = []
    for first, last in itertools.pairwise(cuts):
        some = ranked[first:last]
        if some:
            found.append(Tenth(len(some), sum(c for c, _ in some) / len(some), sum(bad for _, bad in some) / len(some)))
    return found


def stability(before: Sequence[float], after: Sequence[float]) -> float:
    """Population stability index over tenths of `before`: under 0.10 is called stable, over 0.25 shifted."""
    ordered = sorted(before)
    cuts = sorted({ordered[len(ordered) * part // TENTHS] for part in range(1, TENTHS)})
    index = 0.0
    for was, now in zip(_shares(before, cuts), _shares(after, cuts), strict=True):
        index += (now - was) * log(now / was)
    return index


def _shares(values: Sequence[float], cuts: Sequence[float]) -> list[float]:
    """Of each interval; half a row stands in for none."""
    counts = [0] * (len(cuts) + 1)
    for value in values:
        counts[sum(value >= cut for cut in cuts)] += 1
    return [max(count, 0.5) / len(values) for count in counts]


def _log_odds(chance: float) -> float:
    held = min(1 - CERTAIN, max(CERTAIN, chance))
    return log(held / (1 - held))
