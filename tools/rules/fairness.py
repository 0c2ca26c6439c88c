"""Adverse impact: how often each group is approved, against the group that is approved most.

The four-fifths rule is 29 CFR 1607.4(D), written for employment and applied to lending by analogy: a rate below 0.80 of
the highest group's is evidence of adverse impact, a flag and no verdict. The same section asks whether numbers are
small and differences significant. Flags are found in whole numbers; only what is shown is rounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, lgamma, log, sqrt
from typing import Literal

SMALL_GROUP = 30
"""Fewer than so many applicants, or fewer than five expected of either outcome, are called small: by convention."""
SMALL_EXPECTED = 5
SMALL_SHARE = 50
"""Question 16 on 29 CFR 1607 (44 FR 11996) leaves a group under 2 %, one in fifty, out: it becomes no reference."""
SIGNIFICANT_P = 0.05
_Z95 = 1.959963984540054
_TIE = 1e-7

Verdict = Literal["reference", "adverse", "below, may be chance", "above, yet significant", "none indicated"]


@dataclass(frozen=True, slots=True)
class Tally:
    applied: int
    favourable: int

    def __post_init__(self) -> None:
        if not 0 <= self.favourable <= self.applied:
            raise ValueError(f"{self.favourable} of {self.applied} cannot be favourable")

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.applied + other.applied, self.favourable + other.favourable)


@dataclass(frozen=True, slots=True)
class GroupImpact:
    """`ratio` is the adverse impact ratio with its 95 % interval; None where nobody of the reference
    was approved. `p` is Fisher's, two-sided; `z` the pooled difference in standard errors. `short` is how many
    approvals more would lift the ratio to 0.80."""

    group: str
    applied: int
    favourable: int
    rate: float
    ratio: float | None
    interval: tuple[float, float] | None
    z: float | None
    p: float | None
    flagged: bool
    small: bool
    short: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Impact:
    """One basis. `not_known` applicants are in no group and compared with none."""

    basis: str
    reference: str
    reference_by: Literal["highest rate", "choice"]
    highest: str
    not_known: int
    groups: tuple[GroupImpact, ...]


def adverse_impact(
    basis: str, tallies: Mapping[str, Tally], not_known: int = 0, reference: str | None = None
) -> Impact:
    """The reference is the group with the highest rate of those that are not under 2 %, unless one is given.

    ValueError without any applicant, or for a reference that nobody is in.
    """
    found = {group: tally for group, tally in tallies.items() if tally.applied}
    if not found:
        raise ValueError(f"of {basis} no group is known")
    if reference is not None and reference not in found:
        raise ValueError(f"{basis} has no group {reference!r}; it has {', '.join(sorted(found))}")
    highest = _highest(found)
    chosen = reference or highest
    groups = tuple(_against(found[chosen], group, found[group], chosen) for group in sorted(found))
    return Impact(basis, chosen, "choice" if reference else "highest rate", highest, not_known, groups)


def lowest_ratio(tallies: Mapping[str, Tally]) -> float | None:
    """The lowest rate over the highest, of groups of 30 and more: whichever is the reference, nobody is left out.
    None with fewer than two such groups, or no approval in any."""
    large = [tally for tally in tallies.values() if tally.applied >= SMALL_GROUP]
    if len(large) < 2 or not any(tally.favourable for tally in large):
        return None
    low, high = min(large, key=_rate), max(large, key=_rate)
    return _shown(low, high)


def is_below_four_fifths(group: Tally, reference: Tally) -> bool:
    """Exactly: a ratio of 0.80 is not below it."""
    return 5 * group.favourable * reference.applied < 4 * reference.favourable * group.applied


def fisher_p(group: Tally, reference: Tally) -> float:
    """Two-sided: of all tables with these margins, the share as improbable as this one, or more so."""
    applied, favourable = group.applied + reference.applied, group.favourable + reference.favourable

    def log_weight(count: int) -> float:
        return _log_choose(group.applied, count) + _log_choose(reference.applied, favourable - count)

    seen, whole = log_weight(group.favourable), _log_choose(applied, favourable)
    counts = range(max(0, favourable - reference.applied), min(group.applied, favourable) + 1)
    weights = (log_weight(count) for count in counts)
    return min(1.0, sum(exp(weight - whole) for weight in weights if weight <= seen + _TIE))


def pooled_z(group: Tally, reference: Tally) -> float | None:
    """The difference of two rates in standard errors of their common rate; None if all or none were approved."""
    both = group + reference
    common = both.favourable / both.applied
    error = sqrt(common * (1 - common) * (1 / group.applied + 1 / reference.applied))
    return (group.favourable / group.applied - reference.favourable / reference.applied) / error if error else None


def ratio_interval(group: Tally, reference: Tally) -> tuple[float, float] | None:
    """95 %, by Katz et al., Biometrics 34 (1978) 469; None where a rate is nil."""
    if not (group.favourable and reference.favourable):
        return None
    middle = log(group.favourable / group.applied) - log(reference.favourable / reference.applied)
    spread = 1 / group.favourable - 1 / group.applied + 1 / reference.favourable - 1 / reference.applied
    half = _Z95 * sqrt(spread)
    return round(exp(middle - half), 4), round(exp(middle + half), 4)


def _highest(found: Mapping[str, Tally]) -> str:
    """Of groups with the same rate the largest; of those the first by name."""
    everybody = sum(tally.applied for tally in found.values())
    counted = sorted(group for group, tally in found.items() if SMALL_SHARE * tally.applied >= everybody)
    return max(counted, key=lambda group: (_rate(found[group]), found[group].applied))


def _shown(group: Tally, reference: Tally) -> float:
    """To four places, and never as 0.80 if it is below."""
    ratio = float(round(_rate(group) / _rate(reference), 4))
    return min(ratio, 0.7999) if is_below_four_fifths(group, reference) else ratio


def _rate(tally: Tally) -> Fraction:
    return Fraction(tally.favourable, tally.applied)


def _against(reference: Tally, group: str, tally: Tally, chosen: str) -> GroupImpact:
    rate = round(tally.favourable / tally.applied, 4)
    small = _is_small(tally, reference)
    if group == chosen:
        return GroupImpact(
            group, tally.applied, tally.favourable, rate, 1.0, None, None, None, False, small, 0, "reference"
        )
    z, p = pooled_z(tally, reference), fisher_p(tally, reference)
    flagged = is_below_four_fifths(tally, reference)
    return GroupImpact(
        group=group,
        applied=tally.applied,
        favourable=tally.favourable,
        rate=rate,
        ratio=_shown(tally, reference) if reference.favourable else None,
        interval=ratio_interval(tally, reference),
        z=None if z is None else round(z, 2),
        p=float(f"{p:.3g}"),
        flagged=flagged,
        small=small,
        short=ceil(_rate(reference) * tally.applied * 4 / 5) - tally.favourable if flagged else 0,
        verdict=_verdict(flagged, p, z),
    )


def _verdict(flagged: bool, p: float, z: float | None) -> Verdict:
    significant = p < SIGNIFICANT_P and z is not None and z < 0
    if flagged:
        return "adverse" if significant else "below, may be chance"
    return "above, yet significant" if significant else "none indicated"


def _is_small(group: Tally, reference: Tally) -> bool:
    both = group + reference
    fewest = min(both.favourable, both.applied - both.favourable) * group.applied
    return group.applied < SMALL_GROUP or fewest < SMALL_EXPECTED * both.applied


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
