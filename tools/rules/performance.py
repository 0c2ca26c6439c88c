"""What a portfolio returned: time-weighted, which judges the investing, and money-weighted, which judges the outcome.

Time-weighted: GIPS for Firms 2020, 2.A.24 and the Guidance Statement on Calculation Methodology: the portfolio is
valued on each day, a day's return takes out what came from outside, and the days are linked. Money that came in counts
from the start of its day, money that left until the end of it, so that neither end of a portfolio's life divides by
zero. A period shorter than a year is not annualised (2.A.12).

Money-weighted: the internal rate of return. With d(i) the days since the first flow (ISO 8601 calendar days),

    sum of flow(i) / (1 + r) ** (d(i) / 365) = 0

as spreadsheets' XIRR has it: what was put in below zero, what came out and the value at the end above it. It may have
no root or several. By Descartes' rule of signs there is one if the flows change sign once; by Soper (Applied Economics
26 (1959), 174-177) a root is the only one if no balance, carried forward at it, is ever owed to the portfolio.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from itertools import pairwise
from math import exp, fsum, log

YEAR_DAYS = 365
_PRECISE = Context(prec=34, rounding=ROUND_HALF_EVEN)
_LOWEST, _HIGHEST = 1e-9, 1e9
"""Of what 1 becomes in the whole period, between which roots are looked for."""
_STEPS = 400
_EXACT = 1e-14


class NoReturn(ValueError):
    """There is no such return: `code` says why for a machine, the text for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class DayValue:
    """At the end of a day; `flow_minor` came from outside since the value before, is within `total_minor`, and is below
    zero if it left."""

    on: date
    total_minor: int
    flow_minor: int


@dataclass(frozen=True, slots=True)
class DayReturn:
    on: date
    ratio: Decimal


@dataclass(frozen=True, slots=True)
class Flow:
    """From the client's side: below zero they put in, above it they got out."""

    on: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class MoneyWeighted:
    """`rate` is of the `days` between the first flow and the last, 0.05 for 5 %. `others` are further roots of the same
    equation, in which case none of them is the return; `is_proven`: that there are no others is certain, and not only
    that none was found."""

    rate: float
    days: int
    others: tuple[float, ...]
    is_proven: bool

    @property
    def yearly(self) -> float | None:
        """None for less than a year."""
        if self.days < YEAR_DAYS:
            return None
        return float((1 + self.rate) ** (YEAR_DAYS / self.days)) - 1


def day_returns(values: Sequence[DayValue]) -> tuple[DayReturn, ...]:
    """One for each value but the first, which is where the period begins. A day without money returns nothing.

    Raises NoReturn where there was a value that nobody put in, or one below zero.
    """
    if len(values) < 2:
        raise NoReturn("too_few_valuations", f"a return needs two valuations, and there are {len(values)}")
    with localcontext(_PRECISE):
        return tuple(DayReturn(now.on, _day_return(before, now)) for before, now in pairwise(values))


def since_first_flow(values: Sequence[DayValue]) -> tuple[DayValue, ...]:
    """With an empty portfolio before the first value, if that holds nothing but what came in on its day."""
    first = values[0]
    if first.flow_minor <= 0:
        return tuple(values)
    return (DayValue(first.on - timedelta(days=1), 0, 0), *values)


def linked(returns: Sequence[DayReturn]) -> Decimal:
    """The time-weighted return of the whole period, not annualised."""
    with localcontext(_PRECISE):
        grown = Decimal(1)
        for each in returns:
            grown *= 1 + each.ratio
        return grown - 1


def annualised(whole: Decimal, start: date, end: date) -> Decimal | None:
    """By the year of 365 days; None for a period shorter than that."""
    days = (end - start).days
    if days < YEAR_DAYS or whole <= -1:
        return None
    with localcontext(_PRECISE):
        return (1 + whole) ** (Decimal(YEAR_DAYS) / days) - 1


