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
ORDINARY = 1000.0
"""Of risk aversion: the objective of one above it, which is about as many times larger, is as many times less exact."""
EXCESS = 1e-7
"""By how much a row may be broken: a tenth of a cent in ten thousand."""


def least(form: Form) -> tuple[Array, float]:
    """Trades and the proven gap to the optimum. Raises Infeasible, or Unsolved if gap or excess is too large."""
    x, multipliers = _answer(form)
    return x, proven_gap(form, x, multipliers)


def proven_gap(form: Form, x: Array, multipliers: Array) -> float:
    """Raises Unsolved if trades are further from the optimum, or beyond a limit, than they may be."""
    gap, excess = form.gap(x, multipliers), form.excess(x)
    # Not all that is compared with a NaN is false.
    if not (gap <= GAP * max(1.0, form.problem.risk_aversion / ORDINARY) and excess <= EXCESS):
        raise Unsolved(f"gap {gap:.1e}, limits exceeded by {excess:.1e}")
    return max(gap, 0.0)


def settings() -> Any:
    chosen = clarabel.DefaultSettings()
    chosen.verbose = False
    chosen.max_threads = 1  # as many processes as there are cores solve at once
    chosen.tol_gap_abs = chosen.tol_gap_rel = chosen.tol_feas = 1e-10
    return chosen


def _answer(form: Form) -> tuple[Array, Array]:
    """Trades, and the multipliers of the form's rows. Raises Infeasible, Unsolved."""
    if (form.upper < form.lower).any():
        raise Infeasible("what must be sold may not be sold")
    # An interior-point method may not end on a row that no trades within their bounds can satisfy.
    if (np.minimum(form.rows * form.lower, form.rows * form.upper).sum(axis=1) > form.limits + EXCESS).any():
        raise Infeasible("a limit is out of reach")
    x, free = np.array(form.lower), np.flatnonzero(form.upper > form.lower)
    if not len(free):
        return x, np.zeros(len(form.limits))
    size, rows = len(form.held), len(form.limits)
    matrix = _matrix(form, free)
    sold = free[free < form.lots]
    linear = np.concatenate([np.zeros(size), form.linear[free]])
    limits = [form.active(x), form.limits - form.rows @ x, -form.lower[free], form.upper[sold]]
    cones = [clarabel.ZeroConeT(size), clarabel.NonnegativeConeT(matrix.shape[0] - size)]
    solver = clarabel.DefaultSolver(
        _quadratic(form, len(free)), linear, matrix, np.concatenate(limits), cones, SETTINGS
    )
    answer = solver.solve()
    if answer.status == clarabel.SolverStatus.PrimalInfeasible:
        raise Infeasible("no trades satisfy all constraints")
    if answer.status != clarabel.SolverStatus.Solved:
        raise Unsolved(f"solver ended with {answer.status}")
    x[free] = np.clip(np.array(answer.x)[size:], form.lower[free], form.upper[free])
    return x, np.maximum(np.array(answer.z)[size : size + rows], 0.0)


def _matrix(form: Form, free: Array) -> Any:
    """Active weights are variables of their own, equal to what trades make them: then the quadratic is N by N instead
    of one entry for any two lots. Below that the form's rows, and the bounds; a buy's upper one is its account's cash.

    Put together by column, for scipy's own conversion would take as long as the solver.
    """
    size, rows, count = len(form.held), len(form.limits), len(free)
    bound: Array = size + rows + np.arange(count)
    sold = free < form.lots
    # A trade changes its instrument's active weight and, in a tightened form, how much of it is traded.
    changed = form.instrument[free][:, None] + np.arange(0, size, len(form.problem.instruments))
    places = np.column_stack([changed, np.broadcast_to(size + np.arange(rows), (count, rows)), bound, bound + count])
    values = np.column_stack(
        [-form.place[changed, free[:, None]], form.rows[:, free].T, np.full(count, -1.0), np.where(sold, 1.0, 0.0)]
    )
    there = values != 0
    starts = size + np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    data = np.concatenate([np.ones(size), values[there]])
    indices = np.concatenate([np.arange(size), places[there]])
    shape = (size + rows + count + int(sold.sum()), size + count)
    return csc_matrix((data, indices, np.concatenate([np.arange(size), starts])), shape=shape)


def _quadratic(form: Form, count: int) -> Any:
    """The upper triangle, as the solver takes it; nothing for the trades themselves."""
    size = len(form.held)
    columns, rows = np.nonzero(np.tril(form.covariance))
    starts = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=size + count))])
    values = 2 * form.problem.risk_aversion * form.covariance[rows, columns]
    return csc_matrix((values, rows, starts), shape=(size + count, size + count))


SETTINGS = settings()
