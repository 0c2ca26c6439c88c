"""The form of a points scorecard: attributes, bins, points and reasons as data, checked when it is made."""

import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from tools.rules.odds import Scale
from tools.rules.reg_b import Reason

Band = Literal["A", "B", "C", "D", "E"]
BANDS: tuple[Band, ...] = ("A", "B", "C", "D", "E")

PROHIBITED = frozenset(
    {
        *("age", "birth", "birthdate", "birthday", "citizenship", "color", "colour", "disability", "divorced", "dob"),
        *("ethnicity", "foreign", "gender", "language", "marital", "married", "name", "national_origin", "nationality"),
        *("postal_code", "postcode", "public_assistance", "race", "religion", "sex", "spouse", "widowed", "zip"),
    }
)
"""Bases and plain proxies that 12 CFR 1002.4(a) and 1002.6(b) keep out: no attribute's name may have such words."""

DECIMALS_MAX = 9

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


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
class Special:
    """Points for a code that stands for no quantity (no such account, not looked up), and the reason if it costs."""

    code: int
    points: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class NumericAttribute:
    """A whole number of 10^-`decimals`, ≥ 0 unless `negative`; codes in `special` come first.

    Ranges ascend and the last has no end.
    """

    name: str
    ranges: tuple[Range, ...]
    missing: Missing
    reason: Reason
    special: tuple[Special, ...] = ()
    decimals: int = 0
    negative: bool = False

    def __post_init__(self) -> None:
        ends = [each.below for each in self.ranges]
        bounded = [end for end in ends[:-1] if end is not None]
        if not ends or ends[-1] is not None or len(bounded) != len(ends) - 1:
            raise ValueError(f"{self.name}: the last range, and only it, has no end")
        starts = bounded if self.negative else [0, *bounded]
        if any(end <= start for start, end in pairwise(starts)):
            raise ValueError(f"{self.name}: ranges must ascend" + ("" if self.negative else " from 0"))
        if len({each.code for each in self.special}) != len(self.special):
            raise ValueError(f"{self.name}: a special code occurs twice")
        if not 0 <= self.decimals <= DECIMALS_MAX:
            raise ValueError(f"{self.name}: decimals must be from 0 to {DECIMALS_MAX}")


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


@dataclass(frozen=True, slots=True, eq=False)
class Scorecard:
    """Score = base + the points of each attribute's bin. Bands best first; the worst starts at the lowest score.

    `scale` says what a score means in odds; None where the card was never calibrated. Cards are told apart by
    identity, so that what is worked out of one is found again without comparing all its bins.
    """

    version: str
    base_points: int
    bands: tuple[BandCutoff, ...]
    attributes: tuple[Attribute, ...]
    scale: Scale | None = None

    def __post_init__(self) -> None:
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) != len(names):
            raise ValueError("an attribute occurs twice")
        for name in names:
            if prohibited_basis(name):
                raise ValueError(f"{name}: a prohibited basis must not enter a score")
        if tuple(each.band for each in self.bands) != BANDS:
            raise ValueError(f"bands must be {', '.join(BANDS)}, best first")
        if any(better.from_points <= worse.from_points for better, worse in pairwise(self.bands)):
            raise ValueError("each band must start above the next worse one")
        if self.bands[-1].from_points > lowest_score(self):
            raise ValueError("the worst band must start at or below the lowest score")


def prohibited_basis(name: str) -> str | None:
    """The prohibited basis that a name speaks of, in whole words: `age_in_years`, `MaritalStatus`; None if none.

    A name says little about what a column holds, so this is a guard against mistakes and no proof.
    """
    words = "_" + "_".join(_WORDS.findall(name)).lower() + "_"
    return next((basis for basis in sorted(PROHIBITED) if f"_{basis}_" in words), None)


def lowest_score(card: Scorecard) -> int:
    """The score of the worst bin of every attribute."""
    return card.base_points + sum(min(bin_points(attribute)) for attribute in card.attributes)


def highest_score(card: Scorecard) -> int:
    """The score of the best bin of every attribute."""
    return card.base_points + sum(max(bin_points(attribute)) for attribute in card.attributes)


def bin_points(attribute: Attribute) -> list[int]:
    """Points of every bin in the document's order, that for a missing value last."""
    if isinstance(attribute, NumericAttribute):
        known = [*(each.points for each in attribute.ranges), *(each.points for each in attribute.special)]
    else:
        known = [each.points for each in attribute.categories]
    return [*known, attribute.missing.points]


def reasons_of(attribute: Attribute) -> list[Reason]:
    """Every reason that the attribute may give."""
    of_codes = [each.reason for each in attribute.special] if isinstance(attribute, NumericAttribute) else []
    return [attribute.reason, attribute.missing.reason, *of_codes]


def range_label(attribute: NumericAttribute, number: int) -> str:
    """A range in words, as a person would check it: `3 to 5`, `0.25 to 0.39`, `below 0`, `12 or more`."""
    start = attribute.ranges[number - 1].below if number else None if attribute.negative else 0
    below = attribute.ranges[number].below
    if below is None:
        return "any" if start is None else f"{decimal_text(start, attribute.decimals)} or more"
    if start is None:
        return f"below {decimal_text(below, attribute.decimals)}"
    return f"{decimal_text(start, attribute.decimals)} to {decimal_text(below - 1, attribute.decimals)}"


def decimal_text(value: int, decimals: int) -> str:
    """A whole number of 10^-decimals as a person writes it."""
    return f"{Decimal(value).scaleb(-decimals):f}"
