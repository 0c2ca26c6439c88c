"""Signals that an application is not what it says, added up to a verdict with the evidence.

Fixed points for each signal, 0 to 1000 in all. Amounts are compared with amounts of the same application
only, so that no threshold depends on a currency. A weak signal alone clears; two of them ask a person.
Nothing here looks at who the applicant is: no name, age, sex, origin, place or language.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tools.rules.money import format_minor
from tools.rules.reg_b import C1, Reason, reason

VERSION = "2026-01"
REVIEW_FROM, BLOCK_FROM, MAX_SCORE = 300, 800, 1000

YOUNG_RELATIONSHIP_MONTHS = 3
LARGE_IN_MONTHLY_INCOMES = 3
UNSUPPORTED_INCOME_RATIO = (3, 2)  # stated at least 3/2 of what the accounts show
OUT_OF_PROPORTION_RATIO = 25
SHORT_HISTORY_MONTHS = 24
FAST_APPLICATIONS, VERY_FAST_APPLICATIONS = 3, 6
MANY_INQUIRIES = 6

Verdict = Literal["clear", "review", "block"]
KycStatus = Literal["verified", "pending", "blocked"]

REASONS: dict[str, Reason] = {
    each.code: each
    for each in (
        reason("identity_blocked", C1.OTHER, "Unable to verify identity"),
        reason("identity_unverified", C1.OTHER, "Unable to verify identity"),
        reason("payout_account_not_owned", C1.OTHER, "Account for payment is not in the applicant's name"),
        reason("income_unsupported", C1.UNVERIFIED_INCOME),
        reason("income_without_employment", C1.UNVERIFIED_INCOME),
        reason("income_out_of_proportion", C1.UNVERIFIED_INCOME),
        reason("young_relationship", C1.OTHER, "Short relationship with us for the amount requested"),
        reason("application_velocity", C1.OTHER, "Number of recent applications to us"),
        reason("many_inquiries", C1.RECENT_INQUIRIES),
    )
}
"""What an applicant is told if a signal costs them the loan, by signal code."""


@dataclass(frozen=True, slots=True)
class FraudFacts:
    """Facts of one application and the applicant's record; amounts in minor units, all of one currency.

    `applications_30d` excludes this application. `observed_income_minor` is the monthly income seen on the
    applicant's accounts, None if unknown; `monthly_commitments_minor` is obligations and housing from the
    file; months are whole.
    """

    currency: str
    kyc_status: KycStatus
    customer_months: int
    payout_account_owned: bool
    requested_minor: int
    stated_income_minor: int
    monthly_commitments_minor: int
    applications_30d: int
    observed_income_minor: int | None = None
    employment_status: str | None = None
    oldest_account_months: int | None = None
    inquiries_6m: int | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """`evidence` is a sentence for the analyst, with the figures compared."""

    code: str
    points: int
    evidence: str


@dataclass(frozen=True, slots=True)
class FraudAssessment:
    """`score` 0 (nothing seen) to 1000; signals dearest first."""

    version: str
    score: int
    verdict: Verdict
    signals: tuple[Signal, ...]


def assess(facts: FraudFacts) -> FraudAssessment:
    """Block from 800 points, review from 300, clear below. ValueError for negative counts or amounts."""
    _check(facts)
    signals = tuple(sorted((*_identity(facts), *_income(facts), *_behaviour(facts)), key=_dearest_first))
    score = min(MAX_SCORE, sum(signal.points for signal in signals))
    verdict: Verdict = "block" if score >= BLOCK_FROM else "review" if score >= REVIEW_FROM else "clear"
    return FraudAssessment(VERSION, score, verdict, signals)


def _identity(facts: FraudFacts) -> Iterator[Signal]:
    if facts.kyc_status == "blocked":
        yield Signal("identity_blocked", 1000, "the bank has blocked this customer's identity")
    if facts.kyc_status == "pending":
        yield Signal("identity_unverified", 400, "the bank has not verified this customer's identity yet")
    if not facts.payout_account_owned:
        yield Signal("payout_account_not_owned", 800, "the payout account belongs to somebody else")


def _income(facts: FraudFacts) -> Iterator[Signal]:
    stated, observed = facts.stated_income_minor, facts.observed_income_minor
    claim = f"stated income {format_minor(stated, facts.currency)} a month"
    over, under = UNSUPPORTED_INCOME_RATIO
    if observed is not None and stated * under >= observed * over and stated > observed:
        yield Signal("income_unsupported", 350, f"{claim}, the accounts show {format_minor(observed, facts.currency)}")
    if facts.employment_status == "unemployed" and stated > 0:
        yield Signal("income_without_employment", 150, f"{claim}, on file as unemployed")
    committed, history = facts.monthly_commitments_minor, facts.oldest_account_months
    if 0 < committed * OUT_OF_PROPORTION_RATIO <= stated and (history is None or history < SHORT_HISTORY_MONTHS):
        evidence = f"{claim}, commitments of {format_minor(committed, facts.currency)} and a short credit history"
        yield Signal("income_out_of_proportion", 150, evidence)


def _behaviour(facts: FraudFacts) -> Iterator[Signal]:
    large = facts.requested_minor >= LARGE_IN_MONTHLY_INCOMES * facts.stated_income_minor
    if facts.customer_months < YOUNG_RELATIONSHIP_MONTHS and large:
        evidence = f"customer for {facts.customer_months} months asks {LARGE_IN_MONTHLY_INCOMES}+ monthly incomes"
        yield Signal("young_relationship", 200, evidence)
    if facts.applications_30d >= FAST_APPLICATIONS:
        points = 400 if facts.applications_30d >= VERY_FAST_APPLICATIONS else 200
        yield Signal("application_velocity", points, f"{facts.applications_30d} other applications within 30 days")
    if facts.inquiries_6m is not None and facts.inquiries_6m >= MANY_INQUIRIES:
        yield Signal("many_inquiries", 150, f"{facts.inquiries_6m} bureau inquiries within 6 months")


def _dearest_first(signal: Signal) -> tuple[int, str]:
    return -signal.points, signal.code


def _check(facts: FraudFacts) -> None:
    counts = (
        facts.customer_months,
        facts.requested_minor,
        facts.stated_income_minor,
        facts.monthly_commitments_minor,
        facts.applications_30d,
        facts.observed_income_minor or 0,
    )
    if min(counts) < 0:
        raise ValueError("months, amounts and counts must not be negative")
