"""What a loan's letters are told of the case: no more and no less than it holds."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tools import loan_letters
from tools.case_records import AnsweredReview
from tools.letter_facts import DEMO_CREDITOR
from tools.rules.plain import to_plain
from tools.rules.policies import policy_version
from tools.rules.pricing import LoanRequest, price
from tools.rules.reg_b import C1, reason
from tools.rules.scorecard_2026 import SCORECARD_2026_01

TODAY = date(2026, 11, 22)
REQUEST = LoanRequest(1_200_000, "USD", 36, TODAY, date(2026, 12, 22), "EU")
COSTLY = (C1.DELINQUENT_OBLIGATIONS, C1.COLLECTION_OR_JUDGMENT, C1.LENGTH_OF_EMPLOYMENT, C1.LIMITED_EXPERIENCE)
CASE: dict[str, Any] = {
    "application": {
        "reference": "case 1",
        "applicant": {"name": "Marcus Okafor", "address": ["77 Harbor View Road", "Baltimore 21224", "US"]},
        "applied_on": "2026-11-22",
        "amount_minor": 2_400_000,
        "currency": "USD",
        "term_months": 36,
        "jurisdiction": "EU",
        "file": {},
    },
    "scorecard": {"points": 512, "reasons": []},
    "decision": {"terms": to_plain(price(policy_version("2026-01"), "A", REQUEST)), "reasons": []},
    "offer": {"offered_on": "2026-11-22", "expires_on": "2026-12-06"},
}


@pytest.mark.parametrize(
    ("less_costly", "named"),
    [((C1.LENGTH_OF_RESIDENCE, C1.RECENT_INQUIRIES), 5), ((C1.LENGTH_OF_RESIDENCE,), 4), ((), 4)],
)
def test_inquiries_that_cost_points_are_named_beside_four_costlier_factors(
    less_costly: tuple[C1, ...], named: int
) -> None:
    reasons = [to_plain(reason(phrase.name, phrase)) for phrase in (*COSTLY, *less_costly)]
    state = CASE | {"scorecard": {"points": 512, "reasons": reasons}}

    score = loan_letters.adverse_action(state, DEMO_CREDITOR, SCORECARD_2026_01, TODAY, None).score

    assert score is not None and len(score.key_factors) == named
    assert (C1.RECENT_INQUIRIES in score.key_factors) == (C1.RECENT_INQUIRIES in less_costly)


def test_offer_that_silence_ended_was_open_to_its_last_day_and_no_longer() -> None:
    silence = AnsweredReview("expired", "system", datetime(2026, 12, 7, 0, 0, 2, tzinfo=UTC))

    lapsed = loan_letters.adverse_action(CASE, DEMO_CREDITOR, SCORECARD_2026_01, TODAY, silence).counter_offer

    assert lapsed is not None
    assert (lapsed.cause, lapsed.ended_on) == ("offer_expired", "2026-12-06")


def test_agreement_names_a_days_interest_of_what_is_paid_out() -> None:
    accepted = AnsweredReview("answered", "ada", datetime(2026, 11, 23, 9, tzinfo=UTC))

    facts = loan_letters.contract(CASE, accepted)

    # 11,880.00 at 7.99 % for one day of 365: 2.6005...
    assert facts.daily_interest_minor == 2_60
    assert (facts.accepted_on, facts.cancel_until) == ("2026-11-23", "2026-12-07")
