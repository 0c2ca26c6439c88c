"""The worker is killed while it services late loans; the bank acts once, and each loan of a day has its case."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.crash_deployment import Deployment
from tests.crash_paths import assert_killed
from tests.late_loans import TODAY, LateLoans
from tests.service import answer, follow, open_review


@pytest.fixture
def loans(deployed: Deployment) -> LateLoans:
    return LateLoans(deployed.bank, deployed.service.database_url)


def start(client: httpx.Client, workflow: str, body: dict[str, Any]) -> str:
    started = client.post(f"/workflows/{workflow}/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    return str(started.raise_for_status().json()["thread_id"])


@pytest.mark.parametrize(
    "failpoint",
    [
        "bank_action.before_effect",
        "bank_action.after_effect",
        "bank_action.before_checkpoint",
        "confirmation.before_checkpoint",
    ],
)
def test_killed_around_the_action_the_bank_has_done_it_once(
    deployed: Deployment, loans: LateLoans, failpoint: str
) -> None:
    agent = deployed.service.client("agent")
    loan = loans.lend(loans.borrower("Kim Killed", 5_000_00), days_late=33)
    with deployed.working():
        thread_id = start(agent, "loan_servicing", {"loan_account_id": loan})
        follow(agent, thread_id)
        answer(deployed.underwriter, open_review(deployed.underwriter, thread_id), {"verdict": "approve", "note": "ok"})
        follow(agent, thread_id)

    killed = deployed.worker(f"loan_servicing.{failpoint}")
    assert answer(agent, open_review(agent, thread_id), {"agreed": True, "given": "signed"}).status_code == 202
    assert_killed(killed)
    with deployed.working():
        follow(agent, thread_id)

    assert agent.get(f"/threads/{thread_id}").json()["outcome"] == "plan_agreed"
    assert [action["kind"] for action in loans.actions(loan)] == ["payment_plan"]
    assert len(agent.get(f"/threads/{thread_id}/letters").json()) == 1
    (effect,) = deployed.service.client("auditor").get(f"/threads/{thread_id}/effects").json()
    assert (effect["key"], effect["status"]) == (f"{thread_id}:action:1", "done")


def test_day_killed_between_two_loans_goes_on_with_the_next(deployed: Deployment, loans: LateLoans) -> None:
    late = [loans.lend(loans.borrower(f"Kai {n}", 5_000_00), days_late=10) for n in range(3)]

    killed = deployed.worker("loan_servicing_day.page.after_case")
    thread_id = start(deployed.operator, "loan_servicing_day", {})
    assert_killed(killed)
    with deployed.working():
        follow(deployed.operator, thread_id)
        cases = deployed.operator.get(f"/servicing/cases?on={TODAY}").json()["cases"]
        for case in cases:
            follow(deployed.operator, case["thread_id"])

    cases = deployed.operator.get(f"/servicing/cases?on={TODAY}").json()["cases"]
    assert {*late} <= {case["loan_account_id"] for case in cases}
    assert {case["outcome"] for case in cases if case["loan_account_id"] in late} == {"reminded"}
    for case in cases:
        assert len(deployed.operator.get(f"/threads/{case['thread_id']}/runs").json()) == 1
