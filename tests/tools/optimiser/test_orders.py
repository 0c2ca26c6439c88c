"""Optimal trades as orders: what is traded, what is left in cash, and what rounding costs."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import InvalidInput
from tests.tools.optimiser.vectors import generated
from tools.optimiser.orders import Orders, to_orders
from tools.optimiser.problem import Account, Band, RebalanceProblem
from tools.optimiser.rounding import Listing, Market
from tools.optimiser.solve import solve

FEW = settings(max_examples=15, deadline=None)
POOL = list(generated(6, avoid_wash_sales=True))
MILLIONTH = Decimal("0.000001")


def traded(
    problem: RebalanceProblem, worth_minor: int, whole: bool, min_trade_minor: int = 0
) -> tuple[RebalanceProblem, Market]:
    """Prices from 12.34 up, lots of so much worth in millionths of shares, and the problem as that makes it."""
    lots = problem.lots
    prices = [Decimal(1234) + 1567 * place for place in range(len(problem.instruments))]
    of_lots = [prices[instrument] for instrument in lots.instrument]
    quantities = tuple(
        max((Decimal(float(value) * worth_minor) / price).quantize(MILLIONTH), MILLIONTH)
        for value, price in zip(lots.value, of_lots, strict=True)
    )
    cash = tuple(int(account.cash * worth_minor) for account in problem.accounts)
    values = [float(quantity * price) for quantity, price in zip(quantities, of_lots, strict=True)]
    total = sum(values) + sum(cash)
    accounts = zip(problem.accounts, cash, strict=True)
    problem = replace(
        problem,
        lots=replace(lots, value=np.array(values) / total),
        accounts=tuple(replace(account, cash=each / total) for account, each in accounts),
    )
    return problem, Market(tuple(Listing(price, whole) for price in prices), quantities, cash, min_trade_minor)


def household(problem: RebalanceProblem) -> RebalanceProblem:
    cash = problem.accounts[0].cash
    return replace(
        problem,
        accounts=(Account("own", cash / 2, 0.002), Account("ira", cash / 2, 0.001, taxable=False)),
        lots=replace(problem.lots, account=np.arange(len(problem.lots.lot_ids)) % 2),
    )


def washed(found: Orders, problem: RebalanceProblem) -> list[str]:
    """Lots at a loss in a taxable account sold while their instrument is bought in any."""
    bought = {order.instrument_id for order in found.orders if order.side == "buy"}
    sold = {lot for order in found.orders for lot, _ in order.lots if order.instrument_id in bought}
    lots = problem.lots
    return [
        lot
        for lot, account, gain in zip(lots.lot_ids, lots.account, lots.gain, strict=True)
        if lot in sold and gain < 0 and problem.accounts[account].taxable
    ]


@FEW
@given(
    st.integers(0, len(POOL) - 1),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(20_000_00, 0), (900_000_00, 0), (900_000_00, 100_00)]),
)
def test_orders_are_covered_by_lots_and_cash(place: int, several: bool, whole: bool, sizes: tuple[int, int]) -> None:
    problem, market = traded(household(POOL[place]) if several else POOL[place], sizes[0], whole, sizes[1])

    found = to_orders(problem, solve(problem), market)

    sides = [order.side for order in found.orders]
    assert sides == sorted(sides, reverse=True)
    for account, cash, given_cash in zip(problem.accounts, found.cash_minor, market.cash_minor, strict=True):
        own = [order for order in found.orders if order.account_id == account.account_id]
        signs = {"sell": 1, "buy": -1}
        assert cash == given_cash + sum(signs[order.side] * order.amount_minor - order.cost_minor for order in own)
        assert cash >= account.buffer * sizes[0] * (1 - 1e-4)
    held = dict(zip(problem.lots.lot_ids, market.quantities, strict=True))
    for order in found.orders:
        assert order.quantity > 0
        assert order.amount_minor >= sizes[1]
        assert not whole or order.quantity == int(order.quantity)
        assert order.side == "buy" or sum(quantity for _, quantity in order.lots) == order.quantity
        assert all(0 < quantity <= held[lot] for lot, quantity in order.lots)
    assert washed(found, problem) == []
    assert found.exceeded == ()


def test_fractional_orders_lose_next_to_nothing_and_whole_ones_little() -> None:
    problem, fractional = traded(POOL[0], 900_000_00, whole=False)
    _, whole = traded(POOL[0], 900_000_00, whole=True)
    solution = solve(problem)

    exact, rounded = to_orders(problem, solution, fractional), to_orders(problem, solution, whole)

    assert abs(exact.rounding_loss) < 1e-6
    assert abs(rounded.rounding_loss) < 1e-4
    assert rounded.after.objective < min(rounded.before.objective, rounded.full_hifo.objective)


def test_a_tiny_account_reports_what_its_whole_shares_lose() -> None:
    problem, market = traded(POOL[0], 2_000_00, whole=True)

    found = to_orders(problem, solve(problem), market)

    assert found.rounding_loss > 1e-4
    assert found.rounding_loss == pytest.approx(found.after.objective - found.optimum.objective)


def test_what_must_be_sold_is_sold_below_the_minimum_too() -> None:
    problem, market = traded(replace(POOL[3], must_sell=np.arange(20) == 2), 900_000_00, False, 10**9)

    found = to_orders(problem, solve(problem), market)

    assert [(order.side, order.instrument_id) for order in found.orders] == [("sell", "I02")]
    assert found.exceeded == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quantities": ()}, "market.quantities"),
        ({"cash_minor": (1,)}, "market.quantities[0]"),
        ({"listings": (Listing(Decimal(0), True),) * 20}, "market.listings[0].price_minor"),
    ],
)
def test_a_market_that_does_not_fit_is_named(change: dict[str, Any], field: str) -> None:
    problem, market = traded(POOL[0], 900_000_00, whole=True)

    with pytest.raises(InvalidInput) as refused:
        to_orders(problem, solve(problem), replace(market, **change))

    assert refused.value.field == field


def test_thousands_of_cheap_shares_do_not_take_thousands_of_rounds() -> None:
    problem, market = traded(POOL[0], 900_000_00, whole=True)
    cheap = (Listing(Decimal("1.7"), True), *market.listings[1:-1], Listing(Decimal(30_000_00), True))
    quantities = tuple(
        (each * market.listings[instrument].price_minor / cheap[instrument].price_minor).quantize(Decimal("1e-12"))
        for each, instrument in zip(market.quantities, problem.lots.instrument, strict=True)
    )

    found = to_orders(problem, solve(problem), replace(market, listings=cheap, quantities=quantities))

    assert found.exceeded == ()
    assert found.after.objective < found.before.objective


def test_what_a_limit_leaves_to_buy_is_not_bought_by_millionths_of_a_share() -> None:
    """Cash is to spare, but the band is nearly full, and what fell below the minimum is tried again from there."""
    banded = replace(POOL[4], bands=(Band("all", tuple(range(20)), 0.0, 0.9),))
    problem, market = traded(banded, 20_000_00, False, 50_00)

    found = to_orders(problem, solve(problem), market)

    assert found.exceeded == ()
    assert abs(found.rounding_loss) < 1e-4
