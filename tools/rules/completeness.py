"""Whether an application can be decided as it is: what it lacks, what contradicts itself or our records, what counts.

All amounts are minor units a month, income before tax. Credits to an account come after tax, which is what the
policy's tolerance is for.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median_low
from typing import Literal

from tools.rules.affordability import HousingStatus, Means
from tools.rules.dates import add_months
from tools.rules.money import format_minor
from tools.rules.policy_document import IntakeRules

VERSION = "2026-11"
WINDOW_DAYS = 30
YOUNGEST_WORKER_MONTHS = 14 * 12

Person = Literal["applicant", "co_applicant"]
Asked = Literal["income", "employment", "housing", "obligations", "proof_of_income"]
FigureName = Literal["income", "obligations", "housing"]
Source = Literal["stated", "account_activity", "credit_file", "bank_records"]


@dataclass(frozen=True, slots=True)
class Case:
    """What an application asks for, on the day it is looked at."""

    amount_minor: int
    currency: str
    on: date


@dataclass(frozen=True, slots=True)
class Claim:
    """What one applicant states, and of employment and housing, where they state none, what their file says.

    `obligations_minor` None: none stated. `employed_since` is only ever what was stated.
    """

    person: Person
    income_minor: int
    employment_status: str | None
    employed_since: date | None
    housing_status: HousingStatus | None
    housing_cost_minor: int
    obligations_minor: int | None
    has_proof_of_income: bool
    shares_home: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of the same applicant. `income_minor` None: their accounts show no recurring credits, or nobody
    looked. `standing_orders_minor` leave their accounts each month; those to themselves are left out."""

    born: date
    obligations_minor: int
    obligations_source: Source
    income_minor: int | None = None
    standing_orders_minor: int = 0


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that came in on a day. `payer` is its account, or how else the statement tells one from another."""

    payer: str
    on: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Gap:
    """What one applicant is to be asked for, and why, in words for them alone. For contradictions the two figures."""

    person: Person
    asked: Asked
    kind: Literal["missing", "contradiction"]
    why: str
    stated_minor: int | None = None
    found_minor: int | None = None

    @property
    def field(self) -> str:
        return self.asked if self.person == "applicant" else f"{self.person}_{self.asked}"

    def told(self, reader: Person) -> str:
        """Why, without the figures of whoever is not reading: those are between them and us."""
        if self.person == reader == "applicant":
            return self.why
        whose = self.person.replace("_", "-")
        if self.kind == "missing":
            return f"We have no record of it for the {whose}."
        return f"What was stated for the {whose} contradicts itself or our records."


@dataclass(frozen=True, slots=True)
class Figure:
    """The figure that affordability counts with, and where it is from; beside it what else was said."""

    person: Person
    figure: FigureName
    used_minor: int
    source: Source
    stated_minor: int | None
    found_minor: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Stored with the decision's facts. `unresolved` are contradictions that asking did not clear, or that policy does
    not ask about; `rounds` is how often the applicants were asked."""

    version: str
    cross_checked: bool
    rounds: int
    figures: tuple[Figure, ...]
    unresolved: tuple[Gap, ...]


def gaps(claim: Claim, record: Record, rules: IntakeRules, case: Case) -> tuple[Gap, ...]:
    """What must be asked of one applicant; empty for an application that can be decided."""
    found = (
        *_missing(claim, rules, case),
        *_employment(claim, record, case.on),
        *_housing(claim, case.currency),
        *_income(claim, record, rules, case.currency),
        *_obligations(claim, record, rules, case.currency),
    )
    first: dict[str, Gap] = {}
    for gap in found:
        first.setdefault(gap.field, gap)
    return tuple(first.values())


def is_cross_checked(rules: IntakeRules, amount_minor: int) -> bool:
    """Whether the bank's accounts are asked about what was stated: in proportion to what is at stake."""
    return amount_minor >= rules.cross_check_from_minor


def income_used(claim: Claim, record: Record, rules: IntakeRules) -> Figure:
    """As stated, unless the accounts contradict it: then what they show, which is the lower."""
    shown = record.income_minor
    if shown is not None and _is_beyond(claim.income_minor, shown, rules):
        return Figure(claim.person, "income", shown, "account_activity", claim.income_minor, shown)
    return Figure(claim.person, "income", claim.income_minor, "stated", claim.income_minor, shown)


def counts_stated(claim: Claim, record: Record) -> bool:
    """Whether stated obligations count and not those on record: the higher ones do."""
    return claim.obligations_minor is not None and claim.obligations_minor > record.obligations_minor


def agrees(evidence: Evidence, means: Means) -> bool:
    """Whether affordability counted with exactly these figures."""
    return means_by(evidence.figures) == means


def means_by(figures: Iterable[Figure]) -> Means:
    """The sums of all who apply together."""
    totals: dict[FigureName, int] = defaultdict(int)
    for figure in figures:
        totals[figure.figure] += figure.used_minor
    return Means(totals["income"], totals["obligations"], totals["housing"])


