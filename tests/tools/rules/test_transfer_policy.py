"""The transfer policy and the limits: tables worked out by hand from version 2026-01."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tools.rules.transfer_limits import Used, day_of, judge, limits_in_force, month_of
from tools.rules.transfer_policy import Payee, Reason, TransferFacts, decide, policy_in_force

POLICY = policy_in_force(date(2026, 5, 4))
LIMITS = limits_in_force(date(2026, 5, 4))
KNOWN = Payee(is_own_account=False, confirmation="match", known_hours=9_600, paid_lately_minor=0)
PLAIN = TransferFacts(
    on=date(2026, 5, 4),
    amount_minor=125_50,
    currency="USD",
    faults=(),
    breaches=(),
    kyc_verified=True,
    available_minor=10_000_00,
    payee=KNOWN,
    sanctions_score_bps=0,
    fraud_band="release",
)
NEW = replace(KNOWN, known_hours=None)


@pytest.mark.parametrize(
    ("changes", "outcome", "codes", "approvals"),
    [
        ({}, "straight_through", ["within_policy"], 0),
        ({"amount_minor": 2_500_00}, "straight_through", ["within_policy"], 0),
        ({"amount_minor": 2_500_01}, "review", ["over_review_threshold"], 1),
        ({"amount_minor": 10_000_00}, "review", ["over_review_threshold"], 1),
        ({"amount_minor": 10_000_01, "available_minor": 10_000_01}, "review", ["over_review_threshold"], 2),
        ({"amount_minor": 10_000_01}, "refuse", ["insufficient_funds"], 0),
        ({"payee": NEW, "amount_minor": 250_00}, "straight_through", ["within_policy"], 0),
        ({"payee": NEW, "amount_minor": 250_01}, "review", ["new_payee"], 1),
        ({"payee": replace(NEW, paid_lately_minor=200_00)}, "review", ["new_payee"], 1),
        ({"payee": replace(NEW, known_hours=24), "amount_minor": 900_00}, "straight_through", ["within_policy"], 0),
        (
            {"payee": replace(NEW, is_own_account=True), "amount_minor": 900_00},
            "straight_through",
            ["within_policy"],
            0,
        ),
        ({"payee": replace(KNOWN, confirmation="unavailable")}, "straight_through", ["within_policy"], 0),
        ({"payee": replace(NEW, confirmation="unavailable")}, "review", ["payee_unconfirmed"], 1),
        ({"payee": replace(KNOWN, confirmation="no_match")}, "refuse", ["payee_name_mismatch"], 0),
        ({"sanctions_score_bps": 7_700}, "review", ["sanctions_possible_match"], 1),
        ({"sanctions_score_bps": 9_900}, "refuse", ["sanctions_match"], 0),
        ({"fraud_band": "hold"}, "review", ["fraud_suspected"], 0),
        ({"fraud_band": "hold", "kyc_verified": False}, "review", ["customer_not_verified", "fraud_suspected"], 1),
        ({"fraud_band": "block", "kyc_verified": False}, "refuse", ["fraud_blocked"], 0),
        ({"faults": (Reason("account_frozen", "…"),), "payee": None}, "refuse", ["account_frozen"], 0),
    ],
)
def test_policy_decides_with_reasons(changes: dict[str, Any], outcome: str, codes: list[str], approvals: int) -> None:
    decision = decide(replace(PLAIN, **changes), POLICY)

    assert (decision.outcome, [reason.code for reason in decision.reasons]) == (outcome, codes)
    assert (decision.approvals, decision.policy_version) == (approvals, "2026-01")
    assert decision.fraud_case == (outcome != "refuse" and changes.get("fraud_band") == "hold")


def test_customer_is_never_told_of_sanctions_or_fraud() -> None:
    suspected = replace(PLAIN, sanctions_score_bps=9_900, fraud_band="block")

    decision = decide(suspected, POLICY)

    assert [reason.disclosed for reason in decision.reasons] == [False, False]


@pytest.mark.parametrize(
    ("months", "amount", "today", "month", "breaches"),
    [
        (0, 1_000, 1_000, 4_000, ()),
        (0, 1_000, 1_001, 4_001, ("over_daily_limit", "over_monthly_limit")),
        (11, 1_001, 0, 0, ("over_transfer_limit",)),
        (12, 1_001, 0, 0, ()),
        (12, 5_000, 5_000, 35_000, ()),
        (59, 5_001, 0, 0, ("over_transfer_limit",)),
        (60, 25_000, 5_000, 75_000, ()),
        (60, 25_000, 5_001, 75_000, ("over_daily_limit",)),
        (60, 25_000, 0, 75_001, ("over_monthly_limit",)),
    ],
)
def test_limits_of_a_tier_may_be_used_up_and_not_passed(
    months: int, amount: int, today: int, month: int, breaches: tuple[str, ...]
) -> None:
    used = Used(today * 100, month * 100)

    found = judge(LIMITS, LIMITS.tier_of(months), amount * 100, "USD", used)

    assert found.breaches == breaches


def test_day_and_month_begin_in_utc() -> None:
    evening = datetime.fromisoformat("2026-05-31T20:30:00-04:00")

    assert day_of(evening) == month_of(evening) == datetime(2026, 6, 1, tzinfo=UTC)
