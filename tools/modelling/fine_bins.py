"""Columns cut into fine bins, coded so that a penalty smooths: steps between neighbours, flags for the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.modelling.credit_file import Column, Numbers, Texts

Array = Any
FINE_MAX = 40
ROWS_PER_BIN = 40
SHARE_MIN, ROWS_MIN = 0.01, 10
SMOOTH = 3.0
"""The steps of one attribute share the freedom of so many flags, however finely it is cut."""


@dataclass(frozen=True, slots=True)
class FineBins:
    """Bins 0 to len(cuts) are ranges (or all texts, in `flags`' order); after them `flags`, then missing or unseen.

    `flags` are special codes of numbers, or texts.
    """

    name: str
    cuts: tuple[int, ...]
    flags: tuple[int | str, ...]
    is_number: bool

    @property
    def ranges(self) -> int:
        return len(self.cuts) + 1 if self.is_number else 0

    @property
    def count(self) -> int:
        """Missing is the last bin."""
        return self.ranges + len(self.flags) + 1


def fine_bins(column: Column, rows: Array) -> FineBins:
    """Bins as these rows suggest."""
    values = [column.values[row] for row in rows]
    if isinstance(column, Texts):
        return FineBins(column.name, (), tuple(sorted({str(v) for v in values if v is not None})), is_number=False)
    known = np.sort(np.array([v for v in values if v is not None and v not in column.special], dtype=np.int64))
    return FineBins(column.name, tuple(_cuts(known, len(values))), column.special, is_number=True)


def binned(column: Column, bins: FineBins) -> Array:
    """The bin of every value of the column."""
    missing = bins.count - 1
    flags = {flag: bins.ranges + number for number, flag in enumerate(bins.flags)}
    if isinstance(column, Numbers):
        cuts = np.array(bins.cuts, dtype=np.int64)
        counted = np.array([v or 0 for v in column.values], dtype=np.int64)
        reached: Array = np.searchsorted(cuts, counted, side="right")
        pairs = zip(column.values, reached.tolist(), strict=True)
        return np.array([missing if v is None else flags.get(v, at) for v, at in pairs])
    return np.array([flags.get(v, missing) if v is not None else missing for v in column.values])


def coded(bins: FineBins, found: Array, rows: Array) -> tuple[Array, int]:
    """Columns for the regression and how many of them are steps: those come first.

    A step is 0 on average over the known numbers of `rows`, and 0 for codes and missing: so these are penalised
    towards the average and not towards the first range.
    """
    known = found < bins.ranges
    among = known[rows]
    steps = [found > cut for cut in range(bins.ranges - 1)]
    weight = (SMOOTH / len(steps)) ** 0.5 if len(steps) > SMOOTH else 1.0
    columns = [np.where(known, step - step[rows][among].mean(), 0.0) * weight for step in steps]
    columns += [(found == flag) * 1.0 for flag in range(bins.ranges, bins.count) if (found[rows] == flag).any()]
    return (np.column_stack(columns) if columns else np.zeros((len(found), 0))), len(steps)


def _cuts(known: Array, rows: int) -> Sequence[int]:
    """Lowest values of the ranges after the first, each of at least SHARE_MIN of the rows."""
    if not len(known):
        return []
    enough = max(ROWS_MIN, SHARE_MIN * rows)
    fine = min(FINE_MAX, rows // ROWS_PER_BIN)
    wanted = np.unique(known[[min(len(known) - 1, -(-len(known) * part // fine)) for part in range(1, fine)]])
    cuts: list[int] = []
    begun = 0
    for cut in wanted.tolist():
        start = int(np.searchsorted(known, cut, side="left"))
        if start - begun >= enough and len(known) - start >= enough:
            cuts.append(cut)
            begun = start
    return cuts
