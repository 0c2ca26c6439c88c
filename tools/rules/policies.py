"""The versions of credit policy and scorecard that come with the program, and which policy is in force when.

For instalment loans in US dollars. A tenant without versions of its own decides by these.
"""

from datetime import date

from tools.rules.policy_document import Affordable, CoolingOff, KnockOuts, Policy, PriceBand, Product, Referrals
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import Scorecard

_POLICY_2025_07 = Policy(
    version="2025-07",
    in_force_from=date(2025, 7, 1),
    currency="USD",
    product=Product(
        min_amount_minor=1_000_00,
        amount_step_minor=100_00,
        min_term_months=12,
        max_term_months=60,
        term_step_months=6,
        excluded_purposes=("gambling", "securities"),
    ),
    knock_outs=KnockOuts(
        max_bankruptcies=0,
        max_public_records=0,
        max_collections=1,
        max_delinquencies_24m=3,
        days_past_due_from=90,
    ),
    referrals=Referrals(
        bands=("D",),
        amount_above_minor=20_000_00,
        days_past_due_from=30,
        min_history_months=36,
        min_accounts=3,
    ),
    affordable=Affordable(
        stress_bps=200,
        max_stressed_dti_bps=4500,
        living_allowance_minor=900_00,
        min_residual_income_minor=400_00,
    ),
    prices=(
        PriceBand("A", annual_rate_bps=849, fee_bps=100, max_amount_minor=35_000_00, max_dti_bps=4300),
        PriceBand("B", annual_rate_bps=1199, fee_bps=200, max_amount_minor=25_000_00, max_dti_bps=4000),
        PriceBand("C", annual_rate_bps=1699, fee_bps=300, max_amount_minor=15_000_00, max_dti_bps=3600),
        PriceBand("D", annual_rate_bps=2299, fee_bps=400, max_amount_minor=8_000_00, max_dti_bps=3300),
    ),
    cooling_off=CoolingOff(us_days=0, eu_days=14),
    scorecard="2026-01",
    challengers=(),
    mappings=(),
)

# 43 % is the cap of the former General Qualified Mortgage rule, 12 CFR 1026.43(e)(2)(vi) as of 2014.
_POLICY_2026_01 = Policy(
    version="2026-01",
    in_force_from=date(2026, 1, 1),
    currency="USD",
    product=Product(
        min_amount_minor=1_000_00,
        amount_step_minor=100_00,
        min_term_months=12,
        max_term_months=72,
        term_step_months=6,
        excluded_purposes=("gambling", "securities"),
    ),
    knock_outs=KnockOuts(
        max_bankruptcies=0,
        max_public_records=1,
        max_collections=1,
        max_delinquencies_24m=3,
        days_past_due_from=90,
    ),
    referrals=Referrals(
        bands=("D",),
        amount_above_minor=25_000_00,
        days_past_due_from=30,
        min_history_months=24,
        min_accounts=3,
    ),
    affordable=Affordable(
        stress_bps=200,
        max_stressed_dti_bps=4800,
        living_allowance_minor=950_00,
        min_residual_income_minor=400_00,
    ),
    prices=(
        PriceBand("A", annual_rate_bps=799, fee_bps=100, max_amount_minor=50_000_00, max_dti_bps=4300),
        PriceBand("B", annual_rate_bps=1149, fee_bps=200, max_amount_minor=35_000_00, max_dti_bps=4300),
        PriceBand("C", annual_rate_bps=1599, fee_bps=300, max_amount_minor=20_000_00, max_dti_bps=4100),
        PriceBand("D", annual_rate_bps=2199, fee_bps=400, max_amount_minor=12_000_00, max_dti_bps=4000),
    ),
    cooling_off=CoolingOff(us_days=0, eu_days=14),
    scorecard="2026-01",
    challengers=(),
    mappings=(),
)

POLICIES: tuple[Policy, ...] = (_POLICY_2025_07, _POLICY_2026_01)
"""Every version, oldest first: none is ever edited or removed, since decisions name theirs."""

SCORECARDS: tuple[Scorecard, ...] = (SCORECARD_2026_01,)
"""The same of the scorecards, which policies name."""


def policy_in_force(on: date) -> Policy:
    """The latest version that has come into force by that day. ValueError before the first."""
    in_force = [policy for policy in POLICIES if policy.in_force_from <= on]
    if not in_force:
        raise ValueError(f"no credit policy was in force on {on}; the first is from {POLICIES[0].in_force_from}")
    return in_force[-1]


def policy_version(version: str) -> Policy:
    """That version, in force or not: for recomputing a stored decision. ValueError if there is none."""
    for policy in POLICIES:
        if policy.version == version:
            return policy
    raise ValueError(f"no credit policy has version {version!r}")
