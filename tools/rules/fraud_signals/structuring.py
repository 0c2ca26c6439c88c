"""Structuring: several payments, each just under an amount that would be reported or checked, that exceed it together.

The amounts are public: in the United States 10,000 USD (31 CFR 1010.311, and 1010.314, which forbids structuring) and
3,000 USD (the travel rule, 31 CFR 1010.410); in the European Union 10,000 EUR (Directive 2015/849) and 1,000 EUR
(Regulation 2023/1113). Other currencies have none here, and the evidence says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tools.rules.fraud_signals.background import Background
from tools.rules.fraud_signals.scored import Scored, Signal, added_up, points
from tools.rules.money import format_minor

VERSION = "2026-01"
THRESHOLDS_MINOR: dict[str, tuple[int, ...]] = {"USD": (10_000_00, 3_000_00), "EUR": (10_000_00, 1_000_00)}
"""The one that is reported first, then the one that is checked."""
JUST_UNDER_TENTHS = 9
WINDOW = timedelta(days=7)
REPORTED, CHECKED = ((2, 350), (3, 650), (4, 850)), ((3, 200), (4, 350), (6, 500))
SPLIT, PART_OF = ((3, 300), (5, 500)), 5
"""Parts of a split payment; what is less than a fifth of the threshold is none."""


@dataclass(frozen=True, slots=True)
class Near:
    """Payments of a week from nine tenths of the threshold up to, not including, it; 0 if the payment itself is not."""

    threshold_minor: int
    count: int
    sum_minor: int


@dataclass(frozen=True, slots=True)
class StructuringFacts:
    """`split_*`: payments to this payee within a week, with this one, if each is below the
    reported amount; small ones do not count."""

    currency: str
    near: tuple[Near, ...]
    split_count: int
    split_sum_minor: int


def look(background: Background) -> StructuringFacts:
    payment = background.payment
    thresholds = THRESHOLDS_MINOR.get(payment.currency, ())
    amounts = [payment.amount_minor, *(-move.amount_minor for move in background.paid(WINDOW))]
    to_payee = [payment.amount_minor]
    to_payee += [-move.amount_minor for move in background.paid(WINDOW) if move.counterparty == payment.payee]
    parts = [amount for amount in to_payee if thresholds and amount * PART_OF >= thresholds[0]]
    is_split = bool(parts) and max(to_payee) < thresholds[0]
    return StructuringFacts(
        currency=payment.currency,
        near=tuple(_near(threshold, amounts) for threshold in thresholds),
        split_count=len(parts) if is_split else 0,
        split_sum_minor=sum(parts) if is_split else 0,
    )


def score(facts: StructuringFacts) -> Scored:
    return added_up("structuring", VERSION, _signals(facts))


def _near(threshold: int, amounts: list[int]) -> Near:
    """The first of the amounts is the payment's own."""
    near = [amount for amount in amounts if threshold * JUST_UNDER_TENTHS <= amount * 10 < threshold * 10]
    if not near or near[0] != amounts[0]:
        return Near(threshold, 0, 0)
    return Near(threshold, len(near), sum(near))


def _signals(facts: StructuringFacts) -> Iterator[Signal]:
    for near, steps, code in zip(facts.near, (REPORTED, CHECKED), ("below_reported", "below_checked"), strict=False):
        if worth := points(near.count, steps):
            total, limit = (format_minor(each, facts.currency) for each in (near.sum_minor, near.threshold_minor))
            yield Signal(code, worth, f"{near.count} payments within a week just under {limit}, {total} in all")
    exceeds = facts.near and facts.split_sum_minor >= facts.near[0].threshold_minor
    if exceeds and (worth := points(facts.split_count, SPLIT)):
        total, limit = (
            format_minor(each, facts.currency) for each in (facts.split_sum_minor, facts.near[0].threshold_minor)
        )
        text = f"{facts.split_count} payments to this payee within a week, each below {limit}, {total} in all"
        yield Signal("split_payment", worth, text)
