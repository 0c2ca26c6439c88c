"""A late loan from its account's activity to a letter, over HTTP, through every way it can end."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.fork_server import fork_server_of_ours
from tests.late_loans import TODAY, LateLoans
from tests.service import Service, answer, follow, open_review

APPROVAL = {"verdict": "approve", "note": "as policy says"}
AGREED = {"agreed": True, "given": "signed"}


@pytest.fixture(scope="module")
def loans(countersign: Service) -> LateLoans:
    return LateLoans(countersign.bank(), countersign.database_url)


def start(client: httpx.Client, workflow: str, body: dict[str, Any]) -> str:
    headers = {"Idempotency-Key": uuid4().hex}
    started = client.post(f"/workflows/{workflow}/threads", json=body, headers=headers)
    assert started.status_code == 202, started.text
    return str(started.json()["thread_id"])


def serviced(client: httpx.Client, loan: str) -> str:
    """The thread of a case that was followed to its end or its first question."""
    thread_id = start(client, "loan_servicing", {"loan_account_id": loan})
    follow(client, thread_id)
    return thread_id


def state_of(client: httpx.Client, thread_id: str) -> dict[str, Any]:
    return dict(client.get(f"/threads/{thread_id}/state").json()["values"])


def outcome_of(client: httpx.Client, thread_id: str) -> str:
    return str(client.get(f"/threads/{thread_id}").json()["outcome"])


def letters(client: httpx.Client, thread_id: str) -> dict[str, str]:
    return {letter["kind"]: letter["body"] for letter in client.get(f"/threads/{thread_id}/letters").json()}


def approved_and_agreed(countersign: Service, agent: httpx.Client, thread_id: str) -> None:
    underwriter = countersign.client("underwriter")
    assert answer(underwriter, open_review(underwriter, thread_id), APPROVAL).status_code == 202
    follow(agent, thread_id)
    assert answer(agent, open_review(agent, thread_id), AGREED).status_code == 202
    follow(agent, thread_id)


def let_due(countersign: Service, review: dict[str, Any]) -> None:
    with psycopg.connect(countersign.database_url, autocommit=True) as conn:
        conn.execute("UPDATE reviews SET due_at = now() WHERE review_id = %s", (review["review_id"],))


def awaited(look: Callable[[], Any]) -> Any:
    """What is seen as soon as anything is: the janitor looks for what fell due every few seconds."""
    deadline = time.monotonic() + 30
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return seen


def run_day(countersign: Service) -> str:
    """What `countersign servicing run` prints."""
    log = countersign.home / f"{uuid4().hex}.log"
    run = fork_server_of_ours().start(["servicing", "run", "--wait", "60"], countersign.environment, log)
    assert run.wait(timeout=90) == 0, log.read_text()
    return log.read_text()


def test_loan_that_is_not_late_needs_nothing(countersign: Service, loans: LateLoans) -> None:
    agent = countersign.client("agent")

    thread_id = serviced(agent, loans.lend(loans.borrower("Nora Punctual", 5_000_00), days_late=-5, paid=0))

    state = state_of(agent, thread_id)
    assert (state["outcome"], state["delinquency"]["bucket"]) == ("none", "current")
    assert [reason["code"] for reason in state["recommendation"]["reasons"]] == ["CURRENT"]
    assert letters(agent, thread_id) == {}


def test_borrower_who_forgot_is_reminded(countersign: Service, loans: LateLoans) -> None:
    agent = countersign.client("agent")
    loan = loans.lend(loans.borrower("Otto Forgetful", 5_000_00), days_late=10)

    thread_id = serviced(agent, loan)

    late = state_of(agent, thread_id)["delinquency"]
    assert outcome_of(agent, thread_id) == "reminded"
    assert (late["bucket"], late["past_due_minor"]) == ("1-29", 564_88)
    assert late["days_past_due"] == loans.schedule(loan)["days_past_due"]
    assert "564.88 USD" in letters(agent, thread_id)["payment_reminder"]
    assert loans.actions(loan) == []


def test_arrears_are_spread_over_a_plan_that_two_sides_agreed_to(countersign: Service, loans: LateLoans) -> None:
    agent, underwriter = countersign.client("agent"), countersign.client("underwriter")
    loan = loans.lend(loans.borrower("Paula Catchup", 5_000_00), days_late=33)
    owed_minor = loans.schedule(loan)["outstanding_principal_minor"]
    thread_id = serviced(agent, loan)
    review = open_review(underwriter, thread_id)

    approved_and_agreed(countersign, agent, thread_id)

    assert review["facts"]["schedule_now"]["principal_minor"] == owed_minor
    assert [refused["code"] for refused in review["facts"]["passed_over"]] == ["RE_AGE_TOO_YOUNG"]
    assert outcome_of(agent, thread_id) == "plan_agreed"
    (action,) = loans.actions(loan)
    assert (action["kind"], action["schedule_version"]) == ("payment_plan", 2)
    standing = loans.schedule(loan)
    told = [
        {key: line[key] for key in ("due_on", "interest_minor", "principal_minor")} for line in standing["instalments"]
    ]
    assert told == review["payload"]["instalments"]
    assert sum(line["principal_minor"] for line in told) == owed_minor == standing["outstanding_principal_minor"]
    assert standing["days_past_due"] == 0
    assert action["action_id"] in letters(agent, thread_id)["plan_confirmation"]


def test_borrower_who_pays_again_has_the_loan_extended_but_not_twice(countersign: Service, loans: LateLoans) -> None:
    agent = countersign.client("agent")
    borrower = loans.borrower("Rita Resumed", 5_000_00)
    loan = loans.lend(borrower, days_late=40, months_old=14)

    thread_id = serviced(agent, loan)
    approved_and_agreed(countersign, agent, thread_id)

    assert outcome_of(agent, thread_id) == "re_aged"
    assert "has been extended" in agent.get(f"/threads/{thread_id}/letters").json()[0]["subject"]
    past = state_of(agent, serviced(agent, loan))["activity"]["past_actions"]
    assert past == [{"kind": "re_age", "on": TODAY.isoformat()}]


def test_borrower_whose_income_fell_gets_a_smaller_instalment(countersign: Service, loans: LateLoans) -> None:
    agent, underwriter = countersign.client("agent"), countersign.client("underwriter")
    borrower = loans.borrower("Sam Shortened")
    for days_ago, minor in ((100, 4_000_00), (70, 4_000_00), (40, 4_000_00), (10, 1_500_00)):
        loans.income(borrower, minor, days_ago)
    loan = loans.lend(borrower, days_late=70)
    owed_minor = loans.schedule(loan)["outstanding_principal_minor"]
    thread_id = serviced(agent, loan)
    review = open_review(underwriter, thread_id)

    approved_and_agreed(countersign, agent, thread_id)

    assert "INCOME_DROP" in [reason["code"] for reason in review["facts"]["reasons"]]
    assert review["facts"]["conduct"]["income_before_minor"] == 4_000_00
    assert outcome_of(agent, thread_id) == "restructured"
    lines = review["payload"]["instalments"]
    assert lines[0]["interest_minor"] + lines[0]["principal_minor"] <= 564_88 * 1500 // 4000
    assert sum(line["principal_minor"] for line in lines) == owed_minor
    assert loans.schedule(loan)["schedule_version"] == 2


def test_loan_that_nothing_else_is_open_to_goes_to_collections(countersign: Service, loans: LateLoans) -> None:
    agent, operator = countersign.client("agent"), countersign.client("operator")
    loan = loans.lend(loans.borrower("Tom Silent", 5_000_00), days_late=95)
    thread_id = serviced(agent, loan)

    answer(operator, open_review(operator, thread_id), APPROVAL)
    follow(agent, thread_id)

    assert outcome_of(agent, thread_id) == "referred"
    assert [action["kind"] for action in loans.actions(loan)] == ["referral"]
    assert "collections department" in letters(agent, thread_id)["collections_referral"]
    again = state_of(agent, serviced(agent, loan))
    assert (again["outcome"], again["recommendation"]["reasons"][0]["code"]) == ("none", "IN_COLLECTIONS")


def test_declined_review_and_declined_terms_change_nothing(countersign: Service, loans: LateLoans) -> None:
    agent, underwriter = countersign.client("agent"), countersign.client("underwriter")
    late = [loans.lend(loans.borrower("Uma Unwilling", 5_000_00), days_late=33) for _ in range(2)]
    by_reviewer, by_borrower = (serviced(agent, loan) for loan in late)

    answer(underwriter, open_review(underwriter, by_reviewer), {"verdict": "decline", "note": "pays tomorrow"})
    answer(underwriter, open_review(underwriter, by_borrower), APPROVAL)
    follow(agent, by_borrower)
    unsaid = answer(agent, open_review(agent, by_borrower), {"agreed": True})
    answer(agent, open_review(agent, by_borrower), {"agreed": False})
    follow(agent, by_reviewer)
    follow(agent, by_borrower)

    assert unsaid.status_code == 422
    assert outcome_of(agent, by_reviewer) == outcome_of(agent, by_borrower) == "declined"
    assert [loans.actions(loan) for loan in late] == [[], []]
    assert countersign.client("auditor").get(f"/threads/{by_borrower}/effects").json() == []


def test_silence_never_changes_a_loan(countersign: Service, loans: LateLoans) -> None:
    agent, underwriter, admin = (countersign.client(role) for role in ("agent", "underwriter", "admin"))
    loan = loans.lend(loans.borrower("Ursula Unheard", 5_000_00), days_late=33)
    thread_id = serviced(agent, loan)

    let_due(countersign, open_review(underwriter, thread_id))
    escalated = awaited(lambda: [r for r in admin.get("/reviews").json() if r["thread_id"] == thread_id])
    answer(admin, escalated[0], APPROVAL)
    follow(agent, thread_id)
    let_due(countersign, open_review(agent, thread_id))
    awaited(lambda: agent.get(f"/threads/{thread_id}").json()["outcome"])

    assert outcome_of(agent, thread_id) == "declined"
    assert loans.actions(loan) == []


def test_second_case_of_a_loan_waits_for_the_first(countersign: Service, loans: LateLoans) -> None:
    agent = countersign.client("agent")
    loan = loans.lend(loans.borrower("Ulf Once", 5_000_00), days_late=33)

    first, second = serviced(agent, loan), serviced(agent, loan)

    assert agent.get(f"/threads/{first}").json()["status"] == "interrupted"
    assert [reason["code"] for reason in state_of(agent, second)["recommendation"]["reasons"]] == ["CASE_OPEN"]


def test_bank_refuses_a_schedule_of_what_is_not_owed_any_more(countersign: Service, loans: LateLoans) -> None:
    agent = countersign.client("agent")
    borrower = loans.borrower("Vera Quick", 5_000_00)
    loan = loans.lend(borrower, days_late=33)
    thread_id = serviced(agent, loan)

    loans.repay(loan, borrower, 564_88)
    approved_and_agreed(countersign, agent, thread_id)

    state = state_of(agent, thread_id)
    assert (state["outcome"], state["done"]["refused"]) == ("action_refused", "not_what_is_owed")
    assert loans.actions(loan) == []
    assert letters(agent, thread_id) == {}


def test_action_whose_answer_was_lost_is_done_once(countersign: Service, loans: LateLoans) -> None:
    agent = countersign.client("agent")
    loan = loans.lend(loans.borrower("Will Twice", 5_000_00), days_late=33)
    thread_id = serviced(agent, loan)
    route = "POST /loan-accounts/{loan_account_id}/actions"
    loans.bank.put("/misbehaviour", json={"route": route, "mode": "timeout_after_commit", "times": 3})

    approved_and_agreed(countersign, agent, thread_id)

    calls = loans.bank.get("/log", params={"idempotency_key": f"{thread_id}:action:1"}).json()["requests"]
    assert outcome_of(agent, thread_id) == "plan_agreed"
    assert len(loans.actions(loan)) == 1
    assert [call["replayed"] for call in calls].count(False) == 1


def test_unknown_loan_and_days_that_cannot_be_judged_are_refused(countersign: Service, loans: LateLoans) -> None:
    agent = countersign.client("agent")
    loan = loans.lend(loans.borrower("Xenia Early", 5_000_00), days_late=33)
    tomorrow = (TODAY + timedelta(days=1)).isoformat()

    refusals = [
        agent.post("/workflows/loan_servicing/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
        for body in (
            {"loan_account_id": "lon_0"},
            {"loan_account_id": loan, "as_of": tomorrow},
            {"loan_account_id": loan, "as_of": "2025-12-31"},
        )
    ]

    assert [refused.status_code for refused in refusals] == [422, 422, 422]
    for refused, field in zip(refusals, ("loan_account_id", "as_of", "as_of"), strict=True):
        assert field in refused.json()["detail"]


def test_day_is_begun_twice_and_each_loan_is_serviced_once(countersign: Service, loans: LateLoans) -> None:
    operator = countersign.client("operator")
    late = [loans.lend(loans.borrower(f"Yann {n}", 5_000_00), days_late=10) for n in range(3)]
    early = loans.lend(loans.borrower("Zoe Early", 5_000_00), days_late=-5, paid=0)

    by_hand = start(operator, "loan_servicing_day", {})
    follow(operator, by_hand)
    printed = [run_day(countersign), run_day(countersign)]

    cases = {case["loan_account_id"]: case for case in operator.get(f"/servicing/cases?on={TODAY}").json()["cases"]}
    assert state_of(operator, by_hand)["day"]["cases"] == len(cases)
    assert f"{TODAY}: {len(cases)} loans" in printed[0] and printed[1] == printed[0]
    assert early not in cases
    for loan in late:
        assert (cases[loan]["outcome"], cases[loan]["bucket"]) == ("reminded", "1-29")
        assert len(operator.get(f"/threads/{cases[loan]['thread_id']}/runs").json()) == 1
