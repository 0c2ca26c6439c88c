"""From what is held to the problem that is solved: who may buy what with which cash, and that no proposal breaks it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import rebalance_proposal
from tools.bank_custody import FxRate
from tools.holdings import HoldingsUnusable, rates_to, total_minor
from tools.optimiser.orders import Orders
from tools.optimiser.problem import Relaxation
from tools.optimiser.proposal import propose
from tools.rebalance_changes import Changes
from tools.rebalance_problem import Setup, Wanted, instruments_of, relaxed, set_up
from tools.rules.investor import InvestorProfile
from tools.rules.model_portfolios import Part, Stood, Target, Targets, shipped
from tools.rules.risk_profile import KnowledgeByKind
from tools.rules.suitability_limits import LIMITS

ON = date(2026, 5, 4)
PROFILE = InvestorProfile("moderate", 10, 0, KnowledgeByKind(), (), "none")
TARGETS = Targets(
    (
        Target("equities", 5200, 500, 300, (Part("EQ", 4000), Part("EU", 1200))),
        Target("bonds", 3500, 500, 300, (Part("BD", 3500),)),
        Target("real_assets", 600, 600, 600, ()),
        Target("cash", 700, 500, 400, ()),
    ),
    (Stood("HUSA", "EQ", "the client excludes it"),),
)
KINDS = {
    "EQ": ("equities", "USD", 9),
    "EU": ("equities", "EUR", 9),
    "BD": ("bonds", "USD", 9),
    "ONE": ("equities", "USD", 0),
}


def lot(name: str, quantity: str, cost_minor: int, days: int = 400) -> dict[str, Any]:
    return {
        "lot_id": f"lot-{name}-{days}",
        "instrument_id": name,
        "quantity": quantity,
        "cost_minor": cost_minor,
        "acquired_on": (ON - timedelta(days=days)).isoformat(),
    }


def held(
    lots: list[dict[str, Any]], cash: dict[str, int], trades: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    account = {"custody_account_id": "A", "customer_id": "c", "currency": "USD", "tax_status": "taxable"}
    return {
        "as_of": f"{ON}T10:00:00+00:00",
        "currency": "USD",
        "accounts": [account | {"cash": cash, "lots": lots}],
        "instruments": {
            name: {
                "name": name,
                "asset_class": asset_class,
                "currency": currency,
                "whole_shares": name == "EU",
                "complex": False,
                "liquidity_days": 1,
                "ongoing_cost_bps": cost_bps,
                "fee_bps": 5,
                "tags": ["tobacco"] if name == "ONE" else [],
            }
            for name, (asset_class, currency, cost_bps) in KINDS.items()
        },
        "prices": {name: {"price": "50", "as_of": f"{ON}T10:00:00+00:00"} for name in KINDS},
        "rates": {"USD": "1", "EUR": "1.1"},
        "trades": trades or [],
    }


def traded(side: str, name: str, days: int) -> dict[str, Any]:
    on = (ON - timedelta(days=days)).isoformat()
    lots = [{"lot_id": f"lot-{name}-{days}", "quantity": "10"}]
    return {"side": side, "instrument_id": name, "on": on, "taxable": True, "lots": lots}


COVARIANCE = [[0.04 if at == beside else 0.005 for beside in range(len(KINDS))] for at in range(len(KINDS))]


def problem_of(found: dict[str, Any], **changed: Any) -> Setup:
    return set_up(found, Wanted(shipped(), LIMITS[0], changed.pop("profile", PROFILE), TARGETS, **changed), COVARIANCE)


def may_buy(setup: Setup) -> set[tuple[str, str]]:
    problem = setup.problem
    assert problem.no_buy is not None
    return {
        (account.account_id, name)
        for account, row in zip(problem.accounts, problem.no_buy, strict=True)
        for name, forbidden in zip(problem.instruments, row, strict=True)
        if not forbidden
    }


def test_each_currency_pays_for_its_own_instruments_and_nothing_outside_the_model_is_bought() -> None:
    both = problem_of(held([lot("BD", "100", 400_000)], {"USD": 100_000, "EUR": 50_000}))
    dollars = problem_of(held([lot("EU", "100", 400_000)], {"USD": 100_000}))

    assert may_buy(both) == {("A/USD", "EQ"), ("A/USD", "BD"), ("A/EUR", "EU")}
    assert may_buy(dollars) == {("A/USD", "EQ"), ("A/USD", "BD")}
    assert list(dollars.problem.lots.blocked or ()) == [True]


@pytest.mark.parametrize(("days", "may"), [(0, False), (30, False), (31, True)])
def test_what_was_sold_at_a_loss_within_thirty_days_is_not_bought(days: int, may: bool) -> None:
    setup = problem_of(held([lot("BD", "100", 400_000)], {"USD": 100_000}, [traded("sell", "EQ", days)]))

    assert (("A/USD", "EQ") in may_buy(setup)) is may


def test_loss_of_a_lot_counts_unless_more_was_bought_lately_and_its_own_purchase_is_none_of_that() -> None:
    lots = [lot("EQ", "10", 900_00), lot("EQ", "10", 900_00, days=12)]
    bought = [traded("buy", "EQ", 12)]

    assert problem_of(held(lots, {"USD": 1})).problem.lots.loss_credit == [1.0, 1.0]
    assert problem_of(held(lots, {"USD": 1}, bought)).problem.lots.loss_credit == [0.0, 1.0]


def test_exclusions_must_go_companies_are_capped_and_investing_sells_nothing() -> None:
    found = held([lot("ONE", "100", 400_000), lot("BD", "100", 400_000)], {"USD": 300_000})
    excluded = problem_of(found, profile=replace(PROFILE, exclusions=("tobacco",))).problem
    investing = problem_of(found, invested_minor=100_000).problem

    assert [name for name, must in zip(excluded.instruments, excluded.must_sell or (), strict=True) if must] == ["ONE"]
    assert [band.upper for band in excluded.bands if band.name == "issuer:ONE"] == [0.095]
    assert all(investing.lots.blocked or (False,)) and investing.bands == ()
    assert investing.accounts[0].buffer == pytest.approx(200_000 / 1_300_000)


def test_only_limits_that_were_named_are_loosened_and_prohibitions_never() -> None:
    setup = problem_of(held([lot("BD", "100", 400_000)], {"USD": 100_000}))

    looser = relaxed(
        setup, [Relaxation("turnover_cap", 0.6, 0.8, 0.2), Relaxation("band_lower:bonds", 0.32, 0.3, 0.02)]
    )

    assert looser.problem.turnover_cap == 0.8
    assert {band.name: band.lower for band in looser.problem.bands}["bonds"] == 0.3
    with pytest.raises(ValueError, match="no_buy:A/USD:EQ is not to be loosened"):
        relaxed(setup, [Relaxation("no_buy:A/USD:EQ", 0, 1, 1)])


def test_rates_are_taken_either_way_round_and_a_missing_one_is_named() -> None:
    told = [FxRate("EUR", "USD", Decimal("1.25"), datetime(2026, 5, 4, tzinfo=UTC))]

    assert rates_to("USD", {"EUR", "USD"}, told) == {"USD": Decimal(1), "EUR": Decimal("1.25")}
    assert rates_to("EUR", {"USD"}, told) == {"EUR": Decimal(1), "USD": Decimal("0.8")}
    with pytest.raises(HoldingsUnusable, match="no rate from GBP to USD"):
        rates_to("USD", {"GBP"}, told)


def test_what_an_adviser_keeps_is_not_sold_and_what_they_exclude_is_not_bought() -> None:
    found = held([lot("EQ", "100", 400_000), lot("BD", "100", 600_000), lot("ONE", "10", 40_000)], {"USD": 100_000})
    kept = problem_of(found, changes=Changes(keep=("ONE",), exclude=("BD",), turnover_bps=100, no_gains=True))
    free = problem_of(found)

    assert (kept.problem.lots.blocked, free.problem.lots.blocked) == ([True, False, True], [False, False, False])
    assert may_buy(free) - may_buy(kept) == {("A/USD", "BD")}
    assert kept.problem.turnover_cap is not None and free.problem.turnover_cap is not None
    cap_bps = shipped().turnover_cap_bps
    assert free.problem.turnover_cap - kept.problem.turnover_cap == pytest.approx((cap_bps - 100) / 10_000)


@settings(max_examples=40)
@given(
    quantities=st.tuples(*[st.integers(0, 900)] * 4),
    costs=st.tuples(*[st.integers(20, 90)] * 4),
    cash=st.tuples(st.integers(1_000, 900_000), st.integers(1_000, 300_000)),
    days=st.sampled_from([5, 200, 500]),
)
def test_no_proposal_overdraws_cash_sells_what_is_not_held_or_washes_a_loss(
    quantities: tuple[int, ...], costs: tuple[int, ...], cash: tuple[int, int], days: int
) -> None:
    lots = [
        lot(name, str(quantity), quantity * cost * 100, days)
        for name, quantity, cost in zip(KINDS, quantities, costs, strict=True)
        if quantity
    ]
    found = held(lots, {"USD": cash[0], "EUR": cash[1]})
    setup = problem_of(found)
    solved = propose(
        setup.problem,
        setup.prices_minor,
        setup.whole_shares,
        (setup.quantities, setup.cash_minor),
        setup.min_trade_minor,
    )
    if not isinstance(solved, Orders):
        assert solved.constraints and solved.relaxation
        return

    wanted = Wanted(shipped(), LIMITS[0], PROFILE, TARGETS)
    proposed = rebalance_proposal.proposal(found, wanted, solved, COVARIANCE)
    left = {"USD": cash[0], "EUR": cash[1]}
    for order in proposed["orders"]:
        sign = 1 if order["side"] == "sell" else -1
        left[order["currency"]] += sign * order["amount_minor"] - order["fee_minor"]
    at_a_loss = {one["instrument_id"] for one in lots if one["cost_minor"] > Decimal(one["quantity"]) * 5000}
    sides = {(order["side"], order["instrument_id"]) for order in proposed["orders"]}
    assert min(left.values()) >= 0, (left, proposed["orders"])
    assert all(Decimal(quantity) >= 0 for quantity in proposed["held_after"].values())
    assert (
        not {name for side, name in sides if side == "buy"}
        & {name for side, name in sides if side == "sell"}
        & at_a_loss
    )
    weights = sum(row["weight_bps"] for row in proposed["drift_after"])
    assert abs(weights - 10_000) <= len(proposed["drift_after"])
    assert total_minor(found) > 0 and instruments_of(found) == setup.problem.instruments
