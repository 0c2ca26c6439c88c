"""The form of a points scorecard: attributes, bins, points and reasons as data, checked when it is made."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tools.rules.reg_b import Reason

Band = Literal["A", "B", "C", "D", "E"]
BANDS: tuple[Band, ...] = ("A", "B", "C", "D", "E")

PROHIBITED = frozenset(
    {
        *("age", "birth_date", "citizenship", "colour", "date_of_birth", "disability", "ethnicity", "gender"),
        *("language", "marital_status", "name", "national_origin", "nationality", "postcode"),
        *("public_assistance", "race", "religion", "sex"),
    }
)
"""Bases and plain proxies that 12 CFR 1002.4(a) and 1002.6(b) keep out: no attribute may bear such a name."""


@dataclass(frozen=True, slots=True)
class Range:
    """Points for values from the previous range's `below` (at first 0) up to, not including, this one's."""

    below: int | None
    points: int


@dataclass(frozen=True, slots=True)
class Category:
    """Points for any of these values."""

    values: tuple[str, ...]
    points: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Points where the value is unknown, and the reason if that costs points: no other would be true."""

    points: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class NumericAttribute:
    """A whole number ≥ 0. Ranges ascend and the last has no end."""

    name: str
    ranges: tuple[Range, ...]
    missing: Missing
    reason: Reason

    def __post_init__(self) -> None:
        ends = [each.below for each in self.ranges]
        bounded = [0, *(end for end in ends[:-1] if end is not None)]
        if not ends or ends[-1] is not None or len(bounded) != len(ends):
            raise ValueError(f"{self.name}: the last range, and only it, has no end")
        if any(end <= start for start, end in pairwise(bounded)):
            raise ValueError(f"{self.name}: ranges must ascend from 0")


@dataclass(frozen=True, slots=True)
class CategoricalAttribute:
    """One of the named values; any other is an error, not a bin."""

    name: str
    categories: tuple[Category, ...]
    missing: Missing
    reason: Reason

    def __post_init__(self) -> None:
        values = [value for each in self.categories for value in each.values]
        if not values or len(set(values)) != len(values):
            raise ValueError(f"{self.name}: each value belongs to exactly one category")


Attribute = NumericAttribute | CategoricalAttribute


@dataclass(frozen=True, slots=True)
class BandCutoff:
    """The band of scores from `from_points` up to the next better band."""

    band: Band
    from_points: int


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Score = base + the points of each attribute's bin. Bands best first; the worst starts at the lowest score."""

    version: str
    base_points: int
    bands: tuple[BandCutoff, ...]
    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) != len(names):
            raise ValueError("an attribute occurs twice")
        if prohibited := PROHIBITED.intersection(names):
            raise ValueError(f"{min(prohibited)}: a prohibited basis must not enter a score")
        if tuple(each.band for each in self.bands) != BANDS:
            raise ValueError(f"bands must be {', '.join(BANDS)}, best first")
        if any(better.from_points <= worse.from_points for better, worse in pairwise(self.bands)):
            raise ValueError("each band must start above the next worse one")
        if self.bands[-1].from_points > lowest_score(self):
            raise ValueError("the worst band must start at or below the lowest score")


def lowest_score(card: Scorecard) -> int:
    """The score of the worst bin of every attribute."""
    return card.base_points + sum(min(bin_points(attribute)) for attribute in card.attributes)


def highest_score(card: Scorecard) -> int:
    """The score of the best bin of every attribute."""
    return card.base_points + sum(max(bin_points(attribute)) for attribute in card.attributes)


def bin_points(attribute: Attribute) -> list[int]:
    """Points of every bin in the document's order, that for a missing value last."""
    bins = attribute.ranges if isinstance(attribute, NumericAttribute) else attribute.categories
    return [*(each.points for each in bins), attribute.missing.points]
