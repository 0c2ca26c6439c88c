"""A portfolio review's figures from its facts: the same facts always give the same figures.

Costs follow 2017/565 art. 50 and annex II in their split: what is taken within the products' prices, estimated by a
year from what is held today, and what was paid in the period, fees of custody and of trades apart.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from tools.rules import performance, portfolio_risk
from tools.rules.performance import NoReturn, bps
from tools.rules.portfolio_facts import PortfolioFacts, Position
from tools.rules.portfolio_risk import TooFewReturns

VERSION = "portfolio-figures-2026-01"
WHOLE = 10_000
LOSSES = ((9500, 1), (9900, 1), (9900, 10))
"""Confidence in bps and horizon in days. The last is that of Basel II for market risk (718(lxxvi))."""


@dataclass(frozen=True, slots=True)
class Performance:
    """`index_bps` is the time-weighted value of 10000 on `start_on`, one for each of `days`, `totals_minor` beside it.
    A figure that there is not is None, and `missing` says why."""

    start_on: date
    end_on: date
    start_minor: int
    paid_in_minor: int
    paid_out_minor: int
    result_minor: int
    end_minor: int
    time_weighted_bps: int
    time_weighted_yearly_bps: int | None
    money_weighted_bps: int | None
    money_weighted_yearly_bps: int | None
    missing: str | None
    days: tuple[date, ...]
    index_bps: tuple[int, ...]
    totals_minor: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    confidence_bps: int
    horizon_days: int
    loss_bps: int
    loss_minor: int


@dataclass(frozen=True, slots=True)
class Risk:
    """`volatility_bps` is of the returns that there were, `held_volatility_bps` of what is held today; `losses` and
    `shortfall` are of that, too, over `history_days`. What too few days tell is None or empty, and `missing` says so.
    """

    volatility_bps: int | None
    drawdown_bps: int
    peak_on: date
    trough_on: date
    recovered_on: date | None
    held_volatility_bps: int | None
    tracking_error_bps: int | None
    losses: tuple[Loss, ...]
    shortfall: Loss | None
    history_days: int
    history_from: date | None
    missing: str | None


@dataclass(frozen=True, slots=True)
class ClassShare:
    """`target_bps` and `band_bps` None: there is no model to compare with."""

    asset_class: str
    value_minor: int
    weight_bps: int
    target_bps: int | None
    band_bps: int | None

    @property
    def is_outside(self) -> bool:
        if self.target_bps is None or self.band_bps is None:
            return False
        return abs(self.weight_bps - self.target_bps) > self.band_bps


@dataclass(frozen=True, slots=True)
class Money:
    """Costs, income and gains. `ongoing_minor` is a year's, the rest is the period's; costs are above zero. Shares are
    of the period's mean value."""

    ongoing_minor: int
    ongoing_bps: int
    custody_fees_minor: int
    trade_fees_minor: int
    paid_bps: int
    dividends_minor: int
    income_bps: int
    realised_minor: int
    unrealised_minor: int


@dataclass(frozen=True, slots=True)
class Figures:
    """`drift_bps`: what share of the portfolio would have to change class to be the model's; None without a model."""

    version: str
    currency: str
    total_minor: int
    performance: Performance
    risk: Risk
    classes: tuple[ClassShare, ...]
    drift_bps: int | None
    money: Money


def figures(facts: PortfolioFacts) -> Figures:
    """Raises NoReturn if the values by day are no portfolio's."""
    total = facts.total_minor
    if total <= 0:
        raise NoReturn("empty", "there is nothing in the portfolio")
    classes = _classes(facts)
    targets = [each.target_bps for each in classes]
    drift = sum(abs(each.weight_bps - (each.target_bps or 0)) for each in classes) // 2
    return Figures(
        version=VERSION,
        currency=facts.currency,
        total_minor=total,
        performance=_performance(facts),
        risk=_risk(facts),
        classes=classes,
        drift_bps=None if None in targets else drift,
        money=_money(facts),
    )


