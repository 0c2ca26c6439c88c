"""Whose consumer credit law a creditor lends under, and what its loans take from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from tools.rules.apr import eu_loan_apr_bps, loan_apr_bps
from tools.rules.day_counts import DayCount

Jurisdiction = Literal["US", "EU"]
_FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Law:
    """`apr_bps` takes the payout, the payments, the day of the payout and that of the first payment.

    `day_count` is how interest accrues where it does so by days; `least_cooling_off_days` are
    calendar days; a policy may grant more.
    """

    apr_bps: Callable[[int, Sequence[int], date, date], int]
    day_count: DayCount
    least_cooling_off_days: int


LAWS: dict[Jurisdiction, Law] = {
    # Regulation Z grants a right to rescind only for loans that a home secures (12 CFR 1026.23).
    "US": Law(loan_apr_bps, DayCount.ACTUAL_365, least_cooling_off_days=0),
    # Article 26(1) of Directive (EU) 2023/2225: fourteen calendar days, without giving any reason.
    "EU": Law(eu_loan_apr_bps, DayCount.ACTUAL_365, least_cooling_off_days=14),
}


def last_day_to_cancel(accepted_on: date, cooling_off_days: int) -> date:
    """The day of acceptance is not counted, and a Saturday or Sunday at the end becomes the Monday after it.

    So Regulation (EEC, Euratom) No 1182/71, Article 3(1) and (4); public holidays are not known here.
    """
    last = accepted_on + timedelta(days=cooling_off_days)
    return last if last.weekday() <= _FRIDAY else last + timedelta(days=7 - last.weekday())
