"""Every rule of a credit policy applied to one application, each with the figure found and the limit it met.

Rules have one of three effects when they fail: `decline` at once, `refer` to an underwriter, or `limit`,
which a smaller loan or a longer term may still pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from tools.rules import application_fraud
from tools.rules.affordability import Affordability, Means, assess
from tools.rules.application_fraud import FraudAssessment
from tools.rules.completeness import Asked, Evidence
from tools.rules.policy_document import Policy, PriceBand
from tools.rules.pricing import LoanRequest, LoanTerms, affordability_facts, dearest, price_band, terms_at
from tools.rules.reg_b import C1, Reason, reason
from tools.rules.scorecard import Score, ScorecardFacts

UNVERIFIED: dict[Asked, C1] = {
    "income": C1.UNVERIFIED_INCOME,
    "employment": C1.UNVERIFIED_EMPLOYMENT,
    "housing": C1.UNVERIFIED_RESIDENCE,
    "obligations": C1.UNVERIFIED_REFERENCES,
    "proof_of_income": C1.UNVERIFIED_INCOME,
}
DEROGATORY = (
    *("delinquencies_24m", "worst_days_past_due_24m", "public_records", "collections"),
    "bankruptcies",
)
Effect = Literal["decline", "refer", "limit"]
_IncomeLimit = tuple[str, bool, int, int]


@dataclass(frozen=True, slots=True)
class CreditFacts:
    """All that a credit decision rests on.

    `on` is the day it is made, whose policy applies (policies.policy_in_force). `file` is what was scored;
    None if the bank has no credit file, and `score` is then that of ScorecardFacts(). `other_files` are those of who
    applies together with whoever was scored. `evidence` says where the means are from; None before it was kept.
    """

    on: date
    purpose: str | None
    request: LoanRequest
    means: Means
    file: ScorecardFacts | None
    score: Score
    fraud: FraudAssessment
    evidence: Evidence | None = None
    other_files: tuple[ScorecardFacts | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's outcome. The rule's name ends in the unit of its value and limit, where they have one.

    `reasons` are those to give the applicant if it failed.
    """

    rule: str
    effect: Effect
    passed: bool
    value: int | str | None
    limit: int | str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """`terms` and `affordability` are for the loan as requested, at the price of `price_band`.

    That is None if the policy does not lend to the score's band; the dearest band's price then stands in.
    """

    policy_version: str
    price_band: str | None
    terms: LoanTerms
    affordability: Affordability
    rules: tuple[Finding, ...]


def evaluate(facts: CreditFacts, policy: Policy) -> Findings:
    """Applies every rule, also after one has failed, so that a person sees the whole case.

    ValueError where there is no loan to judge: another currency than the policy's, an amount or term outside
    amortisation's range, a first payment not after disbursement.
    """
    if facts.request.currency != policy.currency:
        raise ValueError(f"policy {policy.version} lends {policy.currency}, not {facts.request.currency}")
    priced = price_band(policy, facts.score.band)
    at = priced or dearest(policy)
    affordability = assess(affordability_facts(policy, at, facts.means, facts.request))
    rules = (
        *_knock_outs(facts, policy),
        *_referrals(facts, policy),
        *_limits(facts, policy, at, affordability),
    )
    return Findings(
        policy_version=policy.version,
        price_band=priced.band if priced else None,
        terms=terms_at(policy, at, facts.request),
        affordability=affordability,
        rules=rules,
    )


def affordable(policy: Policy, at: PriceBand, found: Affordability) -> bool:
    """Whether a loan keeps within the band's and the policy's limits on income."""
    return all(passed for _, passed, _, _ in _income_limits(policy, at, found))


