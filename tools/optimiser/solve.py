"""Trades that minimise tracking error, tax and cost, proven optimal; no wash sale made where none may be."""

from typing import Any

import numpy as np

from tools.optimiser.active_set import ActiveSet
from tools.optimiser.branches import without_wash_sales
from tools.optimiser.form import Form, form
from tools.optimiser.problem import RebalanceProblem, Solution

Array = Any
NEGLIGIBLE = 1e-8


def solve(problem: RebalanceProblem) -> Solution:
    """Raises InvalidInput, Infeasible or Unsolved."""
    return solution(form(problem))


def solution(of: Form) -> Solution:
    x = np.array(of.lower)
    if not x.any() and of.excess(x) <= 0 and (gap := of.gap(x, np.zeros(len(of.limits)))) <= NEGLIGIBLE:
        return _as_solution(of, x, gap, 0)
    if not of.problem.avoid_wash_sales:
        return _as_solution(of, *ActiveSet(of).least(of.upper), 1)
    return _as_solution(of, *without_wash_sales(of))


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
