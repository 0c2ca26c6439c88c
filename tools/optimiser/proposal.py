"""One rebalance in one call, as a process of the pool makes it: solved and rounded to orders, or what conflicts."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from db.errors import InvalidInput
from tools.optimiser.conflicts import explain_infeasible
from tools.optimiser.orders import Orders, to_orders
from tools.optimiser.problem import Conflict, Infeasible, RebalanceProblem, Unsolved
from tools.optimiser.rounding import Listing, Market
from tools.optimiser.solve import solve

TRADING_DAYS = 252
OWN_PART = 0.1
"""Of each covariance so much is given up: a year of days knows variances better than what goes together."""

Quantities = tuple[Decimal, ...]


def propose(
    problem: RebalanceProblem,
    prices_minor: Quantities,
    whole_shares: tuple[bool, ...],
    held: tuple[Quantities, tuple[int, ...]],
    min_trade_minor: int,
) -> Orders | Conflict:
    """`held` are the lots' quantities and the accounts' cash. Raises Unsolved."""
    listings = tuple(Listing(price, whole) for price, whole in zip(prices_minor, whole_shares, strict=True))
    try:
        return to_orders(problem, solve(problem), Market(listings, *held, min_trade_minor))
    except InvalidInput as exc:
        # Its constructor takes two arguments, and a travelling exception would be given one.
        raise Unsolved(f"{exc.field}: {exc.reason}") from None
    except Infeasible as exc:
        conflict = explain_infeasible(problem)
        if conflict is None:
            raise Unsolved("infeasible, and nothing conflicts") from exc
        return conflict


def covariance(closes: Sequence[Sequence[float]]) -> list[list[float]]:
    """A year's, of logarithmic returns; closes of the same days for each instrument."""
    returns: Any = np.diff(np.log(np.array(closes, float)), axis=1)
    found: Any = np.atleast_2d(np.cov(returns)) * TRADING_DAYS
    shrunk = (1 - OWN_PART) * found + OWN_PART * np.diag(np.diag(found))
    plain: list[list[float]] = ((shrunk + shrunk.T) / 2).tolist()
    return plain
