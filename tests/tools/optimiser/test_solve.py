"""The optimum over tax lots: published optima, properties, and what is wrong with an input."""

from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import InvalidInput
from tests.tools.optimiser.vectors import LONG_RATE, SHORT_RATE, VECTORS, generated, problem_of, stated
from tools.optimiser.active_set import ActiveSet
from tools.optimiser.baselines import banded, full
from tools.optimiser.branches import wash_sales
from tools.optimiser.checks import MOST_AVERSE
from tools.optimiser.form import form
from tools.optimiser.pool import solve_many, solver_pool
from tools.optimiser.problem import Account, Band, Infeasible, Lots, RebalanceProblem, Solution
from tools.optimiser.solve import solve
from tools.optimiser.solver import least
from tools.optimiser.tightened import tightened

EXACT = 1e-6
FEW = settings(max_examples=12, deadline=None)
POOL = list(generated(40, avoid_wash_sales=True))
portfolios = st.integers(0, len(POOL) - 1)


def household(problem: RebalanceProblem) -> RebalanceProblem:
    """The same lots in a taxable, a deferred and an exempt account, each with a third of the cash."""
    cash = problem.accounts[0].cash / 3
    accounts = (Account("own", cash), Account("ira", cash, 0.001, False), Account("roth", cash, 0.0, False))
    return replace(
        problem,
        accounts=accounts,
        lots=replace(problem.lots, account=np.arange(len(problem.lots.lot_ids)) % 3),
        avoid_wash_sales=True,
    )


@pytest.mark.skipif(not VECTORS.is_file(), reason="no vectors beside the repository")
def test_every_published_optimum_is_reached_and_proven() -> None:
    vectors = stated()

    for case in vectors["cases"]:
        found = solve(problem_of(case, vectors))

        assert found.figures.objective <= case["reference_objective"] + EXACT, case["id"]
        assert found.gap <= EXACT, case["id"]


@FEW
@given(portfolios, st.booleans())
def test_trades_keep_to_what_there_is_and_make_no_wash_sale(place: int, several: bool) -> None:
    problem = household(POOL[place]) if several else POOL[place]
    of = form(problem)

    found = solve(problem)

    assert (found.sells >= 0).all() and (found.buys >= 0).all()
    assert (found.sells <= np.asarray(problem.lots.value)).all()
    assert (found.weights >= -EXACT).all()
    assert (found.cash >= [account.buffer - EXACT for account in problem.accounts]).all()
    assert found.weights.sum() + found.cash.sum() == pytest.approx(1 - found.figures.cost)
    assert wash_sales(of, np.concatenate([found.sells, found.buys.ravel()])).max() == 0
    assert found.gap <= EXACT


@FEW
@given(portfolios)
def test_trading_is_never_worse_than_doing_nothing(place: int) -> None:
    problem = POOL[place]
    of = form(problem)
    nothing = np.zeros(len(of.linear))

    found = solve(problem)

    if of.excess(nothing) <= 0:
        assert found.figures.objective <= of.objective(nothing) + EXACT


@FEW
@given(portfolios, st.randoms(use_true_random=False))
def test_neither_units_nor_the_order_of_lots_change_the_optimum(place: int, chance: Any) -> None:
    problem, lots = POOL[place], POOL[place].lots
    order = chance.sample(range(len(lots.lot_ids)), len(lots.lot_ids))
    named = {"lot_ids": tuple(lots.lot_ids[each] for each in order)}
    arrays = {name: getattr(lots, name)[order] for name in ("instrument", "account", "value", "gain", "tax_rate")}
    other_units = {"covariance": 1e4 * problem.covariance, "risk_aversion": problem.risk_aversion / 1e4}

    other = replace(problem, lots=replace(lots, **named, **arrays), **other_units)

    assert solve(other).figures.objective == pytest.approx(solve(problem).figures.objective, abs=EXACT)


