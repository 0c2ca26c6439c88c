"""What the bank does about late loans: new schedules beside the old ones, and referrals."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.sandbox.test_sandbox_repayments import lent, repay, standing
from tests.served_bank import ServedBank

TODAY = datetime.now(UTC).date()


def plan(first_due_on: date, *principal_minor: int) -> list[dict[str, Any]]:
    return [
        {
            "due_on": (first_due_on + timedelta(days=30 * n)).isoformat(),
            "interest_minor": 5_00,
            "principal_minor": minor,
        }
        for n, minor in enumerate(principal_minor)
    ]


def act(bank: ServedBank, loan: str, key: str, **change: Any) -> httpx.Response:
    order = {
        "kind": "payment_plan",
        "schedule_version": 1,
        "outstanding_principal_minor": 1_200_00,
        "instalments": plan(TODAY + timedelta(days=30), 600_00, 600_00),
    } | change
    return bank.post(f"/loan-accounts/{loan}/actions", order, key=f"{loan}-{key}")


def test_new_schedule_replaces_the_old_one_and_yesterday_still_knows_that(bank: ServedBank) -> None:
    loan = lent(bank, "replaced")

    done = act(bank, loan, "plan").raise_for_status().json()

    assert (done["kind"], done["schedule_version"]) == ("payment_plan", 2)
    today, yesterday = standing(bank, loan, str(TODAY)), standing(bank, loan, str(TODAY - timedelta(days=1)))
    assert [line["amount_minor"] for line in today["instalments"]] == [605_00, 605_00]
    assert (today["schedule_version"], today["days_past_due"]) == (2, 0)
    assert (yesterday["schedule_version"], len(yesterday["instalments"])) == (1, 12)
    (listed,) = bank.http.get(f"/loan-accounts/{loan}/actions").json()["actions"]
    assert listed == {key: done[key] for key in listed}


def test_repayments_are_split_by_the_schedule_that_stands(bank: ServedBank) -> None:
    loan = lent(bank, "split-anew")
    repay(bank, loan, 106_62, "before").raise_for_status()
    left_minor = 1_200_00 - 94_62
    act(
        bank,
        loan,
        "plan",
        outstanding_principal_minor=left_minor,
        instalments=plan(TODAY + timedelta(days=30), 100_00, left_minor - 100_00),
    ).raise_for_status()

    after = repay(bank, loan, 105_00, "after").json()
    rest = repay(bank, loan, left_minor - 100_00 + 5_00, "rest").json()

    assert (after["interest_minor"], after["principal_minor"]) == (5_00, 100_00)
    assert rest["principal_minor"] == left_minor - 100_00
    assert bank.booked_minor(loan) == 0
    assert bank.http.get(f"/loan-accounts/{loan}").json()["status"] == "repaid"
    assert act(bank, loan, "late").json()["code"] == "loan_repaid"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"outstanding_principal_minor": 1_199_99}, "not_what_is_owed"),
        ({"instalments": plan(TODAY + timedelta(days=30), 600_00, 599_99)}, "schedule_does_not_sum"),
        ({"instalments": plan(TODAY, 600_00, 600_00)}, "schedule_in_the_past"),
        ({"schedule_version": 2}, "schedule_was_replaced"),
        ({"instalments": []}, "invalid_request"),
        ({"kind": "referral"}, "invalid_request"),
        ({"instalments": plan(TODAY + timedelta(days=30), 1_200_00) * 2}, "invalid_request"),
        ({"kind": "forgive"}, "invalid_request"),
    ],
)
def test_wrong_action_is_refused_and_changes_nothing(bank: ServedBank, change: dict[str, Any], code: str) -> None:
    loan = lent(bank, f"wrong-{code}-{len(str(change))}")

    refused = act(bank, loan, "wrong", **change)

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert bank.http.get(f"/loan-accounts/{loan}/actions").json() == {"actions": []}
    assert standing(bank, loan, str(TODAY))["schedule_version"] == 1


def test_action_is_done_once_however_often_it_is_asked_for(bank: ServedBank) -> None:
    loan = lent(bank, "once")

    first, again = act(bank, loan, "plan"), act(bank, loan, "plan")

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert bank.http.get(f"/requests/{loan}-plan").json()["response"] == first.json()
    assert act(bank, loan, "plan", reason="another").json()["code"] == "idempotency_mismatch"
    assert act(bank, loan, "another").json()["code"] == "schedule_was_replaced"


def test_referred_loan_takes_payments_but_no_further_action(bank: ServedBank) -> None:
    loan = lent(bank, "referred")

    done = act(bank, loan, "refer", kind="referral", instalments=[]).raise_for_status().json()

    assert done["schedule_version"] is None
    assert standing(bank, loan, str(TODAY))["status"] == "in_collections"
    assert act(bank, loan, "plan").json()["code"] == "loan_in_collections"
    assert repay(bank, loan, 106_62, "still").is_success


def test_database_itself_refuses_a_schedule_that_does_not_sum(bank: ServedBank) -> None:
    loan = lent(bank, "in-the-database")
    act(bank, loan, "plan").raise_for_status()
    cases = [
        ("INSERT INTO loan_instalments VALUES (%s, 2, 3, '2099-01-01', 0, 1)", "does not sum to its principal"),
        ("UPDATE loan_instalments SET principal_minor = 1 WHERE loan_account_id = %s", "append-only"),
        ("DELETE FROM loan_actions WHERE loan_account_id = %s", "append-only"),
        (
            "INSERT INTO loan_actions SELECT 'act_' || md5('x'), loan_account_id, 'lent-in-the-database', kind, '',"
            " 120000, 3 FROM loan_actions WHERE loan_account_id = %s",
            "has a principal of 0, and 120000 is owed",
        ),
    ]

    for statement, complaint in cases:
        with bank.sql() as conn, pytest.raises(psycopg.IntegrityError, match=complaint):
            conn.execute(statement.encode(), (loan,))


def test_loans_due_on_a_day_are_listed_by_pages(bank: ServedBank) -> None:
    late, on_the_day, later = (
        lent(bank, f"due-{first}", first_due_on=first) for first in ("2040-01-31", "2040-02-15", "2040-02-16")
    )
    repay(bank, on_the_day, 106_62, "in-advance").raise_for_status()

    found, after = [], ""
    while after is not None:
        query: dict[str, Any] = {"due_on_or_before": "2040-02-15", "after": after, "limit": 2}
        page = bank.http.get("/loan-accounts", params=query).raise_for_status().json()
        found += page["loan_accounts"]
        after = page["next_after"]

    listed = {loan["loan_account_id"]: loan for loan in found}
    assert list(listed) == sorted(listed)
    assert (listed[late]["days_past_due"], listed[late]["past_due_minor"]) == (15, 106_62)
    assert listed[on_the_day]["due_minor"] == 0
    assert later not in listed
