"""Trades that minimise tracking error, tax and cost, proven optimal; no wash sale made where none may be."""

import heapq
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tools.optimiser.form import Form, form
from tools.optimiser.problem import Infeasible, RebalanceProblem, Solution, Unsolved
from tools.optimiser.solver import least

Array = Any
TRADED = 1e-7
"""A trade below this is the solver's rounding: a cent in a hundred thousand."""
NEGLIGIBLE = 1e-8
MOST_SOLVES = 200
"""After so many the best found is taken, and `gap` says how far from the optimum it can be."""
HOPELESS = 2000


def solve(problem: RebalanceProblem) -> Solution:
    """Raises InvalidInput, Infeasible or Unsolved."""
    return solution(form(problem))


def solution(of: Form) -> Solution:
    x = np.array(of.lower)
    if not x.any() and of.excess(x) <= 0 and (gap := of.gap(x, np.zeros(len(of.limits)))) <= NEGLIGIBLE:
        return _as_solution(of, x, gap, 0)
    if not of.problem.avoid_wash_sales:
        return _as_solution(of, *least(of), 1)
    return _as_solution(of, *_without_wash_sales(of))


def wash_sales(of: Form, x: Array) -> Array:
    """By instrument: how much of it is both sold at a deductible loss and bought, in any account."""
    size, loss = len(of.held), np.flatnonzero(of.loss_lots)
    sold = np.bincount(of.instrument[loss], x[loss], size)
    bought = np.bincount(of.instrument[of.lots :], x[of.lots :], size)
    return np.minimum(sold, bought)


def _without_wash_sales(of: Form) -> tuple[Array, float, int]:
    """Branch and bound: of an instrument that is both sold at a loss and bought, one or the other is forbidden.

    From the lowest bound the better branch is followed down to trades without a wash sale, until no bound is lower.
    """
    nodes, best, solves = [_node(of, of.upper)], None, 1
    while nodes:
        node = heapq.heappop(nodes)
        if best and (node.bound >= best.bound - NEGLIGIBLE or solves >= MOST_SOLVES):
            return *_proven(of, best.x, min(node.bound, best.bound)), solves
        if solves >= HOPELESS:
            raise Unsolved(f"no trades without a wash sale found in {solves} solves")
        while node.washed and (best is None or node.bound < best.bound):
            below, solves = sorted(_below(of, node)), solves + 2
            if not below:
                break
            node = below[0]
            for other in below[1:]:
                heapq.heappush(nodes, other)
        if not node.washed and (best is None or node.bound < best.bound):
            best = node
    if best is None:
        raise Infeasible("no trades satisfy all constraints without a wash sale")
    return *_proven(of, best.x, best.bound), solves


@dataclass(frozen=True, slots=True, order=True)
class _Node:
    bound: float
    x: Array = field(compare=False)
    upper: Array = field(compare=False)
    washed: bool = field(compare=False)


def _node(of: Form, upper: Array) -> _Node:
    x, gap = least(of.bounded(upper))
    return _Node(of.objective(x) - gap, x, upper, bool((wash_sales(of, x) > TRADED).any()))


def _below(of: Form, node: _Node) -> list[_Node]:
    """With nothing bought of the instrument most washed, and with nothing of it sold at a loss."""
    worst = of.instrument == wash_sales(of, node.x).argmax()
    bought = np.arange(len(worst)) >= of.lots
    sold = np.concatenate([of.loss_lots, np.zeros(len(worst) - of.lots, bool)])
    found = []
    for forbidden in (worst & bought, worst & sold):
        with suppress(Infeasible):
            found.append(_node(of, np.where(forbidden, 0.0, node.upper)))
    return found


def _proven(of: Form, x: Array, bound: float) -> tuple[Array, float]:
    """Without what the solver's rounding leaves of a buy beside a sale at a loss, or the other way round."""
    remnants = (wash_sales(of, x) > 0)[of.instrument] & (x <= TRADED)
    x = np.where(remnants, of.lower, x)
    return x, max(of.objective(x) - bound, 0.0)


def _as_solution(of: Form, x: Array, gap: float, solves: int) -> Solution:
    accounts = len(of.problem.accounts)
    return Solution(
        sells=x[: of.lots],
        buys=x[of.lots :].reshape(accounts, -1),
        cash=cash_after(of, x),
        weights=of.held + of.place @ x,
        figures=of.figures(x),
        gap=gap,
        solves=solves,
    )


def cash_after(of: Form, x: Array) -> Array:
    accounts = len(of.problem.accounts)
    return np.array([each.cash for each in of.problem.accounts]) - of.rows[:accounts] @ x
