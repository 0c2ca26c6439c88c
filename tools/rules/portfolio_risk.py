"""How a portfolio's value moved and could move: volatility, drawdown, value at risk, tracking error.

Statistics of returns, so floats; what comes of them is rounded to basis points by whoever states it.

Value at risk is by historical simulation (Basel Framework MAR32 and, before it, Basel II 718(lxxvi); McNeil, Frey and
Embrechts, Quantitative Risk Management, definition 2.8): today's holdings are revalued with each past day's price
movements, and the loss at confidence c is the least one that no more than 1 - c of those days exceeded. No distribution
is assumed. Expected shortfall (MAR33.3) is the mean of the losses from there on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import fsum, sqrt
from statistics import stdev

WEEKDAYS_A_YEAR = 261
"""Valuations are of weekdays, holidays included: 365.25 x 5 / 7, rounded."""
FEWEST_FOR_RISK = 20
FEWEST_FOR_VAR = 250
"""A year of trading days, as Basel asks for at least (718(lxxvi)(d))."""
WHOLE_BPS = 10_000


class TooFewReturns(ValueError):
    def __init__(self, found: int, needed: int) -> None:
        super().__init__(f"{needed} daily returns are needed, and there are {found}")
        self.found = found
        self.needed = needed


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak, 0 to 1. `recovered_on` is the first day at the peak again; None: not yet."""

    depth: float
    peak_on: date
    trough_on: date
    recovered_on: date | None


def volatility(returns: Sequence[float]) -> float:
    """A year's: the sample deviation of daily simple returns times the root of the days in a year. Raises
    TooFewReturns."""
    if len(returns) < FEWEST_FOR_RISK:
        raise TooFewReturns(len(returns), FEWEST_FOR_RISK)
    return stdev(returns) * sqrt(WEEKDAYS_A_YEAR)


def tracking_error(own: Sequence[float], model: Sequence[float]) -> float:
    """A year's deviation of the daily differences. Raises TooFewReturns, ValueError for unequal lengths."""
    return volatility([mine - its for mine, its in zip(own, model, strict=True)])


def drawdown(days: Sequence[date], index: Sequence[float]) -> Drawdown:
    """Of an index of value without flows, such as linked returns. ValueError if it is empty or not above zero."""
    if not index or min(index) < 0 or index[0] <= 0:
        raise ValueError("an index of value begins above zero and does not go below it")
    peak, found = 0, Drawdown(0.0, days[0], days[0], days[0])
    deepest = 0
    for at, value in enumerate(index):
        if value >= index[peak]:
            peak = at
        elif (depth := 1 - value / index[peak]) > found.depth:
            found, deepest = Drawdown(depth, days[peak], days[at], None), at
    if found.depth == 0:
        return found
    top = index[list(days).index(found.peak_on)]
    again = next((on for on, value in zip(days[deepest:], index[deepest:], strict=True) if value >= top), None)
    return Drawdown(found.depth, found.peak_on, found.trough_on, again)


def closes_to_returns(closes: Sequence[float]) -> list[float]:
    """Simple returns from day to day."""
    return [now / before - 1 for before, now in pairwise(closes)]


def weighted(weights: Mapping[str, float], returns: Mapping[str, Sequence[float]]) -> list[float]:
    """Daily returns of holdings that are kept at these weights; what has none, such as cash, does not move."""
    days = {len(each) for each in returns.values()}
    if len(days) > 1:
        raise ValueError("returns are of different days")
    moved = [name for name in sorted(weights) if name in returns]
    return [fsum(weights[name] * returns[name][at] for name in moved) for at in range(max(days, default=0))]


def over_horizon(returns: Sequence[float], days: int) -> list[float]:
    """Returns over so many days, compounded, of windows that overlap."""
    windows = []
    for first in range(len(returns) - days + 1):
        grown = 1.0
        for each in returns[first : first + days]:
            grown *= 1 + each
        windows.append(grown - 1)
    return windows


def value_at_risk(returns: Sequence[float], confidence_bps: int) -> float:
    """The loss, as a share of the value and at least 0, that no more than 1 - confidence of these returns exceeded.

    Raises TooFewReturns for less than a year of them.
    """
    return max(0.0, _sorted_losses(returns, confidence_bps)[_rank(len(returns), confidence_bps)])


def expected_shortfall(returns: Sequence[float], confidence_bps: int) -> float:
    """The mean of the losses from the value at risk on, at least 0."""
    losses = _sorted_losses(returns, confidence_bps)[: _rank(len(returns), confidence_bps) + 1]
    return max(0.0, fsum(losses) / len(losses))


def _sorted_losses(returns: Sequence[float], confidence_bps: int) -> list[float]:
    """The worst first."""
    if not 0 < confidence_bps < WHOLE_BPS:
        raise ValueError(f"confidence must be between 0 and 10000 bps, not {confidence_bps}")
    if len(returns) < FEWEST_FOR_VAR:
        raise TooFewReturns(len(returns), FEWEST_FOR_VAR)
    return sorted((-each for each in returns), reverse=True)


def _rank(count: int, confidence_bps: int) -> int:
    """So many losses may exceed it."""
    return count * (WHOLE_BPS - confidence_bps) // WHOLE_BPS
