"""What is trained on is what a live payment shows, and nothing of it comes from the future."""

from dataclasses import replace
from datetime import timedelta

from tools.modelling.examples import examples
from tools.modelling.simulation import Simulated
from tools.rules.fraud_features import HISTORY_DAYS, LABEL_DELAY_DAYS, FraudFeatures, Paid, Past, fraud_features


def test_training_sees_what_a_live_payment_shows_from_its_last_37_days(small_world: list[Simulated]) -> None:
    payments = [each.paid for each in small_world]
    known = examples(payments)
    frauds = [number for number, paid in enumerate(payments) if paid.fraud]

    for number in (*range(0, len(payments), 97), *frauds[::3]):
        judged = replace(payments[number], fraud=False)
        since = judged.at - timedelta(days=HISTORY_DAYS)
        history = [paid for paid in payments[:number] if paid.at >= since]
        live = fraud_features(judged, _past(history, account=judged.account), _past(history, payee=judged.payee))

        assert FraudFeatures(*known.values(number)) == live


def test_labels_younger_than_the_delay_and_payments_to_come_change_nothing(small_world: list[Simulated]) -> None:
    payments = [each.paid for each in small_world]
    at = next(n for n in range(len(payments) * 3 // 4, len(payments)) if payments[n].fraud)
    known_until = payments[at].at - timedelta(days=LABEL_DELAY_DAYS)
    unlabelled = [paid if paid.at <= known_until else replace(paid, fraud=not paid.fraud) for paid in payments]

    assert examples(unlabelled[: at + 1]).values(at) == examples(payments).values(at)


def _past(history: list[Paid], *, account: str | None = None, payee: str | None = None) -> Past:
    return Past.of(paid for paid in history if account == paid.account or payee == paid.payee)
