"""Adverse impact: published counts, the four-fifths rule to the last applicant, and alternatives within bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from tools.rules.fairness import Tally, adverse_impact, fisher_p, is_below_four_fifths, lowest_ratio
from tools.rules.fairness_report import Bounds, Fairness, Outcome, Report

HMDA = {"no": Tally(2041, 1852), "yes": Tally(339, 243)}
"""Boston, 1990, by whether the applicant is African American: R's AER::HMDA."""


def tallies(least: int = 0) -> st.SearchStrategy[Tally]:
    return st.integers(1, 400).flatmap(lambda n: st.integers(least, n).map(lambda k: Tally(n, k)))


def test_published_mortgage_applications_show_adverse_impact() -> None:
    impact = adverse_impact("afam", HMDA)
    no, yes = impact.groups

    assert (impact.reference, impact.reference_by) == ("no", "highest rate")
    assert (no.rate, yes.rate) == (0.9074, 0.7168)
    assert round(yes.ratio or 0, 2) == 0.79 and yes.flagged and yes.verdict == "adverse" and not yes.small
    assert yes.interval is not None and yes.interval[0] < 0.79 < yes.interval[1]
    # 0.8 × 1852 / 2041 × 339 = 246.1 approvals would be four fifths.
    assert yes.short == 4


@pytest.mark.parametrize(
    ("group", "reference", "verdict"),
    [
        (Tally(100, 40), Tally(100, 50), "none indicated"),  # 0.80 is not below 0.80
        (Tally(1000, 399), Tally(1000, 500), "adverse"),
        (Tally(10, 3), Tally(10, 5), "below, may be chance"),
        (Tally(5000, 4250), Tally(5000, 4500), "above, yet significant"),
        (Tally(40, 0), Tally(40, 30), "adverse"),
    ],
)
def test_verdict_weighs_the_ratio_and_chance(group: Tally, reference: Tally, verdict: str) -> None:
    impact = adverse_impact("sex", {"f": group, "m": reference})

    assert impact.groups[0].verdict == verdict
    assert impact.groups[0].flagged == verdict.startswith(("adverse", "below"))


def test_ratio_just_below_four_fifths_is_not_shown_as_four_fifths() -> None:
    found = adverse_impact("sex", {"f": Tally(100_000, 39_999), "m": Tally(100_000, 50_000)}).groups[0]

    assert found.flagged and found.ratio == 0.7999 and found.short == 1


def test_handful_of_applicants_is_no_reference_and_called_small() -> None:
    impact = adverse_impact("race", {"a": Tally(990, 500), "b": Tally(400, 190), "c": Tally(3, 3)})

    assert impact.reference == "a"
    assert [each.small for each in impact.groups] == [False, False, True]


def test_chosen_reference_must_have_applicants_and_may_not_hide_a_higher_rate() -> None:
    with pytest.raises(ValueError, match="no group 'x'; it has no, yes"):
        adverse_impact("afam", HMDA, reference="x")

    assert adverse_impact("afam", HMDA, reference="yes").highest == "no"
    assert lowest_ratio(HMDA) == pytest.approx(0.79, abs=1e-4)


@settings(max_examples=50)
@given(tallies(), tallies())
def test_chance_is_fishers(group: Tally, reference: Tally) -> None:
    table = [[each.favourable, each.applied - each.favourable] for each in (group, reference)]

    assert fisher_p(group, reference) == pytest.approx(fisher_exact(table)[1], rel=1e-6, abs=1e-12)


@settings(max_examples=50)
@given(tallies(), tallies(least=1))
def test_approvals_that_are_short_lift_a_group_to_four_fifths_and_one_fewer_does_not(
    group: Tally, reference: Tally
) -> None:
    found = adverse_impact("sex", {"f": group, "m": reference}, reference="m").groups[0]

    lifted = Tally(group.applied, group.favourable + found.short)
    assert not is_below_four_fifths(lifted, reference)
    if found.flagged:
        assert is_below_four_fifths(Tally(group.applied, lifted.favourable - 1), reference)


def compared(bounds: Bounds, **answers: tuple[int, int]) -> Report:
    """100 of each sex; the champion approves 80 men and 50 women, each challenger so many men and women."""
    found = Fairness(bounds=bounds)
    for number in range(100):
        for at, sex in enumerate(("m", "f")):
            alone = number < (80, 50)[at]
            others = {name: number < approved[at] for name, approved in answers.items()}
            found.add(Outcome(alone, {"sex": sex}, (("term", "long"),), alone, others, 100 + number * 10))
    return found.report()


def test_least_discriminatory_alternative_is_the_fairest_that_costs_no_more_than_allowed() -> None:
    report = compared(Bounds(200, 50), same=(80, 50), fair=(72, 60), fairer=(70, 65), costly=(55, 55), rash=(95, 95))
    faults = {each.name: each.faults for each in report.alternatives}

    assert report.least_discriminatory == "fairer"
    assert faults["same"] == ("is no fairer",)
    assert faults["costly"] == ("approves 10.00 % of all applicants less",)
    assert faults["rash"] == ("1.33 % more of those it approves are expected to go bad",)
    assert faults["fair"] == faults["fairer"] == ()


def test_alternative_that_turns_the_tables_is_no_fairer() -> None:
    report = compared(Bounds(10_000, 10_000), turned=(40, 80))

    assert report.least_discriminatory is None
    assert report.alternatives[0].challenger.ratio == 0.5


def test_challenger_is_compared_on_the_cases_that_it_decided() -> None:
    found = Fairness()
    for number in range(80):
        groups = {"sex": "fm"[number % 2]}
        late = {"new": True} if number >= 20 else {}
        found.add(Outcome(number % 4 > 0, groups, alone=number % 4 > 0, challengers=late))
    found.add(Outcome(True, {}, alone=True, challengers={"new": None, "broken": None}))

    broken, new = found.report().alternatives

    assert (new.cases, new.champion.approved, new.challenger.approved) == (60, 45, 60)
    assert broken.faults == ("has decided no case",)


def test_reference_of_an_unknown_basis_is_refused() -> None:
    found = Fairness({"race": "a"})
    found.add(Outcome(True, {"sex": "f"}))

    with pytest.raises(ValueError, match="of race no group is known"):
        found.report()
