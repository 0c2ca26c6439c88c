"""Applications decided again: who is lent to before and after, and what that is expected to lose."""

from dataclasses import replace
from datetime import date

import pytest

from tools.rules.affordability import Means
from tools.rules.application_fraud import FraudAssessment
from tools.rules.backtest import SEGMENTS, compared, redecide
from tools.rules.credit_policy import decide
from tools.rules.findings import CreditFacts
from tools.rules.policies import policy_version
from tools.rules.pricing import LoanRequest
from tools.rules.scorecard import ScorecardFacts, score
from tools.rules.scorecard_2026 import SCORECARD_2026_01

POLICY = policy_version("2026-01")
TIGHTER = replace(POLICY, version="tighter", prices=POLICY.prices[:1])
WIDER = replace(POLICY, version="wider", referrals=replace(POLICY.referrals, amount_above_minor=10**9))
GOOD = ScorecardFacts(0, 0, 1900, 1, 118, 7, 0, 0, 0, "employed", 102, "rent")
MIDDLE = replace(GOOD, utilisation_bps=6000, inquiries_6m=3, oldest_account_months=40, employment_months=8)


def _facts(file: ScorecardFacts, amount_minor: int = 1_200_000) -> CreditFacts:
    return CreditFacts(
        on=date(2026, 11, 22),
        purpose="vehicle",
        request=LoanRequest(amount_minor, "USD", 60, date(2026, 11, 22), date(2026, 12, 22)),
        means=Means(20_000_00, 350_00, 980_00),
        file=file,
        score=score(file),
        fraud=FraudAssessment("2026-01", 0, "clear", ()),
    )


CASES = [_facts(GOOD), _facts(MIDDLE), _facts(GOOD, 3_000_000)]
BEFORE = [decide(facts, POLICY) for facts in CASES]


def test_the_same_policy_and_card_decide_the_same() -> None:
    again = [redecide(facts, before, POLICY, SCORECARD_2026_01) for facts, before in zip(CASES, BEFORE, strict=True)]

    assert [each.outcome for each in BEFORE] == ["approve", "approve", "refer"]
    assert all(each.after == each.before for each in again)
    (*_, everything) = compared(again, SEGMENTS["band"], None)
    assert (everything.swapped_in, everything.swapped_out, everything.loss_before_minor) == (0, 0, None)


def test_swaps_and_losses_worked_out_by_hand() -> None:
    tighter = [redecide(facts, before, TIGHTER, SCORECARD_2026_01) for facts, before in zip(CASES, BEFORE, strict=True)]
    wider = [redecide(facts, before, WIDER, SCORECARD_2026_01) for facts, before in zip(CASES, BEFORE, strict=True)]

    good, middle, everything = compared(tighter, SEGMENTS["band"], lambda case: 100 if case.band == "A" else 500)
    assert (good.segment, good.applications, good.lent_before, good.lent_after) == ("A", 2, 1, 1)
    assert (middle.applications, middle.swapped_out, middle.loss_after_minor) == (1, 1, 0)
    # 1 % and 5 % of 12,000 before; afterwards only the first is lent.
    assert (everything.loss_before_minor, everything.loss_after_minor) == (120_00 + 600_00, 120_00)
    (*_, everything) = compared(wider, SEGMENTS["purpose"], None)
    assert (everything.swapped_in, everything.referred_before, everything.referred_after) == (1, 1, 0)


def test_card_of_other_attributes_cannot_decide_stored_applications() -> None:
    from tools.rules.scorecard_json import german_credit

    with pytest.raises(ValueError, match="duration_in_month: no value"):
        redecide(CASES[0], BEFORE[0], POLICY, german_credit().card)
