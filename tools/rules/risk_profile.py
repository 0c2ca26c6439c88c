"""What risk suits a client, by their answers: capacity caps tolerance, and each question says what it led to.

Sources: Delegated Regulation (EU) 2017/565 art. 54(4) to (8) (objectives, ability to bear losses, knowledge and
experience, consistency of answers); ESMA35-43-3172, guidelines on suitability (guidelines 2, 4 and 5); FINRA Rule
2111(a); Regulation Best Interest, 17 CFR 240.15l-1(a)(2)(ii). Weights and bands are judgement, not measured. Age is not
asked: horizon and ability to bear losses say what suitability needs of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

RULE_VERSION = "risk-profile-2026-01"

RiskProfile = Literal["conservative", "moderately_conservative", "moderate", "moderately_aggressive", "aggressive"]
LEVELS: tuple[RiskProfile, ...] = (
    "conservative",
    "moderately_conservative",
    "moderate",
    "moderately_aggressive",
    "aggressive",
)
Objective = Literal["preservation", "income", "balanced", "growth", "aggressive_growth"]
OBJECTIVES: tuple[Objective, ...] = ("preservation", "income", "balanced", "growth", "aggressive_growth")
Reaction = Literal["sell_all", "sell_some", "hold", "buy_some", "buy_much"]
REACTIONS: tuple[Reaction, ...] = ("sell_all", "sell_some", "hold", "buy_some", "buy_much")
Kind = Literal["cash", "bonds", "equities", "funds", "real_assets", "complex"]
KINDS: tuple[Kind, ...] = ("cash", "bonds", "equities", "funds", "real_assets", "complex")
Knowledge = Literal["none", "basic", "informed", "experienced"]
KNOWLEDGE: tuple[Knowledge, ...] = ("none", "basic", "informed", "experienced")
TaxStatus = Literal["taxable", "deferred", "exempt"]
Esg = Literal["none", "consider", "require"]

HORIZON_YEARS = (2, 4, 7, 12)
"""From this many years on, one level more."""
LOSS_CAPACITY_BPS = (500, 1500, 2500, 4000)
LIQUIDITY_BPS = (6000, 4000, 2500, 1000)
"""At most this share is needed within a year, for one level more."""
RESERVE_MONTHS = (0, 1, 3, 6)
TOLERANCE_SHARES = {"objective": 60, "reaction": 40}


@dataclass(frozen=True, slots=True)
class KnowledgeByKind:
    """Knowledge of and experience with each kind of instrument (2017/565 art. 55(1))."""

    cash: Knowledge = "none"
    bonds: Knowledge = "none"
    equities: Knowledge = "none"
    funds: Knowledge = "none"
    real_assets: Knowledge = "none"
    complex: Knowledge = "none"

    def of(self, kind: Kind) -> int:
        """0 none to 3 experienced."""
        known: Knowledge = getattr(self, kind)
        return KNOWLEDGE.index(known)


@dataclass(frozen=True, slots=True)
class Answers:
    """Of the questionnaire. `loss_capacity_bps`: what share of the money could be lost without a change of how they
    live. `liquidity_need_bps`: what share will be needed within twelve months; `reserve_months` of spending are held
    elsewhere. `wants` are kinds of instrument they ask to hold; `exclusions` are tags of instruments or their ids."""

    objective: Objective
    horizon_years: int
    reaction: Reaction
    loss_capacity_bps: int
    liquidity_need_bps: int
    reserve_months: int
    knowledge: KnowledgeByKind
    wants: tuple[Kind, ...]
    exclusions: tuple[str, ...]
    esg: Esg
    tax_status: TaxStatus


@dataclass(frozen=True, slots=True)
class Reason:
    """What one answer led to: `level` is 0 conservative to 4 aggressive."""

    question: str
    side: Literal["tolerance", "capacity"]
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """`tolerance` is what the client is willing to bear, `capacity` what they are able to; `score` is the lower of
    both, 0 to 100. `capped_by` are the questions that hold the profile below the tolerance."""

    rule_version: str
    risk_profile: RiskProfile
    tolerance: RiskProfile
    capacity: RiskProfile
    score: int
    reasons: tuple[Reason, ...]
    capped_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Answers that cannot all be meant; `fields` are to be answered again."""

    code: str
    fields: tuple[str, ...]
    question: str


