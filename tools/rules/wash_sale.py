"""Losses that 26 USC §1091 disallows: of shares sold while others were bought within 30 days before or after.

Treas. Reg. §1.1091-1: (c) as many shares as were bought are matched; (d) where several were bought, in the order in
which they were bought; §1091(d) and IRS Publication 550: the disallowed loss is added to the basis of the
shares bought, and §1223(3) adds the holding period of the shares sold to theirs. Rev. Rul. 2008-5: what an IRA buys
disallows the loss too, and nothing is added to a basis.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from tools.rules.dates import add_months

WINDOW = timedelta(days=30)
"""To either side of the sale: with its day 61 days."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """Shares of one instrument that are still held, or were when the sale was made, and are not those sold.

    `matched`: how many of them have already disallowed another loss; each share disallows one.
    """

    lot_id: str
    bought_on: date
    quantity: Decimal
    cost_minor: int
    taxable: bool = True
    matched: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class LossSale:
    """Shares of one lot of the same instrument, sold at a loss from a taxable account."""

    acquired_on: date
    sold_on: date
    quantity: Decimal
    cost_minor: int
    proceeds_minor: int


@dataclass(frozen=True, slots=True)
class Replacement:
    """The part of a purchase that disallowed a loss: `basis_minor` includes it, `held_since` counts the old days."""

    lot_id: str
    quantity: Decimal
    disallowed_minor: int
    basis_minor: int
    held_since: date


@dataclass(frozen=True, slots=True)
class WashSale:
    disallowed_minor: int
    deductible_minor: int
    replacements: tuple[Replacement, ...]


def wash_sale(sale: LossSale, purchases: Iterable[Purchase]) -> WashSale:
    """Amounts are shared out by quantity, each half-even, the last taking the rest when all is matched."""
    loss = max(sale.cost_minor - sale.proceeds_minor, 0)
    left, disallowed, found = sale.quantity if loss else Decimal(0), 0, []
    for bought in sorted(in_window(purchases, sale.sold_on), key=lambda each: (each.bought_on, each.lot_id)):
        quantity = min(bought.quantity - bought.matched, left)
        if quantity <= 0:
            continue
        left -= quantity
        part = _share(loss, sale.quantity - left, sale.quantity) - disallowed
        disallowed += part
        found.append(_replacement(bought, quantity, part, sale))
    return WashSale(disallowed, loss - disallowed, tuple(found))


def in_window(purchases: Iterable[Purchase], sold_on: date) -> Sequence[Purchase]:
    return [each for each in purchases if abs(each.bought_on - sold_on) <= WINDOW]


def matched(purchases: Iterable[Purchase], by: WashSale) -> tuple[Purchase, ...]:
    """The purchases with what this wash sale took of them, for the next sale."""
    taken = {each.lot_id: each.quantity for each in by.replacements}
    return tuple(replace(each, matched=each.matched + taken.get(each.lot_id, 0)) for each in purchases)


def purchase_washes_until(loss_sold_on: date) -> date:
    """The last day on which buying the instrument again disallows the loss."""
    return loss_sold_on + WINDOW


def may_buy(on: date, loss_sales: Iterable[date]) -> bool:
    """Whether a purchase turns none of these sales at a loss, on or before that day, into a wash sale."""
    return all(not sold <= on <= purchase_washes_until(sold) for sold in loss_sales)


def loss_credit(quantity: Decimal, on: date, purchases: Iterable[Purchase]) -> Decimal:
    """From 0 to 1: the part of a loss that may be deducted if the whole lot is sold on that day.

    Of a part of the lot it is less: the shares bought disallow the loss of the first ones sold. Where that matters,
    take 0 for all below 1.
    """
    free = sum((max(each.quantity - each.matched, Decimal(0)) for each in in_window(purchases, on)), Decimal(0))
    return max(quantity - free, Decimal(0)) / quantity


def is_long_term(acquired_on: date, sold_on: date) -> bool:
    """26 USC §1222: held for more than one year; the day of acquisition does not count (Rev. Rul. 66-7)."""
    return sold_on > add_months(acquired_on, 12)


def _replacement(bought: Purchase, quantity: Decimal, disallowed_minor: int, sale: LossSale) -> Replacement:
    basis_minor = _share(bought.cost_minor, quantity, bought.quantity)
    if not bought.taxable:
        return Replacement(bought.lot_id, quantity, disallowed_minor, basis_minor, bought.bought_on)
    held_since = bought.bought_on - (sale.sold_on - sale.acquired_on)
    return Replacement(bought.lot_id, quantity, disallowed_minor, basis_minor + disallowed_minor, held_since)


def _share(amount_minor: int, part: Decimal, whole: Decimal) -> int:
    return int((amount_minor * part / whole).quantize(Decimal(1), ROUND_HALF_EVEN))
