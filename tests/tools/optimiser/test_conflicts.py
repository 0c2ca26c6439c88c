"""What conflicts where no trades are possible, and by how little it has to be loosened."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tools.optimiser.vectors import generated
from tools.optimiser.conflicts import explain_infeasible
from tools.optimiser.problem import Account, Band, Infeasible, RebalanceProblem
from tools.optimiser.solve import solve

(PROBLEM,) = generated(1)
CASH = PROBLEM.accounts[0].cash
HELD = np.bincount(PROBLEM.lots.instrument, PROBLEM.lots.value)
COST = 0.0005


def test_what_can_be_satisfied_has_no_conflict() -> None:
    assert explain_infeasible(PROBLEM) is None


def test_a_turnover_cap_below_what_a_buffer_needs_conflicts_with_it_by_exactly_that() -> None:
    problem = replace(PROBLEM, accounts=(Account("one", CASH, CASH + 0.1),), turnover_cap=0.05)

    with pytest.raises(Infeasible):
        solve(problem)
    found = explain_infeasible(problem)

    assert found is not None
    assert sorted(found.constraints) == ["cash_buffer:one", "turnover_cap"]
    (relaxation,) = found.relaxation
    assert relaxation.constraint == "cash_buffer:one"
    assert relaxation.by == pytest.approx(0.1 - 0.05 * (1 - COST), abs=2e-6)
    assert relaxation.limit_needed == pytest.approx(CASH + 0.05 * (1 - COST), abs=2e-6)
    solve(replace(problem, accounts=(Account("one", CASH, relaxation.limit_needed),)))


def test_bands_that_exceed_the_whole_conflict_with_the_buffer() -> None:
    bands = (Band("low half", tuple(range(10)), 0.6, 1.0), Band("high half", tuple(range(10, 20)), 0.5, 1.0))

    found = explain_infeasible(replace(PROBLEM, bands=bands))

    assert found is not None
    assert set(found.constraints) == {"band_lower:low half", "band_lower:high half", "cash_buffer:one"}
    assert sum(each.by for each in found.relaxation) == pytest.approx(0.1 + 0.015, abs=2e-3)


def test_a_blocked_lot_that_must_be_sold_is_named() -> None:
    first = PROBLEM.lots.instrument == 0
    blocked = first & (np.cumsum(first) == 1)
    lot = PROBLEM.lots.lot_ids[int(blocked.argmax())]

    found = explain_infeasible(
        replace(PROBLEM, lots=replace(PROBLEM.lots, blocked=blocked), must_sell=np.arange(20) == 0)
    )

    assert found is not None
    assert set(found.constraints) == {f"blocked:{lot}", "must_sell:I00"}
    assert sum(each.by for each in found.relaxation) == pytest.approx(float(PROBLEM.lots.value[blocked][0]), abs=3e-6)


def test_a_limit_is_loosened_before_a_prohibition() -> None:
    problem = replace(PROBLEM, bands=(Band("I04", (4,), HELD[4] + 0.05, 1.0),), no_buy=np.arange(20) == 4)

    found = explain_infeasible(problem)

    assert found is not None
    assert set(found.constraints) == {"band_lower:I04", "no_buy:one:I04"}
    assert [(each.constraint, round(each.by, 4)) for each in found.relaxation] == [("band_lower:I04", 0.05)]


def test_what_only_a_wash_sale_would_satisfy_says_so() -> None:
    """The one lot there is stands at a loss in an account short of cash; the other account must hold as much."""
    lots = replace(
        PROBLEM.lots,
        lot_ids=("loss",),
        instrument=[0],
        account=[0],
        value=[0.5],
        gain=[-0.2],
        tax_rate=[0.238],
    )
    problem = RebalanceProblem(
        instruments=("I",),
        targets=[0.5],
        covariance=[[0.04]],
        risk_aversion=5.0,
        accounts=(Account("own", 0.0, 0.2), Account("ira", 0.5, 0.0, False)),
        lots=lots,
        bands=(Band("I", (0,), 0.45, 1.0),),
    )

    found = explain_infeasible(problem)

    assert found is not None
    assert set(found.constraints) == {"band_lower:I", "cash_buffer:own", "wash_sale:ira:I"}
    assert sum(each.by for each in found.relaxation) == pytest.approx(0.15, abs=2e-3)
