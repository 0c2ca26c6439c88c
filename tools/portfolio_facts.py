"""Reads what a portfolio review rests on from the bank's custody; what cannot be trusted is refused by name."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from tools.bank import Bank
from tools.bank_custody import (
    CustodyAccount,
    Holdings,
    Instrument,
    Price,
    read_fx,
    read_holdings,
    read_trades,
)
from tools.bank_custody_history import Valuation, read_cash_flows, read_price_history, read_valuations
from tools.holdings import HoldingsUnusable, fresh_prices, rates_to
from tools.rules.money import minor_exponent
from tools.rules.performance import DayValue, since_first_flow
from tools.rules.portfolio_facts import Cash, History, ModelHoldings, Moved, PortfolioFacts, Position

PRICE_AGE = timedelta(hours=24)
"""A review trades nothing: a price of the last day of trading will do, but no older one."""
HISTORY_DAYS = 400
"""For more than Basel's year of trading days, 250."""
LOOK_BACK = timedelta(days=7)
"""The value that a period begins with is of its first day, or of the last weekday before."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`accounts` are reviewed together, from the end of `since` on."""

    client_id: str
    accounts: Sequence[CustodyAccount]
    since: date
    now: datetime
    instruments: Mapping[str, Instrument] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        return self.accounts[0].currency

    @property
    def account_ids(self) -> tuple[str, ...]:
        return tuple(each.custody_account_id for each in self.accounts)


async def read_facts(bank: Bank, wanted: Wanted, model: ModelHoldings | None) -> PortfolioFacts:
    """Raises HoldingsUnusable with `mixed_currencies`, `no_valuations`, `stale_price`, `no_fx_rate`,
    `unknown_instrument` or `no_price_history`."""
    if other := next((each for each in wanted.accounts if each.currency != wanted.currency), None):
        raise HoldingsUnusable(
            "mixed_currencies",
            f"{other.custody_account_id} is kept in {other.currency}, not {wanted.currency}: review it by itself",
        )
    holdings = [await read_holdings(bank, account_id) for account_id in wanted.account_ids]
    held = sorted({lot.instrument_id for each in holdings for lot in each.lots})
    if unknown := next((name for name in held if name not in wanted.instruments), None):
        raise HoldingsUnusable("unknown_instrument", f"the bank does not say what {unknown} is")
    prices = await fresh_prices(bank, held, wanted.now, PRICE_AGE)
    rates = await _rates(bank, wanted.currency, [*_currencies(holdings), *(prices[one].currency for one in held)])
    parts = () if model is None else tuple(part.instrument_id for part in model.parts)
    days, histories = await _histories(bank, sorted({*held, *parts}), wanted.now)
    return PortfolioFacts(
        client_id=wanted.client_id,
        accounts=wanted.account_ids,
        currency=wanted.currency,
        as_of=wanted.now.date(),
        values=await _values(bank, wanted),
        positions=tuple(_position(wanted.instruments[one], holdings, prices[one], rates) for one in held),
        cash=_cash(holdings, rates),
        moved=await _moved(bank, wanted),
        history_days=days,
        histories=histories,
        model=model,
    )


@dataclass(frozen=True, slots=True)
class Rates:
    """What one unit of each currency is in `base`."""

    base: str
    of: Mapping[str, Decimal]

    def minor(self, amount_minor: Decimal | int, currency: str) -> int:
        """Minor units of a currency as those of the base, half up."""
        places = minor_exponent(self.base) - minor_exponent(currency)
        return _rounded((amount_minor * self.of[currency]).scaleb(places))

    def major(self, amount: Decimal, currency: str) -> int:
        """An amount in major units in minor ones of the base, half up."""
        return _rounded((amount * self.of[currency]).scaleb(minor_exponent(self.base)))


async def _rates(bank: Bank, base: str, currencies: Iterable[str]) -> Rates:
    needed = set(currencies) - {base}
    return Rates(base, rates_to(base, needed, await read_fx(bank) if needed else ()))


