"""What a household holds, from custody, at the prices of one moment: a snapshot with its hash, or why there is none."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from db.errors import CountersignError
from tools.bank import Bank
from tools.bank_custody import FxRate, Holdings, Instrument, Price, Trade, read_fx, read_prices
from tools.bank_custody_overview import InCustody
from tools.rules.model_portfolios import Offered

Plain = dict[str, Any]
CENTS = 100
"""Of every currency that the bank keeps."""


class HoldingsUnusable(CountersignError):
    """What is held cannot be judged or traded now: `code` says why for a machine, the text for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def refuse_untradable(held: Sequence[Holdings]) -> None:
    """Raises HoldingsUnusable for accounts that do not trade, or where orders are open: what these will make of the
    holdings nobody knows yet, so they are to be filled or cancelled first."""
    for each in held:
        account = each.account
        if account.state != "open":
            raise HoldingsUnusable("account_not_open", f"{account.custody_account_id} is {account.state}")
        if each.pending_orders:
            order = each.pending_orders[0]
            raise HoldingsUnusable(
                "pending_orders",
                f"order {order.order_id} ({order.side} {order.quantity} {order.instrument_id}) is open in"
                f" {account.custody_account_id}: wait until it is filled, or cancel it, and start again",
            )


def as_offered(instruments: Mapping[str, Instrument]) -> dict[str, Offered]:
    return {
        name: Offered(name, one.asset_class, one.currency, tuple(sorted(one.tags))) for name, one in instruments.items()
    }


async def fresh_prices(bank: Bank, instrument_ids: Iterable[str], now: datetime, age: timedelta) -> dict[str, Price]:
    """Raises HoldingsUnusable for the one that is stale, and since when."""
    prices = await read_prices(bank, instrument_ids)
    for name, price in prices.items():
        if now - price.as_of > age:
            raise HoldingsUnusable(
                "stale_price",
                f"the price of {name} is of {price.as_of:%Y-%m-%d %H:%M} UTC; at most"
                f" {int(age.total_seconds() // 60)} minutes are accepted",
            )
    return prices


def rates_to(base: str, currencies: Iterable[str], told: Sequence[FxRate]) -> dict[str, Decimal]:
    """What one unit of each is in `base`. The bank tells each pair one way. Raises HoldingsUnusable without a rate."""
    rates = {base: Decimal(1)}
    for currency in sorted(set(currencies) - {base}):
        for one in told:
            if (one.base, one.quote) == (currency, base):
                rates[currency] = one.rate
            elif (one.base, one.quote) == (base, currency):
                rates[currency] = 1 / one.rate
        if currency not in rates:
            raise HoldingsUnusable("no_fx_rate", f"the bank has no rate from {currency} to {base}")
    return rates


async def snapshot(
    bank: Bank,
    holdings: Sequence[Holdings],
    instruments: Mapping[str, Instrument],
    prices: Mapping[str, Price],
    now: datetime,
) -> Plain:
    """JSON-plain: accounts with lots and cash, and of all that is priced instruments, prices and rates.

    Raises HoldingsUnusable.
    """
    named = sorted(prices)
    if unknown := [name for name in named if name not in instruments]:
        raise HoldingsUnusable("unknown_instrument", f"the bank does not say what {unknown[0]} is")
    base = holdings[0].account.currency
    currencies = {prices[name].currency for name in named} | {one for each in holdings for one in each.cash}
    needs_fx = currencies - {base}
    rates = rates_to(base, currencies, await read_fx(bank) if needs_fx else ())
    return {
        "as_of": now.isoformat(),
        "currency": base,
        "accounts": [_account(each) for each in holdings],
        "instruments": {name: _instrument(instruments[name]) for name in named},
        "prices": {
            name: {"price": f"{prices[name].price:f}", "as_of": prices[name].as_of.isoformat()} for name in named
        },
        "rates": {name: f"{rate:f}" for name, rate in rates.items()},
    }


def trades_that_wash(household: Iterable[InCustody]) -> list[Plain]:
    """Losses taken and purchases made, in any account of the household."""
    found: list[Plain] = []
    for one in household:
        taxable = one.account.tax_status == "taxable"
        washing = [trade for trade in one.trades if trade.side == "buy" or (taxable and trade.gain_minor < 0)]
        found += [_trade(trade, taxable=taxable) for trade in washing]
    return found


def worth_minor(found: Plain, instrument_id: str, quantity: Decimal) -> Decimal:
    """In the snapshot's currency, fractions of a cent included."""
    currency = found["instruments"][instrument_id]["currency"]
    return quantity * Decimal(found["prices"][instrument_id]["price"]) * Decimal(found["rates"][currency]) * CENTS


def total_minor(found: Plain) -> Decimal:
    """Of all accounts, securities and cash."""
    cash = sum(cash_by_currency(found, account, each) for account in found["accounts"] for each in account["cash"])
    lots = [lot for account in found["accounts"] for lot in account["lots"]]
    return cash + sum((worth_minor(found, lot["instrument_id"], Decimal(lot["quantity"])) for lot in lots), Decimal(0))


def cash_by_currency(found: Plain, account: Plain, currency: str) -> Decimal:
    return Decimal(account["cash"][currency]) * Decimal(found["rates"][currency])


def positions(account: Plain) -> dict[str, Decimal]:
    """Quantity by instrument."""
    held: dict[str, Decimal] = {}
    for lot in account["lots"]:
        held[lot["instrument_id"]] = held.get(lot["instrument_id"], Decimal(0)) + Decimal(lot["quantity"])
    return held


def account_rows(holdings: Sequence[Holdings]) -> list[Plain]:
    """Accounts as a snapshot has them: what they hold, whatever it is worth."""
    return [_account(each) for each in holdings]


def _account(held_: Holdings) -> Plain:
    account = held_.account
    return {
        "custody_account_id": account.custody_account_id,
        "customer_id": account.customer_id,
        "currency": account.currency,
        "tax_status": account.tax_status,
        "cash": dict(sorted(held_.cash.items())),
        "lots": [
            {
                "lot_id": lot.lot_id,
                "instrument_id": lot.instrument_id,
                "quantity": f"{lot.quantity:f}",
                "cost_minor": lot.cost_minor,
                "acquired_on": lot.acquired_on.isoformat(),
            }
            for lot in sorted(held_.lots, key=lambda each: each.lot_id)
        ],
    }


def _instrument(one: Instrument) -> Plain:
    return {
        "name": one.name,
        "asset_class": one.asset_class,
        "currency": one.currency,
        "whole_shares": one.whole_shares,
        "complex": one.complexity == "complex",
        "liquidity_days": one.liquidity_days,
        "ongoing_cost_bps": one.ongoing_cost_bps,
        "fee_bps": one.fee_bps,
        "tags": sorted(one.tags),
    }


def _trade(trade: Trade, *, taxable: bool) -> Plain:
    return {
        "side": trade.side,
        "instrument_id": trade.instrument_id,
        "on": trade.at.date().isoformat(),
        "taxable": taxable,
        "lots": [{"lot_id": lot.lot_id, "quantity": f"{lot.quantity:f}"} for lot in trade.lots],
    }
