"""The worker is killed at each boundary of a fraud case and at each answer; judged once, the money follows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any
from uuid import uuid4

import pytest
from _pytest.mark import ParameterSet

from tests.crash_deployment import Deployment, until
from tests.crash_paths import KILLED
from tests.crash_transfers import CLEARED, FRAUD, Payment, People, Way, new_payment, payments_deployment
from tests.fork_server import SOON_S, Forked, ForkServer
from tests.service import answer
from tests.test_path_of_a_fraud_case import payment
from tests.transfer_judge import assert_came_out_right, assert_ledger_and_trail, assert_reconciled

SCORERS = ("velocity", "amount", "payee", "structuring", "novelty", "model")
CHECKPOINT = ("before_checkpoint", "after_checkpoint")
OF_A_TRANSFER = (
    "intake",
    *(f"{scorer}_agent" for scorer in SCORERS),
    "combine",
    "analyst_review",
    "analysis",
    "conclude",
)
OF_PEOPLE = ("analyst_review", "analysis", "information_request", "information", "senior_review", "senior", "conclude")
ASKING = ("analyst_review", "information_request", "senior_review")
QUICK = {"conclude.before_checkpoint", "senior_review.answer_read"}
ANSWERS: dict[str, dict[str, Any]] = {
    "fraud_analysis": {"action": "request_information", "question": "What is it for?", "note": "unclear"},
    "payment_information": {"text": "a car"},
    "fraud_analysis_2": {"action": "escalate", "note": "still unclear"},
    "fraud_escalation": {"action": "mark_fraud", "note": "known ring"},
}
"""What people say of a case that takes everybody, by the kind of question."""


def boundaries(nodes: tuple[str, ...]) -> Iterator[str]:
    for node in nodes:
        for moment in CHECKPOINT + (("answer_read",) if node in ASKING else ()):
            yield f"{node}.{moment}"


def kills(nodes: tuple[str, ...]) -> list[ParameterSet]:
    return [
        pytest.param(failpoint, id=failpoint, marks=() if failpoint in QUICK else pytest.mark.slow)
        for failpoint in boundaries(nodes)
    ]


def kills_with_money() -> list[ParameterSet]:
    ways = cycle((CLEARED, FRAUD))
    return [pytest.param(*each.values, next(ways), id=each.id, marks=each.marks) for each in kills(OF_A_TRANSFER)]


@pytest.fixture(scope="module")
def module_deployment(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer
) -> Iterator[Deployment]:
    with payments_deployment(module_database_url, tmp_path_factory.mktemp("home"), forks) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def people(module_deployment: Deployment) -> Iterator[People]:
    with People(module_deployment) as people:
        yield people


@pytest.mark.parametrize(("failpoint", "way"), kills_with_money())
def test_transfer_moves_once_or_not_at_all_as_its_fraud_case_says_whoever_dies(
    deployed: Deployment, people: People, failpoint: str, way: Way
) -> None:
    ordered = new_payment(deployed, way)

    doomed = deployed.worker(f"fraud_review.{failpoint}")
    ordered.order()
    until(lambda: is_dead(doomed, people, ordered), f"the worker dies at {failpoint}", 2 * SOON_S)
    assert doomed.wait() == KILLED
    with deployed.working():
        people.finish([ordered])
        # Its verdict was heard before its own run came to its end.
        until(lambda: over(deployed, ordered), "the fraud case is over too", 2 * SOON_S)

    assert_came_out_right(deployed, [ordered])
    assert_ledger_and_trail(deployed)
    (case,) = over(deployed, ordered)
    assert_judged_once(deployed, str(case["thread_id"]), "released" if way is CLEARED else "fraud")


@pytest.mark.parametrize("failpoint", kills(OF_PEOPLE))
def test_case_that_takes_everybody_is_judged_once_whoever_dies(deployed: Deployment, failpoint: str) -> None:
    staff = Staff(deployed)
    with deployed.working():
        account = staff.with_two_just_below_what_is_reported()

    doomed = deployed.worker(f"fraud_review.{failpoint}")
    thread_id = staff.judge(account, days_ago=0)
    until(lambda: staff.has_died(doomed, thread_id), f"the worker dies at {failpoint}", 2 * SOON_S)
    assert doomed.wait() == KILLED
    with deployed.working():
        until(lambda: staff.outcome(thread_id), "the case is over", 2 * SOON_S)

    assert staff.outcome(thread_id) == "fraud"
    assert_judged_once(deployed, thread_id, "fraud")
    values = deployed.operator.get(f"/threads/{thread_id}/state").json()["values"]
    assert [done["action"] for done in values["history"]] == ["request_information", "escalate", "mark_fraud"]
    assert [told["text"] for told in values["information"]] == ["a car"]


@pytest.mark.parametrize("these", ["the quick ones", pytest.param("all", marks=pytest.mark.slow)])
def test_after_all_that_reconciliation_finds_no_difference(deployed: Deployment, these: str) -> None:
    with deployed.working():
        assert_reconciled(deployed)


class Staff:
    """An operator who has payments judged, an analyst, and a senior: each answers what they are asked."""

    def __init__(self, deployed: Deployment) -> None:
        self._deployed = deployed
        self._operator = deployed.service.client("operator")
        self._asked = (self._operator, deployed.service.client("analyst"), deployed.service.client("admin"))

    def with_two_just_below_what_is_reported(self) -> str:
        """An account whose next such payment within the week is held."""
        account = f"A-{uuid4().hex[:12]}"
        for days_ago in (2, 1):
            before = self.judge(account, days_ago)
            until(lambda thread_id=before: self.thread(thread_id)["outcome"], "an earlier payment is judged")  # type: ignore[misc]  # its default is the thread's id
        return account

    def judge(self, account: str, days_ago: int) -> str:
        at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
        body = payment(account=account, amount_minor=950_000, at=at)
        headers = {"Idempotency-Key": uuid4().hex}
        return str(
            self._operator.post("/fraud/cases", json=body, headers=headers).raise_for_status().json()["thread_id"]
        )

    def thread(self, thread_id: str) -> dict[str, Any]:
        return dict(self._operator.get(f"/threads/{thread_id}").raise_for_status().json())

    def outcome(self, thread_id: str) -> str | None:
        """Of the case once it is over; meanwhile whoever is asked answers."""
        for client in self._asked:
            for review in client.get("/reviews").raise_for_status().json():
                if review["thread_id"] == thread_id:
                    told = answer(client, review, ANSWERS[review["kind"]])
                    assert told.status_code in (202, 409, 503), told.text
        thread = self.thread(thread_id)
        assert thread["status"] != "error", thread
        found: str | None = thread["outcome"]
        return found

    def has_died(self, doomed: Forked, thread_id: str) -> bool:
        assert self.outcome(thread_id) is None or doomed.poll() is not None, "the worker never came to its failpoint"
        return doomed.poll() is not None


def over(deployed: Deployment, ordered: Payment) -> list[dict[str, Any]]:
    """The fraud case that the transfer opened, once it is at its end."""
    return deployed.rows(
        """
        SELECT f.thread_id FROM fraud_cases f JOIN threads t USING (thread_id)
        WHERE f.opened_by_thread = %s AND t.outcome IS NOT NULL AND t.status = 'idle'
        """,
        ordered.thread_id,
    )


def is_dead(doomed: Forked, people: People, ordered: Payment) -> bool:
    assert people.see_to([ordered]) or doomed.poll() is not None, "the worker never came to its failpoint"
    return doomed.poll() is not None


def assert_judged_once(deployed: Deployment, thread_id: str, verdict: str) -> None:
    """One score of each scorer, one verdict and one audit row of it, one label if a person judged; nothing is open."""
    scores = deployed.rows("SELECT scorer FROM fraud_scores WHERE thread_id = %s", thread_id)
    cases = deployed.rows("SELECT verdict, decided_by FROM fraud_cases WHERE thread_id = %s", thread_id)
    labels = deployed.rows("SELECT fraud FROM fraud_labels WHERE thread_id = %s", thread_id)
    decided = deployed.rows("SELECT 1 FROM audit WHERE thread_id = %s AND action = 'fraud.decided'", thread_id)
    unfinished = deployed.rows("SELECT 1 FROM runs WHERE thread_id = %s AND status <> 'success'", thread_id)
    asked = deployed.rows("SELECT 1 FROM reviews WHERE thread_id = %s AND status = 'open'", thread_id)
    assert sorted(row["scorer"] for row in scores) == sorted(SCORERS)
    assert [case["verdict"] for case in cases] == [verdict]
    assert [label["fraud"] for label in labels] == [verdict == "fraud"]
    assert (len(decided), unfinished, asked) == (1, [], [])
