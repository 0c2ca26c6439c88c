"""A checked problem as arrays: one vector of trades x, box bounds, coupling rows, and the objective over it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tools.optimiser.checks import checked_lots, checked_problem
from tools.optimiser.problem import Band, Figures, RebalanceProblem

Array = Any


@dataclass(frozen=True, slots=True)
class Form:
    """x: sells by lot [L], then buys by account and instrument [A·N].

    `weights` = held + place @ x, with `place` [N, L + A·N] of -1 and 1. Rows: `rows` @ x ≤ `limits`, named.
    `loss_lots` [L]: at a loss in a taxable account, whose sale and a buy would make a wash sale. `worth` [A]:
    of each account with its cash.
    """

    problem: RebalanceProblem
    held: Array
    targets: Array
    covariance: Array
    place: Array
    linear: Array
    tax: Array
    cost: Array
    lower: Array
    upper: Array
    rows: Array
    limits: Array
    names: tuple[str, ...]
    loss_lots: Array
    instrument: Array
    worth: Array
    constant: float = 0.0

    @property
    def lots(self) -> int:
        return len(self.problem.lots.lot_ids)

    def bounded(self, upper: Array) -> "Form":
        return replace(self, upper=upper)

    def active(self, x: Array) -> Array:
        return self.held - self.targets + self.place @ x

    def objective(self, x: Array) -> float:
        active = self.active(x)
        return float(self.problem.risk_aversion * active @ self.covariance @ active + self.linear @ x) + self.constant

    def slope(self, x: Array) -> Array:
        pull = 2 * self.problem.risk_aversion * (self.covariance @ self.active(x))
        return pull @ self.place + self.linear

    def gap(self, x: Array, multipliers: Array) -> float:
        """How far the objective at x can lie above the optimum, by the duality of any multipliers ≥ 0.

        The convex objective lies above its tangent; the least of tangent and weighted rows over the box is a bound.
        """
        slope = self.slope(x) + multipliers @ self.rows
        over_box = np.maximum(slope * (x - self.lower), slope * (x - self.upper)).sum()
        return float(over_box + multipliers @ (self.limits - self.rows @ x))

    def excess(self, x: Array) -> float:
        """By how much the most broken row is broken; ≤ 0 if none is."""
        return float((self.rows @ x - self.limits).max(initial=0.0))

    def figures(self, x: Array) -> Figures:
        active = self.active(x)
        return Figures(
            objective=self.objective(x),
            tracking_error=float(np.sqrt(max(active @ self.covariance @ active, 0.0))),
            tax=float(self.tax @ x),
            cost=float(self.cost @ x),
            turnover=float(x.sum()),
        )


def form(problem: RebalanceProblem) -> Form:
    """Raises InvalidInput naming the field of `problem` that is wrong."""
    facts, lots = checked_problem(problem), checked_lots(problem)
    size, accounts = len(problem.instruments), len(problem.accounts)
    buys = accounts * size
    instrument = np.concatenate([lots.instrument, np.tile(np.arange(size), accounts)])
    account = np.concatenate([lots.account, np.repeat(np.arange(accounts), size)])
    count, total = len(lots.value), len(lots.value) + buys
    side = np.concatenate([np.full(count, -1.0), np.ones(buys)])
    place = np.zeros((size, total))
    place[instrument, np.arange(total)] = side
    rate = facts.transaction_cost[instrument]
    taxable = np.array([each.taxable for each in problem.accounts])[lots.account]
    credit = np.where(lots.gain < 0, lots.loss_credit, 1.0)
    tax = np.concatenate([np.where(taxable, lots.gain * lots.tax_rate * credit, 0.0), np.zeros(buys)])
    cash = np.zeros((accounts, total))
    cash[account, np.arange(total)] = side + rate
    held = np.bincount(lots.instrument, lots.value, size)
    worth = np.bincount(lots.account, lots.value, accounts) + np.array([each.cash for each in problem.accounts])
    most = np.where(facts.no_buy | facts.must_sell, 0.0, np.maximum(worth, 0.0)[:, None])
    rows, limits, names = _rows(problem, cash, place, held)
    return Form(
        problem=problem,
        held=held,
        targets=facts.targets,
        covariance=facts.covariance,
        place=place,
        linear=tax + rate,
        tax=tax,
        cost=rate,
        lower=np.concatenate([np.where(facts.must_sell[lots.instrument], lots.value, 0.0), np.zeros(buys)]),
        upper=np.concatenate([np.where(lots.blocked, 0.0, lots.value), most.ravel()]),
        rows=rows,
        limits=limits,
        names=names,
        loss_lots=taxable & (lots.gain < 0),
        instrument=instrument,
        worth=worth,
    )


def _rows(problem: RebalanceProblem, cash: Array, place: Array, held: Array) -> tuple[Array, Array, tuple[str, ...]]:
    rows, limits = [*cash], [each.cash - each.buffer for each in problem.accounts]
    names = [f"cash_buffer:{each.account_id}" for each in problem.accounts]
    for band in problem.bands:
        together, now = place[list(band.instruments)].sum(axis=0), held[list(band.instruments)].sum()
        for name, sign, limit in _sides(band):
            rows.append(sign * together)
            limits.append(sign * (limit - now))
            names.append(f"{name}:{band.name}")
    if problem.turnover_cap is not None:
        rows.append(np.ones(place.shape[1]))
        limits.append(problem.turnover_cap)
        names.append("turnover_cap")
    return np.array(rows), np.array(limits), tuple(names)


def _sides(band: Band) -> list[tuple[str, int, float]]:
    sides = [("band_lower", -1, band.lower)] if band.lower > 0 else []
    return [*sides, ("band_upper", 1, band.upper)] if band.upper < 1 else sides
