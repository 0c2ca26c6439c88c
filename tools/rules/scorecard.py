"""A credit score as a sum of points, with the reason codes of the points lost.

Any Scorecard document scores the same way: look up each value's bin, add the points to the base. Reasons are
the attributes by points lost against their own best bin (comment 9(b)(2)-5 to 12 CFR 1002.9 leaves the method
open; the reasons must be factors actually scored, 9(b)(2)-4). Whole points only: the same facts always make
the same score.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

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


def score_values(values: Mapping[str, int | str | None], card: Scorecard) -> Score:
    """The same for any card: each attribute needs its value by name, None if unknown. Others are ignored."""
    shares: list[AttributePoints] = []
    lost: Counter[str] = Counter()
    reasons: dict[str, Reason] = {}
    for attribute in card.attributes:
        if attribute.name not in values:
            raise ValueError(f"{attribute.name}: no value, not even None")
        share, reason = _share(attribute, values[attribute.name])
        shares.append(share)
        reasons[reason.code] = reason
        lost[reason.code] += share.best_points - share.points
    points = card.base_points + sum(share.points for share in shares)
    # most_common keeps the document's order among equals.
    costly = tuple(reasons[code] for code, cost in lost.most_common() if cost > 0)
    return Score(card.version, points, band_of(points, card), costly, tuple(shares))


def band_of(points: int, card: Scorecard = SCORECARD_2026_01) -> Band:
    """The best band that starts at or below these points; the worst for any fewer."""
    for each in card.bands:
        if points >= each.from_points:
            return each.band
    return card.bands[-1].band


def _share(attribute: Attribute, value: int | str | None) -> tuple[AttributePoints, Reason]:
    best = max(bin_points(attribute))
    if value is None:
        missing = attribute.missing
        return AttributePoints(attribute.name, None, "unknown", missing.points, best), missing.reason
    if isinstance(attribute, CategoricalAttribute):
        label, points = _category(attribute, value)
        return AttributePoints(attribute.name, value, label, points, best), attribute.reason
    for special in attribute.special:
        if value == special.code:
            return AttributePoints(attribute.name, value, "special code", special.points, best), special.reason
    label, points = _numeric_bin(attribute, value)
    return AttributePoints(attribute.name, value, label, points, best), attribute.reason


def _numeric_bin(attribute: NumericAttribute, value: int | str) -> tuple[str, int]:
    if type(value) is not int or (value < 0 and not attribute.negative):
        raise ValueError(f"{attribute.name}: {value!r} is no whole number" + ("" if attribute.negative else " from 0"))
    number = next(n for n, each in enumerate(attribute.ranges) if each.below is None or value < each.below)
    return range_label(attribute, number), attribute.ranges[number].points


def _category(attribute: CategoricalAttribute, value: int | str) -> tuple[str, int]:
    for each in attribute.categories:
        if value in each.values:
            return " or ".join(each.values), each.points
    raise ValueError(f"{attribute.name}: {value!r} is not among the values of the scorecard")
