"""Returns against published examples, and what must hold of them whatever the money did."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.performance import (
    DayValue,
    Flow,
    NoReturn,
    annualised,
    bps,
    client_flows,
    day_returns,
    linked,
    money_weighted,
    since_first_flow,
)

START = date(2025, 1, 1)


def values(*rows: tuple[int, int]) -> list[DayValue]:
    """Of days one after the other: value at the end of each, and what came in on it."""
    return [DayValue(START + timedelta(days=at), total, flow) for at, (total, flow) in enumerate(rows)]


def yearly(*amounts: int) -> list[Flow]:
    return [Flow(START + timedelta(days=365 * at), amount) for at, amount in enumerate(amounts)]


@pytest.mark.parametrize(
    ("flows", "rate", "source"),
    [
        (
            [
                Flow(date(2008, 1, 1), -10000_00),
                Flow(date(2008, 3, 1), 2750_00),
                Flow(date(2008, 10, 30), 4250_00),
                Flow(date(2009, 2, 15), 3250_00),
                Flow(date(2009, 4, 1), 2750_00),
            ],
            0.373362535,
            "Microsoft, XIRR function, its example",
        ),
        (yearly(-70000, 12000, 15000, 18000, 21000), -0.0212448, "Microsoft, IRR function, after four years"),
        (yearly(-70000, 12000, 15000, 18000, 21000, 26000), 0.0866309, "the same, after five years"),
        (yearly(-70000, 12000, 15000), -0.4435069, "the same, after two years"),
        (yearly(-200, -220, 480), 0.0939, "CFA Institute, money-weighted return of a share bought twice"),
    ],
)
def test_money_weighted_return_is_the_published_one(flows: list[Flow], rate: float, source: str) -> None:
    found = money_weighted(flows)

    assert found.yearly == pytest.approx(rate, abs=5e-5 if rate == 0.0939 else 1e-7), source
    assert found.is_proven and found.others == ()


def test_time_weighted_return_of_a_share_bought_twice_is_the_published_one() -> None:
    """CFA Institute, the same share: 15 % in the first year, 6.67 % in the second, 10.76 % a year."""
    rows = [DayValue(START, 200, 0), DayValue(date(2026, 1, 1), 450, 220), DayValue(date(2027, 1, 1), 480, 0)]
    first = DayValue(date(2026, 1, 1), 230, 0)  # A share of 225 and a dividend of 5, before the second was bought.

    whole = linked(day_returns([rows[0], first])) + 1
    whole *= linked(day_returns([DayValue(date(2026, 1, 1), 450, 0), rows[2]])) + 1

    assert annualised(whole - 1, START, date(2027, 1, 1)) == pytest.approx(Decimal("0.1076"), abs=Decimal("0.0001"))


def test_two_rates_that_both_balance_are_no_return() -> None:
    """The oil pump of Lorie and Savage (Journal of Business 28 (1955)): 25 % and 400 %."""
    found = money_weighted(yearly(-1600, 10000, -10000))

    assert (round(1 + found.rate, 9), [round(1 + each, 9) for each in found.others]) == (1.25**2, [25.0])
    assert not found.is_proven


def test_withdrawal_in_between_is_proven_unique_although_signs_change_more_than_once() -> None:
    found = money_weighted(yearly(-1000, 300, -200, 1100))

    assert found.is_proven and found.others == ()


@pytest.mark.parametrize(
    ("flows", "code"),
    [
        (yearly(-100, -200), "one_way"),
        (yearly(100), "one_way"),
        ([], "one_way"),
        ([Flow(START, -100), Flow(START, 100)], "one_way"),
        (yearly(1000, -3000, 2500), "no_root"),
    ],
)
def test_flows_without_a_rate_say_so(flows: list[Flow], code: str) -> None:
    with pytest.raises(NoReturn) as refused:
        money_weighted(flows)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(100, 0), (110, 0)], "0.1"),
        ([(100, 0), (220, 100)], "0.1"),  # Came in at the start of its day.
        ([(100, 0), (60, -50)], "0.1"),  # Left at its end.
        ([(100, 0), (0, -110)], "0.1"),
        ([(0, 0), (100, 100), (105, 0)], "0.05"),
        ([(100, 0), (0, -100), (0, 0), (50, 50), (55, 0)], "0.1"),
        ([(100, 0), (50, 0), (100, 0)], "0"),
    ],
)
def test_days_are_linked_with_payments_taken_out(rows: list[tuple[int, int]], expected: str) -> None:
    assert round(linked(day_returns(values(*rows))), 12) == Decimal(expected)


@pytest.mark.parametrize(
    ("rows", "code"),
    [([(100, 0)], "too_few_valuations"), ([(0, 0), (5, 0)], "value_from_nothing"), ([(1, 0), (-5, 0)], "value_below")],
)
def test_values_that_are_no_portfolios_are_refused(rows: list[tuple[int, int]], code: str) -> None:
    with pytest.raises(NoReturn) as refused:
        day_returns(values(*rows))

    assert refused.value.code.startswith(code)


def test_period_shorter_than_a_year_is_not_annualised() -> None:
    assert annualised(Decimal("0.05"), START, START + timedelta(days=364)) is None
    assert annualised(Decimal("0.05"), START, START + timedelta(days=365)) == Decimal("1.05") - 1


RETURNS = st.lists(st.integers(-900, 900), min_size=1, max_size=20)


@settings(max_examples=50)
@given(returns=RETURNS, flows=st.lists(st.integers(-5 * 10**9, 10**12), min_size=20, max_size=20))
def test_time_weighted_return_does_not_depend_on_what_was_paid_in(returns: list[int], flows: list[int]) -> None:
    """To a millionth: values are whole minor units."""
    alone, grown = [10**12], [10**12]
    moved = [0]
    for at, thousandths in enumerate(returns):
        alone.append(alone[-1] * (1000 + thousandths) // 1000)
        came = max(flows[at], -grown[-1] * (1000 + thousandths) // 2000)
        began = grown[-1] + max(came, 0)
        grown.append(began * (1000 + thousandths) // 1000 + min(came, 0))
        moved.append(came)
    without = linked(day_returns(values(*((total, 0) for total in alone))))

    told = linked(day_returns(values(*zip(grown, moved, strict=True))))

    assert abs(told - without) <= Decimal("1e-6") * (1 + abs(without))


@settings(max_examples=50)
@given(start=st.integers(10**3, 10**10), end=st.integers(10**3, 10**10), days=st.integers(1, 2000))
def test_money_weighted_is_time_weighted_where_nothing_was_paid(start: int, end: int, days: int) -> None:
    rows = [DayValue(START, start, 0), DayValue(START + timedelta(days=days), end, 0)]
    whole = linked(day_returns(rows))
    rate = money_weighted(client_flows(rows)).rate

    assert rate == pytest.approx(float(whole), rel=1e-6, abs=1e-9)


def test_portfolio_that_began_with_a_deposit_begins_empty_the_day_before() -> None:
    began = since_first_flow(values((101, 100), (102, 0)))

    assert (began[0].on, began[0].total_minor) == (START - timedelta(days=1), 0)
    assert linked(day_returns(began)) == Decimal("0.02")
    assert since_first_flow(values((101, 0), (102, 0)))[0].total_minor == 101


def test_basis_points_are_rounded_half_up() -> None:
    assert [bps(Decimal("0.00005")), bps(-0.00005), bps(0.123449)] == [1, -1, 1234]