def client_flows(values: Sequence[DayValue]) -> tuple[Flow, ...]:
    """What money-weighting needs of a period: the value that it begins with, what moved, the value that it ends with.
    What came in counts on the day of its valuation."""
    first, *rest = values
    moved = [Flow(each.on, -each.flow_minor) for each in rest if each.flow_minor]
    flows = [Flow(first.on, -first.total_minor), *moved, Flow(values[-1].on, values[-1].total_minor)]
    return tuple(flow for flow in flows if flow.amount_minor)


def money_weighted(flows: Sequence[Flow]) -> MoneyWeighted:
    """Raises NoReturn with `one_way` (all flows have one sign, or one day) or `no_root`."""
    net: Counter[date] = Counter()
    for flow in sorted(flows, key=lambda each: each.on):
        net[flow.on] += flow.amount_minor
    amounts = [(on, amount) for on, amount in net.items() if amount]
    signs = [amount > 0 for _, amount in amounts]
    if len(set(signs)) < 2:
        raise NoReturn("one_way", "money only went one way, so that there is no rate at which it balances")
    start, days = amounts[0][0], (amounts[-1][0] - amounts[0][0]).days
    timed = [((on - start).days / days, amount) for on, amount in amounts]
    roots = _roots(timed)
    if not roots:
        raise NoReturn("no_root", "no rate balances what was put in with what came out")
    changes = sum(a != b for a, b in pairwise(signs))
    first, *others = (root - 1 for root in roots)
    is_proven = changes == 1 or (not others and _is_pure(timed, 1 + first))
    return MoneyWeighted(first, days, tuple(others), is_proven)


def bps(ratio: Decimal | float) -> int:
    """A ratio in basis points, half up."""
    exact = ratio if isinstance(ratio, Decimal) else Decimal(repr(ratio))
    return int((exact * 10_000).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _day_return(before: DayValue, now: DayValue) -> Decimal:
    came, left = max(now.flow_minor, 0), max(-now.flow_minor, 0)
    began, ended = before.total_minor + came, now.total_minor + left
    if began < 0 or ended < 0:
        raise NoReturn("value_below_zero", f"the portfolio is worth less than nothing on {now.on}")
    if began == 0:
        if ended:
            raise NoReturn("value_from_nothing", f"on {now.on} there is a value that nobody put in")
        return Decimal(0)
    return Decimal(ended) / began - 1


def _roots(timed: Sequence[tuple[float, int]]) -> list[float]:
    """Of the whole period's growth, times being shares of it: where the present value changes sign along a fine scale,
    halved until it is exact. A rate a year could leave the floats' range where the period is a day."""

    def value(growth: float) -> float:
        return fsum(amount * growth**-at for at, amount in timed)

    low, high = log(_LOWEST), log(_HIGHEST)
    scale = [low + (high - low) * step / _STEPS for step in range(_STEPS + 1)]
    found: list[float] = []
    for left, right in pairwise([(at, value(exp(at))) for at in scale]):
        if left[1] == 0:
            found.append(exp(left[0]))
        elif left[1] * right[1] < 0:
            found.append(exp(_halved(value, left, right[0])))
    # Nearest to no gain or loss first: a spreadsheet that starts from there finds this one.
    return sorted(found, key=lambda growth: abs(log(growth)))


def _halved(value: Callable[[float], float], left: tuple[float, float], right: float) -> float:
    low, at_low = left
    high = right
    while high - low > _EXACT:
        middle = (low + high) / 2
        at_middle = value(exp(middle))
        if at_low * at_middle <= 0:
            high = middle
        else:
            low, at_low = middle, at_middle
    return (low + high) / 2


def _is_pure(timed: Sequence[tuple[float, int]], growth: float) -> bool:
    """Whether the client is the one who is owed at all times but the last, at this rate."""
    balance, at = 0.0, 0.0
    for years, amount in timed[:-1]:
        balance = balance * growth ** (years - at) + amount
        at = years
        if balance > 0:
            return False
    return True
