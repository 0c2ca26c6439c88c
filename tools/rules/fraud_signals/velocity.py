"""Velocity: how many payments, and how much, left the account within an hour, a day and a week.

Compared with the account's own habit: the 30 days that ended a week ago, so that a burst is not its own excuse.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tools.rules.fraud_signals.background import Background
from tools.rules.fraud_signals.scored import Scored, Signal, added_up, points
from tools.rules.money import format_minor

VERSION = "2026-01"
HOUR, DAY, WEEK, HABIT = timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=37)
WITHIN_HOUR = ((10, 300), (20, 500), (50, 800))
PROGRAMS, TIMES_A_PERSON = ("api", "file"), 5
"""By these channels a program pays, which is so many times as fast before it is noticed."""
TIMES_USUAL = ((10, 200), (20, 400))
"""Payments of a day, by how many times the usual number they are; from MANY_A_DAY on."""
MANY_A_DAY = 4
LEAST_HABIT_DAYS, LEAST_HABIT_COUNT = 7, 5
"""With less of a habit nothing is compared with it."""
DAY_OVER_MONTH, WEEK_TIMES_USUAL, WEEK_POINTS = 300, 4, 150


@dataclass(frozen=True, slots=True)
class VelocityFacts:
    """Counts and sums include the payment itself. `habit_*` are of so many days, at most 30, that ended a week ago."""

    currency: str
    by_program: bool
    count_1h: int
    sum_1h_minor: int
    count_24h: int
    sum_24h_minor: int
    count_7d: int
    sum_7d_minor: int
    habit_days: int
    habit_count: int
    habit_sum_minor: int


def look(background: Background) -> VelocityFacts:
    payment = background.payment
    counted = {}
    for name, window in (("1h", HOUR), ("24h", DAY), ("7d", WEEK)):
        paid = [-move.amount_minor for move in background.paid(window)]
        counted[f"count_{name}"], counted[f"sum_{name}_minor"] = len(paid) + 1, sum(paid) + payment.amount_minor
    ended = payment.at - WEEK
    habit = [-move.amount_minor for move in background.paid(HABIT) if move.at <= ended]
    known_since = min((move.at for move in background.own), default=ended)
    return VelocityFacts(
        currency=payment.currency,
        by_program=payment.channel in PROGRAMS,
        **counted,
        habit_days=max(0, min(30, (ended - known_since).days)),
        habit_count=len(habit),
        habit_sum_minor=sum(habit),
    )


def score(facts: VelocityFacts) -> Scored:
    return added_up("velocity", VERSION, _signals(facts))


def _signals(facts: VelocityFacts) -> Iterator[Signal]:
    if worth := points(facts.count_1h // (TIMES_A_PERSON if facts.by_program else 1), WITHIN_HOUR):
        told = format_minor(facts.sum_1h_minor, facts.currency)
        yield Signal("many_within_hour", worth, f"{facts.count_1h} payments within an hour, {told} in all")
    if facts.habit_days < LEAST_HABIT_DAYS or facts.habit_count < LEAST_HABIT_COUNT:
        return
    usual = f"usually {facts.habit_count} in {facts.habit_days} days"
    times = facts.count_24h * facts.habit_days // max(1, facts.habit_count)
    if facts.count_24h >= MANY_A_DAY and (worth := points(times, TIMES_USUAL)):
        yield Signal("more_than_usual", worth, f"{facts.count_24h} payments within a day, {usual}")
    day, week, month = (
        format_minor(amount, facts.currency)
        for amount in (facts.sum_24h_minor, facts.sum_7d_minor, facts.habit_sum_minor)
    )
    if facts.count_24h > 1 and facts.sum_24h_minor > facts.habit_sum_minor > 0:
        text = f"{day} within a day, more than the {month} of {facts.habit_days} usual days"
        yield Signal("day_exceeds_month", DAY_OVER_MONTH, text)
    if facts.sum_7d_minor * facts.habit_days > WEEK_TIMES_USUAL * 7 * facts.habit_sum_minor > 0:
        text = (
            f"{week} within a week, more than {WEEK_TIMES_USUAL} times what {month} in {facts.habit_days} days come to"
        )
        yield Signal("week_exceeds_usual", WEEK_POINTS, text)
