"""Trades in shares: rounded, then moved a share at a time while that pays or until the cash suffices."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

from tools.optimiser.branches import TRADED
from tools.optimiser.form import Form

Array = Any
FRACTION = Decimal("0.000001")
"""Of a share, where fractions are traded."""
WHOLE_LOT = 1 - 1e-6
"""A lot sold to this part is sold whole."""
NONE = Decimal(0)
BETTER = 1e-12
Move = tuple[int, Decimal]
"""A place and the shares it is to have."""


@dataclass(frozen=True, slots=True)
class Listing:
    """`price_minor` of one share in the household's currency, fractions of a cent included."""

    price_minor: Decimal
    whole_shares: bool


@dataclass(frozen=True, slots=True)
class Market:
    """`listings` [N]; `quantities` [L] of shares by lot, `cash_minor` [A]. Less than `min_trade_minor` is not traded,
    unless it must be sold. Buffers and cost rates are the problem's."""

    listings: tuple[Listing, ...]
    quantities: tuple[Decimal, ...]
    cash_minor: tuple[int, ...]
    min_trade_minor: int = 0


@dataclass(slots=True)
class Draft:
    """`shares` [L + A·N] as in Form.x; x the same as fractions of `worth_minor`, the household's."""

    of: Form
    market: Market
    worth_minor: Decimal
    shares: list[Decimal]
    x: Array

    def put(self, place: int, shares: Decimal) -> None:
        self.shares[place] = shares
        self.x[place] = self.fraction(place, shares)

    def fraction(self, place: int, shares: Decimal) -> float:
        if place >= self.of.lots:
            return float(shares * self.price(place) / self.worth_minor)
        return float(self.of.problem.lots.value[place]) * float(shares / self.market.quantities[place])

    def with_move(self, move: "Move") -> Array:
        x = self.x.copy()
        x[move[0]] = self.fraction(*move)
        return x

    def price(self, place: int) -> Decimal:
        listing: Listing = self.market.listings[self.of.instrument[place]]
        return listing.price_minor

    def step(self, place: int) -> Decimal:
        return Decimal(1) if self.market.listings[self.of.instrument[place]].whole_shares else FRACTION

    def amount_minor(self, place: int, shares: Decimal) -> int:
        """Proceeds rounded down, what is paid rounded up."""
        rounding = ROUND_FLOOR if place < self.of.lots else ROUND_CEILING
        return int((shares * self.price(place)).quantize(Decimal(1), rounding))

    def cost_minor(self, place: int, shares: Decimal) -> int:
        rate = Decimal(repr(float(self.of.cost[place])))
        return int((shares * self.price(place) * rate).quantize(Decimal(1), ROUND_CEILING))

    def account(self, place: int) -> int:
        if place < self.of.lots:
            return int(self.of.problem.lots.account[place])
        return (place - self.of.lots) // len(self.of.held)

    def sells(self) -> Iterator[tuple[int, int, list[int]]]:
        """Account, instrument, and the lots sold of it there."""
        found: dict[tuple[int, int], list[int]] = {}
        for place in range(self.of.lots):
            if self.shares[place]:
                found.setdefault((self.account(place), int(self.of.instrument[place])), []).append(place)
        for (account, instrument), lots in sorted(found.items()):
            yield account, instrument, lots

    def cash_minor(self, account: int) -> int:
        """After all trades. Each order's amount and cost are rounded once, as `orders` states them."""
        cash = self.market.cash_minor[account]
        for of_account, _, lots in self.sells():
            if of_account == account:
                shares = sum((self.shares[place] for place in lots), NONE)
                cash += self.amount_minor(lots[0], shares) - self.cost_minor(lots[0], shares)
        size = len(self.of.held)
        for place in range(self.of.lots + account * size, self.of.lots + (account + 1) * size):
            if self.shares[place]:
                cash -= self.amount_minor(place, self.shares[place]) + self.cost_minor(place, self.shares[place])
        return cash

    def spare_minor(self, account: int) -> int:
        buffer = Decimal(repr(self.of.problem.accounts[account].buffer)) * self.worth_minor
        return self.cash_minor(account) - int(buffer.to_integral_value(ROUND_CEILING))


def rounded(of: Form, x: Array, market: Market, worth_minor: Decimal) -> Draft:
    draft = Draft(of, market, worth_minor, [NONE] * len(x), np.zeros(len(x)))
    for lots in _by_position(draft):
        _round_sells(draft, x, lots)
    for place in range(of.lots, len(x)):
        if x[place] > TRADED:
            shares = Decimal(float(x[place])) * worth_minor / draft.price(place)
            draft.put(place, _at_least_minimum(draft, place, _stepped(draft, place, shares, ROUND_FLOOR)))
    for account in range(len(of.problem.accounts)):
        _fund(draft, account)
    _improve(draft, [place for place in range(of.lots, len(x)) if x[place] > TRADED])
    return draft


def _by_position(draft: Draft) -> list[list[int]]:
    """Lots of one instrument in one account, those first that cost the least tax."""
    found: dict[tuple[int, int], list[int]] = {}
    rates = draft.of.tax
    for place in sorted(range(draft.of.lots), key=lambda each: (float(rates[each]), each)):
        found.setdefault((draft.account(place), int(draft.of.instrument[place])), []).append(place)
    return list(found.values())


