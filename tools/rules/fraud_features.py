"""What the learned scorer knows of a payment: figures of the payment, its account's past and its payee's past.

The same function serves training and the live payment, in whole numbers, so the two cannot differ. Windows and the
label delay follow Le Borgne et al., Fraud Detection Handbook, chapter 3 (recency, frequency and amount of the account;
delayed risk of the payee); ratios to the account's own habits and the payee's payers are ours.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isqrt
from typing import Self

DAY_S = 86_400
LABEL_DELAY_DAYS = 7
"""A fraud counts as known so many days after its payment, even if its label came sooner: as trained, so scored."""
HISTORY_DAYS = 30 + LABEL_DELAY_DAYS
"""How far back the past of an account and of a payee must reach."""
NEVER_S = HISTORY_DAYS * DAY_S
UNIT_BPS = 10_000
RATIO_MAX_BPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Paid:
    """One payment as the learned scorer sees it; `fraud` is what is known of it today, False for the one judged."""

    at: datetime
    account: str
    payee: str
    amount_minor: int
    fraud: bool = False


@dataclass(frozen=True, slots=True)
class FraudFeatures:
    """In the order the model reads them. `account_*` and `payee_*` tell what came before, without the payment itself.

    Ratios are to a mean (of payments in the window) or the greatest payment, 10,000 where there was none and
    at most RATIO_MAX_BPS. Seconds since are at most NEVER_S, which also means never. Risks are the share of frauds in
    a window that ended LABEL_DELAY_DAYS ago, as are `account_frauds_30d`; 0 where there was no payment. Night is
    before 07:00 and weekend Saturday and Sunday, both in UTC.
    """

    amount_minor: int
    night: int
    weekend: int
    account_count_1d: int
    account_count_7d: int
    account_count_30d: int
    account_mean_minor_7d: int
    account_mean_minor_30d: int
    amount_to_mean_1d_bps: int
    amount_to_mean_7d_bps: int
    amount_to_mean_30d_bps: int
    amount_to_max_30d_bps: int
    amount_deviations_30d_bps: int
    sum_1d_to_mean_30d_bps: int
    account_idle_s: int
    since_same_payee_s: int
    account_frauds_30d: int
    payee_count_1d: int
    payee_count_7d: int
    payee_count_30d: int
    payee_risk_1d_bps: int
    payee_risk_7d_bps: int
    payee_risk_30d_bps: int
    amount_to_payee_mean_30d_bps: int
    payee_payers_1d: int
    payee_payers_7d: int


class Past:
    """Payments of one account, or to one payee, in the order of time; running sums make every window two look-ups."""

    def __init__(self) -> None:
        self._at_s: list[int] = []
        self._amounts: list[int] = []
        self._accounts: list[str] = []
        self._sums = [0]
        self._squares = [0]
        self._frauds = [0]
        self._last_to: dict[str, int] = {}

    @classmethod
    def of(cls, payments: Iterable[Paid]) -> Self:
        """In any order."""
        past = cls()
        for paid in sorted(payments, key=lambda each: each.at):
            past.add(paid)
        return past

    def add(self, paid: Paid) -> None:
        """The next payment; ValueError if it is earlier than the last one."""
        at_s = _seconds(paid.at)
        if self._at_s and at_s < self._at_s[-1]:
            raise ValueError("payments must be added in the order of time")
        self._at_s.append(at_s)
        self._amounts.append(paid.amount_minor)
        self._accounts.append(paid.account)
        self._sums.append(self._sums[-1] + paid.amount_minor)
        self._squares.append(self._squares[-1] + paid.amount_minor**2)
        self._frauds.append(self._frauds[-1] + paid.fraud)
        self._last_to[paid.payee] = at_s

    def window(self, now_s: int, days: int, ended_days_ago: int = 0) -> "_Window":
        end_s = now_s - ended_days_ago * DAY_S
        return _Window(self, bisect_right(self._at_s, end_s - days * DAY_S), bisect_right(self._at_s, end_s))

    def idle_s(self, now_s: int) -> int:
        return min(NEVER_S, now_s - self._at_s[-1]) if self._at_s else NEVER_S

    def since_s(self, payee: str, now_s: int) -> int:
        return min(NEVER_S, now_s - self._last_to.get(payee, now_s - NEVER_S))


class _Window:
    """The payments from `start` up to, not including, `end`."""

    __slots__ = ("_end", "_past", "_start", "count", "total")

    def __init__(self, past: Past, start: int, end: int) -> None:
        self._past, self._start, self._end = past, start, end
        self.count = end - start
        self.total = past._sums[end] - past._sums[start]

    @property
    def mean(self) -> int:
        return self.total // self.count if self.count else 0

    @property
    def greatest(self) -> int:
        return max(self._past._amounts[self._start : self._end], default=0)

    @property
    def deviation(self) -> int:
        """Standard deviation of the amounts, rounded down."""
        squares = self._past._squares[self._end] - self._past._squares[self._start]
        return isqrt(squares * self.count - self.total**2) // self.count if self.count else 0

    @property
    def frauds(self) -> int:
        return self._past._frauds[self._end] - self._past._frauds[self._start]

    @property
    def risk_bps(self) -> int:
        return self.frauds * UNIT_BPS // self.count if self.count else 0

    @property
    def payers(self) -> int:
        return len(set(self._past._accounts[self._start : self._end]))


def fraud_features(paid: Paid, account: Past, payee: Past) -> FraudFeatures:
    """`account` holds what paid.account paid before, `payee` what paid.payee was paid: HISTORY_DAYS back, or more."""
    now_s = _seconds(paid.at)
    day, week, month = (account.window(now_s, days) for days in (1, 7, 30))
    to_day, to_week, to_month = (payee.window(now_s, days) for days in (1, 7, 30))
    risk_day, risk_week, risk_month = (payee.window(now_s, days, LABEL_DELAY_DAYS) for days in (1, 7, 30))
    amount, at = paid.amount_minor, paid.at.astimezone(UTC)
    return FraudFeatures(
        amount_minor=amount,
        night=int(at.hour < 7),
        weekend=int(at.weekday() >= 5),
        account_count_1d=day.count,
        account_count_7d=week.count,
        account_count_30d=month.count,
        account_mean_minor_7d=week.mean,
        account_mean_minor_30d=month.mean,
        amount_to_mean_1d_bps=_ratio_bps(amount, day.mean),
        amount_to_mean_7d_bps=_ratio_bps(amount, week.mean),
        amount_to_mean_30d_bps=_ratio_bps(amount, month.mean),
        amount_to_max_30d_bps=_ratio_bps(amount, month.greatest),
        amount_deviations_30d_bps=_deviations_bps(amount, month),
        sum_1d_to_mean_30d_bps=_ratio_bps(day.total + amount, month.mean),
        account_idle_s=account.idle_s(now_s),
        since_same_payee_s=account.since_s(paid.payee, now_s),
        account_frauds_30d=account.window(now_s, 30, LABEL_DELAY_DAYS).frauds,
        payee_count_1d=to_day.count,
        payee_count_7d=to_week.count,
        payee_count_30d=to_month.count,
        payee_risk_1d_bps=risk_day.risk_bps,
        payee_risk_7d_bps=risk_week.risk_bps,
        payee_risk_30d_bps=risk_month.risk_bps,
        amount_to_payee_mean_30d_bps=_ratio_bps(amount, to_month.mean),
        payee_payers_1d=to_day.payers,
        payee_payers_7d=to_week.payers,
    )


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _ratio_bps(part: int, whole: int) -> int:
    return min(RATIO_MAX_BPS, part * UNIT_BPS // whole) if whole else UNIT_BPS


def _deviations_bps(amount: int, window: _Window) -> int:
    """How many standard deviations above the mean, in ten-thousandths; 0 where the amounts do not vary."""
    spread = window.deviation
    if not spread:
        return 0
    return max(-RATIO_MAX_BPS, min(RATIO_MAX_BPS, (amount - window.mean) * UNIT_BPS // spread))
