"""A fitted scorecard in whole points: bins merged, scaled by PDO and base odds, each attribute with its reasons."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from tools.modelling.credit_file import CreditTable, Numbers
from tools.modelling.fine_bins import FineBins
from tools.modelling.merged_bins import merged
from tools.modelling.scorecard_fit import Fitted, Plan
from tools.rules.odds import Scale
from tools.rules.reg_b import C1, SPECIFIC, Reason, reason
from tools.rules.scorecard_document import (
    BANDS,
    Attribute,
    BandCutoff,
    CategoricalAttribute,
    Category,
    Missing,
    NumericAttribute,
    Range,
    Scorecard,
    Special,
    bin_points,
    decimal_text,
)

Array = Any
BAND_ODDS = (50.0, 20.0, 9.0, 4.0)
"""Good to one bad from which bands A to D begin: about 2, 5, 10 and 20 of a hundred going bad."""


@dataclass(frozen=True, slots=True)
class Points:
    """What of a document is points."""

    base_points: int
    bands: tuple[BandCutoff, ...]
    numeric: tuple[NumericAttribute, ...]
    categorical: tuple[CategoricalAttribute, ...]

    def card(self, version: str) -> Scorecard:
        return Scorecard(version, self.base_points, self.bands, (*self.numeric, *self.categorical))


def in_points(found: Fitted, table: CreditTable, plan: Plan) -> Points:
    """Attributes all of whose bins have the same points are left out."""
    numeric, categorical = [], []
    columns = {column.name: column for column in table.columns}
    for bins, curve, weights in zip(found.bins, found.curves, found.weights, strict=True):
        per_log_odds = plan.scale.points_per_log_odds
        made = _Made(bins, -curve * per_log_odds, weights / per_log_odds**2, _Why(plan.reasons, bins.name))
        column = columns[bins.name]
        if isinstance(column, Numbers):
            number = made.numeric(column)
            numeric += [number] if len(set(bin_points(number))) > 1 else []
        else:
            text = made.categorical()
            categorical += [text] if len(set(bin_points(text))) > 1 else []
    base = round(_at_odds(plan.scale, np.exp(-found.intercept)))
    attributes: list[Attribute] = [*numeric, *categorical]
    lowest = base + sum(min(bin_points(each)) for each in attributes)
    return Points(base, tuple(_bands(plan.scale, lowest)), tuple(numeric), tuple(categorical))


@dataclass(frozen=True, slots=True)
class _Why:
    reasons: Mapping[str, str]
    name: str

    def value(self) -> Reason:
        said = self.reasons.get(self.name, "")
        phrase = next((each for each in SPECIFIC if each.value == said), None)
        if phrase is not None:
            return reason(self.name, phrase)
        return reason(self.name, C1.OTHER, said or _words(self.name))

    def code(self, code: str) -> Reason:
        said = self.reasons.get(f"{self.name}={code}", "")
        return reason(f"{self.name}={code}", C1.OTHER, said or f"{self._said()}: recorded as {code}")

    def missing(self) -> Reason:
        said = self.reasons.get(f"{self.name}=", "")
        return reason(f"{self.name}=", C1.OTHER, said or f"{self._said()}: not known")

    def _said(self) -> str:
        return self.reasons.get(self.name) or _words(self.name)


@dataclass(frozen=True, slots=True)
class _Made:
    """`points` by fine bin, and `weights`: how much deviance a squared point costs there."""

    bins: FineBins
    points: Array
    weights: Array
    why: _Why

    def numeric(self, column: Numbers) -> NumericAttribute:
        ranges = self.bins.ranges
        runs = self._same(self._merged(range(ranges)))
        ends = [self.bins.cuts[last - 1] if last < ranges else None for _, last, _ in runs]
        codes = [(at, int(code)) for at, code in enumerate(self.bins.flags, start=ranges)]
        return NumericAttribute(
            name=self.bins.name,
            ranges=tuple(Range(end, points) for end, (_, _, points) in zip(ends, runs, strict=True)),
            missing=Missing(round(float(self.points[-1])), self.why.missing()),
            reason=self.why.value(),
            special=tuple(
                Special(code, round(float(self.points[at])), self.why.code(decimal_text(code, column.decimals)))
                for at, code in codes
            ),
            decimals=column.decimals,
            negative=min((v for v in column.values if v is not None and v not in column.special), default=0) < 0,
        )

    def categorical(self) -> CategoricalAttribute:
        order = sorted(range(len(self.bins.flags)), key=lambda at: (-self.points[at], at))
        grouped: dict[int, list[str]] = {}
        for first, last in self._merged(order):
            points = self._mean(order[first:last])
            grouped.setdefault(points, []).extend(str(self.bins.flags[at]) for at in sorted(order[first:last]))
        return CategoricalAttribute(
            name=self.bins.name,
            categories=tuple(Category(tuple(values), points) for points, values in grouped.items()),
            missing=Missing(round(float(self.points[-1])), self.why.missing()),
            reason=self.why.value(),
        )

    def _merged(self, order: Sequence[int]) -> list[tuple[int, int]]:
        return merged([float(self.points[at]) for at in order], [float(self.weights[at]) for at in order])

    def _mean(self, fine: Sequence[int]) -> int:
        weights = self.weights[list(fine)] + 1e-9
        return round(float((self.points[list(fine)] * weights).sum() / weights.sum()))

    def _same(self, runs: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
        """First, before last and points of each run; neighbours of the same whole points are one."""
        joined: list[tuple[int, int, int]] = []
        for first, last in runs:
            points = self._mean(range(first, last))
            if joined and joined[-1][2] == points:
                first = joined.pop()[0]
            joined.append((first, last, points))
        return joined


def _at_odds(scale: Scale, odds: float) -> float:
    return scale.points + scale.points_per_log_odds * log(odds / scale.odds)


def _bands(scale: Scale, lowest: int) -> Iterator[BandCutoff]:
    last = 0
    for band, odds in zip(BANDS, BAND_ODDS, strict=False):
        last = round(_at_odds(scale, odds))
        yield BandCutoff(band, last)
    yield BandCutoff(BANDS[-1], min(lowest, last - 1))


def _words(name: str) -> str:
    spaced = "".join(
        f" {sign}" if sign.isupper() and at and not name[at - 1].isupper() else sign for at, sign in enumerate(name)
    )
    said = " ".join(spaced.replace("_", " ").split()).lower()
    return said[:1].upper() + said[1:]
