"""Stored applications decided again under another policy or scorecard: who comes in, who goes out, at what loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tools.rules.credit_policy import Decision, decide
from tools.rules.findings import CreditFacts
from tools.rules.policy_document import Policy
from tools.rules.scorecard import ScorecardFacts, score
from tools.rules.scorecard_document import Band, Scorecard

UNIT_BPS = 10_000
LENT = ("approve", "counter_offer")

Segment = Callable[[CreditFacts], str]

SEGMENTS: Mapping[str, Segment] = {
    "band": lambda facts: facts.score.band,
    "employment": lambda facts: (facts.file and facts.file.employment_status) or "unknown",
    "housing": lambda facts: (facts.file and facts.file.housing_status) or "unknown",
    "purpose": lambda facts: facts.purpose or "unknown",
    "term": lambda facts: f"{facts.request.term_months} months",
}
"""As the application was when it was first decided: `band` is that of the stored score."""


@dataclass(frozen=True, slots=True)
class Redecided:
    """`after`, `points` and `band` are under the other policy and card; `before` is what was decided."""

    facts: CreditFacts
    before: Decision
    after: Decision
    points: int
    band: Band


LossBps = Callable[[Redecided], int]


@dataclass(frozen=True, slots=True)
class Compared:
    """Counts of applications; `swapped_in` were not lent to and now would be, `swapped_out` the other way about.

    Referred ones are lent to neither before nor after: a person decides them. Losses in minor units, None where no
    chance of going bad is known.
    """

    segment: str
    applications: int
    lent_before: int
    lent_after: int
    referred_before: int
    referred_after: int
    swapped_in: int
    swapped_out: int
    loss_before_minor: int | None
    loss_after_minor: int | None


def redecide(facts: CreditFacts, before: Decision, policy: Policy, card: Scorecard) -> Redecided:
    """Everything else about the application stays as it was. ValueError if the card asks for what is not stored."""
    scored = score(facts.file or ScorecardFacts(), card)
    return Redecided(facts, before, decide(replace(facts, score=scored), policy), scored.points, scored.band)


def compared(
    cases: Sequence[Redecided], segment: Segment, loss_bps: Callable[[Redecided], int] | None
) -> list[Compared]:
    """By segment in its order, and all of them last. `loss_bps` is the expected loss on what is lent in a case; the
    same before and after, so that only who is lent to, and how much, differs."""
    by_segment: dict[str, list[Redecided]] = {}
    for case in cases:
        by_segment.setdefault(segment(case.facts), []).append(case)
    return [*(_of(name, by_segment[name], loss_bps) for name in sorted(by_segment)), _of("all", cases, loss_bps)]


def _of(name: str, cases: Sequence[Redecided], loss_bps: LossBps | None) -> Compared:
    swaps = [(each.before.outcome in LENT, each.after.outcome in LENT) for each in cases]
    lost = loss_bps and [loss_bps(each) for each in cases]
    return Compared(
        segment=name,
        applications=len(cases),
        lent_before=sum(before for before, _ in swaps),
        lent_after=sum(after for _, after in swaps),
        referred_before=sum(each.before.outcome == "refer" for each in cases),
        referred_after=sum(each.after.outcome == "refer" for each in cases),
        swapped_in=swaps.count((False, True)),
        swapped_out=swaps.count((True, False)),
        loss_before_minor=_lost([each.before for each in cases], lost) if lost is not None else None,
        loss_after_minor=_lost([each.after for each in cases], lost) if lost is not None else None,
    )


def _lost(decisions: Sequence[Decision], loss_bps: Sequence[int]) -> int:
    """Rounded half up, once for the sum."""
    total = sum(
        decision.terms.principal_minor * bps
        for decision, bps in zip(decisions, loss_bps, strict=True)
        if decision.outcome in LENT and decision.terms is not None
    )
    return (total + UNIT_BPS // 2) // UNIT_BPS
