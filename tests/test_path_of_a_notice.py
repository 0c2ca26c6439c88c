"""Every applicant hears of a decision within 30 days: who is owed that is listed, flagged and escalated in time."""

from typing import Any

import pytest

from tests.crash_deployment import Deployment, until
from tests.crash_paths import DECLINE, REFER, Case, begin
from tests.service import answer, open_review


def waiting(deployed: Deployment, *, days_ago: int) -> Case:
    """An application that came in so long ago, before an underwriter who has not looked at it."""
    case = begin(deployed, REFER)
    with deployed.working():
        case.come_to(0)
    deployed.rows(
        "UPDATE threads SET created_at = now() - %s * interval '1 day' WHERE thread_id = %s", days_ago, case.thread_id
    )
    return case


def look(deployed: Deployment, near: Case) -> None:
    """A worker comes, which looks out for notices first thing, has another case to do, and goes."""
    other = begin(deployed, DECLINE)
    with deployed.working():
        other.finish()
        until(lambda: role_asked(deployed, near) == "admin", "the near one is escalated")


def owed(deployed: Deployment, case: Case, within_days: int = 5) -> list[dict[str, Any]]:
    answer = deployed.underwriter.get("/loan/notices", params={"within_days": within_days}).raise_for_status()
    return [notice for notice in answer.json() if notice["thread_id"] == case.thread_id]


def role_asked(deployed: Deployment, case: Case) -> str:
    (review,) = deployed.operator.get(f"/threads/{case.thread_id}/reviews").json()
    return str(review["role"])


def flags(deployed: Deployment, case: Case) -> list[dict[str, Any]]:
    trail = deployed.service.client("auditor").get(f"/threads/{case.thread_id}/audit").json()
    return [row for row in trail if row["action"] == "loan.notice_due"]


def test_notice_that_falls_due_is_flagged_once_and_its_review_escalated_in_time(deployed: Deployment) -> None:
    case = waiting(deployed, days_ago=26)
    (before,) = owed(deployed, case)

    for _ in range(2):
        look(deployed, case)
    (after,) = owed(deployed, case)

    assert before["flagged_at"] is None and after["flagged_at"] is not None
    assert len(flags(deployed, case)) == 1
    # Four days were left, and an admin has five; the flag says which day it is.
    assert flags(deployed, case)[0]["record"]["due_at"][:10] == after["due_at"][:10]


def test_notice_of_another_day_is_left_alone(deployed: Deployment) -> None:
    near, far = waiting(deployed, days_ago=26), waiting(deployed, days_ago=24)

    look(deployed, near)

    assert role_asked(deployed, far) == "underwriter"
    assert owed(deployed, far) == [] and len(owed(deployed, far, within_days=7)) == 1
    assert flags(deployed, far) == []


def test_whoever_was_told_is_owed_nothing(deployed: Deployment) -> None:
    told, declined = waiting(deployed, days_ago=40), begin(deployed, DECLINE)
    with deployed.working():
        until(lambda: role_asked(deployed, told) == "admin", "the overdue one is escalated")
        overdue = owed(deployed, told, within_days=0)
        admin = deployed.service.client("admin")
        answer(admin, open_review(admin, told.thread_id), {"verdict": "approve", "note": "late, but good"})
        told.come_to(0)
        declined.finish()

    assert len(overdue) == 1
    assert owed(deployed, told, within_days=30) == owed(deployed, declined, within_days=30) == []


@pytest.mark.parametrize("within_days", ["-1", "31", "soon"])
def test_notices_are_asked_for_by_staff_within_their_thirty_days(deployed: Deployment, within_days: str) -> None:
    refused = deployed.underwriter.get("/loan/notices", params={"within_days": within_days})

    assert refused.status_code == 422 and "within_days" in refused.text
    assert deployed.client.get("/loan/notices").status_code == 403
