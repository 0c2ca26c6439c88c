"""Facts and results survive the way through JSON; anything else is refused with its path."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest

from tools.rules.plain import from_plain, to_plain
from tools.rules.policies import POLICIES
from tools.rules.policy_document import Policy
from tools.rules.pricing import LoanRequest
from tools.rules.scorecard import Score, ScorecardFacts, score
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import Scorecard

REQUEST = LoanRequest(12_000_00, "USD", 36, date(2026, 11, 22), date(2026, 12, 22))


def test_values_survive_json() -> None:
    scored = score(ScorecardFacts(inquiries_6m=1, housing_status="rent"))

    assert from_plain(LoanRequest, json.loads(json.dumps(to_plain(REQUEST)))) == REQUEST
    assert from_plain(Score, json.loads(json.dumps(asdict(scored)))) == scored


def test_policies_and_scorecards_are_documents() -> None:
    for policy in POLICIES:
        assert from_plain(Policy, json.loads(json.dumps(to_plain(policy)))) == policy
    plain = json.loads(json.dumps(to_plain(SCORECARD_2026_01)))
    assert to_plain(from_plain(Scorecard, plain)) == plain


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"principal_minor": 12000.0}, "LoanRequest.principal_minor: float"),
        ({"principal_minor": True}, "LoanRequest.principal_minor: bool"),
        ({"currency": None}, "LoanRequest.currency: NoneType"),
        ({"disburse_on": "22.11.2026"}, "LoanRequest.disburse_on: '22.11.2026'"),
        ({"colour": "red"}, "LoanRequest.colour: unknown field"),
    ],
)
def test_wrong_value_is_refused_by_path(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        from_plain(LoanRequest, to_plain(REQUEST) | change)


def test_missing_field_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="currency"):
        from_plain(LoanRequest, {"principal_minor": 1})
