"""What the learned scorer sees: windows worked out by hand, labels a week late, nothing of the future."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tools.rules.fraud_features import NEVER_S, Paid, Past, fraud_features

NOW = datetime(2026, 3, 7, 6, 30, tzinfo=UTC)  # a Saturday
JUDGED = Paid(NOW, "ACC1", "PAYEE1", 30_000)


def _ago(amount_minor: int, *, fraud: bool = False, account: str = "ACC1", **ago: float) -> Paid:
    return Paid(NOW - timedelta(**ago), account, "PAYEE1", amount_minor, fraud)


def test_first_payment_of_an_account_compares_to_nothing() -> None:
    features = fraud_features(JUDGED, Past(), Past())

    assert (features.amount_minor, features.night, features.weekend) == (30_000, 1, 1)
    assert features.account_count_30d == features.payee_count_30d == features.payee_risk_30d_bps == 0
    assert features.amount_to_mean_30d_bps == features.amount_to_max_30d_bps == 10_000
    assert features.account_idle_s == features.since_same_payee_s == NEVER_S


def test_account_windows_worked_out_by_hand() -> None:
    account = Past.of([_ago(20_000, days=20), _ago(10_000, hours=3), _ago(50_000, days=31), _ago(6_000, days=2)])

    features = fraud_features(JUDGED, account, Past())

    assert (features.account_count_1d, features.account_count_7d, features.account_count_30d) == (1, 2, 3)
    assert (features.account_mean_minor_7d, features.account_mean_minor_30d) == (8_000, 12_000)
    assert (features.amount_to_mean_7d_bps, features.amount_to_mean_30d_bps) == (37_500, 25_000)
    assert features.amount_to_max_30d_bps == 15_000
    assert features.sum_1d_to_mean_30d_bps == 33_333
    assert features.amount_deviations_30d_bps == 18_000 * 10_000 // 5_887  # the deviation is the root of 34,666,666
    assert features.account_idle_s == features.since_same_payee_s == 3 * 3600


def test_fraud_counts_only_a_week_after_its_payment() -> None:
    young, old = _ago(500, days=6, fraud=True), _ago(500, days=8, fraud=True, account="ACC2")
    known = Past.of([young, old, _ago(500, days=9, account="ACC3"), _ago(500, days=7.5, account="ACC3")])

    features = fraud_features(JUDGED, known, known)

    assert (features.payee_count_7d, features.payee_payers_7d, features.payee_count_30d) == (1, 1, 4)
    assert (features.payee_risk_1d_bps, features.payee_risk_7d_bps, features.payee_risk_30d_bps) == (0, 3333, 3333)
    assert features.account_frauds_30d == 1
    forgiven = Past.of([replace(young, fraud=False), old, *[_ago(500, days=9), _ago(500, days=7.5)]])
    assert fraud_features(JUDGED, known, forgiven).payee_risk_30d_bps == 3333