def recurring_income_minor(received: Iterable[Credit], until: date, months: int) -> int | None:
    """What comes in a month from payers who paid in each of the last so many spans of 30 days; None if none did.

    Of each payer the median span counts, the lower one of two, so that a bonus does not make an income.
    """
    spans: dict[str, list[int]] = defaultdict(lambda: [0] * months)
    for credit in received:
        ago = (until - credit.on) // timedelta(days=WINDOW_DAYS)
        if credit.amount_minor > 0 and 0 <= ago < months:
            spans[credit.payer][ago] += credit.amount_minor
    regular = [median_low(paid) for paid in spans.values() if all(paid)]
    return sum(regular) if regular else None


def _missing(claim: Claim, rules: IntakeRules, case: Case) -> Iterator[Gap]:
    if claim.employment_status is None:
        yield Gap(claim.person, "employment", "missing", "We have no record of your employment.")
    if claim.housing_status is None and not claim.shares_home:
        yield Gap(claim.person, "housing", "missing", "We have no record of where you live and what it costs you.")
    needs_proof = case.amount_minor >= rules.proof_of_income_from_minor
    if needs_proof and claim.employment_status in rules.proof_of_income_of and not claim.has_proof_of_income:
        asked = f"For a loan of {format_minor(case.amount_minor, case.currency)} we need a proof of your income."
        yield Gap(claim.person, "proof_of_income", "missing", asked)


def _employment(claim: Claim, record: Record, on: date) -> Iterator[Gap]:
    since = claim.employed_since
    if since is None:
        return
    if since > on:
        yield Gap(claim.person, "employment", "contradiction", f"Your employment begins on {since}, which is to come.")
    elif since < add_months(record.born, YOUNGEST_WORKER_MONTHS):
        why = f"Your employment since {since} began before you were 14 years old."
        yield Gap(claim.person, "employment", "contradiction", why)


def _housing(claim: Claim, currency: str) -> Iterator[Gap]:
    cost = claim.housing_cost_minor
    if claim.housing_status in ("rent", "mortgage") and cost == 0:
        why = f"Your housing is {claim.housing_status}, and its monthly cost is {format_minor(0, currency)}."
        yield Gap(claim.person, "housing", "contradiction", why, 0)
    elif cost > claim.income_minor:
        why = (
            f"Your housing costs {format_minor(cost, currency)} a month, more than your monthly income of"
            f" {format_minor(claim.income_minor, currency)}."
        )
        yield Gap(claim.person, "housing", "contradiction", why, cost, claim.income_minor)
        yield Gap(claim.person, "income", "contradiction", why, claim.income_minor, cost)


def _income(claim: Claim, record: Record, rules: IntakeRules, currency: str) -> Iterator[Gap]:
    shown = record.income_minor
    if shown is not None and _is_beyond(claim.income_minor, shown, rules):
        why = (
            f"You state a monthly income of {format_minor(claim.income_minor, currency)}; the regular credits to your"
            f" accounts with us come to {format_minor(shown, currency)} a month."
        )
        yield Gap(claim.person, "income", "contradiction", why, claim.income_minor, shown)


def _obligations(claim: Claim, record: Record, rules: IntakeRules, currency: str) -> Iterator[Gap]:
    stated, known = claim.obligations_minor, record.obligations_minor
    if stated is not None and known > stated + rules.obligations_tolerance_minor:
        why = (
            f"You state debts that cost {format_minor(stated, currency)} a month; those that we know of cost"
            f" {format_minor(known, currency)} a month."
        )
        yield Gap(claim.person, "obligations", "contradiction", why, stated, known)
    counted = max(stated or 0, known) + claim.housing_cost_minor
    if record.standing_orders_minor > counted + rules.obligations_tolerance_minor:
        ordered = format_minor(record.standing_orders_minor, currency)
        why = (
            f"Standing orders of {ordered} a month leave your accounts with us; the debts and the housing that we know"
            f" of cost {format_minor(counted, currency)} a month."
        )
        kind: Literal["missing", "contradiction"] = "missing" if stated is None else "contradiction"
        yield Gap(claim.person, "obligations", kind, why, stated, record.standing_orders_minor)


def _is_beyond(stated_minor: int, shown_minor: int, rules: IntakeRules) -> bool:
    return stated_minor * 10_000 > shown_minor * (10_000 + rules.income_tolerance_bps)


def unresolved(found: Sequence[Gap], rounds: int, rules: IntakeRules) -> tuple[Gap, ...]:
    """What a person must judge since it is asked no more; empty while something is to be asked."""
    return tuple(found) if not to_ask(found, rounds, rules) else ()


def to_ask(found: Sequence[Gap], rounds: int, rules: IntakeRules) -> tuple[Gap, ...]:
    """What is missing is always asked for; contradictions as policy says. After the last round nothing is."""
    if rounds >= rules.max_rounds:
        return ()
    return tuple(gap for gap in found if gap.kind == "missing" or rules.on_contradiction == "ask")
