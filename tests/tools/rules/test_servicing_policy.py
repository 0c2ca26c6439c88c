"""New schedules that neither lose nor make principal, and the policy that proposes them."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.amortisation import schedule
from tools.rules.delinquency import Conduct, Due, Rolls, assess
from tools.rules.plain import from_plain, to_plain
from tools.rules.servicing_policies import SERVICING_POLICIES, servicing_policy_in_force
from tools.rules.servicing_policy import EarlierCase, PastAction, Recommendation, ServicingFacts, recommend
from tools.rules.servicing_schedules import Line, Owed, extension, first_due_after, payment_plan, restructuring

AS_OF = date(2026, 11, 22)
CALM = Conduct(income_30d_minor=4_000_00, income_before_minor=4_000_00, skipped_90d=0, returned_90d=0, low_days_30d=0)
FALLEN = replace(CALM, income_30d_minor=1_500_00)
POLICY = servicing_policy_in_force(AS_OF)

# 300.00 over three months at 12 %: 100.00 of principal each, interest 3.00, 2.00 and 1.00; the first is late.
SMALL = Owed(
    lines=(Line("2026-11-15", 3_00, 100_00), Line("2026-12-15", 2_00, 100_00), Line("2027-01-15", 1_00, 100_00)),
    annual_rate_bps=1200,
    counted_from="2026-11-15",
)


def test_plan_spreads_the_arrears_over_the_next_instalments() -> None:
    lines = payment_plan(SMALL, starts_after=date(2026, 12, 1), months=2)

    assert lines == (Line("2026-12-15", 3_50, 150_00), Line("2027-01-15", 2_50, 150_00))


def test_plan_at_the_end_of_a_loan_adds_instalments() -> None:
    lines = payment_plan(SMALL, starts_after=date(2027, 2, 1), months=4)

    assert [line.due_on for line in lines] == ["2027-02-15", "2027-03-15", "2027-04-15", "2027-05-15"]
    assert [line.amount_minor for line in lines] == [76_50, 76_50, 76_50, 76_50]


def test_extension_moves_every_instalment_and_charges_the_added_months() -> None:
    # Two months of 1 % on 300.00 are 6.00, due with the last instalment.
    lines = extension(SMALL, starts_after=date(2026, 12, 20))

    assert lines == (
        *(Line("2027-01-15", 3_00, 100_00), Line("2027-02-15", 2_00, 100_00)),
        Line("2027-03-15", 1_00 + 6_00, 100_00),
    )


def test_restructuring_is_an_annuity_of_what_is_outstanding() -> None:
    # 300.00 at 1 % over 6 months: 30000 · 0.01 / (1 - 1.01^-6) = 5176.45; interest of 3.00 that is owed: 0.50 each.
    lines = restructuring(SMALL, starts_after=date(2026, 12, 1), months=6)

    assert [line.amount_minor for line in lines[:5]] == [51_76 + 50] * 5
    assert [line.interest_minor for line in lines[:2]] == [3_00 + 50, 2_51 + 50]
    assert lines[-1].due_on == "2027-05-15"


def test_months_end_is_kept_where_there_is_one() -> None:
    owed = Owed((Line("2026-12-31", 0, 3_00),), annual_rate_bps=0, counted_from="2026-10-31")

    lines = payment_plan(owed, starts_after=date(2027, 1, 31), months=3)

    assert [line.due_on for line in lines] == ["2027-02-28", "2027-03-31", "2027-04-30"]
    assert first_due_after(date(2026, 1, 31), date(2026, 2, 27)) == date(2026, 2, 28)
    assert first_due_after(date(2026, 1, 31), date(2026, 2, 28)) == date(2026, 3, 31)
    assert first_due_after(date(2026, 1, 31), date(2025, 6, 1)) == date(2026, 1, 31)


@st.composite
def owed_loans(draw: st.DrawFn) -> Owed:
    """What is left of a late loan of any size, after some payments and a part of one."""
    first = draw(st.dates(date(2018, 1, 1), date(2026, 11, 21)))
    rate_bps, term = draw(st.integers(0, 4000)), draw(st.integers(1, 84))
    lines = schedule(draw(st.integers(100, 10**9)), rate_bps, term, first)
    left = lines[draw(st.integers(0, sum(line.due_on < AS_OF.isoformat() for line in lines) - 1)) :]
    paid = draw(st.integers(0, max(0, left[0].principal_minor - 1)))
    rest = [Line(line.due_on, line.interest_minor, line.principal_minor) for line in left]
    rest[0] = Line(rest[0].due_on, 0, rest[0].principal_minor - paid)
    return Owed(tuple(rest), rate_bps, first.isoformat())


@given(owed_loans(), st.integers(1, 120))
def test_every_new_schedule_repays_exactly_what_is_outstanding(owed: Owed, months: int) -> None:
    starts_after = AS_OF + timedelta(days=21)

    for lines in (
        payment_plan(owed, starts_after, months),
        extension(owed, starts_after),
        restructuring(owed, starts_after, months) if owed.principal_minor else (Line("2027-01-01", 0, 0),),
    ):
        days = [line.due_on for line in lines]
        assert sum(line.principal_minor for line in lines) == owed.principal_minor
        assert min(min(line.interest_minor, line.principal_minor) for line in lines) >= 0
        assert days == sorted(set(days)) and days[0] > starts_after.isoformat()


@given(owed_loans(), st.integers(1, 24))
def test_plan_charges_not_a_cent_for_the_delay(owed: Owed, months: int) -> None:
    lines = payment_plan(owed, AS_OF, months)

    assert sum(line.interest_minor for line in lines) == sum(line.interest_minor for line in owed.lines)


def facts(days_late: int, conduct: Conduct = CALM, **change: object) -> ServicingFacts:
    """12,000.00 at 12 % over 24 months with ten instalments paid, three of them in the last 90 days."""
    first_due_on = date(2025, 12, 15)
    whole = schedule(12_000_00, 1200, 24, first_due_on)
    as_of = date(2026, 10, 15) + timedelta(days=days_late)
    left = tuple(Line(line.due_on, line.interest_minor, line.principal_minor) for line in whole[10:])
    dues = [Due(line.due_on, line.payment_minor, line.payment_minor if line.number <= 10 else 0) for line in whole]
    found = ServicingFacts(
        as_of=as_of.isoformat(),
        in_collections=False,
        loan_months=18,
        instalment_minor=564_88,
        paid_30d_minor=564_88,
        paid_90d_minor=3 * 564_88,
        owed=Owed(left, 1200, first_due_on.isoformat()),
        conduct=conduct,
        delinquency=assess(dues, as_of, conduct, Rolls(0, 0), Rolls(0, 0)),
        past_actions=(),
        earlier_cases=(),
    )
    return replace(found, **change)  # type: ignore[arg-type]  # the tests' own fields


@pytest.mark.parametrize(
    ("given_facts", "action"),
    [
        (facts(0), "none"),
        (facts(5), "reminder"),
        (facts(5, FALLEN), "reminder"),
        (facts(5, replace(CALM, skipped_90d=1)), "payment_plan"),
        (facts(40), "re_age"),
        (facts(40, paid_90d_minor=3 * 564_88 - 1), "payment_plan"),
        (facts(40, loan_months=8), "payment_plan"),
        (facts(40, FALLEN), "restructure"),
        (facts(70), "re_age"),
        (facts(70, loan_months=8), "payment_plan"),
        (facts(70, loan_months=8, past_actions=(PastAction("payment_plan", "2026-02-01"),)), "refer"),
        (facts(70, FALLEN), "restructure"),
        (facts(95), "refer"),
        (facts(95, FALLEN), "restructure"),
        (facts(95, FALLEN, paid_30d_minor=0), "refer"),
        (facts(95, in_collections=True), "none"),
    ],
)
def test_ladder_of_2026_01(given_facts: ServicingFacts, action: str) -> None:
    found = recommend(given_facts, POLICY)

    assert found.action == action
    assert found.reasons


@pytest.mark.parametrize(
    ("past", "code"),
    [
        ((PastAction("re_age", "2025-11-25"),), "RELIEF_IN_12_MONTHS"),
        ((PastAction("restructure", "2025-11-25"),), "RELIEF_IN_12_MONTHS"),
        # Exactly twelve months ago is not within twelve months.
        ((PastAction("re_age", "2025-11-24"),), None),
        ((PastAction("re_age", "2021-11-25"), PastAction("re_age", "2024-01-10")), "RELIEF_IN_5_YEARS"),
        ((PastAction("re_age", "2021-11-24"), PastAction("re_age", "2024-01-10")), None),
        ((PastAction("payment_plan", "2026-01-10"),), None),
    ],
)
def test_loan_is_made_current_once_a_year_and_twice_in_five(past: tuple[PastAction, ...], code: str | None) -> None:
    found = recommend(facts(40, past_actions=past), POLICY)

    assert [refused.code for refused in found.passed_over if refused.action == "re_age"] == ([code] if code else [])
    assert (found.action == "re_age") == (code is None)


def test_loan_that_is_not_late_gets_no_new_schedule() -> None:
    with pytest.raises(ValueError, match="nothing falls due by 2026-11-01"):
        extension(SMALL, starts_after=date(2026, 11, 1))


def test_small_rest_of_an_instalment_is_only_reminded_of() -> None:
    late = facts(95)
    small = replace(late, delinquency=replace(late.delinquency, past_due_minor=28_24))

    assert recommend(small, POLICY).action == "reminder"


def test_second_plan_within_a_year_is_not_proposed() -> None:
    found = recommend(facts(40, loan_months=8, past_actions=(PastAction("payment_plan", "2026-02-01"),)), POLICY)

    assert [refused.code for refused in found.passed_over] == ["RE_AGE_TOO_YOUNG", "PLAN_RECENT"]
    assert found.action == "reminder"


def test_restructuring_takes_no_more_months_than_the_income_needs() -> None:
    given_facts = facts(70, FALLEN)
    wanted_minor = 564_88 * 1_500_00 // 4_000_00

    lines = recommend(given_facts, POLICY).schedule
    starts_after = date.fromisoformat(given_facts.as_of) + timedelta(days=POLICY.notice_days)

    assert lines[0].amount_minor <= wanted_minor
    assert restructuring(given_facts.owed, starts_after, len(lines) - 1)[0].amount_minor > wanted_minor


@given(st.integers(0, 400), st.booleans(), st.integers(0, 30), st.integers(0, 10**7))
def test_every_late_loan_gets_one_recommendation(days: int, fallen: bool, months: int, paid_minor: int) -> None:
    found = recommend(facts(days, FALLEN if fallen else CALM, loan_months=months, paid_90d_minor=paid_minor), POLICY)

    assert bool(found.schedule) == (found.action in ("payment_plan", "re_age", "restructure"))
    assert from_plain(Recommendation, to_plain(found)) == found


@pytest.mark.parametrize(
    ("days_late", "earlier", "code"),
    [
        # As of 20 October (5 days late) and 24 November 2026 (40 days late).
        (5, EarlierCase("2026-10-11", "1-29", "reminder", "reminded"), "REMINDED_RECENTLY"),
        (5, EarlierCase("2026-10-10", "1-29", "reminder", "reminded"), "PAST_DUE"),
        (40, EarlierCase("2026-11-23", "30-59", "re_age", None), "CASE_OPEN"),
        (40, EarlierCase("2026-11-11", "30-59", "re_age", "declined"), "DECLINED_RECENTLY"),
        (40, EarlierCase("2026-11-10", "30-59", "re_age", "declined"), "PAST_DUE"),
        (40, EarlierCase("2026-11-11", "1-29", "payment_plan", "declined"), "PAST_DUE"),
        (40, EarlierCase("2026-11-23", "30-59", "re_age", "action_refused"), "PAST_DUE"),
    ],
)
def test_what_was_said_or_declined_just_now_is_not_said_again(days_late: int, earlier: EarlierCase, code: str) -> None:
    found = recommend(facts(days_late, earlier_cases=(earlier,)), POLICY)

    assert found.reasons[0].code == code
    assert (found.action == "none") == (code != "PAST_DUE")


def test_every_policy_ends_its_ladders_with_a_step_that_is_always_open() -> None:
    for policy in SERVICING_POLICIES:
        assert {steps[-1] for ladder in policy.ladders.values() for steps in ladder} <= {"none", "reminder", "refer"}


def test_no_policy_was_in_force_before_the_first() -> None:
    with pytest.raises(ValueError, match="no servicing policy was in force on 2025-12-31"):
        servicing_policy_in_force(date(2025, 12, 31))
