"""Annual percentage rates by the actuarial methods of the United States and of the European Union.

US: Regulation Z, 12 CFR 1026 Appendix J (b)(8), the general equation over unit-periods. The rate is nominal:
rate per unit-period times unit-periods in a year.

EU: Directive (EU) 2023/2225 Annex III, the same equation as 2008/48/EC Annex I and 98/7/EC Annex II. The rate is
effective: compounded yearly.

Both solve in Decimal with 34 digits to 15 places, and return the annual rate as a ratio: 0.0969 is 9.69 %.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext

from tools.rules.dates import add_months

_PRECISE = Context(prec=34, rounding=ROUND_HALF_EVEN)
_TOLERANCE = Decimal("1E-15")
_HIGHEST_RATE = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class PeriodFlow:
    """An advance or payment, `full_periods` + `fraction` unit-periods after the term of the loan begins."""

    amount: Decimal
    full_periods: int
    fraction: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class YearFlow:
    """A drawdown or repayment, `years` after the first drawdown (see years_between)."""

    amount: Decimal
    years: Decimal


def us_apr(advances: Sequence[PeriodFlow], payments: Sequence[PeriodFlow], periods_per_year: Decimal) -> Decimal:
    """Regulation Z APR: i times unit-periods a year, where Σ advance / ((1+e·i)(1+i)^q) = Σ payment / the same.

    q or t are the flow's full unit-periods, e or f its fraction. ValueError if less is paid than was advanced.
    """

    def excess(rate: Decimal) -> Decimal:
        return _period_value(payments, rate) - _period_value(advances, rate)

    with localcontext(_PRECISE):
        return _root(excess) * periods_per_year


def loan_apr_bps(advance_minor: int, payments_minor: Sequence[int], disbursed_on: date, first_due_on: date) -> int:
    """Regulation Z APR of one advance and monthly payments, in basis points, HALF_UP.

    The advance is the amount financed: principal less fees withheld, which are prepaid finance charges
    (1026.18(b)). The odd first period counts exactly, by (b)(5)(ii): whole months measured back from the
    first due date, then the days that remain over 30. The days of regular periods are not counted: each is
    one month.
    """
    if first_due_on <= disbursed_on:
        raise ValueError(f"first payment {first_due_on} must fall due after disbursement {disbursed_on}")
    full, days = _months_back(disbursed_on, first_due_on)
    with localcontext(_PRECISE):
        fraction = Decimal(days) / 30
        payments = [PeriodFlow(Decimal(paid), full + n, fraction) for n, paid in enumerate(payments_minor)]
        return _bps(us_apr([PeriodFlow(Decimal(advance_minor), 0)], payments, Decimal(12)))


def eu_loan_apr_bps(advance_minor: int, payments_minor: Sequence[int], disbursed_on: date, first_due_on: date) -> int:
    """EU annual percentage rate of charge of one drawdown and monthly payments, in basis points, HALF_UP.

    The drawdown is what is paid out: a fee withheld is a charge of the first day. Months are equal, a twelfth of a
    year each, and are counted back from the first due date to the drawdown; the days that remain are a part of the
    year that ends where they end (Annex III, part I, remark (c), and 2011/90/EU).
    """
    if first_due_on <= disbursed_on:
        raise ValueError(f"first payment {first_due_on} must fall due after disbursement {disbursed_on}")
    full, days = _months_back(disbursed_on, first_due_on)
    days_end_on = add_months(first_due_on, -full)
    with localcontext(_PRECISE):
        odd = Decimal(days) / (days_end_on - add_months(days_end_on, -12)).days
        repayments = [YearFlow(Decimal(paid), Decimal(full + n) / 12 + odd) for n, paid in enumerate(payments_minor)]
        return _bps(eu_apr([YearFlow(Decimal(advance_minor), Decimal(0))], repayments))


def eu_apr(drawdowns: Sequence[YearFlow], repayments: Sequence[YearFlow]) -> Decimal:
    """EU annual percentage rate of charge X: Σ drawdown·(1+X)^-s = Σ repayment·(1+X)^-t, times in years.

    ValueError if less is repaid than was drawn down.
    """

    def excess(rate: Decimal) -> Decimal:
        return _year_value(repayments, rate) - _year_value(drawdowns, rate)

    with localcontext(_PRECISE):
        return _root(excess)


def years_between(start: date, end: date) -> Decimal:
    """Years on the directive's calendar basis: whole years, then days over the 365 or 366 of the year begun.

    1 January 1994 to 1 July 1995 is 546/365. ValueError if end is before start.
    """
    if end < start:
        raise ValueError(f"{end} is before {start}")
    whole = end.year - start.year
    if add_months(start, 12 * whole) > end:
        whole -= 1
    begun, next_year = add_months(start, 12 * whole), add_months(start, 12 * whole + 12)
    with localcontext(_PRECISE):
        return whole + Decimal((end - begun).days) / (next_year - begun).days


def _bps(rate: Decimal) -> int:
    return int((rate * 10_000).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _months_back(start: date, end: date) -> tuple[int, int]:
    """Full months measured back from end, and the days from start to where they begin."""
    months = (end.year - start.year) * 12 + end.month - start.month
    if add_months(end, -months) < start:
        months -= 1
    return months, (add_months(end, -months) - start).days


def _period_value(flows: Iterable[PeriodFlow], rate: Decimal) -> Decimal:
    value, growth, at, base = Decimal(0), Decimal(1), 0, 1 + rate
    for flow in sorted(flows, key=_full_periods):
        # A power costs as much as all the rest, and nearly every step is one period.
        growth *= base if flow.full_periods - at == 1 else base ** (flow.full_periods - at)
        at = flow.full_periods
        value += flow.amount / (growth * (1 + flow.fraction * rate) if flow.fraction else growth)
    return value


def _full_periods(flow: PeriodFlow) -> int:
    return flow.full_periods


def _year_value(flows: Iterable[YearFlow], rate: Decimal) -> Decimal:
    return sum((flow.amount / (1 + rate) ** flow.years for flow in flows), Decimal(0))


def _root(excess: Callable[[Decimal], Decimal]) -> Decimal:
    """Where the payments' value, falling as the rate rises, meets the advances': regula falsi, Illinois variant.

    The root stays bracketed, so that it cannot diverge; an end that stays put twice has its weight halved.
    """
    low, high = Decimal(0), Decimal(1)
    at_low, at_high = excess(low), excess(high)
    if at_low < 0:
        raise ValueError("less is paid than was advanced: there is no annual percentage rate")
    if at_low == 0:
        return low
    while at_high >= 0:
        high *= 4
        if high > _HIGHEST_RATE:
            raise ValueError("the payments outweigh the advances at any rate")
        at_high = excess(high)
    last_moved = 0
    while high - low > _TOLERANCE:
        middle = high - at_high * (high - low) / (at_high - at_low)
        at_middle = excess(middle)
        if at_middle == 0:
            return middle
        if at_middle > 0:
            low, at_low = middle, at_middle
            at_high = at_high / 2 if last_moved > 0 else at_high
            last_moved = 1
        else:
            high, at_high = middle, at_middle
            at_low = at_low / 2 if last_moved < 0 else at_low
            last_moved = -1
    return high
