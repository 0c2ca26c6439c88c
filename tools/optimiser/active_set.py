"""One form solved under many bounds, by DAQP: each answer starts from the one before it, and is proven by ourselves.

https://github.com/darnstrom/daqp, a dual active-set solver for dense problems: of some hundred trades it takes a third
of an interior-point solver's time, and under bounds little different a tenth.
"""

from typing import Any

import daqp
import numpy as np

from tools.optimiser.form import Form
from tools.optimiser.problem import Infeasible, Unsolved
from tools.optimiser.solver import least, proven_gap

Array = Any
MOST_TRADES = 300
"""Beyond it the interior-point solver, whose matrices are sparse, is faster."""
SOLVED = 1
NO_LIMIT = 1e30
SETTINGS = {"primal_tol": 1e-9, "dual_tol": 1e-10, "eps_prox": 1e-4}
"""`eps_prox`: lots alike make the quadratic singular, which proximal steps, each from the last, do not mind."""


class ActiveSet:
    """What it does not answer with a proof, and what it finds infeasible, the interior-point solver is asked."""

    def __init__(self, of: Form) -> None:
        self._of = of
        self._dense = 0 < len(of.upper) <= MOST_TRADES and len(of.limits) > 0
        if self._dense:
            self._model = daqp.Model()
            self._model.settings = {**self._model.settings, **SETTINGS}
            curved = of.place.T @ (2 * of.problem.risk_aversion * of.covariance) @ of.place
            lower = np.concatenate([of.lower, np.full(len(of.limits), -NO_LIMIT)])
            upper = np.concatenate([np.maximum(of.upper, of.lower), of.limits])
            self._model.setup(curved, of.slope(np.zeros(len(of.upper))), np.ascontiguousarray(of.rows), upper, lower)

    def least(self, upper: Array) -> tuple[Array, float]:
        """Trades below `upper` and the proven gap to the optimum of all such. Raises Infeasible, Unsolved."""
        of = self._of.bounded(upper)
        if (upper < of.lower).any():
            raise Infeasible("what must be sold may not be sold")
        if not self._dense:
            return least(of)
        self._model.update(bupper=np.concatenate([upper, of.limits]))
        x, _, status, found = self._model.solve()
        if status != SOLVED:
            return least(of)
        x = np.clip(x, of.lower, upper)
        try:
            return x, proven_gap(of, x, np.maximum(found["lam"][len(x) :], 0.0))
        except Unsolved:
            return least(of)
