"""What a loan leaves of a monthly income: payment-based debt-to-income, stressed, and residual income.

All amounts are minor units a month in one currency. Ratios are basis points of gross monthly income, rounded
up, so that a ratio passes a cap exactly if the unrounded one does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tools.rules.amortisation import instalment_minor

VERSION = "2026-01"
MAX_RATIO_BPS = 1_000_000
"""Ratios stop at 10,000 %, which also stands for any debt on no income."""
_REVOLVING_SHARE = 20  # one twentieth of the balance a month

HousingStatus = Literal["own", "mortgage", "rent", "family"]
ObligationKind = Literal["mortgage", "loan", "card", "overdraft", "lease"]


@dataclass(frozen=True, slots=True)
class Obligation:
    """One debt in the credit file: what is owed and what is due each month."""

    kind: ObligationKind
    balance_minor: int
    monthly_payment_minor: int


@dataclass(frozen=True, slots=True)
class Means:
    """What comes in and must go out each month before the new loan. Housing leaves out what obligations hold."""

    monthly_income_minor: int
    monthly_obligations_minor: int
    monthly_housing_minor: int

    def __post_init__(self) -> None:
        if min(self.monthly_income_minor, self.monthly_obligations_minor, self.monthly_housing_minor) < 0:
            raise ValueError("income, obligations and housing cost must not be negative")


@dataclass(frozen=True, slots=True)
class AffordabilityFacts:
    """A loan against means. `stress_bps` is added to the rate; policy reserves the living allowance."""

    means: Means
    principal_minor: int
    annual_rate_bps: int
    term_months: int
    stress_bps: int
    living_allowance_minor: int


@dataclass(frozen=True, slots=True)
class Affordability:
    """`existing_dti_bps` counts obligations and housing alone; `residual_income_minor` may be negative."""

    version: str
    instalment_minor: int
    stressed_instalment_minor: int
    existing_dti_bps: int
    dti_bps: int
    stressed_dti_bps: int
    residual_income_minor: int


def means_of(
    monthly_income_minor: int,
    obligations: Iterable[Obligation],
    housing_status: HousingStatus | None,
    housing_cost_minor: int,
) -> Means:
    """Means from a credit file.

    A card or overdraft with a balance but no reported payment counts 5 % of the balance, rounded up (Fannie
    Mae Selling Guide B3-6-05, revolving accounts). Where the home is mortgaged, its cost and the mortgage
    among the obligations are the same money: only what the cost exceeds the mortgage by is added.
    """
    owed = tuple(obligations)
    mortgage = sum(each.monthly_payment_minor for each in owed if each.kind == "mortgage")
    counted_already = mortgage if housing_status == "mortgage" else 0
    return Means(
        monthly_income_minor=monthly_income_minor,
        monthly_obligations_minor=sum(_monthly_payment(each) for each in owed),
        monthly_housing_minor=max(0, housing_cost_minor - counted_already),
    )


def assess(facts: AffordabilityFacts) -> Affordability:
    """Debt-to-income = (instalment + obligations + housing) / income; residual = income - those - allowance.

    Payment-based and with all recurring debt, as 12 CFR 1026.43(c)(7) defines the ratio. Stressed, the
    instalment is that at the rate plus `stress_bps`. ValueError where the loan is none
    (amortisation.instalment_minor).
    """
    means, income = facts.means, facts.means.monthly_income_minor
    instalment = instalment_minor(facts.principal_minor, facts.annual_rate_bps, facts.term_months)
    stressed_rate = facts.annual_rate_bps + facts.stress_bps
    stressed = instalment_minor(facts.principal_minor, stressed_rate, facts.term_months)
    existing = means.monthly_obligations_minor + means.monthly_housing_minor
    return Affordability(
        version=VERSION,
        instalment_minor=instalment,
        stressed_instalment_minor=stressed,
        existing_dti_bps=_ratio_bps(existing, income),
        dti_bps=_ratio_bps(existing + instalment, income),
        stressed_dti_bps=_ratio_bps(existing + stressed, income),
        residual_income_minor=income - existing - instalment - facts.living_allowance_minor,
    )


def _monthly_payment(owed: Obligation) -> int:
    if owed.kind in ("card", "overdraft") and owed.monthly_payment_minor == 0:
        return max(0, -(-owed.balance_minor // _REVOLVING_SHARE))
    return owed.monthly_payment_minor


def _ratio_bps(paid: int, income: int) -> int:
    if paid == 0:
        return 0
    if income == 0:
        return MAX_RATIO_BPS
    return min(MAX_RATIO_BPS, -(-paid * 10_000 // income))
