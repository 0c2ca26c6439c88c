"""A credit score as a sum of points, with the reason codes of the points lost.

Any Scorecard document scores the same way: look up each value's bin, add the points to the base. Reasons are
the attributes by points lost against their own best bin (comment 9(b)(2)-5 to 12 CFR 1002.9 leaves the method
open; the reasons must be factors actually scored, 9(b)(2)-4). Whole points only: the same facts always make
the same score.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

from tools.rules.reg_b import Reason
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import (
    Attribute,
    Band,
    CategoricalAttribute,
    NumericAttribute,
    Scorecard,
    bin_points,
    range_label,
)

Value = int | str | None
MOST_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class ScorecardFacts:
    """A bank's credit file on one person, on one day. None: unknown, and for utilisation no revolving credit.

    Utilisation is balances over limits of revolving credit in bps. `employment_months` is time in the present
    employment; for the retired, since retirement.
    """

    delinquencies_24m: int | None = None
    worst_days_past_due_24m: int | None = None
    utilisation_bps: int | None = None
    inquiries_6m: int | None = None
    oldest_account_months: int | None = None
    accounts_open: int | None = None
    public_records: int | None = None
    collections: int | None = None
    bankruptcies: int | None = None
    employment_status: str | None = None
    employment_months: int | None = None
    housing_status: str | None = None


@dataclass(frozen=True, slots=True)
class AttributePoints:
    """One attribute's share: the value found, its bin in words, and what the best bin would have given."""

    attribute: str
    value: int | str | None
    bin: str
    points: int
    best_points: int


@dataclass(frozen=True, slots=True)
class Score:
    """`reasons` is every reason that cost points, the most costly first."""

    version: str
    points: int
    band: Band
    reasons: tuple[Reason, ...]
    attributes: tuple[AttributePoints, ...]


def score(facts: ScorecardFacts, card: Scorecard = SCORECARD_2026_01) -> Score:
    """The score of a credit file. ValueError for a negative number or a value the card does not know."""
    return score_values(asdict(facts), card)


def score_values(values: Mapping[str, Value], card: Scorecard) -> Score:
    """The same for any card: each attribute needs its value by name, None if unknown. Others are ignored."""
    points, shares = card.base_points, []
    lost: dict[str, int] = {}
    reasons: dict[str, Reason] = {}
    for look_up in _look_ups(card):
        share, cost, reason = look_up.share(values)
        points += share.points
        shares.append(share)
        reasons[reason.code] = reason
        lost[reason.code] = lost.get(reason.code, 0) + cost
    # Sorting keeps the document's order among equals.
    costly = sorted((code for code, cost in lost.items() if cost > 0), key=lambda code: -lost[code])
    found = tuple(reasons[code] for code in costly)
    return Score(card.version, points, band_of(points, card), found, tuple(shares))


def band_of(points: int, card: Scorecard = SCORECARD_2026_01) -> Band:
    """The best band that starts at or below these points; the worst for any fewer."""
    for each in card.bands:
        if points >= each.from_points:
            return each.band
    return card.bands[-1].band


_Share = tuple[AttributePoints, int, Reason]
"""An attribute's share, what it lost against the best bin, and why."""


class _LookUp:
    """One attribute with every bin worked out: what a value's share is takes one look-up, or two."""

    def __init__(self, attribute: Attribute) -> None:
        self._name = attribute.name
        self._best = max(bin_points(attribute))
        self._reason = attribute.reason
        missing = attribute.missing
        self._known: dict[Value, _Share] = {None: self._of(None, "unknown", missing.points, missing.reason)}
        self._numeric = attribute if isinstance(attribute, NumericAttribute) else None
        if isinstance(attribute, CategoricalAttribute):
            for each in attribute.categories:
                label = " or ".join(each.values)
                self._known |= {value: self._of(value, label, each.points, self._reason) for value in each.values}
            return
        for special in attribute.special:
            self._known[special.code] = self._of(special.code, "special code", special.points, special.reason)
        self._ends = [each.below for each in attribute.ranges if each.below is not None]
        self._bins = [(range_label(attribute, at), each.points) for at, each in enumerate(attribute.ranges)]

    def share(self, values: Mapping[str, Value]) -> _Share:
        try:
            value = values[self._name]
        except KeyError:
            raise ValueError(f"{self._name}: no value, not even None") from None
        if self._numeric is None:
            if (known := self._known.get(value)) is None:
                raise ValueError(f"{self._name}: {value!r} is not among the values of the scorecard")
            return known
        if value is None or type(value) is int:
            if (known := self._known.get(value)) is not None:
                return known
            if value is not None and (value >= 0 or self._numeric.negative):
                return self._counted(value)
        said = "" if self._numeric.negative else " from 0"
        raise ValueError(f"{self._name}: {value!r} is no whole number{said}")

    def _counted(self, value: int) -> _Share:
        label, points = self._bins[bisect_right(self._ends, value)]
        found = self._of(value, label, points, self._reason)
        if len(self._known) < MOST_KEPT:  # most facts are small counts, which come again
            self._known[value] = found
        return found

    def _of(self, value: Value, label: str, points: int, reason: Reason) -> _Share:
        return AttributePoints(self._name, value, label, points, self._best), self._best - points, reason


@lru_cache(maxsize=64)
def _look_ups(card: Scorecard) -> tuple[_LookUp, ...]:
    return tuple(_LookUp(attribute) for attribute in card.attributes)
