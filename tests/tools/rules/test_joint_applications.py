"""What the credit policy makes of a second applicant, and of figures that nobody could clear."""

from dataclasses import replace

import pytest

from tests.tools.rules.test_credit_policy import GOOD_FILE, GOOD_MEANS, TODAY
from tests.tools.rules.test_credit_policy import _facts as facts
from tools.rules.completeness import VERSION, Evidence, Gap
from tools.rules.credit_policy import decide
from tools.rules.policies import policy_in_force
from tools.rules.scorecard import ScorecardFacts

POLICY = policy_in_force(TODAY)


@pytest.mark.parametrize(
    ("other", "outcome", "refer_reasons"),
    [
        (GOOD_FILE, "approve", ()),
        (replace(GOOD_FILE, bankruptcies=1), "decline", ()),
        (replace(GOOD_FILE, collections=1), "refer", ("derogatory_records",)),
        (replace(GOOD_FILE, bankruptcies=None, oldest_account_months=3), "approve", ()),
        (None, "refer", ("credit_file",)),
    ],
)
def test_both_files_are_looked_at_since_each_owes_the_whole(
    other: ScorecardFacts | None, outcome: str, refer_reasons: tuple[str, ...]
) -> None:
    decision = decide(replace(facts(), other_files=(other,)), POLICY)

    assert (decision.outcome, decision.refer_reasons) == (outcome, refer_reasons)


def test_contradiction_that_nobody_cleared_is_referred_and_names_what_could_not_be_verified() -> None:
    gap = Gap("applicant", "income", "contradiction", "why", GOOD_MEANS.monthly_income_minor, 4_000_00)
    clear = Evidence(VERSION, cross_checked=True, rounds=2, figures=(), unresolved=())

    referred = decide(replace(facts(), evidence=replace(clear, unresolved=(gap,))), POLICY)

    assert (referred.outcome, referred.refer_reasons) == ("refer", ("stated_figures",))
    assert [reason.text for reason in referred.reasons] == ["Unable to verify income"]
    assert decide(replace(facts(), evidence=clear), POLICY).outcome == "approve"
