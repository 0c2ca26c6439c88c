"""Affordability: ratios and residual income worked out by hand."""

import pytest

from tools.rules.affordability import (
    MAX_RATIO_BPS,
    AffordabilityFacts,
    HousingStatus,
    Means,
    Obligation,
    assess,
    means_of,
)

CAR = Obligation("loan", 9_400_00, 285_00)
HOME = Obligation("mortgage", 164_000_00, 1_210_00)


def test_loan_of_twelve_thousand_worked_out_by_hand() -> None:
    # 12,000 over 36 months: 376.03 at 8 %, 387.21 at 10 %. Existing 380 + 1,150.
    found = assess(_facts(Means(6_500_00, 380_00, 1_150_00), rate_bps=800))

    assert (found.instalment_minor, found.stressed_instalment_minor) == (376_04, 387_21)
    assert found.existing_dti_bps == 2354  # 1530 / 6500 = 23.538 %
    assert found.dti_bps == 2933  # 1906.04 / 6500 = 29.324 %
    assert found.stressed_dti_bps == 2950  # 1917.21 / 6500 = 29.496 %
    assert found.residual_income_minor == 3_643_96  # 6500 - 1530 - 376.04 - 950


@pytest.mark.parametrize(("income", "dti_bps"), [(0, MAX_RATIO_BPS), (1, MAX_RATIO_BPS)])
def test_debt_on_no_income_is_the_highest_ratio(income: int, dti_bps: int) -> None:
    assert assess(_facts(Means(income, 0, 0))).dti_bps == dti_bps


def test_ratio_a_hair_above_a_cap_rounds_above_it() -> None:
    owed = 4_300_00 - 333_33  # with the instalment exactly 43 % of 10,000.00

    assert assess(_facts(Means(10_000_00, owed, 0), rate_bps=0)).dti_bps == 4300
    assert assess(_facts(Means(10_000_00, owed + 1, 0), rate_bps=0)).dti_bps == 4301


@pytest.mark.parametrize(
    ("status", "cost", "obligations", "housing"),
    [
        ("rent", 900_00, 1_495_00, 900_00),  # a let property's mortgage and one's own rent are both owed
        ("mortgage", 1_890_00, 1_495_00, 680_00),  # taxes and insurance beyond the mortgage already counted
        ("mortgage", 1_000_00, 1_495_00, 0),
        (None, 0, 1_495_00, 0),
    ],
)
def test_mortgage_of_the_home_is_counted_once(
    status: HousingStatus | None, cost: int, obligations: int, housing: int
) -> None:
    found = means_of(5_000_00, [CAR, HOME], status, cost)

    assert (found.monthly_obligations_minor, found.monthly_housing_minor) == (obligations, housing)


def test_revolving_balance_without_a_payment_counts_five_percent() -> None:
    cards = [
        Obligation("card", 1_000_01, 0),
        Obligation("card", 5_000_00, 150_00),
        Obligation("loan", 900_00, 0),
    ]

    assert means_of(5_000_00, cards, "rent", 0).monthly_obligations_minor == 50_01 + 150_00


def test_negative_means_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Means(-1, 0, 0)


def _facts(means: Means, rate_bps: int = 800) -> AffordabilityFacts:
    return AffordabilityFacts(
        means=means,
        principal_minor=12_000_00,
        annual_rate_bps=rate_bps,
        term_months=36,
        stress_bps=200,
        living_allowance_minor=950_00,
    )