def weights_bps(positions: Sequence[Position], total_minor: int) -> dict[str, int]:
    """By instrument, rounded down: the rest is cash's."""
    return {each.instrument_id: each.value_minor * WHOLE // total_minor for each in positions}


def _performance(facts: PortfolioFacts) -> Performance:
    values = facts.values
    first, last = values[0], values[-1]
    returns = performance.day_returns(values)
    whole = performance.linked(returns)
    yearly = performance.annualised(whole, first.on, last.on)
    index, grown = [WHOLE], Decimal(1)
    for each in returns:
        grown *= 1 + each.ratio
        index.append(bps(grown))
    weighted, weighted_yearly, missing = _money_weighted(facts)
    paid_in = sum(max(each.flow_minor, 0) for each in values[1:])
    paid_out = sum(max(-each.flow_minor, 0) for each in values[1:])
    return Performance(
        start_on=first.on,
        end_on=last.on,
        start_minor=first.total_minor,
        paid_in_minor=paid_in,
        paid_out_minor=paid_out,
        result_minor=last.total_minor - first.total_minor - paid_in + paid_out,
        end_minor=last.total_minor,
        time_weighted_bps=bps(whole),
        time_weighted_yearly_bps=None if yearly is None else bps(yearly),
        money_weighted_bps=weighted,
        money_weighted_yearly_bps=weighted_yearly,
        missing=missing,
        days=tuple(each.on for each in values),
        index_bps=tuple(index),
        totals_minor=tuple(each.total_minor for each in values),
    )


def _money_weighted(facts: PortfolioFacts) -> tuple[int | None, int | None, str | None]:
    """Of the period, of a year if it is that long, or why there is none."""
    try:
        found = performance.money_weighted(performance.client_flows(facts.values))
    except NoReturn as exc:
        return None, None, str(exc)
    if found.others:
        return None, None, f"{1 + len(found.others)} different rates balance what was put in with what came out"
    return bps(found.rate), None if found.yearly is None else bps(found.yearly), None


def _risk(facts: PortfolioFacts) -> Risk:
    values = facts.values
    past = [float(each.ratio) for each in performance.day_returns(values)]
    index = [1.0]
    for each in past:
        index.append(index[-1] * (1 + each))
    fall = portfolio_risk.drawdown([each.on for each in values], index)
    total = facts.total_minor
    moves = {each.instrument_id: _moves(each.closes) for each in facts.histories}
    held = portfolio_risk.weighted({one.instrument_id: one.value_minor / total for one in facts.positions}, moves)
    losses = tuple(loss for each in LOSSES if (loss := _loss(held, each, total)) is not None)
    return Risk(
        volatility_bps=_or_none(lambda: portfolio_risk.volatility(past)),
        drawdown_bps=bps(fall.depth),
        peak_on=fall.peak_on,
        trough_on=fall.trough_on,
        recovered_on=fall.recovered_on,
        held_volatility_bps=_or_none(lambda: portfolio_risk.volatility(held)),
        tracking_error_bps=_tracking_error(facts, held, moves),
        losses=losses,
        shortfall=_shortfall(held, total),
        history_days=len(held),
        history_from=facts.history_days[0] if facts.history_days else None,
        missing=None if losses else f"prices of {portfolio_risk.FEWEST_FOR_VAR} days are needed, there are {len(held)}",
    )


def _tracking_error(facts: PortfolioFacts, held: list[float], moves: dict[str, list[float]]) -> int | None:
    """None without a model, or where a part of it has no history."""
    if facts.model is None or any(part.instrument_id not in moves for part in facts.model.parts):
        return None
    weights = {part.instrument_id: part.weight_bps / WHOLE for part in facts.model.parts}
    model = portfolio_risk.weighted(weights, moves)
    return _or_none(lambda: portfolio_risk.tracking_error(held, model))


def _loss(held: list[float], kind: tuple[int, int], total_minor: int) -> Loss | None:
    confidence, horizon = kind
    try:
        share = portfolio_risk.value_at_risk(portfolio_risk.over_horizon(held, horizon), confidence)
    except TooFewReturns:
        return None
    return Loss(confidence, horizon, bps(share), _part(total_minor, share))


def _shortfall(held: list[float], total_minor: int) -> Loss | None:
    try:
        share = portfolio_risk.expected_shortfall(held, 9750)
    except TooFewReturns:
        return None
    return Loss(9750, 1, bps(share), _part(total_minor, share))


def _classes(facts: PortfolioFacts) -> tuple[ClassShare, ...]:
    weights = weights_bps(facts.positions, facts.total_minor)
    values: Counter[str] = Counter(cash=sum(each.value_minor for each in facts.cash))
    shares: Counter[str] = Counter(cash=WHOLE - sum(weights.values()))
    for each in facts.positions:
        values[each.asset_class] += each.value_minor
        shares[each.asset_class] += weights[each.instrument_id]
    model = {} if facts.model is None else {each.asset_class: each for each in facts.model.classes}
    found = []
    for name in sorted(values.keys() | model.keys(), key=lambda each: (-values[each], each)):
        target = model.get(name)
        weight, band = (None, None) if facts.model is None else (0, 0)
        if target is not None:
            weight, band = target.weight_bps, target.band_bps
        found.append(ClassShare(name, values[name], shares[name], weight, band))
    return tuple(found)


def _money(facts: PortfolioFacts) -> Money:
    moved: Counter[str] = Counter()
    for each in facts.moved:
        moved[each.kind] += each.amount_minor
    ongoing = sum(_rounded(Decimal(one.value_minor * one.ongoing_cost_bps) / WHOLE) for one in facts.positions)
    lived = [each.total_minor for each in facts.values if each.total_minor]
    mean = Decimal(sum(lived)) / len(lived) if lived else Decimal(facts.total_minor)
    paid = -moved["fee"] - moved["trade_fee"]
    return Money(
        ongoing_minor=ongoing,
        ongoing_bps=bps(Decimal(ongoing) / facts.total_minor),
        custody_fees_minor=-moved["fee"],
        trade_fees_minor=-moved["trade_fee"],
        paid_bps=bps(paid / mean),
        dividends_minor=moved["dividend"],
        income_bps=bps(moved["dividend"] / mean),
        realised_minor=moved["realised"],
        unrealised_minor=sum(one.value_minor - one.cost_minor for one in facts.positions),
    )


def _moves(closes: Sequence[str]) -> list[float]:
    return portfolio_risk.closes_to_returns([float(close) for close in closes])


def _or_none(figure: Callable[[], float]) -> int | None:
    try:
        return bps(figure())
    except TooFewReturns:
        return None


def _part(total_minor: int, share: float) -> int:
    return _rounded(Decimal(total_minor) * Decimal(repr(share)))


def _rounded(exact: Decimal) -> int:
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
