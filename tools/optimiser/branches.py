"""The best trades without a wash sale: branch and bound over what is bought or sold at a loss, but not both."""

import heapq
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tools.optimiser.active_set import ActiveSet
from tools.optimiser.form import Form
from tools.optimiser.problem import Infeasible, Unsolved
from tools.optimiser.tightened import tightened

Array = Any
TRADED = 1e-7
"""A trade below this is the solver's rounding: a cent in a hundred thousand."""
NEGLIGIBLE = 1e-7
"""What cannot be better by more than this is not looked for: a thousandth of a basis point of the value."""
MOST_WORK = 60_000_000
"""Solves times the square of trades, about two seconds: 1000 solves of 250 trades. After so many the best found is
taken, and `gap` says how far from the optimum it can be. Not a clock: the same problem ends with the same trades."""
HOPELESS = 2000


def wash_sales(of: Form, x: Array) -> Array:
    """By instrument: how much of it is both sold at a deductible loss and bought, in any account."""
    size, loss = len(of.problem.instruments), np.flatnonzero(of.loss_lots)
    sold = np.bincount(of.instrument[loss], x[loss], size)
    bought = np.bincount(of.instrument[of.lots :], x[of.lots :], size)
    return np.minimum(sold, bought)


def without_wash_sales(of: Form) -> tuple[Array, float, int]:
    """Trades, their proven gap to the optimum, and how many problems were solved. Raises Infeasible, Unsolved.

    From the lowest bound the better branch is followed down to trades without a wash sale, until no bound is lower
    by more than what is negligible.
    """
    branches = _Branches(of)
    branches.root()
    while (node := branches.lowest()) is not None:
        branches.dive(node)
    if branches.best is None:
        raise Infeasible("no trades satisfy all constraints without a wash sale")
    return branches.best, max(branches.worth - branches.floor, 0.0), branches.solves


@dataclass(frozen=True, slots=True, order=True)
class _Node:
    """`washed` [N]. Nodes of one bound are taken in the order of their making."""

    bound: float
    made: int
    x: Array = field(compare=False)
    upper: Array = field(compare=False)
    washed: Array = field(compare=False)


class _Branches:
    """`best`: trades, worth `worth`. `floor`: below no optimum lies, of what was looked at or left."""

    def __init__(self, of: Form) -> None:
        self._of, self._tightened = of, tightened(of)
        self._solver = ActiveSet(self._tightened)
        self._open: list[_Node] = []
        self.best: Array | None = None
        self.worth = self.floor = np.inf
        self.solves = 0

    def root(self) -> None:
        heapq.heappush(self._open, self._node(self._of.upper))

    def lowest(self) -> _Node | None:
        if not self._open:
            return None
        node = heapq.heappop(self._open)
        if self.best is not None and (self._hopeless(node) or self.solves * len(node.upper) ** 2 >= MOST_WORK):
            self.floor = min(self.floor, node.bound)
            return None
        if self.solves >= HOPELESS:
            raise Unsolved(f"no trades without a wash sale found in {self.solves} solves")
        return node

    def dive(self, node: _Node) -> None:
        while node.washed.max() > TRADED:
            if self._hopeless(node):
                heapq.heappush(self._open, node)
                return
            below = sorted(self._below(node))
            if not below:
                return
            node = below[0]
            for other in below[1:]:
                heapq.heappush(self._open, other)
        self.floor = min(self.floor, node.bound)
        x = self._tidied(node.x)
        if (worth := self._of.objective(x)) < self.worth:
            self.best, self.worth = x, worth

    def _hopeless(self, node: _Node) -> bool:
        return node.bound >= self.worth - NEGLIGIBLE

    def _below(self, node: _Node) -> list[_Node]:
        """With nothing bought of the instrument most washed, and with nothing of it sold at a loss."""
        of = self._of
        worst = np.flatnonzero(of.instrument == node.washed.argmax())
        bought, losses = worst[worst >= of.lots], worst[worst < of.lots]
        found = []
        for forbidden in (bought, losses[of.loss_lots[losses]]):
            upper = node.upper.copy()
            upper[forbidden] = 0.0
            with suppress(Infeasible):
                found.append(self._node(upper))
        return found

    def _node(self, upper: Array) -> _Node:
        self.solves += 1
        x, gap = self._solver.least(upper)
        return _Node(self._tightened.objective(x) - gap, self.solves, x, upper, wash_sales(self._of, x))

    def _tidied(self, x: Array) -> Array:
        """Without what the solver's rounding leaves of a buy beside a sale at a loss, or the other way round."""
        remnants = (wash_sales(self._of, x) > 0)[self._of.instrument] & (x <= TRADED)
        return np.where(remnants, self._of.lower, x)