@given(st.integers(0, 10**6), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_no_choice_of_what_to_buy_or_harvest_beats_the_branches(seed: int, accounts: int) -> None:
    """Of all of them, each a convex problem with a proven optimum, the best is what is found."""
    problem = _small(np.random.default_rng(seed), accounts)
    of = form(problem)
    solver, choices = ActiveSet(of), []
    for harvested in product((False, True), repeat=len(problem.instruments)):
        chosen = np.array(harvested)[of.instrument]
        forbidden = np.where(np.arange(len(chosen)) < of.lots, ~chosen, chosen)
        forbidden[: of.lots] &= of.loss_lots
        with suppress(Infeasible):
            choices.append(of.objective(solver.least(np.where(forbidden, 0.0, of.upper))[0]))

    if not choices:
        with pytest.raises(Infeasible):
            solve(problem)
        return
    found = solve(problem)

    assert found.figures.objective == pytest.approx(min(choices), abs=2e-7)
    assert found.gap <= 2e-7
    assert wash_sales(of, np.concatenate([found.sells, found.buys.ravel()])).max() == 0


def _small(chance: np.random.Generator, accounts: int) -> RebalanceProblem:
    """Four instruments, most lots at a loss, and sometimes a band, a cap, or one of which nothing may remain."""
    lots = int(chance.integers(1, 12))
    parts = chance.dirichlet(np.ones(lots + accounts))
    loading = chance.normal(0, 0.2, (4, 2))
    at = int(chance.integers(4))
    return RebalanceProblem(
        instruments=tuple("ABCD"),
        targets=0.9 * chance.dirichlet(np.ones(4)),
        covariance=loading @ loading.T + np.diag(chance.choice([0.0, 0.01, 0.05], 4)),
        risk_aversion=float(chance.choice([0.0, 1.0, 5.0, 80.0])),
        accounts=tuple(
            Account(f"account-{place}", float(parts[lots + place]), 0.01, taxable=place < 2)
            for place in range(accounts)
        ),
        lots=Lots(
            lot_ids=tuple(f"lot-{place}" for place in range(lots)),
            instrument=chance.integers(0, 4, lots),
            account=chance.integers(0, accounts, lots),
            value=parts[:lots],
            gain=chance.uniform(-0.5, 0.2, lots),
            tax_rate=chance.choice([LONG_RATE, SHORT_RATE], lots),
            loss_credit=chance.choice([0.0, 1.0], lots, p=[0.2, 0.8]),
        ),
        bands=(Band("pair", (at, (at + 1) % 4), 0.2, 0.7),) if chance.random() < 0.4 else (),
        turnover_cap=float(chance.uniform(0.1, 1.0)) if chance.random() < 0.4 else None,
        must_sell=np.arange(4) == at if chance.random() < 0.2 else None,
    )


def test_both_solvers_answer_alike() -> None:
    for problem in (POOL[0], household(POOL[1]), replace(POOL[2], risk_aversion=MOST_AVERSE)):
        of = tightened(form(problem))

        dense, sparse = ActiveSet(of).least(of.upper), least(of)

        assert of.objective(dense[0]) == pytest.approx(of.objective(sparse[0]), abs=EXACT)


def test_exempt_lots_are_sold_before_taxed_ones() -> None:
    problem = replace(household(POOL[0]), risk_aversion=500.0)
    gains = np.asarray(problem.lots.gain) > 0.05

    found = solve(problem)

    share = found.sells / problem.lots.value
    taxed = problem.lots.account == 0
    assert share[gains & ~taxed].sum() > 3 * share[gains & taxed].sum()


def test_exclusions_bands_and_turnover_hold() -> None:
    problem = replace(
        POOL[1],
        must_sell=np.arange(20) == 3,
        no_buy=np.arange(20) < 10,
        bands=(Band("first ten", tuple(range(10)), 0.2, 0.4), Band("I15", (15,), 0.05, 0.07)),
        turnover_cap=0.6,
        lots=replace(POOL[1].lots, blocked=POOL[1].lots.instrument == 5),
    )

    found = solve(problem)

    assert found.weights[3] == pytest.approx(0, abs=EXACT)
    assert found.buys[0, :10].max() == 0
    assert 0.2 - EXACT <= found.weights[:10].sum() <= 0.4 + EXACT
    assert 0.05 - EXACT <= found.weights[15] <= 0.07 + EXACT
    assert found.figures.turnover <= 0.6 + EXACT
    assert found.sells[problem.lots.instrument == 5].max() == 0


def test_a_portfolio_at_its_targets_is_proven_to_need_no_trade() -> None:
    problem = POOL[2]
    held = np.bincount(problem.lots.instrument, problem.lots.value)
    gains = replace(problem.lots, gain=np.clip(problem.lots.gain, 0, 1))

    found = solve(replace(problem, targets=held, lots=gains, accounts=(Account("one", problem.accounts[0].cash),)))

    assert found.solves == 0
    assert found.figures.turnover == 0


def _lots(**changes: Any) -> RebalanceProblem:
    return replace(POOL[0], lots=replace(POOL[0].lots, **changes))


def _with(values: Any, value: float) -> Any:
    return np.concatenate([[value], np.asarray(values)[1:]])


@pytest.mark.parametrize(
    ("problem", "field"),
    [
        (_lots(value=_with(POOL[0].lots.value, -0.1)), "lots.value[0]"),
        (_lots(value=_with(POOL[0].lots.value, float("nan"))), "lots.value[0]"),
        (_lots(value=_with(POOL[0].lots.value, 0.9)), "lots.value"),
        (_lots(gain=_with(POOL[0].lots.gain, 1.5)), "lots.gain[0]"),
        (_lots(tax_rate=[0.2]), "lots.tax_rate"),
        (_lots(instrument=_with(POOL[0].lots.instrument, 20).astype(int)), "lots.instrument[0]"),
        (_lots(lot_ids=("twice", *POOL[0].lots.lot_ids[:-2], "twice")), "lots.lot_ids"),
        (replace(POOL[0], targets=np.full(20, 0.06)), "targets"),
        (replace(POOL[0], targets=_with(POOL[0].targets, -0.01)), "targets[0]"),
        (replace(POOL[0], covariance=-POOL[0].covariance), "covariance"),
        (replace(POOL[0], covariance=POOL[0].covariance + np.triu(np.ones((20, 20)))), "covariance"),
        (replace(POOL[0], risk_aversion=float("inf")), "risk_aversion"),
        (replace(POOL[0], risk_aversion=1e5), "risk_aversion"),
        (replace(POOL[0], accounts=(Account("one", float("nan")),)), "accounts[0].cash"),
        (replace(POOL[0], bands=(Band("b", (1,), 0.3, 0.2),)), "bands[0].lower"),
        (replace(POOL[0], turnover_cap=-1.0), "turnover_cap"),
        (replace(POOL[0], no_buy=[True]), "no_buy"),
        (replace(POOL[0], transaction_cost=-0.1), "transaction_cost[0]"),
    ],
)
def test_a_wrong_input_is_named(problem: RebalanceProblem, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        solve(problem)

    assert refused.value.field == field


@pytest.mark.skipif(not VECTORS.is_file(), reason="no vectors beside the repository")
def test_baselines_cost_what_is_published_for_them() -> None:
    vectors = stated()

    for case in vectors["cases"]:
        of = form(problem_of(case, vectors))

        assert of.objective(full(of)) == pytest.approx(case["heuristic_full_objective"], abs=EXACT)
        assert of.objective(banded(of)) == pytest.approx(case["heuristic_band20_objective"], abs=EXACT)


def test_a_pool_answers_each_problem_by_itself() -> None:
    impossible = replace(POOL[0], accounts=(replace(POOL[0].accounts[0], buffer=2.0),))
    wrong = replace(POOL[0], risk_aversion=-1.0)

    with solver_pool(1) as pool:
        first, second, third = solve_many([POOL[0], impossible, wrong], pool)

    assert isinstance(first, Solution)
    assert first.figures.objective == pytest.approx(solve(POOL[0]).figures.objective, abs=EXACT)
    assert isinstance(second, Infeasible)
    assert isinstance(third, InvalidInput)
    assert third.field == "risk_aversion"


def test_a_limit_that_no_branch_can_reach_ends_that_branch_alone() -> None:
    """The solver ended without an answer where a branch had left a band nothing to reach it with."""
    problem = list(generated(5, avoid_wash_sales=True, seed=9))[4]
    banded_ones = [place for place in range(20) if place not in {0, 3, 4}]
    bands = tuple(
        Band(f"I{place}", (place,), max(problem.targets[place] - 0.02, 0.0), problem.targets[place] + 0.02)
        for place in banded_ones
    )

    found = solve(replace(problem, bands=bands))

    assert found.gap <= EXACT
