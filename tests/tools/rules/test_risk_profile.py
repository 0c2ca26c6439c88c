"""What risk suits whom: worked examples, contradictions, and that capacity always caps."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.risk_profile import (
    KNOWLEDGE,
    LEVELS,
    OBJECTIVES,
    REACTIONS,
    Answers,
    KnowledgeByKind,
    assess,
    contradictions,
)

BALANCED = Answers(
    objective="balanced",
    horizon_years=10,
    reaction="hold",
    loss_capacity_bps=2500,
    liquidity_need_bps=1000,
    reserve_months=6,
    knowledge=KnowledgeByKind(bonds="basic", equities="informed"),
    wants=("bonds", "equities"),
    exclusions=(),
    esg="none",
    tax_status="taxable",
)
ANSWERS = st.builds(
    Answers,
    objective=st.sampled_from(OBJECTIVES),
    horizon_years=st.integers(0, 40),
    reaction=st.sampled_from(REACTIONS),
    loss_capacity_bps=st.integers(0, 10_000),
    liquidity_need_bps=st.integers(0, 10_000),
    reserve_months=st.integers(0, 24),
    knowledge=st.builds(KnowledgeByKind, complex=st.sampled_from(KNOWLEDGE)),
    wants=st.just(()),
    exclusions=st.just(()),
    esg=st.just("none"),
    tax_status=st.just("taxable"),
)


@pytest.mark.parametrize(
    ("changes", "risk_profile", "score", "capped_by"),
    [
        ({}, "moderate", 50, ()),
        ({"objective": "preservation", "reaction": "sell_all"}, "conservative", 0, ()),
        ({"objective": "income", "reaction": "hold"}, "moderately_conservative", 35, ()),
        ({"objective": "aggressive_growth", "reaction": "buy_much"}, "moderately_aggressive", 75,
         ("horizon_years", "loss_capacity_bps")),
        ({"objective": "aggressive_growth", "reaction": "buy_much", "horizon_years": 12, "loss_capacity_bps": 4000},
         "aggressive", 100, ()),
        ({"horizon_years": 1}, "conservative", 0, ("horizon_years",)),
        ({"loss_capacity_bps": 500}, "moderately_conservative", 25, ("loss_capacity_bps",)),
        ({"liquidity_need_bps": 6001}, "conservative", 0, ("liquidity_need_bps",)),
        ({"reserve_months": 0}, "moderately_conservative", 25, ("reserve_months",)),
    ],
)  # fmt: skip
def test_examples_worked_out_by_hand(
    changes: dict[str, Any], risk_profile: str, score: int, capped_by: tuple[str, ...]
) -> None:
    found = assess(replace(BALANCED, **changes))

    assert (found.risk_profile, found.score, found.capped_by) == (risk_profile, score, capped_by)
    assert [reason.question for reason in found.reasons] == [
        *("objective", "reaction", "horizon_years", "loss_capacity_bps", "liquidity_need_bps", "reserve_months")
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"objective": "preservation", "reaction": "buy_much"}, "preservation_yet_bold"),
        ({"objective": "growth", "reaction": "sell_all"}, "growth_yet_flight"),
        ({"objective": "growth", "horizon_years": 3}, "growth_in_short_time"),
        ({"objective": "aggressive_growth", "loss_capacity_bps": 499}, "growth_without_loss"),
        ({"liquidity_need_bps": 5001}, "long_time_yet_soon_needed"),
        ({"wants": ("complex",)}, "complex_without_knowledge"),
    ],
)
def test_answers_that_cannot_all_be_meant_are_asked_about(changes: dict[str, Any], code: str) -> None:
    assert [found.code for found in contradictions(replace(BALANCED, **changes))] == [code]
    assert contradictions(BALANCED) == ()


@settings(max_examples=50)
@given(ANSWERS)
def test_capacity_caps_tolerance_and_the_score_is_in_the_profiles_band(answers: Answers) -> None:
    found = assess(answers)

    assert LEVELS.index(found.risk_profile) == min(LEVELS.index(found.tolerance), LEVELS.index(found.capacity))
    assert min(found.score // 20, 4) == LEVELS.index(found.risk_profile)
    assert (found.capped_by != ()) == (LEVELS.index(found.capacity) < LEVELS.index(found.tolerance))


@settings(max_examples=50)
@given(ANSWERS, st.integers(0, 5), st.integers(0, 10_000))
def test_more_time_capacity_and_reserve_never_lower_the_profile(answers: Answers, years: int, bps: int) -> None:
    better = replace(
        answers,
        horizon_years=answers.horizon_years + years,
        loss_capacity_bps=min(10_000, answers.loss_capacity_bps + bps),
        liquidity_need_bps=max(0, answers.liquidity_need_bps - bps),
        reserve_months=answers.reserve_months + years,
    )

    assert assess(better).score >= assess(answers).score