def _round_sells(draft: Draft, x: Array, lots: list[int]) -> None:
    """To the nearest share, out of the lots that the solver sells of."""
    values, quantities = draft.of.problem.lots.value, draft.market.quantities
    part = {place: float(x[place] / values[place]) for place in lots if x[place] > TRADED}
    if not part:
        return
    wanted = sum(
        (quantities[place] * (1 if share > WHOLE_LOT else Decimal(share)) for place, share in part.items()), NONE
    )
    most = sum((quantities[place] for place in part), NONE)
    left = min(_stepped(draft, lots[0], wanted, ROUND_HALF_UP), _stepped(draft, lots[0], most, ROUND_FLOOR))
    if not draft.of.lower[list(part)].any():
        left = _at_least_minimum(draft, lots[0], left)
    for place in part:
        draft.put(place, min(quantities[place], left))
        left -= draft.shares[place]


def _at_least_minimum(draft: Draft, place: int, shares: Decimal) -> Decimal:
    return shares if draft.amount_minor(place, shares) >= draft.market.min_trade_minor else NONE


def _stepped(draft: Draft, place: int, shares: Decimal, rounding: str) -> Decimal:
    step = draft.step(place)
    return (shares / step).to_integral_value(rounding) * step


def _fund(draft: Draft, account: int) -> None:
    """Until the cash suffices, the trade that harms least: a share less bought, or then a share more sold."""
    while (short_minor := -draft.spare_minor(account)) > 0:
        moves = [*_fewer_bought(draft, account, short_minor)] or [*_more_sold(draft, account, short_minor)]
        if not moves:
            return
        draft.put(*min(moves, key=lambda move: draft.of.objective(draft.with_move(move))))


def _fewer_bought(draft: Draft, account: int, short_minor: int) -> Iterator[Move]:
    size = len(draft.of.held)
    for place in range(draft.of.lots + account * size, draft.of.lots + (account + 1) * size):
        if draft.shares[place]:
            fewer = max(draft.shares[place] - _enough(draft, place, short_minor), NONE)
            yield place, _at_least_minimum(draft, place, fewer)


def _more_sold(draft: Draft, account: int, short_minor: int) -> Iterator[Move]:
    """Of lots that may be sold. None at a loss of what is bought: that would make a wash sale."""
    bought = {
        int(draft.of.instrument[place]) for place in range(draft.of.lots, len(draft.shares)) if draft.shares[place]
    }
    for place in range(draft.of.lots):
        washed = draft.of.loss_lots[place] and draft.of.instrument[place] in bought
        if draft.account(place) != account or draft.of.upper[place] <= 0 or washed:
            continue
        least = Decimal(draft.market.min_trade_minor) / draft.price(place) if not draft.shares[place] else NONE
        more = max(_enough(draft, place, short_minor), _stepped(draft, place, least, ROUND_CEILING))
        if draft.shares[place] + more <= draft.market.quantities[place]:
            yield place, draft.shares[place] + more


def _enough(draft: Draft, place: int, short_minor: int) -> Decimal:
    """The fraction that covers what is short, with a cent for each of two roundings; of whole shares a quarter of it,
    so that dear ones are weighed against cheap ones and thousands of cheap ones do not take thousands of rounds."""
    net_minor = draft.price(place) * (1 - Decimal(repr(float(draft.of.cost[place]))))
    needed = (short_minor + 2) / net_minor
    if draft.step(place) == 1:
        return max(Decimal(1), _stepped(draft, place, needed / 4, ROUND_FLOOR))
    return _stepped(draft, place, needed, ROUND_CEILING)


def _improve(draft: Draft, places: list[int]) -> None:
    """Shares bought with cash that is to spare, the best first, while each lowers the objective and breaks nothing.

    What is traded in fractions is bought exactly already, unless it fell below the minimum.
    """
    sold = np.array(draft.shares[: draft.of.lots], bool) & draft.of.loss_lots
    washed = set(draft.of.instrument[np.flatnonzero(sold)].tolist()) if draft.of.problem.avoid_wash_sales else set()
    places = [
        place
        for place in places
        if (draft.step(place) == 1 or not draft.shares[place]) and draft.of.instrument[place] not in washed
    ]
    while True:
        spare_minor = {account: draft.spare_minor(account) for account in {draft.account(place) for place in places}}
        moves = [move for place in places for move in _more_bought(draft, place, spare_minor[draft.account(place)])]
        best = min(moves, key=lambda move: draft.of.objective(draft.with_move(move)), default=None)
        if best is None or draft.of.objective(draft.with_move(best)) >= draft.of.objective(draft.x) - BETTER:
            return
        draft.put(*best)


def _more_bought(draft: Draft, place: int, spare_minor: int) -> Iterator[Move]:
    """A quarter of what cash is to spare for, a quarter of that, and so on down to a share; from nothing the minimum.

    Were a limit nearer than that quarter, single shares, or millionths of one, would take as many rounds.
    """
    excess = max(draft.of.excess(draft.x), 0.0)
    least = _stepped(draft, place, Decimal(draft.market.min_trade_minor) / draft.price(place), ROUND_CEILING)
    for more in _quarters(draft, place, spare_minor / draft.price(place)):
        move = place, max(draft.shares[place] + more, least)
        affordable = _paid_more_minor(draft, move) <= spare_minor
        if affordable and draft.of.excess(draft.with_move(move)) <= excess + BETTER:
            yield move


def _quarters(draft: Draft, place: int, shares: Decimal) -> Iterator[Decimal]:
    while (shares := _stepped(draft, place, shares / 4, ROUND_FLOOR)) > draft.step(place):
        yield shares
    yield draft.step(place)


def _paid_more_minor(draft: Draft, move: Move) -> int:
    place, shares = move
    now = draft.shares[place]
    return (
        draft.amount_minor(place, shares)
        + draft.cost_minor(place, shares)
        - draft.amount_minor(place, now)
        - draft.cost_minor(place, now)
    )