def _knock_outs(facts: CreditFacts, policy: Policy) -> Iterator[Finding]:
    limits, file = policy.knock_outs, _worst(facts)
    verdict, fraud_reasons = facts.fraud.verdict, _fraud_reasons(facts.fraud)
    yield Finding("fraud_block", "decline", verdict != "block", verdict, "clear or review", fraud_reasons)
    bankruptcy = reason("bankruptcy", C1.BANKRUPTCY)
    yield _at_most("bankruptcies", "decline", file.bankruptcies, limits.max_bankruptcies, bankruptcy)
    judgment = reason("collection_or_judgment", C1.COLLECTION_OR_JUDGMENT)
    yield _at_most("public_records", "decline", file.public_records, limits.max_public_records, judgment)
    yield _at_most("collections", "decline", file.collections, limits.max_collections, judgment)
    delinquency = reason("delinquency", C1.DELINQUENT_OBLIGATIONS)
    worst, delinquencies = file.worst_days_past_due_24m, file.delinquencies_24m
    yield _at_most("worst_days_past_due", "decline", worst, limits.days_past_due_from - 1, delinquency)
    yield _at_most("delinquencies_24m", "decline", delinquencies, limits.max_delinquencies_24m, delinquency)
    excluded = facts.purpose in policy.product.excluded_purposes
    not_lent = reason("purpose", C1.OTHER, "We do not lend for the purpose stated")
    names = f"not {' '.join(policy.product.excluded_purposes)}"
    yield Finding("purpose", "decline", not excluded, facts.purpose, names, (not_lent,))
    band, priced = facts.score.band, "".join(price.band for price in policy.prices)
    # Last: comment 9(b)(2)-8 wants the factor that declines automatically named before the score's.
    yield Finding("score_band", "decline", band in priced, band, priced, facts.score.reasons)


def _referrals(facts: CreditFacts, policy: Policy) -> Iterator[Finding]:
    limits, file = policy.referrals, _worst(facts)
    present = "none" if None in (facts.file, *facts.other_files) else "present"
    no_file = (reason("no_credit_file", C1.NO_CREDIT_FILE),)
    yield Finding("credit_file", "refer", present == "present", present, "present", no_file)
    if facts.file is not None:
        yield from _thin_file(facts.file, policy)
    worst = file.worst_days_past_due_24m
    delinquency = reason("delinquency", C1.DELINQUENT_OBLIGATIONS)
    yield _at_most("automatic_days_past_due", "refer", worst, limits.days_past_due_from - 1, delinquency)
    derogatory = (file.collections or 0) + (file.public_records or 0)
    judgment = reason("collection_or_judgment", C1.COLLECTION_OR_JUDGMENT)
    yield _at_most("derogatory_records", "refer", derogatory, 0, judgment)
    status = file.employment_status or "unknown"
    working = status not in ("unknown", "unemployed")
    unverified = (reason("employment_unverified", C1.UNVERIFIED_EMPLOYMENT),)
    yield Finding("employment", "refer", working, status, "known and not unemployed", unverified)
    if facts.evidence is not None:
        yield _contradictions(facts.evidence)
    verdict, fraud_reasons = facts.fraud.verdict, _fraud_reasons(facts.fraud)
    yield Finding("fraud_review", "refer", verdict == "clear", verdict, "clear", fraud_reasons)
    band, automatic = facts.score.band, facts.score.band not in limits.bands
    referred = f"not {' '.join(limits.bands)}"
    yield Finding("automatic_score_band", "refer", automatic, band, referred, facts.score.reasons)
    amount, most = facts.request.principal_minor, limits.amount_above_minor
    yield Finding("automatic_amount_minor", "refer", amount <= most, amount, most, ())


def _contradictions(evidence: Evidence) -> Finding:
    open_fields = [gap.field for gap in evidence.unresolved]
    unverified = tuple(reason(f"{gap.asked}_contradicted", UNVERIFIED[gap.asked]) for gap in evidence.unresolved)
    return Finding("stated_figures", "refer", not open_fields, " ".join(open_fields) or "agree", "agree", unverified)


def _worst(facts: CreditFacts) -> ScorecardFacts:
    """The file that was scored, with what is worst in any file of those who apply together: each owes the whole."""
    scored = facts.file or ScorecardFacts()
    if not facts.other_files:
        return scored
    files = (scored, *(file for file in facts.other_files if file is not None))
    known = {name: [getattr(file, name) for file in files if getattr(file, name) is not None] for name in DEROGATORY}
    return replace(scored, **{name: max(counts) for name, counts in known.items() if counts})


