"""The versions of our servicing policy, and which is in force when.

Limits on re-ageing are those that the Uniform Retail Credit Classification and Account Management Policy (FFIEC, 65 FR
36903) sets for open-end accounts: at least nine months old, three consecutive payments or as much in sum, once in
twelve months, twice in five years. For closed-end loans it asks for explicit standards of the bank's own and names no
numbers; these are ours, and they count restructurings with extensions, since both make a late loan current.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tools.rules.delinquency import Bucket

Action = Literal["none", "reminder", "payment_plan", "re_age", "restructure", "refer"]


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """A plan takes as few months as keep what is added to an instalment within `max_extra_bps` of it."""

    min_months: int
    max_months: int
    max_extra_bps: int
    max_income_share_bps: int
    months_between: int


@dataclass(frozen=True, slots=True)
class ReAgeLimits:
    """`payments` of the last 90 days, in instalments. The counts are of re-ageings and restructurings together."""

    min_loan_months: int
    payments: int
    per_12_months: int
    per_5_years: int


@dataclass(frozen=True, slots=True)
class RestructureLimits:
    """`min_relief_bps` is how much smaller the instalment must become; `paying_from_days`: a loan as late as that is
    restructured only if its borrower has begun to pay again."""

    max_months: int
    min_relief_bps: int
    paying_from_days: int


@dataclass(frozen=True, slots=True)
class ServicingPolicy:
    """One version, in force from a date until a later version's.

    `ladders` name, by bucket and by whether there are signs of hardship, what is tried, the first that is open being
    recommended. `notice_days`: a new schedule starts so many days after the day it is made for, so that review and
    consent have their time. Arrears up to `small_bps` of an instalment are only reminded of. A borrower is reminded
    once in `reminder_days`; what was declined is not proposed again within `declined_days`, unless the loan is in a
    later bucket by then.
    """

    version: str
    in_force_from: date
    notice_days: int
    small_bps: int
    reminder_days: int
    declined_days: int
    plan: PlanLimits
    re_age: ReAgeLimits
    restructure: RestructureLimits
    ladders: Mapping[Bucket, tuple[tuple[Action, ...], tuple[Action, ...]]]


_POLICY_2026_01 = ServicingPolicy(
    version="2026-01",
    in_force_from=date(2026, 1, 1),
    notice_days=21,
    small_bps=500,
    reminder_days=10,
    declined_days=14,
    plan=PlanLimits(min_months=3, max_months=9, max_extra_bps=5000, max_income_share_bps=4000, months_between=12),
    re_age=ReAgeLimits(min_loan_months=9, payments=3, per_12_months=1, per_5_years=2),
    restructure=RestructureLimits(max_months=84, min_relief_bps=2000, paying_from_days=90),
    ladders={
        "current": (("none",), ("none",)),
        "1-29": (("reminder",), ("payment_plan", "reminder")),
        "30-59": (("re_age", "payment_plan", "reminder"), ("restructure", "payment_plan", "re_age", "reminder")),
        "60-89": (("re_age", "payment_plan", "refer"), ("restructure", "payment_plan", "re_age", "refer")),
        "90+": (("refer",), ("restructure", "refer")),
    },
)

SERVICING_POLICIES: tuple[ServicingPolicy, ...] = (_POLICY_2026_01,)
"""Every version, oldest first: none is ever edited or removed, since recommendations name theirs."""


def servicing_policy_in_force(on: date) -> ServicingPolicy:
    """The latest version that has come into force by that day. ValueError before the first."""
    in_force = [policy for policy in SERVICING_POLICIES if policy.in_force_from <= on]
    if not in_force:
        first = SERVICING_POLICIES[0].in_force_from
        raise ValueError(f"no servicing policy was in force on {on}; the first is from {first}")
    return in_force[-1]