def _currencies(holdings: Sequence[Holdings]) -> set[str]:
    """Of cash that there is: an account may be open for more."""
    return {currency for each in holdings for currency, amount in each.cash.items() if amount}


async def _values(bank: Bank, wanted: Wanted) -> tuple[DayValue, ...]:
    """Of all accounts together, from the end of the period's first day on."""
    by_day: dict[date, list[Valuation]] = {}
    for account_id in wanted.account_ids:
        for each in await read_valuations(bank, account_id, wanted.since - LOOK_BACK):
            by_day.setdefault(each.on, []).append(each)
    values = [
        DayValue(on, sum(each.total_minor for each in found), sum(each.flow_minor for each in found))
        for on, found in sorted(by_day.items())
    ]
    before = [each for each in values if each.on <= wanted.since]
    within = [each for each in values if each.on > wanted.since]
    if not within or not any(each.total_minor for each in values):
        raise HoldingsUnusable("no_valuations", f"the bank has no valuation of it since {wanted.since}")
    return (before[-1], *within) if before else since_first_flow(within)


def _position(instrument: Instrument, holdings: Sequence[Holdings], price: Price, rates: Rates) -> Position:
    lots = [lot for each in holdings for lot in each.lots if lot.instrument_id == instrument.instrument_id]
    quantity = sum((lot.quantity for lot in lots), Decimal(0))
    return Position(
        instrument_id=instrument.instrument_id,
        name=instrument.name,
        asset_class=instrument.asset_class,
        currency=price.currency,
        quantity=f"{quantity:f}",
        price=f"{price.price:f}",
        value_minor=rates.major(quantity * price.price, price.currency),
        cost_minor=rates.minor(sum(lot.cost_minor for lot in lots), price.currency),
        ongoing_cost_bps=instrument.ongoing_cost_bps,
        is_complex=instrument.complexity == "complex",
        liquidity_days=instrument.liquidity_days,
        tags=tuple(sorted(instrument.tags)),
    )


def _cash(holdings: Sequence[Holdings], rates: Rates) -> tuple[Cash, ...]:
    amounts: Counter[str] = Counter()
    for each in holdings:
        amounts.update(each.cash)
    return tuple(Cash(name, amount, rates.minor(amount, name)) for name, amount in sorted(amounts.items()) if amount)


async def _moved(bank: Bank, wanted: Wanted) -> tuple[Moved, ...]:
    """Dividends, fees and gains of the period, at today's rates of exchange."""
    since = datetime.combine(wanted.since + timedelta(days=1), time(), UTC)
    flows = [each for name in wanted.account_ids for each in await read_cash_flows(bank, name, since)]
    trades = [each for name in wanted.account_ids for each in await read_trades(bank, name, since)]
    rates = await _rates(bank, wanted.currency, {one.currency for one in flows} | {one.currency for one in trades})
    moved = [
        Moved(flow.kind, flow.at.date(), rates.minor(flow.amount_minor, flow.currency))
        for flow in flows
        if flow.kind == "dividend" or flow.kind == "fee"
    ]
    for trade in trades:
        moved.append(Moved("trade_fee", trade.at.date(), -rates.minor(trade.fee_minor, trade.currency)))
        if trade.side == "sell":
            moved.append(Moved("realised", trade.at.date(), rates.minor(trade.gain_minor, trade.currency)))
    return tuple(moved)


async def _histories(bank: Bank, named: Sequence[str], now: datetime) -> tuple[tuple[date, ...], tuple[History, ...]]:
    """The closes of the days that all of them have. Movements of exchange rates are not in them."""
    if not named:
        return (), ()
    told = await read_price_history(bank, named, now.date() - timedelta(days=HISTORY_DAYS))
    closes = {name: {close.on: close.close for close in history} for name, history in told.items()}
    days = sorted(set.intersection(*(set(each) for each in closes.values())))
    if not days:
        raise HoldingsUnusable("no_price_history", f"there is no day with prices of all of {', '.join(named)}")
    return tuple(days), tuple(History(name, tuple(f"{closes[name][on]:f}" for on in days)) for name in named)


def _rounded(exact: Decimal) -> int:
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
