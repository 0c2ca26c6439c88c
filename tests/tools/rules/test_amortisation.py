"""Instalments and schedules: published loans, cases worked out by hand, and what always holds."""

import csv
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.amortisation import (
    MAX_RATE_BPS,
    MAX_TERM_MONTHS,
    Rounding,
    instalment_minor,
    schedule,
)
from tools.rules.money import MAX_MINOR

FIRST_DUE = date(2027, 1, 31)
principals = st.integers(1, MAX_MINOR)
rates = st.integers(0, MAX_RATE_BPS)
terms = st.integers(1, 120)


@pytest.mark.parametrize(
    ("principal", "rate_bps", "months", "rounding", "expected"),
    [
        (100_000_00, 600, 360, Rounding.HALF_UP, 599_55),  # textbook mortgage: 599.5505
        (100_000_00, 600, 360, Rounding.UP, 599_56),
        (12_000_00, 0, 36, Rounding.HALF_UP, 333_33),
        (12_000_00, 0, 36, Rounding.UP, 333_34),
        (1_000_00, 1200, 1, Rounding.HALF_UP, 1_010_00),
        (1_000_00, 1200, 2, Rounding.HALF_UP, 507_51),  # 1000 * 1.01^2 / 2.01 = 507.5124
        (3, 0, 2, Rounding.HALF_UP, 2),
    ],
)
def test_instalment_is_the_annuity(
    principal: int, rate_bps: int, months: int, rounding: Rounding, expected: int
) -> None:
    assert instalment_minor(principal, rate_bps, months, rounding) == expected


def test_instalment_rounded_up_equals_the_lenders_own_column(vector: Callable[[str], str]) -> None:
    rows = list(csv.DictReader(vector("lendingclub_installments.csv").splitlines()))
    agreeing = sum(
        instalment_minor(
            int(Decimal(row["loan_amount"]) * 100),
            int(Decimal(row["annual_rate_pct"]) * 100),
            int(row["term_months"]),
            Rounding.UP,
        )
        == Decimal(row["lender_installment"]) * 100
        for row in rows
    )

    assert agreeing >= 0.999 * len(rows) > 0


@pytest.mark.parametrize(
    ("principal", "rate_bps", "months", "field"),
    [
        (0, 500, 12, "principal"),
        (MAX_MINOR + 1, 500, 12, "principal"),
        (1000, -1, 12, "rate"),
        (1000, MAX_RATE_BPS + 1, 12, "rate"),
        (1000, 500, 0, "term"),
        (1000, 500, MAX_TERM_MONTHS + 1, "term"),
    ],
)
def test_loan_out_of_range_is_refused_by_field(principal: int, rate_bps: int, months: int, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        instalment_minor(principal, rate_bps, months)


def test_schedule_worked_out_by_hand() -> None:
    lines = [
        (line.due_on, line.payment_minor, line.interest_minor, line.principal_minor, line.balance_minor)
        for line in schedule(1_000_00, 1200, 3, FIRST_DUE)
    ]

    assert lines == [
        ("2027-01-31", 340_02, 10_00, 330_02, 669_98),
        ("2027-02-28", 340_02, 6_70, 333_32, 336_66),
        ("2027-03-31", 340_03, 3_37, 336_66, 0),
    ]


@given(principals, rates, terms)
def test_schedule_sums_exactly_and_no_part_is_negative(principal: int, rate_bps: int, months: int) -> None:
    lines = schedule(principal, rate_bps, months, FIRST_DUE)

    assert len(lines) == months
    assert sum(line.principal_minor for line in lines) == principal
    assert lines[-1].balance_minor == 0
    for line in lines:
        assert line.payment_minor == line.interest_minor + line.principal_minor
        assert min(line.payment_minor, line.interest_minor, line.principal_minor, line.balance_minor) >= 0


@given(st.integers(1_000_00, 50_000_00), st.integers(0, 2500), st.integers(12, 72))
def test_last_payment_differs_from_the_others_by_less_than_a_unit(principal: int, rate_bps: int, months: int) -> None:
    payments = [line.payment_minor for line in schedule(principal, rate_bps, months, FIRST_DUE)]

    assert set(payments[:-1]) == {payments[0]}
    assert abs(payments[-1] - payments[0]) < 1_00


@given(st.integers(1, MAX_MINOR - 1), st.integers(0, MAX_RATE_BPS - 1), terms)
def test_instalment_rises_with_principal_and_rate_and_falls_with_term(
    principal: int, rate_bps: int, months: int
) -> None:
    instalment = instalment_minor(principal, rate_bps, months)

    assert instalment_minor(principal + 1, rate_bps, months) >= instalment
    assert instalment_minor(principal, rate_bps + 1, months) >= instalment
    assert instalment_minor(principal, rate_bps, months + 1) <= instalment