def _thin_file(file: ScorecardFacts, policy: Policy) -> Iterator[Finding]:
    needed = (
        file.delinquencies_24m,
        file.worst_days_past_due_24m,
        file.oldest_account_months,
        file.accounts_open,
        file.public_records,
        file.collections,
        file.bankruptcies,
    )
    unknown = sum(value is None for value in needed)
    incomplete = reason("credit_file_incomplete", C1.UNVERIFIED_REFERENCES)
    yield _at_most("credit_file_gaps", "refer", unknown, 0, incomplete)
    thin = (reason("limited_experience", C1.LIMITED_EXPERIENCE),)
    months, least = file.oldest_account_months or 0, policy.referrals.min_history_months
    yield Finding("history_months", "refer", months >= least, months, least, thin)
    accounts, fewest = file.accounts_open or 0, policy.referrals.min_accounts
    yield Finding("accounts_open", "refer", accounts >= fewest, accounts, fewest, thin)


def _limits(facts: CreditFacts, policy: Policy, at: PriceBand, found: Affordability) -> Iterator[Finding]:
    product, amount, term = policy.product, facts.request.principal_minor, facts.request.term_months
    below = reason("amount_below_minimum", C1.OTHER, "Amount requested is below the smallest loan we make")
    least = product.min_amount_minor
    yield Finding("min_amount_minor", "limit", amount >= least, amount, least, (below,))
    yield _amount_maximum(facts, policy, at)
    short = reason("term_too_short", C1.OTHER, "Term requested is shorter than the shortest we offer")
    shortest, longest = product.min_term_months, product.max_term_months
    yield Finding("min_term_months", "limit", term >= shortest, term, shortest, (short,))
    long = reason("term_too_long", C1.OTHER, "Term requested is longer than the longest we offer")
    yield Finding("max_term_months", "limit", term <= longest, term, longest, (long,))
    for rule, passed, value, limit in _income_limits(policy, at, found):
        yield Finding(rule, "limit", passed, value, limit, (_income_reason(rule, facts.means, found),))


def _amount_maximum(facts: CreditFacts, policy: Policy, at: PriceBand) -> Finding:
    """Above every band's maximum the product is the reason; above this band's alone, the score is."""
    amount, most = facts.request.principal_minor, at.max_amount_minor
    above = reason("amount_above_maximum", C1.OTHER, "Amount requested is above the largest loan we make")
    reasons = (above,) if amount > policy.prices[0].max_amount_minor else facts.score.reasons
    return Finding("max_amount_minor", "limit", amount <= most, amount, most, reasons)


def _income_limits(policy: Policy, at: PriceBand, found: Affordability) -> Iterator[_IncomeLimit]:
    yield "dti_bps", found.dti_bps <= at.max_dti_bps, found.dti_bps, at.max_dti_bps
    stressed_cap = policy.affordable.max_stressed_dti_bps
    yield "stressed_dti_bps", found.stressed_dti_bps <= stressed_cap, found.stressed_dti_bps, stressed_cap
    least = policy.affordable.min_residual_income_minor
    yield "residual_income_minor", found.residual_income_minor >= least, found.residual_income_minor, least


def _income_reason(rule: str, means: Means, found: Affordability) -> Reason:
    """Debt-to-income fails for what is owed already if that outweighs the instalment, else for the income."""
    existing = means.monthly_obligations_minor + means.monthly_housing_minor
    if rule != "residual_income_minor" and existing >= found.instalment_minor:
        return reason("excessive_obligations", C1.EXCESSIVE_OBLIGATIONS)
    return reason("insufficient_income", C1.INSUFFICIENT_INCOME)


def _at_most(rule: str, effect: Effect, value: int | None, most: int, why: Reason) -> Finding:
    """Unknown passes here: a file with gaps is referred as such (credit_file_gaps), not presumed bad."""
    return Finding(rule, effect, value is None or value <= most, value, most, (why,))


def _fraud_reasons(fraud: FraudAssessment) -> tuple[Reason, ...]:
    return tuple(application_fraud.REASONS[signal.code] for signal in fraud.signals)
