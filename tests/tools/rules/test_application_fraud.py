"""Fraud signals of an application: each alone, and what they add up to."""

from dataclasses import replace
from typing import Any

import pytest

from tools.rules.application_fraud import REASONS, FraudFacts, assess

HONEST = FraudFacts(
    currency="USD",
    kyc_status="verified",
    customer_months=120,
    payout_account_owned=True,
    requested_minor=12_000_00,
    stated_income_minor=6_500_00,
    monthly_commitments_minor=1_320_00,
    applications_30d=0,
    observed_income_minor=6_400_00,
    employment_status="employed",
    oldest_account_months=118,
    inquiries_6m=1,
)
INCOME_OUT_OF_PROPORTION = {"monthly_commitments_minor": 260_00, "oldest_account_months": 6}


def test_honest_application_shows_nothing() -> None:
    found = assess(HONEST)

    assert (found.score, found.verdict, found.signals) == (0, "clear", ())


@pytest.mark.parametrize(
    ("change", "code", "points", "verdict"),
    [
        ({"kyc_status": "blocked"}, "identity_blocked", 1000, "block"),
        ({"kyc_status": "pending"}, "identity_unverified", 400, "review"),
        ({"payout_account_owned": False}, "payout_account_not_owned", 800, "block"),
        ({"observed_income_minor": 4_333_33}, "income_unsupported", 350, "review"),
        ({"observed_income_minor": 0}, "income_unsupported", 350, "review"),
        ({"employment_status": "unemployed"}, "income_without_employment", 150, "clear"),
        (INCOME_OUT_OF_PROPORTION, "income_out_of_proportion", 150, "clear"),
        ({"customer_months": 2, "requested_minor": 19_500_00}, "young_relationship", 200, "clear"),
        ({"applications_30d": 3}, "application_velocity", 200, "clear"),
        ({"applications_30d": 6}, "application_velocity", 400, "review"),
        ({"inquiries_6m": 6}, "many_inquiries", 150, "clear"),
    ],
)
def test_each_signal_alone(change: dict[str, Any], code: str, points: int, verdict: str) -> None:
    found = assess(replace(HONEST, **change))

    assert [(signal.code, signal.points) for signal in found.signals] == [(code, points)]
    assert (found.score, found.verdict) == (points, verdict)
    assert code in REASONS


@pytest.mark.parametrize(
    "change",
    [
        {"observed_income_minor": 4_333_34},
        {"observed_income_minor": None, "inquiries_6m": None, "oldest_account_months": None},
        {"customer_months": 2},
        {"applications_30d": 2},
        {"inquiries_6m": 5},
        {"monthly_commitments_minor": 0, "oldest_account_months": 6},
    ],
)
def test_just_short_of_a_signal_is_none(change: dict[str, Any]) -> None:
    assert assess(replace(HONEST, **change)).signals == ()


def test_two_weak_signals_ask_a_person_and_show_the_figures() -> None:
    found = assess(replace(HONEST, employment_status="unemployed", inquiries_6m=7))

    assert (found.score, found.verdict) == (300, "review")
    assert [signal.evidence for signal in found.signals] == [
        "stated income 6,500.00 USD a month, on file as unemployed",
        "7 bureau inquiries within 6 months",
    ]


def test_score_stops_at_a_thousand() -> None:
    found = assess(replace(HONEST, kyc_status="blocked", payout_account_owned=False, applications_30d=9))

    assert (found.score, found.verdict) == (1000, "block")


def test_negative_facts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        assess(replace(HONEST, applications_30d=-1))