def assess(answers: Answers) -> Assessment:
    reasons = (*_tolerance(answers), *_capacity(answers))
    by_question = {reason.question: reason.level for reason in reasons}
    points = sum(share * 25 * by_question[question] for question, share in TOLERANCE_SHARES.items()) // 100
    tolerance = _level_of(points)
    capacity = min(reason.level for reason in reasons if reason.side == "capacity")
    level = min(tolerance, capacity)
    capped_by = tuple(r.question for r in reasons if r.side == "capacity" and r.level == level and level < tolerance)
    return Assessment(
        rule_version=RULE_VERSION,
        risk_profile=LEVELS[level],
        tolerance=LEVELS[tolerance],
        capacity=LEVELS[capacity],
        score=min(points, 25 * capacity),
        reasons=reasons,
        capped_by=capped_by,
    )


def contradictions(answers: Answers) -> tuple[Contradiction, ...]:
    """Inconsistent answers are asked about again, not averaged away (art. 54(7)(d), ESMA guideline 4)."""
    return tuple(
        Contradiction(code, fields, question) for code, fields, question, meets in _CONTRADICTIONS if meets(answers)
    )


def _tolerance(answers: Answers) -> tuple[Reason, ...]:
    objective, reaction = OBJECTIVES.index(answers.objective), REACTIONS.index(answers.reaction)
    return (
        Reason("objective", "tolerance", objective, f"The objective is {answers.objective.replace('_', ' ')}"),
        Reason("reaction", "tolerance", reaction, f"After a fall of a fifth: {answers.reaction.replace('_', ' ')}"),
    )


def _capacity(answers: Answers) -> tuple[Reason, ...]:
    loss, need = answers.loss_capacity_bps, answers.liquidity_need_bps
    return (
        _able("horizon_years", _rises(answers.horizon_years, HORIZON_YEARS), f"{answers.horizon_years} years of time"),
        _able("loss_capacity_bps", _rises(loss, LOSS_CAPACITY_BPS), f"A loss of {_percent(loss)} could be borne"),
        _able(
            "liquidity_need_bps",
            sum(need <= most for most in LIQUIDITY_BPS),
            f"{_percent(need)} is needed within twelve months",
        ),
        _able(
            "reserve_months",
            _rises(answers.reserve_months, RESERVE_MONTHS),
            f"{answers.reserve_months} months of spending are held in reserve",
        ),
    )


def _able(question: str, level: int, text: str) -> Reason:
    return Reason(question, "capacity", level, text)


def _rises(value: int, steps: tuple[int, ...]) -> int:
    return sum(value >= step for step in steps)


def _level_of(points: int) -> int:
    """A fifth of the scale each."""
    return min(points // 20, len(LEVELS) - 1)


def _percent(bps: int) -> str:
    return f"{bps / 100:g} %"


_GROWING = ("growth", "aggressive_growth")
_CONTRADICTIONS: tuple[tuple[str, tuple[str, ...], str, Callable[[Answers], bool]], ...] = (
    (
        "preservation_yet_bold",
        ("objective", "reaction"),
        "You want to preserve your capital, and would buy more after a fall of a fifth. Which of both is meant?",
        lambda a: a.objective == "preservation" and a.reaction in ("buy_some", "buy_much"),
    ),
    (
        "growth_yet_flight",
        ("objective", "reaction"),
        "You want growth, and would sell everything after a fall of a fifth. Which of both is meant?",
        lambda a: a.objective in _GROWING and a.reaction == "sell_all",
    ),
    (
        "growth_in_short_time",
        ("objective", "horizon_years"),
        "You want growth, and need the money in less than four years. Which of both is meant?",
        lambda a: a.objective in _GROWING and a.horizon_years < HORIZON_YEARS[1],
    ),
    (
        "growth_without_loss",
        ("objective", "loss_capacity_bps"),
        "You want growth, and could not bear a loss of 5 %. Which of both is meant?",
        lambda a: a.objective in _GROWING and a.loss_capacity_bps < LOSS_CAPACITY_BPS[0],
    ),
    (
        "long_time_yet_soon_needed",
        ("horizon_years", "liquidity_need_bps"),
        "You have seven years or more, and need over half of the money within twelve months. Which of both is meant?",
        lambda a: a.horizon_years >= HORIZON_YEARS[2] and a.liquidity_need_bps > 5000,
    ),
    (
        "complex_without_knowledge",
        ("wants", "knowledge"),
        "You ask for complex products, and have no knowledge of them. Do you want them, and what do you know of them?",
        lambda a: "complex" in a.wants and a.knowledge.of("complex") == 0,
    ),
)
