"""What an application lacks, by examples worked out by hand, and what holds for all of them."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.affordability import Means
from tools.rules.completeness import (
    VERSION,
    Case,
    Claim,
    Credit,
    Evidence,
    Figure,
    Gap,
    Record,
    agrees,
    counts_stated,
    gaps,
    income_used,
    is_cross_checked,
    recurring_income_minor,
    to_ask,
    unresolved,
)
from tools.rules.policy_document import IntakeRules

RULES = IntakeRules()
TODAY = date(2026, 11, 22)
CASE = Case(12_000_00, "USD", TODAY)
CLAIM = Claim("applicant", 6_500_00, "employed", date(2018, 3, 1), "rent", 1_100_00, None, has_proof_of_income=False)
RECORD = Record(date(1989, 11, 21), 350_00, "credit_file")
FOUND = st.builds(
    Gap, st.just("applicant"), st.just("income"), st.sampled_from(["missing", "contradiction"]), st.just("why")
)


def found(claim: dict[str, Any], record: dict[str, Any], rules: IntakeRules = RULES) -> list[tuple[str, str]]:
    return [(gap.field, gap.kind) for gap in gaps(replace(CLAIM, **claim), replace(RECORD, **record), rules, CASE)]


def test_complete_application_is_asked_nothing() -> None:
    assert found({}, {}) == []


@pytest.mark.parametrize(
    ("claim", "record", "asked"),
    [
        ({"employment_status": None, "employed_since": None}, {}, [("employment", "missing")]),
        ({"housing_status": None}, {}, [("housing", "missing")]),
        ({"housing_status": None, "shares_home": True, "person": "co_applicant"}, {}, []),
        ({"housing_cost_minor": 0}, {}, [("housing", "contradiction")]),
        ({"housing_status": "family", "housing_cost_minor": 0}, {}, []),
        ({"housing_cost_minor": 6_500_00}, {}, []),
        ({"housing_cost_minor": 6_500_01}, {}, [("housing", "contradiction"), ("income", "contradiction")]),
        ({"employed_since": date(2026, 11, 23)}, {}, [("employment", "contradiction")]),
        # Fourteen on 21 November 2003.
        ({"employed_since": date(2003, 11, 20)}, {}, [("employment", "contradiction")]),
        ({"employed_since": date(2003, 11, 21)}, {}, []),
        # Up to half more than the accounts show, which is after tax.
        ({}, {"income_minor": 4_333_34}, []),
        ({}, {"income_minor": 4_333_33}, [("income", "contradiction")]),
        ({"person": "co_applicant"}, {"income_minor": 4_333_33}, [("co_applicant_income", "contradiction")]),
        # 50.00 of tolerance.
        ({"obligations_minor": 300_00}, {}, []),
        ({"obligations_minor": 299_99}, {}, [("obligations", "contradiction")]),
        ({"obligations_minor": 900_00}, {}, []),
        # 1,100.00 of rent and 350.00 of debts are known.
        ({}, {"standing_orders_minor": 1_500_00}, []),
        ({}, {"standing_orders_minor": 1_500_01}, [("obligations", "missing")]),
        ({"obligations_minor": 350_00}, {"standing_orders_minor": 1_500_01}, [("obligations", "contradiction")]),
    ],
)
def test_each_gap_is_found_and_no_other(
    claim: dict[str, Any], record: dict[str, Any], asked: list[tuple[str, str]]
) -> None:
    assert found(claim, record) == asked


def test_nobody_reads_anothers_figures() -> None:
    (own,) = gaps(CLAIM, replace(RECORD, income_minor=2_000_00), RULES, CASE)
    other = replace(own, person="co_applicant")

    assert "2,000.00 USD" in own.told("applicant")
    assert not any("USD" in told for told in (own.told("co_applicant"), other.told("applicant")))


def test_proof_of_income_is_asked_of_whom_and_from_where_policy_says() -> None:
    rules = IntakeRules(proof_of_income_from_minor=12_000_00)

    assert found({"employment_status": "self_employed"}, {}, rules) == [("proof_of_income", "missing")]
    assert found({"employment_status": "self_employed", "has_proof_of_income": True}, {}, rules) == []
    assert found({}, {}, rules) == []
    assert found({"employment_status": "self_employed"}, {}, replace(rules, proof_of_income_from_minor=12_000_01)) == []


def test_bank_is_asked_in_proportion_to_the_amount() -> None:
    assert not is_cross_checked(RULES, 14_999_99)
    assert is_cross_checked(RULES, 15_000_00)


@given(st.lists(FOUND, max_size=4), st.integers(0, 6), st.sampled_from([RULES, IntakeRules(on_contradiction="refer")]))
@settings(max_examples=50)
def test_whatever_is_found_is_asked_or_referred_and_asking_ends(
    every: list[Gap], rounds: int, rules: IntakeRules
) -> None:
    asked, referred = to_ask(every, rounds, rules), unresolved(every, rounds, rules)

    assert not (asked and referred)
    assert bool(every) == bool(asked or referred)
    assert not asked or rounds < rules.max_rounds
    assert rules.on_contradiction == "ask" or all(gap.kind == "missing" for gap in asked)


@given(st.integers(1, 10**9), st.none() | st.integers(1, 10**9), st.none() | st.integers(0, 10**9))
@settings(max_examples=50)
def test_figure_that_counts_is_never_better_for_the_applicant_than_what_contradicts_it(
    stated: int, shown: int | None, owed: int | None
) -> None:
    claim = replace(CLAIM, income_minor=stated, obligations_minor=owed)
    record = replace(RECORD, income_minor=shown)
    income = income_used(claim, record, RULES)

    assert income.used_minor == (shown if income.source == "account_activity" else stated)
    assert income.used_minor <= stated
    assert counts_stated(claim, record) == (owed is not None and owed > record.obligations_minor)


def paid(payer: str, *days_ago: int, amount: int = 2_000_00) -> list[Credit]:
    return [Credit(payer, TODAY - timedelta(days), amount) for days in days_ago]


@pytest.mark.parametrize(
    ("received", "monthly"),
    [
        ([], None),
        (paid("employer", 0, 30, 89), 2_000_00),
        (paid("employer", 0, 30), None),
        (paid("employer", 0, 29, 60), None),
        (paid("employer", 0, 30, 90), None),
        (paid("employer", 5, 35, 65) + paid("tenant", 1, 31, 61, amount=500_00), 2_500_00),
        # A bonus makes no income, and neither does a gift.
        (paid("employer", 5, 35, 65) + paid("employer", 36, amount=9_000_00), 2_000_00),
        (paid("employer", 5, 35, 65) + paid("aunt", 6, amount=9_000_00), 2_000_00),
    ],
)
def test_income_is_what_comes_again_each_month(received: list[Credit], monthly: int | None) -> None:
    assert recurring_income_minor(received, TODAY, 3) == monthly


def test_means_are_those_of_their_figures_or_the_evidence_is_another() -> None:
    figures = (
        Figure("applicant", "income", 4_000_00, "stated", 4_000_00, None),
        Figure("co_applicant", "income", 1_000_00, "stated", 1_000_00, None),
        Figure("applicant", "housing", 900_00, "stated", 900_00, None),
    )
    evidence = Evidence(VERSION, cross_checked=False, rounds=0, figures=figures, unresolved=())

    assert agrees(evidence, Means(5_000_00, 0, 900_00))
    assert not agrees(evidence, Means(5_000_00, 1, 900_00))
