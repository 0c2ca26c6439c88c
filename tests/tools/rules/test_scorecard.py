"""The scorecard: totals worked out by hand, reasons by points lost, and what must never be scored."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.reg_b import C1, reason
from tools.rules.scorecard import ScorecardFacts, band_of, score, score_values
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import (
    Missing,
    NumericAttribute,
    Range,
    Scorecard,
    bin_points,
    highest_score,
    lowest_score,
)

SETTLED = ScorecardFacts(
    delinquencies_24m=0,
    worst_days_past_due_24m=0,
    utilisation_bps=900,
    inquiries_6m=0,
    oldest_account_months=164,
    accounts_open=9,
    public_records=0,
    collections=0,
    bankruptcies=0,
    employment_status="employed",
    employment_months=128,
    housing_status="mortgage",
)
RISING_RISK = (
    *("delinquencies_24m", "worst_days_past_due_24m", "utilisation_bps", "inquiries_6m"),
    *("public_records", "collections", "bankruptcies"),
)
FALLING_RISK = ("oldest_account_months", "accounts_open", "employment_months")


def test_scores_span_exactly_the_range_disclosed() -> None:
    assert lowest_score(SCORECARD_2026_01) == 300
    assert highest_score(SCORECARD_2026_01) == 850 == score(SETTLED).points


def test_thin_young_file_worked_out_by_hand() -> None:
    facts = replace(
        SETTLED,
        utilisation_bps=3800,  # -25
        inquiries_6m=3,  # -16
        oldest_account_months=14,  # -50
        accounts_open=2,  # -10
        employment_months=8,  # -20
        housing_status="rent",  # -10
    )

    found = score(facts)

    assert (found.points, found.band) == (850 - 131, "C")
    # Age of the oldest account and number of accounts cost 60 together, under one reason.
    assert [each.code for each in found.reasons] == [
        "limited_experience",
        "utilisation",
        "employment_length",
        "inquiries",
        "housing",
    ]


def test_no_file_at_all_scores_as_unknown_and_never_as_delinquent() -> None:
    found = score(ScorecardFacts())

    assert (found.points, found.band) == (565, "D")
    assert found.reasons[0].wording == "No credit file"
    assert "delinquency" not in {each.code for each in found.reasons}


@pytest.mark.parametrize(
    ("points", "band"), [(850, "A"), (780, "A"), (779, "B"), (719, "C"), (650, "C"), (550, "D"), (549, "E")]
)
def test_band_starts_at_its_cutoff(points: int, band: str) -> None:
    assert band_of(points) == band


@given(st.sampled_from(RISING_RISK + FALLING_RISK), st.integers(0, 12_000), st.integers(0, 12_000))
def test_more_risk_never_scores_better(name: str, one: int, other: int) -> None:
    settled = asdict(SETTLED)

    low, high = (score_values(settled | {name: value}, SCORECARD_2026_01).points for value in sorted((one, other)))

    assert low >= high if name in RISING_RISK else low <= high


def test_the_retired_score_as_the_employed() -> None:
    assert score(replace(SETTLED, employment_status="retired")).points == score(SETTLED).points


def test_unknown_bin_lies_between_the_worst_and_the_best() -> None:
    for attribute in SCORECARD_2026_01.attributes:
        *known, unknown = bin_points(attribute)
        assert min(known) <= unknown < max(known), attribute.name


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (ScorecardFacts(inquiries_6m=-1), "inquiries_6m"),
        (ScorecardFacts(employment_status="astronaut"), "employment_status"),
    ],
)
def test_value_unknown_to_the_card_is_refused_by_name(facts: ScorecardFacts, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        score(facts)


@pytest.mark.parametrize("name", ["age", "sex", "marital_status", "national_origin", "religion"])
def test_prohibited_basis_cannot_enter_a_scorecard(name: str) -> None:
    with pytest.raises(ValueError, match="prohibited"):
        replace(SCORECARD_2026_01, attributes=(_attribute(name, Range(30, 0), Range(None, 10)),))


def test_ranges_must_ascend_to_an_open_end() -> None:
    with pytest.raises(ValueError, match="no end"):
        _attribute("inquiries_6m", Range(3, 0), Range(9, 10))
    with pytest.raises(ValueError, match="ascend"):
        _attribute("inquiries_6m", Range(3, 0), Range(3, 5), Range(None, 10))


def test_a_card_scores_only_what_it_names() -> None:
    card = Scorecard("test", 300, SCORECARD_2026_01.bands, (_attribute("inquiries_6m", Range(2, 9), Range(None, 0)),))

    assert [score(replace(SETTLED, inquiries_6m=count), card).points for count in (1, 2)] == [309, 300]


def _attribute(name: str, *ranges: Range) -> NumericAttribute:
    why = reason("test", C1.RECENT_INQUIRIES)
    return NumericAttribute(name, ranges, Missing(0, why), why)
