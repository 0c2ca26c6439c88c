"""The amount against what this account usually pays.

Median and median absolute deviation (times 1.4826, as the standard deviation of a normal distribution; Iglewicz and
Hoaglin, 1993) instead of mean and standard deviation, which one large payment would move. Everyday payments and rents
differ by far more than their deviation, so the amount must also exceed the largest one paid so far.
"""

from dataclasses import dataclass
from statistics import median

from tools.rules.fraud_signals.background import Background
from tools.rules.fraud_signals.scored import Scored, Signal, added_up, points
from tools.rules.money import format_minor

VERSION = "2026-01"
LEAST_PAYMENTS = 5
"""With fewer nothing is compared."""
LEAST_DEVIATIONS_TENTHS = 50
OF_LARGEST_TENTHS = ((15, 150), (20, 300), (50, 500), (100, 700))


@dataclass(frozen=True, slots=True)
class AmountFacts:
    """What the account paid in 90 days; `deviations_tenths`: how far above the median the amount is, in tenths of the
    scaled deviation, which counts as no less than a tenth of the median."""

    currency: str
    amount_minor: int
    payments_90d: int
    median_minor: int
    largest_minor: int
    deviations_tenths: int


def look(background: Background) -> AmountFacts:
    amounts = [-move.amount_minor for move in background.paid()]
    middle = int(median(amounts)) if amounts else 0
    spread = int(median(abs(amount - middle) for amount in amounts)) if amounts else 0
    deviation = max(spread * 14_826 // 10_000, middle // 10, 1)
    amount = background.payment.amount_minor
    return AmountFacts(
        currency=background.payment.currency,
        amount_minor=amount,
        payments_90d=len(amounts),
        median_minor=middle,
        largest_minor=max(amounts, default=0),
        deviations_tenths=max(0, amount - middle) * 10 // deviation,
    )


def score(facts: AmountFacts) -> Scored:
    found = []
    is_known = facts.payments_90d >= LEAST_PAYMENTS
    if is_known and facts.deviations_tenths >= LEAST_DEVIATIONS_TENTHS:
        amount, middle, largest = (
            format_minor(each, facts.currency) for each in (facts.amount_minor, facts.median_minor, facts.largest_minor)
        )
        if worth := points(facts.amount_minor * 10 // facts.largest_minor, OF_LARGEST_TENTHS):
            text = f"{amount}, where {facts.payments_90d} payments had a median of {middle} and {largest} at most"
            found.append(Signal("unusual_amount", worth, text))
    return added_up("amount", VERSION, found)
