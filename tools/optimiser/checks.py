"""What is wrong with a problem, by field; and its parts as arrays where nothing is."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from db.errors import InvalidInput
from tools.optimiser.problem import Band, RebalanceProblem

Array = Any
SUM_TOLERANCE = 1e-6
PSD_TOLERANCE = 1e-9
"""Of the mean variance; below it a negative eigenvalue is rounding."""
MOST_AVERSE = 10_000.0
"""Tax and cost count for nothing beyond it, and no solver is exact to a millionth."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`transaction_cost` [N], `no_buy` [A, N], `must_sell` [N]."""

    targets: Array
    covariance: Array
    transaction_cost: Array
    no_buy: Array
    must_sell: Array


@dataclass(frozen=True, slots=True)
class LotArrays:
    instrument: Array
    account: Array
    value: Array
    gain: Array
    tax_rate: Array
    blocked: Array
    loss_credit: Array


def checked_problem(problem: RebalanceProblem) -> Facts:
    size, accounts = len(problem.instruments), len(problem.accounts)
    _different("instruments", problem.instruments)
    _different("accounts", tuple(each.account_id for each in problem.accounts))
    targets = _numbers("targets", problem.targets, (size,), at_least=0.0)
    if targets.sum() > 1 + SUM_TOLERANCE:
        raise InvalidInput("targets", f"add up to {targets.sum():.6f}; must be at most 1")
    rate = problem.transaction_cost
    rates = np.full(size, rate) if np.ndim(rate) == 0 else rate
    _number("risk_aversion", problem.risk_aversion, at_most=MOST_AVERSE)
    if problem.turnover_cap is not None:
        _number("turnover_cap", problem.turnover_cap)
    for place, account in enumerate(problem.accounts):
        _number(f"accounts[{place}].cash", account.cash, at_least=-np.inf)
        _number(f"accounts[{place}].buffer", account.buffer)
    for place, band in enumerate(problem.bands):
        _band(f"bands[{place}]", band, size)
    _different("bands", tuple(band.name for band in problem.bands))
    no_buy = np.zeros((accounts, size), bool) if problem.no_buy is None else np.asarray(problem.no_buy, bool)
    if no_buy.shape not in {(size,), (accounts, size)}:
        raise InvalidInput("no_buy", f"has shape {no_buy.shape}; must be ({size},) or ({accounts}, {size})")
    return Facts(
        targets=targets,
        covariance=_covariance(problem.covariance, size),
        transaction_cost=_numbers("transaction_cost", rates, (size,), at_least=0.0, at_most=0.5),
        no_buy=np.broadcast_to(no_buy, (accounts, size)),
        must_sell=_flags("must_sell", problem.must_sell, size),
    )


def checked_lots(problem: RebalanceProblem) -> LotArrays:
    lots, count = problem.lots, len(problem.lots.lot_ids)
    _different("lots.lot_ids", lots.lot_ids)
    credit = np.ones(count) if lots.loss_credit is None else lots.loss_credit
    arrays = LotArrays(
        instrument=_places("lots.instrument", lots.instrument, count, len(problem.instruments)),
        account=_places("lots.account", lots.account, count, len(problem.accounts)),
        value=_numbers("lots.value", lots.value, (count,), at_least=0.0),
        gain=_numbers("lots.gain", lots.gain, (count,), at_most=1.0),
        tax_rate=_numbers("lots.tax_rate", lots.tax_rate, (count,), at_least=0.0, at_most=1.0),
        blocked=_flags("lots.blocked", lots.blocked, count),
        loss_credit=_numbers("lots.loss_credit", credit, (count,), at_least=0.0, at_most=1.0),
    )
    total = arrays.value.sum() + sum(each.cash for each in problem.accounts)
    if abs(total - 1) > SUM_TOLERANCE:
        raise InvalidInput("lots.value", f"with cash adds up to {total:.6f} of the household's value; must be 1")
    return arrays


def _numbers(
    field: str, given: Any, shape: tuple[int, ...], at_least: float = -np.inf, at_most: float = np.inf
) -> Array:
    found = np.asarray(given, float)
    if found.shape != shape:
        raise InvalidInput(field, f"has shape {found.shape}; must be {shape}")
    # Neither comparison holds for a NaN.
    right = np.isfinite(found) & (found >= at_least) & (found <= at_most)
    if not right.all():
        place = int(np.flatnonzero(~right.ravel())[0])
        raise InvalidInput(f"{field}[{place}]", f"is {found.ravel()[place]}; must be {_range(at_least, at_most)}")
    return found


def _number(field: str, given: float, at_least: float = 0.0, at_most: float = np.inf) -> None:
    if not np.isfinite(given) or not at_least <= given <= at_most:
        raise InvalidInput(field, f"is {given}; must be {_range(at_least, at_most)}")


def _range(at_least: float, at_most: float) -> str:
    ends = [f"≥ {at_least}"] if np.isfinite(at_least) else []
    return " and ".join(["finite", *ends, *([f"≤ {at_most}"] if np.isfinite(at_most) else [])])


def _places(field: str, given: Any, count: int, below: int) -> Array:
    found = np.asarray(given, np.int64)
    if found.shape != (count,):
        raise InvalidInput(field, f"has shape {found.shape}; must be ({count},)")
    wrong = np.flatnonzero((found < 0) | (found >= below))
    if len(wrong):
        raise InvalidInput(f"{field}[{wrong[0]}]", f"is {found[wrong[0]]}; must be from 0 to {below - 1}")
    return found


def _flags(field: str, given: Any, count: int) -> Array:
    found = np.zeros(count, bool) if given is None else np.asarray(given, bool)
    if found.shape != (count,):
        raise InvalidInput(field, f"has shape {found.shape}; must be ({count},)")
    return found


def _different(field: str, names: tuple[str, ...]) -> None:
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InvalidInput(field, f"{twice} is there twice")


def _band(field: str, band: Band, size: int) -> None:
    if any(not 0 <= each < size for each in band.instruments):
        raise InvalidInput(f"{field}.instruments", f"must be from 0 to {size - 1}")
    if len(set(band.instruments)) < len(band.instruments):
        raise InvalidInput(f"{field}.instruments", "has an instrument twice")
    if not (np.isfinite([band.lower, band.upper]).all() and 0 <= band.lower <= band.upper):
        raise InvalidInput(f"{field}.lower", f"must be from 0 to upper: {band.lower} to {band.upper}")


def _covariance(given: Any, size: int) -> Array:
    found = _numbers("covariance", given, (size, size))
    scale = max(float(np.trace(found)) / max(size, 1), 1e-12)
    if not np.allclose(found, found.T, rtol=0, atol=PSD_TOLERANCE * scale):
        raise InvalidInput("covariance", "is not symmetric")
    try:
        np.linalg.cholesky(found + PSD_TOLERANCE * scale * np.eye(size))
    except np.linalg.LinAlgError as exc:
        least = np.linalg.eigvalsh(found)[0]
        raise InvalidInput("covariance", f"has the eigenvalue {least:.3g}; must be positive semidefinite") from exc
    return found
