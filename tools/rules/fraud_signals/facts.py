"""All that the scorers look at, in figures: small enough to keep with the case and to score again from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tools.rules.fraud_features import FraudFeatures, Paid, Past, fraud_features
from tools.rules.fraud_signals import amount, novelty, payee, structuring, velocity
from tools.rules.fraud_signals.background import Background, Movement
from tools.rules.fraud_signals.scored import Scored


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """Each scorer's evidence under its name; `model` is what the learned one sees."""

    velocity: velocity.VelocityFacts
    amount: amount.AmountFacts
    payee: payee.PayeeFacts
    structuring: structuring.StructuringFacts
    novelty: novelty.NoveltyFacts
    model: FraudFeatures


RULES: Mapping[str, Callable[[Any], Scored]] = {
    "velocity": velocity.score,
    "amount": amount.score,
    "payee": payee.score,
    "structuring": structuring.score,
    "novelty": novelty.score,
}
"""The scorers that need no training, each over its own part of the facts."""


def look(background: Background) -> PaymentFacts:
    return PaymentFacts(
        velocity=velocity.look(background),
        amount=amount.look(background),
        payee=payee.look(background),
        structuring=structuring.look(background),
        novelty=novelty.look(background),
        model=_features(background),
    )


def _features(background: Background) -> FraudFeatures:
    payment = background.payment
    paid = [_paid(move, payment.account, move.counterparty or "") for move in background.paid()]
    received = [
        _paid(move, move.counterparty or "", payment.payee) for move in background.payee if move.amount_minor > 0
    ]
    judged = Paid(payment.at, payment.account, payment.payee, payment.amount_minor)
    return fraud_features(judged, Past.of(paid), Past.of(received))


def _paid(move: Movement, account: str, payee_id: str) -> Paid:
    return Paid(move.at, account, payee_id, abs(move.amount_minor), move.fraud)
