"""A solution as orders that a custodian takes: whole or fractional shares, lots named, sells before buys."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np

from db.errors import InvalidInput
from tools.optimiser.baselines import full, nothing
from tools.optimiser.form import Form, form
from tools.optimiser.problem import Figures, RebalanceProblem, Solution
from tools.optimiser.rounding import Draft, Market, rounded

FITS = 1e-5
"""By how much a lot's value or an account's cash may differ between problem and market."""
BROKEN = 1e-9


@dataclass(frozen=True, slots=True)
class ProposedOrder:
    """`amount_minor` at the listed price, `cost_minor` beside it. `lots`: a sell's, adding up to its quantity."""

    account_id: str
    side: Literal["sell", "buy"]
    instrument_id: str
    quantity: Decimal
    lots: tuple[tuple[str, Decimal], ...]
    amount_minor: int
    cost_minor: int


@dataclass(frozen=True, slots=True)
class Orders:
    """`orders`: all sells before all buys. `cash_minor` [A] after them, never below 0 nor below the buffer unless
    `exceeded` says so.

    `rounding_loss`: the objective after rounding minus the optimum's. `exceeded`: constraints that rounding breaks
    and by which fraction of the household's value (a band narrower than a share, a minimum above what must be done).
    """

    orders: tuple[ProposedOrder, ...]
    cash_minor: tuple[int, ...]
    before: Figures
    after: Figures
    optimum: Figures
    full_hifo: Figures
    rounding_loss: float
    exceeded: tuple[tuple[str, float], ...]


def to_orders(problem: RebalanceProblem, solution: Solution, market: Market) -> Orders:
    """Raises InvalidInput by field where `market` does not fit `problem`."""
    of = form(problem)
    draft = rounded(of, np.concatenate([solution.sells, solution.buys.ravel()]), market, _worth_minor(of, market))
    after = of.figures(draft.x)
    return Orders(
        orders=(*_sells(draft), *_buys(draft)),
        cash_minor=tuple(draft.cash_minor(account) for account in range(len(problem.accounts))),
        before=of.figures(nothing(of)),
        after=after,
        optimum=solution.figures,
        full_hifo=of.figures(full(of)),
        rounding_loss=after.objective - solution.figures.objective,
        exceeded=tuple(_exceeded(draft)),
    )


def _worth_minor(of: Form, market: Market) -> Decimal:
    _fits(of, market)
    instruments = of.instrument[: of.lots].tolist()
    values = [
        quantity * market.listings[instrument].price_minor
        for quantity, instrument in zip(market.quantities, instruments, strict=True)
    ]
    worth_minor = sum(values, Decimal(sum(market.cash_minor)))
    for place, value in enumerate(values):
        if abs(float(value / worth_minor) - of.problem.lots.value[place]) > FITS:
            raise InvalidInput(f"market.quantities[{place}]", "at its price is not the lot's value in the problem")
    for place, cash_minor in enumerate(market.cash_minor):
        if abs(float(cash_minor / worth_minor) - of.problem.accounts[place].cash) > FITS:
            raise InvalidInput(f"market.cash_minor[{place}]", "is not the account's cash in the problem")
    return worth_minor


def _fits(of: Form, market: Market) -> None:
    _of_length("market.listings", len(market.listings), len(of.held))
    _of_length("market.quantities", len(market.quantities), of.lots)
    _of_length("market.cash_minor", len(market.cash_minor), len(of.problem.accounts))
    for place, listing in enumerate(market.listings):
        if not listing.price_minor.is_finite() or listing.price_minor <= 0:
            raise InvalidInput(f"market.listings[{place}].price_minor", f"is {listing.price_minor}; must be above 0")
    for place, quantity in enumerate(market.quantities):
        if not quantity.is_finite() or quantity <= 0:
            raise InvalidInput(f"market.quantities[{place}]", f"is {quantity}; must be above 0")


def _of_length(field: str, found: int, right: int) -> None:
    if found != right:
        raise InvalidInput(field, f"has {found} entries; must have {right}")


def _sells(draft: Draft) -> Iterator[ProposedOrder]:
    problem = draft.of.problem
    for account, instrument, lots in draft.sells():
        shares = sum((draft.shares[place] for place in lots), Decimal(0))
        yield ProposedOrder(
            account_id=problem.accounts[account].account_id,
            side="sell",
            instrument_id=problem.instruments[instrument],
            quantity=shares,
            lots=tuple((problem.lots.lot_ids[place], draft.shares[place]) for place in lots),
            amount_minor=draft.amount_minor(lots[0], shares),
            cost_minor=draft.cost_minor(lots[0], shares),
        )


def _buys(draft: Draft) -> Iterator[ProposedOrder]:
    problem = draft.of.problem
    for place in range(draft.of.lots, len(draft.shares)):
        if shares := draft.shares[place]:
            yield ProposedOrder(
                account_id=problem.accounts[draft.account(place)].account_id,
                side="buy",
                instrument_id=problem.instruments[draft.of.instrument[place]],
                quantity=shares,
                lots=(),
                amount_minor=draft.amount_minor(place, shares),
                cost_minor=draft.cost_minor(place, shares),
            )


def _exceeded(draft: Draft) -> Iterator[tuple[str, float]]:
    """Cash as counted in cents, every other row in fractions; and what must be sold and is not."""
    of, accounts = draft.of, len(draft.of.problem.accounts)
    for account in range(accounts):
        if (spare_minor := draft.spare_minor(account)) < 0:
            yield of.names[account], float(-spare_minor / draft.worth_minor)
    over = of.rows @ draft.x - of.limits
    for place in range(accounts, len(of.names)):
        if over[place] > BROKEN:
            yield of.names[place], float(over[place])
    unsold = np.bincount(of.instrument, np.maximum(of.lower - draft.x, 0.0), len(of.held))
    for instrument in np.flatnonzero(unsold > BROKEN).tolist():
        yield f"must_sell:{of.problem.instruments[instrument]}", float(unsold[instrument])
