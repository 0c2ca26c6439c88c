"""How well scores rank payments: the Fraud Detection Handbook's measures (chapter 4) and the amount caught."""

from collections.abc import Sequence
from itertools import groupby

from tools.rules.fraud_features import Paid
from tools.rules.fraud_model_document import UNIT_BPS, Figures

CARDS = 100
ALERTS_OF = 100
"""One alert in so many payments: 1 %."""


def figures(paid: Sequence[Paid], scores: Sequence[float]) -> Figures:
    """Of at least one fraud and one payment that is none; the greater the score, the more suspect."""
    days = [payment.at.date() for payment in paid]
    return Figures(
        first_day=min(days),
        last_day=max(days),
        payments=len(paid),
        frauds=sum(payment.fraud for payment in paid),
        auc_bps=_bps(auc([payment.fraud for payment in paid], scores)),
        average_precision_bps=_bps(average_precision([payment.fraud for payment in paid], scores)),
        card_precision_100_bps=_bps(_card_precision(paid, scores)),
        amount_caught_bps=_bps(_amount_caught(paid, scores)),
    )


def average_precision(frauds: Sequence[bool], scores: Sequence[float]) -> float:
    """Σ (recall_n − recall_{n−1}) × precision_n over the distinct scores, greatest first."""
    caught = seen = 0
    area = 0.0
    ranked = sorted(zip(scores, frauds, strict=True), key=lambda each: -each[0])
    for _, tied in groupby(ranked, key=lambda each: each[0]):
        labels = [fraud for _, fraud in tied]
        seen += len(labels)
        caught += sum(labels)
        area += sum(labels) * caught / seen
    return area / caught


def auc(frauds: Sequence[bool], scores: Sequence[float]) -> float:
    """The chance that a fraud scores above a payment that is none; a tie counts half."""
    below = pairs = 0.0
    genuine = caught = 0
    ranked = sorted(zip(scores, frauds, strict=True), key=lambda each: each[0])
    for _, tied in groupby(ranked, key=lambda each: each[0]):
        labels = [fraud for _, fraud in tied]
        tied_frauds = sum(labels)
        below += tied_frauds * (genuine + (len(labels) - tied_frauds) / 2)
        caught, genuine = caught + tied_frauds, genuine + len(labels) - tied_frauds
    pairs = caught * genuine
    return below / pairs


def _card_precision(paid: Sequence[Paid], scores: Sequence[float]) -> float:
    """Of the CARDS most suspect accounts of a day, the share that suffered fraud that day; mean over the days."""
    days: dict[object, dict[str, tuple[float, bool]]] = {}
    for payment, score in zip(paid, scores, strict=True):
        accounts = days.setdefault(payment.at.date(), {})
        worst, fraud = accounts.get(payment.account, (score, False))
        accounts[payment.account] = max(worst, score), fraud or payment.fraud
    precisions = []
    for accounts in days.values():
        top = sorted(accounts.values(), key=lambda each: -each[0])[:CARDS]
        precisions.append(sum(fraud for _, fraud in top) / CARDS)
    return sum(precisions) / len(precisions)


def _amount_caught(paid: Sequence[Paid], scores: Sequence[float]) -> float:
    """The share of the fraud amount among the 1 % most suspect payments; of equal scores the earlier payment first."""
    ranked = sorted(range(len(paid)), key=lambda number: -scores[number])[: max(1, len(paid) // ALERTS_OF)]
    lost = sum(payment.amount_minor for payment in paid if payment.fraud)
    return sum(paid[number].amount_minor for number in ranked if paid[number].fraud) / max(lost, 1)


def _bps(share: float) -> int:
    return round(share * UNIT_BPS)
