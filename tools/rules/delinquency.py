"""How late a loan is, how likely it gets later, and what in the borrower's account speaks of hardship.

Past due is counted by the contractual method of the Uniform Retail Credit Classification and Account Management
Policy (FFIEC, 65 FR 36903, 12 June 2000): in days from the due date of the oldest instalment that is not paid in full.
Of that policy's two ways with partial payments this is the second: they are added up, and pay the oldest first.
Buckets of 30 days, as in the Call Report (FFIEC 031, schedule RC-N: past due 30 through 89 days, 90 days or more).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal, get_args

VERSION = "2026-01"

Bucket = Literal["current", "1-29", "30-59", "60-89", "90+"]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)

PRIOR_ROLL_BPS: dict[Bucket, int] = {"current": 200, "1-29": 2500, "30-59": 4500, "60-89": 7000}
"""Monthly roll rates assumed before any were seen: our own judgement, not measured, and outweighed by a portfolio of
some size. From 90+ there is no further bucket: the policy above has closed-end loans charged off at 120 days."""
PRIOR_MONTHS = 50
"""How many observed loan-months the assumed rate weighs as much as."""
PORTFOLIO_MONTHS = 12
"""How many months of the loan's own the portfolio's rate weighs as much as."""

INCOME_DROP_BPS = 3000
NEAR_ZERO_DAYS = 10
NEAR_ZERO_BPS = 1000
"""Of the instalment: a balance below that is near zero."""

SignalCode = Literal["income_drop", "missed_other_payments", "returned_payments", "near_zero_balance"]


@dataclass(frozen=True, slots=True)
class Due:
    """An instalment as far as it is paid. `due_on` is ISO 8601, JSON-plain."""

    due_on: str
    amount_minor: int
    paid_minor: int

    @property
    def unpaid_minor(self) -> int:
        return self.amount_minor - self.paid_minor


@dataclass(frozen=True, slots=True)
class Rolls:
    """Of `observed` months that a loan began in a bucket, in `rolled` it ended in a later one."""

    observed: int
    rolled: int


@dataclass(frozen=True, slots=True)
class Conduct:
    """The borrower's accounts over 120 days. Income is what others paid in, without payouts of loans, own transfers
    and money that came back.

    `income_30d_minor` is the last 30 days', `income_before_minor` the monthly mean of the 90 days before;
    `low_days_30d` counts days that ended near zero, all accounts together.
    """

    income_30d_minor: int
    income_before_minor: int
    skipped_90d: int
    returned_90d: int
    low_days_30d: int


@dataclass(frozen=True, slots=True)
class Signal:
    """A sign of hardship: what was seen, and from what on it counts. `text` is for people."""

    code: SignalCode
    text: str
    seen: int
    threshold: int


@dataclass(frozen=True, slots=True)
class Delinquency:
    """`roll_rate_bps` is the portfolio's from this bucket; `next_bucket_bps` the probability that this loan is in a
    later one a month from now. Both None from the last bucket."""

    version: str
    days_past_due: int
    past_due_minor: int
    bucket: Bucket
    oldest_unpaid_on: str | None
    portfolio: Rolls
    own: Rolls
    roll_rate_bps: int | None
    next_bucket_bps: int | None
    signals: tuple[Signal, ...]


def days_past_due(instalments: Sequence[Due], as_of: date) -> int:
    """0 on the due date itself: an instalment is late from the day after."""
    late = _late(instalments, as_of)
    return (as_of - date.fromisoformat(late[0].due_on)).days if late else 0


def bucket_of(days: int) -> Bucket:
    if days >= 90:
        return "90+"
    if days >= 60:
        return "60-89"
    if days >= 30:
        return "30-59"
    return "1-29" if days >= 1 else "current"


def roll_rate(bucket: Bucket, portfolio: Rolls) -> Fraction | None:
    """Rolled over observed, drawn towards the assumed rate: (m·a + rolled) / (m + observed), m = PRIOR_MONTHS.

    The posterior mean of a beta-binomial. Roll rates: OCC, Comptroller's Handbook, Retail Lending, appendix on
    forecasting; as a Markov chain: Cyert, Davidson and Thompson, Management Science 8 (1962) 287-303.
    """
    if bucket not in PRIOR_ROLL_BPS:
        return None
    return _drawn(Fraction(PRIOR_ROLL_BPS[bucket], 10_000), PRIOR_MONTHS, portfolio)


def next_bucket(bucket: Bucket, portfolio: Rolls, own: Rolls) -> Fraction | None:
    """The loan's own months, drawn towards the portfolio's rate in the same way. Signals of hardship do not move it:
    nobody has measured by how much they should."""
    rate = roll_rate(bucket, portfolio)
    return None if rate is None else _drawn(rate, PORTFOLIO_MONTHS, own)


def hardship(conduct: Conduct) -> tuple[Signal, ...]:
    before, now = conduct.income_before_minor, conduct.income_30d_minor
    drop_bps = (before - now) * 10_000 // before if before > 0 else 0
    tests: tuple[tuple[SignalCode, str, int, int], ...] = (
        ("income_drop", "Income fell against the three months before", drop_bps, INCOME_DROP_BPS),
        ("missed_other_payments", "Standing orders could not be paid", conduct.skipped_90d, 1),
        ("returned_payments", "Payments came back", conduct.returned_90d, 1),
        ("near_zero_balance", "Days on which the accounts were nearly empty", conduct.low_days_30d, NEAR_ZERO_DAYS),
    )
    return tuple(Signal(code, text, seen, least) for code, text, seen, least in tests if seen >= least)


def assess(instalments: Sequence[Due], as_of: date, conduct: Conduct, portfolio: Rolls, own: Rolls) -> Delinquency:
    """`portfolio` and `own` are the rolls out of this loan's bucket; the portfolio's without this loan's."""
    days, late = days_past_due(instalments, as_of), _late(instalments, as_of)
    bucket = bucket_of(days)
    return Delinquency(
        version=VERSION,
        days_past_due=days,
        past_due_minor=sum(line.unpaid_minor for line in late),
        bucket=bucket,
        oldest_unpaid_on=late[0].due_on if late else None,
        portfolio=portfolio,
        own=own,
        roll_rate_bps=_bps(roll_rate(bucket, portfolio)),
        next_bucket_bps=_bps(next_bucket(bucket, portfolio, own)),
        signals=hardship(conduct),
    )


def _late(instalments: Sequence[Due], as_of: date) -> list[Due]:
    late = [line for line in instalments if line.unpaid_minor > 0 and date.fromisoformat(line.due_on) < as_of]
    return sorted(late, key=lambda line: line.due_on)


def _drawn(towards: Fraction, weight: int, seen: Rolls) -> Fraction:
    return (towards * weight + seen.rolled) / (weight + seen.observed)


def _bps(rate: Fraction | None) -> int | None:
    """Half up."""
    return None if rate is None else (rate * 20_000 + 1).__floor__() // 2
