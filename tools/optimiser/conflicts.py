"""Why no trades satisfy a problem: constraints that cannot hold together, and the least by which to loosen some."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tools.optimiser.branches import wash_sales
from tools.optimiser.form import Form, form
from tools.optimiser.problem import Conflict, Infeasible, RebalanceProblem, Relaxation
from tools.optimiser.solve import solution
from tools.optimiser.solver import least

Array = Any
STEP = 1e-6
"""Relaxations are rounded up to it, one in a million of the household's value."""
USED = 1e-7
MOST_LOOSENED = 2.0
HARD_PRICE = 100.0
"""What a prohibition's loosening weighs against a limit's: what may not be bought or sold stays so if anything else
helps."""


@dataclass(frozen=True, slots=True)
class _Constraint:
    """`row` @ x ≤ `limit`; loosened by raising it. `shown` is the limit as the problem states it, `sign` its sense."""

    name: str
    row: Array
    limit: float
    shown: float
    sign: int
    price: float


def explain_infeasible(problem: RebalanceProblem) -> Conflict | None:
    """None if trades do satisfy it. The relaxation is proven enough by solving the loosened problem.

    It is the least sum over all constraints, prohibitions weighing more. Where constraints conflict only because a
    wash sale is to be avoided, what would be washed counts as not to be bought: then it is enough, but may not be
    the least.
    """
    of = form(problem)
    try:
        solution(of)
    except Infeasible:
        washed = _washed(of)
        constraints = list(_constraints(of, washed))
        return Conflict(_irreducible(of, constraints), _relaxation(of, constraints))
    return None


def _washed(of: Form) -> Array:
    """By instrument: both bought and sold at a loss where wash sales are not avoided, again and again."""
    found: Array = np.zeros(len(of.held), bool)
    bought = np.arange(len(of.upper)) >= of.lots
    while True:
        try:
            x, _ = least(of.bounded(np.where(bought & found[of.instrument], 0.0, of.upper)))
        except Infeasible:
            return found
        found |= wash_sales(of, x) > USED


def _constraints(of: Form, washed: Array) -> Iterator[_Constraint]:
    """Every one but those that nobody could loosen: no lot is sold beyond its size, nothing is sold short."""
    unit, lots, size = np.eye(len(of.upper)), of.problem.lots, len(of.held)
    for name, row, limit in zip(of.names, of.rows, of.limits, strict=True):
        yield _Constraint(name, row, limit, *_as_stated(of.problem, name), 1.0)
    for place in np.flatnonzero(of.upper[: of.lots] <= 0).tolist():
        if lots.value[place] > 0:
            yield _Constraint(f"blocked:{lots.lot_ids[place]}", unit[place], 0.0, 0.0, 1, HARD_PRICE)
    must_sell = np.zeros(size, bool) if of.problem.must_sell is None else np.asarray(of.problem.must_sell)
    for sold in np.flatnonzero(must_sell & (of.held > 0)).tolist():
        row = np.minimum(of.place[sold], 0.0)
        yield _Constraint(f"must_sell:{of.problem.instruments[sold]}", row, -of.held[sold], 0.0, 1, HARD_PRICE)
    for place in range(of.lots, len(of.upper)):
        account, instrument = divmod(place - of.lots, size)
        name = f"{of.problem.accounts[account].account_id}:{of.problem.instruments[instrument]}"
        if washed[instrument]:
            yield _Constraint(f"wash_sale:{name}", unit[place], 0.0, 0.0, 1, HARD_PRICE)
        elif of.upper[place] <= 0:
            yield _Constraint(f"no_buy:{name}", unit[place], 0.0, 0.0, 1, HARD_PRICE)


def _as_stated(problem: RebalanceProblem, name: str) -> tuple[float, int]:
    kind, _, of = name.partition(":")
    if kind == "cash_buffer":
        return next(each.buffer for each in problem.accounts if each.account_id == of), -1
    if kind == "turnover_cap":
        return problem.turnover_cap or 0.0, 1
    band = next(each for each in problem.bands if each.name == of)
    return (band.lower, -1) if kind == "band_lower" else (band.upper, 1)


def _irreducible(of: Form, constraints: list[_Constraint]) -> tuple[str, ...]:
    """What is left when each that is not needed for the conflict has been taken out, prohibitions last."""
    kept = constraints
    for each in constraints:
        fewer = [other for other in kept if other is not each]
        if not _satisfiable(of, fewer):
            kept = fewer
    return tuple(each.name for each in kept)


def _satisfiable(of: Form, constraints: list[_Constraint]) -> bool:
    under = _under(of, constraints)
    try:
        least(replace(under, covariance=np.zeros_like(of.covariance), linear=of.cost))
    except Infeasible:
        return False
    return True


def _relaxation(of: Form, constraints: list[_Constraint]) -> tuple[Relaxation, ...]:
    amounts = [float(np.ceil(each / STEP) * STEP) if each > USED else 0.0 for each in _least_amounts(of, constraints)]
    by = list(zip(constraints, amounts, strict=True))
    least(_under(of, [replace(each, limit=each.limit + amount) for each, amount in by]))
    return tuple(
        Relaxation(each.name, each.shown, each.shown + each.sign * amount, amount) for each, amount in by if amount
    )


def _least_amounts(of: Form, constraints: list[_Constraint]) -> Array:
    """By which to loosen each: as further variables of the problem, whose price alone is minimised."""
    count, trades = len(constraints), len(of.upper)
    under = _under(of, constraints)
    none, prices = np.zeros(count), np.array([each.price for each in constraints])
    x, _ = least(
        replace(
            under,
            covariance=np.zeros_like(of.covariance),
            linear=np.concatenate([np.zeros(trades), prices]),
            instrument=np.concatenate([of.instrument, np.zeros(count, int)]),
            place=np.concatenate([of.place, np.zeros((len(of.held), count))], axis=1),
            rows=np.concatenate([under.rows, -np.eye(count)], axis=1),
            lower=np.concatenate([under.lower, none]),
            upper=np.concatenate([under.upper, none + MOST_LOOSENED]),
        )
    )
    return x[trades:]


def _under(of: Form, constraints: list[_Constraint]) -> Form:
    """These constraints alone, beside that no lot is sold beyond its size and nothing short."""
    most: Array = np.repeat(np.maximum(of.worth, 0.0) + MOST_LOOSENED, len(of.held))
    return replace(
        of,
        lower=np.zeros(len(of.upper)),
        upper=np.concatenate([np.asarray(of.problem.lots.value, float), most]),
        rows=np.array([each.row for each in constraints]).reshape(len(constraints), -1),
        limits=np.array([each.limit for each in constraints]),
    )
