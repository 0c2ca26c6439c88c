"""One convex problem handed to Clarabel and its answer proven: https://clarabel.org, an interior-point solver."""

from typing import Any

import clarabel
import numpy as np
from scipy.sparse import csc_matrix

from tools.optimiser.form import Form
from tools.optimiser.problem import Infeasible, Unsolved

Array = Any
GAP = 1e-7
"""What an answer may be proven to lie above the optimum, at most."""
EXCESS = 1e-7
"""By how much a row may be broken: a tenth of a cent in ten thousand."""


def least(form: Form) -> tuple[Array, float]:
    """Trades and the proven gap to the optimum. Raises Infeasible, or Unsolved if gap or excess is too large."""
    x, multipliers = _answer(form)
    gap, excess = form.gap(x, multipliers), form.excess(x)
    if gap > GAP or excess > EXCESS:
        raise Unsolved(f"gap {gap:.1e}, limits exceeded by {excess:.1e}")
    return x, max(gap, 0.0)


def settings() -> Any:
    chosen = clarabel.DefaultSettings()
    chosen.verbose = False
    chosen.max_threads = 1  # as many processes as there are cores solve at once
    chosen.tol_gap_abs = chosen.tol_gap_rel = chosen.tol_feas = 1e-10
    return chosen


def solved(quadratic: Array, linear: Array, matrix: Array, limits: Array, equalities: int) -> Any:
    """½ xᵀ quadratic x + linearᵀ x, the first rows = limits, the others ≤. Raises Infeasible, Unsolved."""
    cones = [clarabel.ZeroConeT(equalities), clarabel.NonnegativeConeT(len(limits) - equalities)]
    answer = clarabel.DefaultSolver(sparse(np.triu(quadratic)), linear, sparse(matrix), limits, cones, SETTINGS).solve()
    if answer.status == clarabel.SolverStatus.PrimalInfeasible:
        raise Infeasible("no trades satisfy all constraints")
    if answer.status != clarabel.SolverStatus.Solved:
        raise Unsolved(f"solver ended with {answer.status}")
    return answer


def sparse(dense: Array) -> Any:
    """Several times faster than scipy's own conversion, which would take longer than the solver."""
    columns, rows = np.nonzero(dense.T)
    starts = np.searchsorted(columns, np.arange(dense.shape[1] + 1))
    return csc_matrix((dense[rows, columns], rows, starts), shape=dense.shape)


def _answer(form: Form) -> tuple[Array, Array]:
    """Active weights are variables of their own, so that the quadratic is N by N and not one entry for any two lots."""
    x = np.array(form.lower)
    free = np.flatnonzero(form.upper > form.lower)
    if (form.upper < form.lower).any():
        raise Infeasible("what must be sold may not be sold")
    if not len(free):
        if form.excess(x) > EXCESS:
            raise Infeasible("nothing may be traded")
        return x, np.zeros(len(form.limits))
    size, count, rows = len(form.held), len(free), len(form.limits)
    sells = int(np.searchsorted(free, form.lots))  # buys are bounded by their account's cash alone
    matrix = np.zeros((size + rows + count + sells, size + count))
    bounds = np.arange(count)
    matrix[:size, :size] = np.eye(size)
    matrix[:size, size:] = -form.place[:, free]
    matrix[size : size + rows, size:] = form.rows[:, free]
    matrix[size + rows + bounds, size + bounds] = -1
    matrix[size + rows + count + bounds[:sells], size + bounds[:sells]] = 1
    quadratic = np.zeros((size + count, size + count))
    quadratic[:size, :size] = 2 * form.problem.risk_aversion * form.covariance
    given = (form.active(x), form.limits - form.rows @ x, -form.lower[free], form.upper[free[:sells]])
    linear = np.concatenate([np.zeros(size), form.linear[free]])
    answer = solved(quadratic, linear, matrix, np.concatenate(given), size)
    x[free] = np.clip(np.array(answer.x)[size:], form.lower[free], form.upper[free])
    return x, np.maximum(np.array(answer.z)[size : size + rows], 0.0)


SETTINGS = settings()
