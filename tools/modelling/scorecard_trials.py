"""Scorecards tried on rows they were not trained on, fold by fold, and LightGBM on the very same folds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean
from typing import Any

import numpy as np

from tools.modelling.boosting import Setting, library
from tools.modelling.credit_figures import Judged, judged, stability
from tools.modelling.credit_file import Column, CreditTable, Numbers, Texts
from tools.modelling.scorecard_fit import Plan, Tell, fitted, folds
from tools.modelling.scorecard_points import in_points
from tools.rules.odds import UNIT_BPS, Scale, bad_bps
from tools.rules.scorecard_document import Attribute, CategoricalAttribute
from tools.rules.scorecard_table import PointsTable, Value

Array = Any
FOLDS = 5
UNTUNED = Setting()
SMALL = Setting(leaf_payments=20, l2=2.0, feature_share=0.5, payment_share=0.8)
TUNED = (
    Setting(leaves=5, rounds=400, rate=0.03, leaf_payments=20, l2=2.0, feature_share=0.5, payment_share=0.8),
    Setting(leaves=7, rounds=200, rate=0.03, leaf_payments=20, l2=5.0, feature_share=0.6, payment_share=0.8),
    Setting(leaves=15, rounds=300, rate=0.02, leaf_payments=30, l2=5.0, feature_share=0.5, payment_share=0.8),
)
"""What a modeller would try on some thousand rows; the best of them by held-out deviance is the rival."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One fold: figures of the card's whole points, of LightGBM if it was asked for, and the held-out chances."""

    card: Judged
    psi: float
    rivals: Mapping[str, Judged]
    chances: Sequence[float]
    bads: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Difference:
    """Card minus rival over the folds. Training parts overlap, so the standard error is Nadeau & Bengio's (2003)."""

    mean: float
    error: float


def trials(table: CreditTable, plan: Plan, repeats: int, tell: Tell, *, rivals: bool = False) -> list[Trial]:
    """FOLDS folds, `repeats` times over; everything is chosen anew on each training part."""
    done = []
    for repeat in range(repeats):
        part = folds(table.bads, FOLDS, repeat + 1)
        for held in range(FOLDS):
            tell(f"training without part {held + 1} of {FOLDS}, round {repeat + 1} of {repeats}")
            done.append(_trial(table, plan, np.flatnonzero(part != held), np.flatnonzero(part == held), rivals=rivals))
    return done


def differences(done: Sequence[Trial], rival: str, figure: str) -> Difference:
    """Of one figure of `Judged`."""
    paired = [getattr(trial.card, figure) - getattr(trial.rivals[rival], figure) for trial in done]
    middle = mean(paired)
    spread = sum((each - middle) ** 2 for each in paired) / (len(paired) - 1)
    return Difference(middle, sqrt(spread * (1 / len(paired) + 1 / (FOLDS - 1))))


def scored_rows(attributes: Sequence[Attribute], table: CreditTable, rows: Sequence[int]) -> Iterator[dict[str, Value]]:
    """Each row's values by attribute; a text that the card does not know counts as missing here."""
    known = {
        each.name: set().union(*(c.values for c in each.categories))
        for each in attributes
        if isinstance(each, CategoricalAttribute)
    }
    columns = [(column, known.get(column.name)) for column in table.columns]
    for row in rows:
        yield {column.name: _value(column, row, among) for column, among in columns}


def chances_of(points: Sequence[int], scale: Scale) -> list[float]:
    return [bad_bps(each, scale) / UNIT_BPS for each in points]


def _value(column: Column, row: int, among: set[str] | None) -> Value:
    value = column.values[row]
    return None if among is not None and value not in among else value


def _trial(table: CreditTable, plan: Plan, rest: Array, out: Array, *, rivals: bool) -> Trial:
    card = in_points(fitted(table, plan, rest), table, plan).card("tried")
    scores = PointsTable(card)
    trained, held = (
        [scores.points(values) for values in scored_rows(card.attributes, table, rows.tolist())] for rows in (rest, out)
    )
    bads = [table.bads[row] for row in out.tolist()]
    chances = chances_of(held, plan.scale)
    found = {name: judged(each, bads) for name, each in _rivals(table, rest, out)} if rivals else {}
    return Trial(judged(chances, bads), stability(trained, held), found, chances, bads)


def _rivals(table: CreditTable, rest: Array, out: Array) -> Iterator[tuple[str, list[float]]]:
    rows, texts = _matrix(table)
    bads = np.array(table.bads, dtype=float)
    yield "defaults", _boosted(UNTUNED, rows, bads, texts, rest, out)
    part = folds([table.bads[row] for row in rest.tolist()], 3, 7)
    lost = []
    for setting in TUNED:
        deviance = 0.0
        for held in range(3):
            told = _boosted(setting, rows, bads, texts, rest[part != held], rest[part == held])
            deviance -= sum(np.log(np.where(bads[rest[part == held]] > 0, told, 1 - np.array(told))))
        lost.append(deviance)
    yield "tuned", _boosted(TUNED[lost.index(min(lost))], rows, bads, texts, rest, out)


def _boosted(setting: Setting, rows: Array, bads: Array, texts: list[int], rest: Array, out: Array) -> list[float]:
    lightgbm = library("lightgbm")
    data = lightgbm.Dataset(rows[rest], bads[rest], categorical_feature=texts, free_raw_data=False)
    booster = lightgbm.train(setting.parameters(), data, setting.rounds)
    return [float(chance) for chance in booster.predict(rows[out])]


def _matrix(table: CreditTable) -> tuple[Array, list[int]]:
    """Numbers as they are, special codes too, missing as not-a-number; texts numbered in order."""
    columns = []
    for column in table.columns:
        if isinstance(column, Numbers):
            columns.append([np.nan if value is None else float(value) for value in column.values])
        else:
            order = {text: float(at) for at, text in enumerate(sorted({v for v in column.values if v is not None}))}
            columns.append([np.nan if value is None else order[value] for value in column.values])
    texts = [at for at, column in enumerate(table.columns) if isinstance(column, Texts)]
    return np.column_stack(columns), texts
