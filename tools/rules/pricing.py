"""What a loan costs under a policy: rate and fee by score band, instalment, APR and totals."""

from dataclasses import dataclass
from datetime import date

from tools.rules.affordability import AffordabilityFacts, Means
from tools.rules.amortisation import schedule
from tools.rules.jurisdictions import LAWS, Jurisdiction
from tools.rules.policy_document import Policy, PriceBand
from tools.rules.scorecard_document import Band


@dataclass(frozen=True, slots=True)
class LoanRequest:
    """The loan asked for: principal, and the dates it would be paid out and first be repaid."""

    principal_minor: int
    currency: str
    term_months: int
    disburse_on: date
    first_due_on: date
    jurisdiction: Jurisdiction = "US"


@dataclass(frozen=True, slots=True)
class LoanTerms:
    """A loan as it is offered, in minor units. The fee is withheld: the payout is principal - fee.

    `instalment_minor` is each payment but the last, which absorbs rounding; `total_payable_minor` is the sum
    of all; `total_cost_minor` is interest and fee, what is paid beyond the payout. `apr_bps` is measured as the
    jurisdiction does, and within `cooling_off_days` of acceptance the borrower may cancel before the payout.
    """

    principal_minor: int
    currency: str
    term_months: int
    annual_rate_bps: int
    fee_minor: int
    instalment_minor: int
    apr_bps: int
    total_payable_minor: int
    total_cost_minor: int
    cooling_off_days: int = 0


def price(policy: Policy, band: Band, request: LoanRequest) -> LoanTerms:
    """The terms this policy gives this band for exactly this request; also for what an underwriter approves.

    Affordability and credit standing are not judged here. ValueError if the policy does not lend to the band,
    in the currency, or that amount or term to it.
    """
    priced = price_band(policy, band)
    if priced is None:
        raise ValueError(f"band {band} is not lent to under policy {policy.version}")
    if request.currency != policy.currency:
        raise ValueError(f"policy {policy.version} lends {policy.currency}, not {request.currency}")
    if not policy.product.min_amount_minor <= request.principal_minor <= priced.max_amount_minor:
        limits = f"{policy.product.min_amount_minor} to {priced.max_amount_minor}"
        raise ValueError(f"principal {request.principal_minor} must be {limits} minor units for band {band}")
    if not policy.product.min_term_months <= request.term_months <= policy.product.max_term_months:
        limits = f"{policy.product.min_term_months} to {policy.product.max_term_months}"
        raise ValueError(f"term {request.term_months} must be {limits} months")
    return terms_at(policy, priced, request)


def price_band(policy: Policy, band: Band) -> PriceBand | None:
    """The band's row of the price table; None where the policy does not lend to it."""
    return next((priced for priced in policy.prices if priced.band == band), None)


def terms_at(policy: Policy, priced: PriceBand, request: LoanRequest) -> LoanTerms:
    """The terms at this price, within the policy's limits or not. The fee is rounded HALF_UP."""
    fee = (2 * request.principal_minor * priced.fee_bps + 10_000) // 20_000
    lines = schedule(request.principal_minor, priced.annual_rate_bps, request.term_months, request.first_due_on)
    payments = [line.payment_minor for line in lines]
    advance, law = request.principal_minor - fee, LAWS[request.jurisdiction]
    return LoanTerms(
        principal_minor=request.principal_minor,
        currency=request.currency,
        term_months=request.term_months,
        annual_rate_bps=priced.annual_rate_bps,
        fee_minor=fee,
        instalment_minor=payments[0],
        apr_bps=law.apr_bps(advance, payments, request.disburse_on, request.first_due_on),
        total_payable_minor=sum(payments),
        total_cost_minor=sum(payments) - advance,
        cooling_off_days=policy.cooling_off.days(request.jurisdiction),
    )


def affordability_facts(policy: Policy, priced: PriceBand, means: Means, request: LoanRequest) -> AffordabilityFacts:
    """The request against the means at this price, under the policy's stress and living allowance."""
    return AffordabilityFacts(
        means=means,
        principal_minor=request.principal_minor,
        annual_rate_bps=priced.annual_rate_bps,
        term_months=request.term_months,
        stress_bps=policy.affordable.stress_bps,
        living_allowance_minor=policy.affordable.living_allowance_minor,
    )


def dearest(policy: Policy) -> PriceBand:
    """The worst band that is lent to: what to assume before a score is known, or where it is too low."""
    return policy.prices[-1]
