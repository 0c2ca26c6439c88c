"""A fairness report: approval by segment, adverse impact by protected group, and the least discriminatory alternative.

The effects test of comment 6(a)-2 to 12 CFR 1002 asks whether a lender's need is met as well by means with less
disparate impact. So each challenger is held against the champion, on the cases that both decided.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.rules.fairness import Impact, Tally, adverse_impact, lowest_ratio

BPS = 10_000
Cell = tuple[str, str]
"""A segment and its value, or a basis and its group."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One application with a final answer. `alone` is the champion's answer and `challengers` theirs, without a person,
    or None where it is not known; `bad_bps` the probability of going bad, None where it is not known."""

    favourable: bool
    groups: Mapping[str, str]
    segments: Sequence[Cell] = ()
    alone: bool | None = None
    challengers: Mapping[str, bool | None] = field(default_factory=dict)
    bad_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an alternative may cost: so many bps of all applicants approved less, and so many bps more of those it
    approves expected to go bad."""

    approval_fall_bps: int = 200
    bad_rise_bps: int = 50


@dataclass(frozen=True, slots=True)
class Rate:
    segment: str
    value: str
    applied: int
    favourable: int
    rate: float


@dataclass(frozen=True, slots=True)
class SegmentImpact:
    """Adverse impact within a segment, against the reference group of all."""

    segment: str
    value: str
    impact: Impact


@dataclass(frozen=True, slots=True)
class Side:
    """`ratio` is the lowest group's rate over the highest's, the lowest of all bases; None: no two groups are large
    enough. `bad_bps` is expected of those approved."""

    approved: int
    approval: float
    ratio: float | None
    bad_bps: int | None


