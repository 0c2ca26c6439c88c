"""Logistic regression with a ridge penalty, and a sign for those weights that must not turn: Newton's steps."""

from typing import Any

import numpy as np

Array = Any
STEPS = 30
PIVOTS = 60
SMALL = 1e-6


def penalised_logistic(design: Array, bads: Array, penalty: float, signs: Array, start: Array | None = None) -> Array:
    """Intercept and weights. `signs`: 1 where a weight must be ≥ 0, -1 where ≤ 0, 0 where it is free."""
    share = bads.mean()
    flip = np.concatenate([[1.0], np.where(signs < 0, -1.0, 1.0)])
    bound = np.concatenate([[False], signs != 0])
    rows = np.column_stack([np.ones(len(bads)), design]) * flip
    ridge = np.concatenate([[SMALL], np.full(design.shape[1], penalty)])
    weights = np.zeros(rows.shape[1]) if start is None else start * flip
    if start is None:
        weights[0] = np.log(share / (1 - share))
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-rows @ weights))
        curvature = chance * (1 - chance)
        hessian = (rows * curvature[:, None]).T @ rows
        pull = hessian @ weights - rows.T @ (chance - bads)
        hessian[np.diag_indices_from(hessian)] += ridge
        found = _bounded(hessian, pull, bound)
        moved = np.abs(found - weights).max()
        weights = found
        if moved < SMALL * 10:
            break
    return weights * flip


def _bounded(hessian: Array, pull: Array, bound: Array) -> Array:
    """The minimum of ½ wᵀHw - pullᵀw with w ≥ 0 where bound: pivoting until signs agree (Portugal, Júdice & Vicente
    1994), all that disagree at first, at last one at a time so that it ends."""
    free: Array = np.ones(len(pull), dtype=bool)
    for pivot in range(PIVOTS):
        weights = np.zeros(len(pull))
        weights[free] = np.linalg.solve(hessian[np.ix_(free, free)], pull[free])
        wrong = bound & np.where(free, weights < 0, hessian @ weights - pull < -SMALL)
        if not wrong.any():
            break
        if pivot > PIVOTS // 2:
            wrong = np.arange(len(pull)) == np.flatnonzero(wrong)[-1]
        free = free ^ wrong
    return np.where(bound, np.maximum(weights, 0), weights)
