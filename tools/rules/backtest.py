"""What another policy or scorecard would have made of decisions that were made: swaps, segments, expected loss."""

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from tools.rules import credit_policy
from tools.rules.card_facts import facts_scored, score_for
from tools.rules.credit_policy import Decision
from tools.rules.findings import CreditFacts
from tools.rules.money import from_minor
from tools.rules.odds import UNIT_BPS, Scale, bad_bps
from tools.rules.policy_document import Policy
from tools.rules.scorecard import Score, ScorecardFacts
from tools.rules.scorecard_document import Band, Scorecard

OFFERED = ("approve", "counter_offer")
"""Outcomes that lend without a person; a referral is neither offered nor declined."""
AMOUNT_EDGES = (2_500, 5_000, 10_000, 20_000)
TERM_EDGES_MONTHS = (12, 24, 36, 48, 60)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """At `points` there are `odds` good to one bad, doubled by every `pdo` points more; of what a bad loan was
    granted, `lgd_bps` are lost.

    What is known beats it: `by_band`, bad loans of 10,000 in each band as it was scored then, or `by_card`, what the
    scorecard itself is calibrated to.
    """

    pdo: int = 50
    points: int = 650
    odds: int = 15
    lgd_bps: int = 6_500
    by_band: tuple[tuple[Band, int], ...] = ()
    by_card: bool = False

    def bad_bps(self, score: Score, of_card: Scale | None = None) -> int:
        """The probability that a loan with this score goes bad, in whole bps. ValueError by card without a scale."""
        if self.by_band:
            return dict(self.by_band)[score.band]
        if not self.by_card:
            return bad_bps(score.points, Scale(self.pdo, self.points, self.odds))
        if of_card is None:
            raise ValueError(f"scorecard {score.version} is not calibrated: its points say nothing of odds")
        return bad_bps(score.points, of_card)


@dataclass(frozen=True, slots=True)
class Again:
    """One case decided twice: `facts` are those of the first time, `score` is the second's.

    One borrower has one probability of going bad on both sides: else a lenient scorecard would look safe by its own
    word.
    """

    case: str
    facts: CreditFacts
    before: Decision
    score: Score
    after: Decision
    bad_bps: int

    @property
    def swap(self) -> Literal["in", "out"] | None:
        """Whether only one of the two offers a loan."""
        was, would = self.before.outcome in OFFERED, self.after.outcome in OFFERED
        return None if was == would else "in" if would else "out"


def offered_minor(decision: Decision) -> int:
    """The principal that is lent without a person; 0 for what is not offered."""
    return decision.terms.principal_minor if decision.outcome in OFFERED and decision.terms is not None else 0


def loss_minor(principal_minor: int, bad_bps: int, lgd_bps: int) -> int:
    """Expected of one loan, rounded up to the minor unit."""
    return -(-principal_minor * bad_bps * lgd_bps // UNIT_BPS**2)


@dataclass(slots=True)
class Side:
    """What one policy offered: how many loans, of how much, and with what loss expected of them.

    Expected loss = Σ probability of going bad × loss given that × principal. The principal stands for what is owed
    when it goes bad, which is never more; interest, fees and time are left out. `loss` is in bps² of minor units.
    """

    offered: int = 0
    principal_minor: int = 0
    loss: int = 0

    def add(self, principal_minor: int, bad_bps: int, lgd_bps: int) -> None:
        self.offered += 1
        self.principal_minor += principal_minor
        self.loss += principal_minor * bad_bps * lgd_bps

    @property
    def loss_minor(self) -> int:
        """Rounded up to the minor unit."""
        return -(-self.loss // UNIT_BPS**2)


@dataclass(slots=True)
class Segment:
    cases: int = 0
    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Swap:
    """A case that only one of the two offers a loan to."""

    case: str
    band: str
    amount_minor: int
    before: str
    after: str


@dataclass(slots=True)
class Backtest:
    """The sum over all cases, `identical` those in which no more than versions differ; sides by currency.

    Segments are of the case: its band as it was scored then. `failed` are cases that the other policy or scorecard
    cannot judge, with why; they count nowhere else.
    """

    assumptions: Assumptions
    cases: int = 0
    identical: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    swap_ins: list[Swap] = field(default_factory=list)
    swap_outs: list[Swap] = field(default_factory=list)
    segments: dict[tuple[str, str], Segment] = field(default_factory=dict)
    before: dict[str, Side] = field(default_factory=dict)
    after: dict[str, Side] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def add(self, again: Again) -> None:
        facts, before, after = again.facts, again.before, again.after
        self.cases += 1
        policy, card = before.policy_version, before.scorecard_version
        self.identical += before == replace(after, policy_version=policy, scorecard_version=card)
        self.moves[before.outcome, after.outcome] += 1
        was, would = before.outcome in OFFERED, after.outcome in OFFERED
        if again.swap is not None:
            amount = facts.request.principal_minor
            swap = Swap(again.case, facts.score.band, amount, before.outcome, after.outcome)
            (self.swap_ins if again.swap == "in" else self.swap_outs).append(swap)
        for name in _segments(facts):
            segment = self.segments.setdefault(name, Segment())
            segment.cases += 1
            segment.before += was
            segment.after += would
        for side, decision in ((self.before, before), (self.after, after)):
            if decision.outcome in OFFERED and decision.terms is not None:
                of_currency = side.setdefault(decision.terms.currency, Side())
                of_currency.add(decision.terms.principal_minor, again.bad_bps, self.assumptions.lgd_bps)


def redecided(facts: CreditFacts, policy: Policy, card: Scorecard) -> tuple[Score, Decision]:
    """On the same facts, scored anew. ValueError where policy or card cannot judge the case."""
    score = score_for(policy, card, facts_scored(facts))
    return score, credit_policy.decide(replace(facts, score=score), policy)


def _segments(facts: CreditFacts) -> list[tuple[str, str]]:
    file = facts.file or ScorecardFacts()
    amount = from_minor(facts.request.principal_minor, facts.request.currency)
    return [
        ("band", facts.score.band),
        ("amount", _range(amount, AMOUNT_EDGES)),
        ("term in months", _range(facts.request.term_months, TERM_EDGES_MONTHS)),
        ("purpose", facts.purpose or "not stated"),
        ("employment", file.employment_status or "not known"),
        ("housing", file.housing_status or "not known"),
        ("fraud", facts.fraud.verdict),
    ]


def _range(value: Decimal | int, edges: tuple[int, ...]) -> str:
    most = next((edge for edge in edges if value <= edge), None)
    return f"up to {most:,}" if most is not None else f"above {edges[-1]:,}"
