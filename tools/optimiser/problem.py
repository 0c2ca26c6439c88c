"""A rebalance as the optimiser takes it: everything in fractions of the household's value. Imports no solver.

Minimised over sells (by lot) and buys (by account and instrument), both ≥ 0:

    risk_aversion · (w - targets)ᵀ covariance (w - targets)   tracking
  + Σ sell · gain · tax_rate                                  tax; a loss counts as negative tax
  + Σ transaction_cost · (sell + buy)                         cost

w: an instrument's value after trading over all accounts. Cash of an account after trading, costs paid, is at least
its buffer. Tax is not taken from the cash: it falls due later.
"""

from dataclasses import dataclass
from typing import Any

from db.errors import CountersignError

Vector = Any
"""A sequence of floats or a numpy array of them; `Matrix` two-dimensional; `Flags` of booleans; `Indices` of ints."""
Matrix = Any
Flags = Any
Indices = Any


@dataclass(frozen=True, slots=True)
class Account:
    """`cash` now and the `buffer` of it that must remain. Lots of accounts that are not `taxable` cost no tax."""

    account_id: str
    cash: float
    buffer: float = 0.0
    taxable: bool = True


@dataclass(frozen=True, slots=True)
class Lots:
    """As many lots as `lot_ids`; `instrument` and `account` are positions in the problem's tuples.

    `value` > 0; `gain` is (value - basis) / value, below 0 at a loss; `tax_rate` that of its holding period; a
    `blocked` lot is not sold. `loss_credit`: the part of a loss that may be deducted, 0 for a lot whose loss a
    purchase of the past 30 days disallows (None: all of it).
    """

    lot_ids: tuple[str, ...]
    instrument: Indices
    account: Indices
    value: Vector
    gain: Vector
    tax_rate: Vector
    blocked: Flags | None = None
    loss_credit: Vector | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """Together these instruments stay within lower and upper; one instrument, or a whole asset class."""

    name: str
    instruments: tuple[int, ...]
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class RebalanceProblem:
    """N instruments, A accounts, L lots.

    Lots and cash add up to 1, `targets` [N] and the cash meant to stay to at most 1. `covariance` [N, N] is annual.
    `transaction_cost` is one rate or [N]. `turnover_cap` limits sells plus buys. `no_buy` [N] or [A, N]: excluded, or
    sold at a loss within 30 days; `must_sell` [N]: nothing of it may remain in any account. `avoid_wash_sales`: no
    instrument is bought, in any account, while a lot of it is sold at a loss that a taxable account would deduct.
    """

    instruments: tuple[str, ...]
    targets: Vector
    covariance: Matrix
    risk_aversion: float
    accounts: tuple[Account, ...]
    lots: Lots
    transaction_cost: float | Vector = 0.0005
    bands: tuple[Band, ...] = ()
    turnover_cap: float | None = None
    no_buy: Flags | None = None
    must_sell: Flags | None = None
    avoid_wash_sales: bool = True


@dataclass(frozen=True, slots=True)
class Figures:
    """What a set of trades comes to. `tracking_error` is annual; tax, cost and turnover are fractions of value."""

    objective: float
    tracking_error: float
    tax: float
    cost: float
    turnover: float


@dataclass(frozen=True, slots=True)
class Solution:
    """`sells` [L] and `buys` [A, N] as numpy arrays; `cash` [A] and `weights` [N] after them.

    `gap`: the objective is proven to be at most this above the optimum. `solves`: of the solver; 0 where
    doing nothing is proven optimal.
    """

    sells: Vector
    buys: Matrix
    cash: Vector
    weights: Vector
    figures: Figures
    gap: float
    solves: int


@dataclass(frozen=True, slots=True)
class Relaxation:
    """To loosen `constraint` by `by` (fraction of the household's value), from `limit` to `limit_needed`."""

    constraint: str
    limit: float
    limit_needed: float
    by: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """`constraints` cannot hold together, though any one fewer could; `relaxation` is the least that makes all hold.

    Names: cash_buffer:<account>, band_lower:<band>, band_upper:<band>, turnover_cap, must_sell:<instrument>,
    no_buy:<account>:<instrument>, blocked:<lot>, wash_sale:<instrument>.
    """

    constraints: tuple[str, ...]
    relaxation: tuple[Relaxation, ...]


class Infeasible(CountersignError):
    """No trades satisfy the problem: `explain_infeasible` says why."""


class Unsolved(CountersignError):
    """The solver ended without a proven optimum; its status is in the message. Nothing else is tried in its place."""
