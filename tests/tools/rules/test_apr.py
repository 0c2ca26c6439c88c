"""Annual percentage rates: every published figure to its digits, and what always holds."""

import json
import re
from collections.abc import Callable
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.amortisation import schedule
from tools.rules.apr import PeriodFlow, YearFlow, eu_apr, eu_loan_apr_bps, loan_apr_bps, us_apr, years_between


def test_us_method_equals_every_published_example_of_appendix_j(vector: Callable[[str], str]) -> None:
    cases = json.loads(vector("apr_regz_appendix_j.json"), parse_float=Decimal)["cases"]

    found = {case["id"]: _percent(_us(case), "0.01") for case in cases}

    assert found == {case["id"]: Decimal(case["published_apr_pct"]) for case in cases}


def test_eu_method_equals_the_published_examples(vector: Callable[[str], str]) -> None:
    cases = json.loads(vector("apr_eu.json"), parse_float=Decimal)["cases"]
    for case in cases:
        rate = eu_apr(_years(case["drawdowns"]), _years(case["repayments"]))

        assert _percent(rate, "0.1") == case["published_pct_1dp"]
        assert _percent(rate, "0.01") == case["published_pct_2dp"]
        if exact := case.get("published_exact"):
            # Printed cut off: 600x + 600x^2 = 1000 has 0.13066238... as its solution.
            assert rate.quantize(exact, rounding=ROUND_DOWN) == exact


def test_multiple_advances_meet_in_the_middle() -> None:
    # 100 now and 100 in a period, repaid by 231 in two: 100 x^2 + 100 x = 231, x = 1.1 exactly.
    advances = [PeriodFlow(Decimal(100), 0), PeriodFlow(Decimal(100), 1)]

    rate = us_apr(advances, [PeriodFlow(Decimal(231), 2)], Decimal(12))

    assert _percent(rate, "0.0000001") == 120


@pytest.mark.parametrize(
    ("start", "end", "years"),
    [
        (date(1994, 1, 1), date(1995, 7, 1), Decimal(546) / 365),
        (date(2023, 3, 1), date(2024, 3, 1), Decimal(1)),
        (date(2024, 1, 1), date(2024, 7, 1), Decimal(182) / 366),
        (date(2024, 2, 29), date(2025, 2, 28), Decimal(1)),
    ],
)
def test_years_follow_the_calendar_basis(start: date, end: date, years: Decimal) -> None:
    assert abs(years_between(start, end) - years) < Decimal("1E-20")


@pytest.mark.parametrize(
    ("disbursed_on", "first_due_on", "apr_bps"),
    [
        (date(1978, 2, 10), date(1978, 4, 1), 1182),  # Appendix J (c)(1)(ii) by its dates: 1 month 19 days
        (date(1978, 3, 1), date(1978, 4, 1), 1225),  # regular: dearer, since the money is had for less time
        (date(2026, 11, 30), date(2027, 2, 28), 1102),  # 3 months back is 28 November: so 2 months 28 days
    ],
)
def test_first_period_counts_in_months_back_and_days_over_thirty(
    disbursed_on: date, first_due_on: date, apr_bps: int
) -> None:
    assert loan_apr_bps(6_000_00, [200_00] * 36, disbursed_on, first_due_on) == apr_bps


def test_without_fee_and_odd_days_the_apr_is_the_nominal_rate() -> None:
    payments = [line.payment_minor for line in schedule(12_000_00, 1149, 36, date(2026, 12, 22))]

    assert loan_apr_bps(12_000_00, payments, date(2026, 11, 22), date(2026, 12, 22)) == 1149


@given(st.integers(0, 3600), st.integers(6, 72), st.integers(0, 400), st.integers(1, 200))
def test_apr_rises_with_the_fee_withheld(rate_bps: int, months: int, fee: int, more: int) -> None:
    first_due = date(2027, 1, 5)
    payments = [line.payment_minor for line in schedule(10_000_00, rate_bps, months, first_due)]

    def apr(fee_minor: int) -> int:
        return loan_apr_bps(10_000_00 - fee_minor, payments, date(2026, 12, 5), first_due)

    assert rate_bps - 1 <= apr(fee * 100) <= apr((fee + more) * 100)


@pytest.mark.parametrize(
    ("advance", "first_due_on", "why"),
    [(101_00, date(2027, 1, 1), "less is paid"), (50_00, date(2026, 12, 1), "after disbursement")],
)
def test_loan_without_a_rate_is_refused(advance: int, first_due_on: date, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        loan_apr_bps(advance, [50_00, 50_00], date(2026, 12, 1), first_due_on)


def _us(case: dict[str, Any]) -> Decimal:
    payments = [
        PeriodFlow(Decimal(part["amount"]), part["full_unit_periods"] + number, Decimal(part["fraction"]))
        for part in case["series"]
        for number in range(part["count"])
    ]
    advance = PeriodFlow(Decimal(case["amount_advanced"]), 0)
    return us_apr([advance], payments, Decimal(case["unit_periods_per_year"]))


def _years(flows: list[list[Any]]) -> list[YearFlow]:
    return [YearFlow(Decimal(amount), _time(str(when))) for when, amount in flows]


def _time(when: str) -> Decimal:
    """Zero, "2 years", or a fraction that names its two dates."""
    if dates := re.findall(r"\d{4}-\d\d-\d\d", when):
        start, end = (date.fromisoformat(day) for day in dates)
        return years_between(start, end)
    return Decimal(when.split()[0])


def _percent(rate: Decimal, digits: str) -> Decimal:
    return (rate * 100).quantize(Decimal(digits), rounding=ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("advance", "paid", "disbursed_on", "due_on", "apr_bps"),
    [
        # 98/7/EC Annex III, on the basis of equal months: 1000 for 1200 after a year and a half is 12.9 %.
        (1000, 1200, date(1994, 1, 1), date(1995, 7, 1), 1292),
        # Twelve months back is 1 March 2023, and one day more of the 365 before it: 1.1^(1/(1+1/365)) = 1.0997...
        (1000, 1100, date(2023, 2, 28), date(2024, 3, 1), 997),
    ],
)
def test_eu_loan_counts_equal_months_back_and_days_of_the_year_before(
    advance: int, paid: int, disbursed_on: date, due_on: date, apr_bps: int
) -> None:
    assert eu_loan_apr_bps(advance, [paid], disbursed_on, due_on) == apr_bps


def test_eu_rate_without_fee_is_the_nominal_rate_compounded() -> None:
    payments = [line.payment_minor for line in schedule(12_000_00, 1149, 36, date(2026, 12, 22))]

    # (1 + 0.1149 / 12)^12 - 1 = 12.1148... %
    assert eu_loan_apr_bps(12_000_00, payments, date(2026, 11, 22), date(2026, 12, 22)) == 1211


def test_eu_loan_must_be_repaid_after_it_is_drawn_down() -> None:
    with pytest.raises(ValueError, match="after disbursement"):
        eu_loan_apr_bps(1000, [1100], date(2026, 1, 1), date(2026, 1, 1))