@dataclass(frozen=True, slots=True)
class Alternative:
    """A challenger and the champion on the same `cases`; `faults` say what keeps it from being an alternative."""

    name: str
    cases: int
    champion: Side
    challenger: Side
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`least_discriminatory` is the challenger with the highest ratio of those without fault; None: the champion."""

    cases: int
    favourable: int
    pending: int
    impacts: tuple[Impact, ...]
    within: tuple[SegmentImpact, ...]
    segments: tuple[Rate, ...]
    alternatives: tuple[Alternative, ...]
    least_discriminatory: str | None
    bounds: Bounds
    caveats: tuple[str, ...]


@dataclass(slots=True)
class _Answers:
    """What one decider answered, by protected group."""

    cells: dict[Cell, list[int]] = field(default_factory=dict)
    """How many applied and how many of them were approved."""
    cases: int = 0
    approved: int = 0
    bad: int = 0
    without_bad: int = 0

    def add(self, outcome: Outcome, favourable: bool) -> None:
        self.cases += 1
        self.approved += favourable
        if favourable:
            self.bad += outcome.bad_bps or 0
            self.without_bad += outcome.bad_bps is None
        for cell in outcome.groups.items():
            counts = self.cells.setdefault(cell, [0, 0])
            counts[0] += 1
            counts[1] += favourable

    def side(self) -> Side:
        ratios = [lowest_ratio(tallies) for tallies in _by_basis(self.cells).values()]
        known = [ratio for ratio in ratios if ratio is not None]
        bad = None if self.without_bad or not self.approved else round(self.bad / self.approved)
        return Side(self.approved, round(self.approved / self.cases, 4), min(known, default=None), bad)


@dataclass(slots=True)
class Fairness:
    """The sum over all applications; `references` by basis, where one was chosen."""

    references: Mapping[str, str] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    pending: int = 0
    _all: _Answers = field(default_factory=_Answers)
    _segments: dict[Cell, _Answers] = field(default_factory=dict)
    _alternatives: dict[str, tuple[_Answers, _Answers]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        self._all.add(outcome, outcome.favourable)
        for cell in outcome.segments:
            self._segments.setdefault(cell, _Answers()).add(outcome, outcome.favourable)
        for name, answer in outcome.challengers.items():
            champion, challenger = self._alternatives.setdefault(name, (_Answers(), _Answers()))
            if answer is not None and outcome.alone is not None:
                champion.add(outcome, outcome.alone)
                challenger.add(outcome, answer)

    def report(self) -> Report:
        """ValueError for a reference that nobody is in, or of a basis that nothing is known of."""
        impacts = self._impacts()
        within = self._within({each.basis: each.reference for each in impacts})
        alternatives = tuple(self._alternative(name) for name in sorted(self._alternatives))
        fit = [each for each in alternatives if not each.faults]
        best = max(fit, key=lambda each: (each.challenger.ratio or 0, each.challenger.approval), default=None)
        return Report(
            cases=self._all.cases,
            favourable=self._all.approved,
            pending=self.pending,
            impacts=impacts,
            within=within,
            segments=tuple(_rate(cell, self._segments[cell]) for cell in sorted(self._segments, key=_rank)),
            alternatives=alternatives,
            least_discriminatory=None if best is None else best.name,
            bounds=self.bounds,
            caveats=tuple(_caveats(impacts, within, self._all.cases)),
        )

    def _impacts(self) -> tuple[Impact, ...]:
        known = _by_basis(self._all.cells)
        if unknown := sorted(set(self.references) - set(known)):
            raise ValueError(f"of {unknown[0]} no group is known")
        found = []
        for basis, tallies in sorted(known.items()):
            not_known = self._all.cases - sum(tally.applied for tally in tallies.values())
            found.append(adverse_impact(basis, tallies, not_known, self.references.get(basis)))
        return tuple(found)

    def _within(self, references: Mapping[str, str]) -> tuple[SegmentImpact, ...]:
        """Where the reference group and another have applied."""
        found = []
        for cell in sorted(self._segments, key=_rank):
            answers = self._segments[cell]
            for basis, tallies in sorted(_by_basis(answers.cells).items()):
                if references[basis] in tallies and len(tallies) > 1:
                    not_known = answers.cases - sum(tally.applied for tally in tallies.values())
                    impact = adverse_impact(basis, tallies, not_known, references[basis])
                    found.append(SegmentImpact(*cell, impact))
        return tuple(found)

    def _alternative(self, name: str) -> Alternative:
        before, after = self._alternatives[name]
        if not before.cases:
            nothing = Side(0, 0.0, None, None)
            return Alternative(name, 0, nothing, nothing, ("has decided no case",))
        champion, challenger = before.side(), after.side()
        return Alternative(name, before.cases, champion, challenger, tuple(self._faults(before, after)))

    def _faults(self, before: _Answers, after: _Answers) -> Iterable[str]:
        champion, challenger = before.side(), after.side()
        if champion.ratio is None or challenger.ratio is None:
            yield "no two groups are large enough to compare"
        elif challenger.ratio <= champion.ratio:
            yield "is no fairer"
        fall = (before.approved - after.approved) * BPS
        if fall > self.bounds.approval_fall_bps * before.cases:
            yield f"approves {fall / before.cases / 100:.2f} % of all applicants less"
        if champion.bad_bps is not None and challenger.bad_bps is not None:
            rise = challenger.bad_bps - champion.bad_bps
            if rise > self.bounds.bad_rise_bps:
                yield f"{rise / 100:.2f} % more of those it approves are expected to go bad"


def _by_basis(cells: Mapping[Cell, list[int]]) -> dict[str, dict[str, Tally]]:
    found: dict[str, dict[str, Tally]] = {}
    for (basis, group), counts in cells.items():
        found.setdefault(basis, {})[group] = Tally(*counts)
    return found


def _rate(cell: Cell, answers: _Answers) -> Rate:
    return Rate(*cell, answers.cases, answers.approved, round(answers.approved / answers.cases, 4))


def _rank(cell: Cell) -> tuple[str, bool, int, str]:
    """Ranges by their edge, the open one last; all else by its name."""
    segment, value = cell
    edge = "".join(filter(str.isdigit, value))
    return segment, value.startswith("above"), int(edge or 0), value


def _caveats(impacts: Sequence[Impact], within: Sequence[SegmentImpact], cases: int) -> Iterable[str]:
    for impact in impacts:
        if impact.highest != impact.reference:
            yield f"{impact.basis}: the reference {impact.reference} was chosen; {impact.highest} has the highest rate"
        if small := [each.group for each in impact.groups if each.small]:
            yield f"{impact.basis}: {', '.join(small)} is small; its figures may be chance"
        if impact.not_known:
            yield f"{impact.basis}: of {impact.not_known} of {cases} applications the group is not known"
    compared = sum(len(each.groups) - 1 for each in (*impacts, *(segment.impact for segment in within)))
    if compared > 1:
        yield f"{compared} comparisons were made: of twenty without any difference, one is expected to be significant"
