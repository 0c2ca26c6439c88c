"""What an application still lacks, over HTTP: asked of its applicant, answered, left unanswered, or taken back."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from tests.api.test_policies import TODAY, approved, document, propose, run
from tests.crash_deployment import until
from tests.payers import salaried
from tests.service import Service, answer, follow, open_review, start_case
from tests.test_path_of_a_loan import APPLICATION, letters

LARGE = APPLICATION | {"amount": "15000.00"}
"""So much that the bank's accounts are looked at."""


def begin(client: httpx.Client, **changed: Any) -> str:
    """A case that came to its first question, or its end."""
    thread_id = start_case(client, APPLICATION | changed)
    follow(client, thread_id)
    return thread_id


def complete(client: httpx.Client, thread_id: str, **given: Any) -> None:
    answered = answer(client, open_review(client, thread_id), given)
    assert answered.status_code == 202, answered.text
    follow(client, thread_id)


def withdraw(client: httpx.Client, thread_id: str) -> httpx.Response:
    return client.post(f"/threads/{thread_id}/withdrawal", headers={"Idempotency-Key": uuid4().hex})


def outcome(client: httpx.Client, thread_id: str) -> str | None:
    follow(client, thread_id)
    found: str | None = client.get(f"/threads/{thread_id}").json()["outcome"]
    return found


def facts(served: Service, thread_id: str) -> dict[str, Any]:
    """What policy decided on."""
    return dict(served_rows(served, "SELECT facts FROM credit_decisions WHERE thread_id = %s", thread_id)[0]["facts"])


def served_rows(served: Service, query: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(served.database_url, autocommit=True, row_factory=dict_row) as conn:
        cur = conn.execute(query.encode(), values)
        return cur.fetchall() if cur.description else []


def test_contradiction_is_asked_by_field_and_the_corrected_figure_decides(countersign: Service) -> None:
    client = countersign.client("client")
    thread_id = begin(client, housing={"status": "rent", "monthly_cost": "0"})
    review = open_review(client, thread_id)

    wrong = answer(client, review, {"housing": {"status": "rent", "monthly_cost": "ten"}})
    more = answer(client, review, {"housing": {"status": "rent", "monthly_cost": "900"}, "income": "9000"})
    complete(client, thread_id, housing={"status": "rent", "monthly_cost": "900.00"})

    assert (review["kind"], list(review["form"]["properties"])) == ("completion", ["housing"])
    assert "monthly cost is 0.00 USD" in review["facts"]["gaps"][0]["why"]
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "answer.housing.monthly_cost")
    assert (more.status_code, more.json()["errors"][0]["field"]) == (422, "answer.income")
    assert open_review(client, thread_id)["kind"] == "acceptance"
    assert facts(countersign, thread_id)["means"]["monthly_housing_minor"] == 900_00
    notice = letters(client, thread_id)["incompleteness"]
    assert "Your housing and its monthly cost" in notice and "no further consideration" in notice


def test_applicant_without_file_is_asked_by_the_tutorials_route_for_what_nobody_knows(countersign: Service) -> None:
    client = countersign.client("client")
    wanted = {"applicant_id": "cust_1006", "amount": 3000, "term_months": 24, "income": 4000}
    number = client.post("/loan/applications", json=wanted).json()["application_id"]

    asked = client.post(f"/loan/applications/{number}/decision").json()
    thread_id = client.get(f"/loan/applications/{number}").json()["thread_id"]
    follow(client, thread_id)
    employment = {"status": "employed", "since": "1901-02-01"}
    complete(client, thread_id, employment=employment, housing={"status": "family", "monthly_cost": 0})
    again = open_review(client, thread_id)
    complete(client, thread_id, employment={"status": "employed", "since": "2019-02-01"})

    assert asked["status"] == "waiting_for_applicant"
    assert list(again["form"]["properties"]) == ["employment"] and "14 years" in again["facts"]["gaps"][0]["why"]
    view = client.get(f"/loan/applications/{number}").json()
    assert view["status"] == "waiting_for_review"
    copies = served_rows(countersign, "SELECT copy FROM letters WHERE thread_id = %s ORDER BY copy", thread_id)
    assert [row["copy"] for row in copies] == ["1", "2"]


def test_application_that_nobody_completes_is_closed_with_its_notice(countersign: Service) -> None:
    client, underwriter = countersign.client("client"), countersign.client("underwriter")
    thread_id = begin(client, housing={"status": "rent", "monthly_cost": "0"})
    served_rows(
        countersign, "UPDATE threads SET created_at = now() - interval '29 days' WHERE thread_id = %s", thread_id
    )
    owed = [notice["thread_id"] for notice in underwriter.get("/loan/notices?within_days=30").json()]
    served_rows(countersign, "UPDATE reviews SET due_at = now() WHERE thread_id = %s", thread_id)

    late = withdraw(client, thread_id)
    ended = until(lambda: client.get(f"/threads/{thread_id}").json()["outcome"], "the case is over", 60)

    assert thread_id not in owed
    assert late.status_code == 409
    assert ended == "incomplete"
    assert set(letters(client, thread_id)) == {"incompleteness", "closed_incomplete"}
    assert "no further consideration" in letters(client, thread_id)["closed_incomplete"]


def test_notice_is_owed_from_the_day_that_the_application_was_completed(countersign: Service) -> None:
    client, underwriter = countersign.client("client"), countersign.client("underwriter")
    thread_id = begin(client, applicant_id="cust_3003", housing={"status": "rent", "monthly_cost": "0"})
    complete(client, thread_id, housing={"status": "rent", "monthly_cost": "1100"})
    back = "UPDATE threads SET created_at = now() - interval '29 days' WHERE thread_id = %s"
    served_rows(countersign, back, thread_id)

    near, later = (
        [notice["thread_id"] for notice in underwriter.get(f"/loan/notices?within_days={days}").json()]
        for days in (29, 30)
    )

    assert thread_id not in near and thread_id in later


def test_income_that_the_accounts_contradict_is_asked_twice_and_then_referred_with_the_evidence(
    countersign: Service,
) -> None:
    client, underwriter = countersign.client("client"), countersign.client("underwriter")
    thread_id = begin(client, **LARGE | {"applicant_id": salaried(countersign, 4_000_00)})

    asked = open_review(client, thread_id)
    complete(client, thread_id, income="6400")
    complete(client, thread_id, income="6300")
    review = open_review(underwriter, thread_id)

    assert "4,000.00 USD a month" in asked["facts"]["gaps"][0]["why"]
    assert "stated_figures" in review["facts"]["refer_reasons"]
    stored = facts(countersign, thread_id)
    income = stored["evidence"]["figures"][0]
    assert (income["source"], income["used_minor"], income["stated_minor"]) == ("account_activity", 4_000_00, 6_300_00)
    assert stored["means"]["monthly_income_minor"] == 4_000_00 and stored["evidence"]["rounds"] == 2
    replayed = run(countersign, "replay", thread_id)
    assert replayed[0] == 0 and "agrees byte for byte" in replayed[1]


def test_debt_at_the_bank_that_was_not_stated_counts_and_what_was_stated_wrongly_is_asked(countersign: Service) -> None:
    client = countersign.client("client")
    borrower = {"applicant_id": "cust_1001"}
    lent = begin(client, **borrower)
    answer(client, open_review(client, lent), {"accepted": True})
    assert outcome(client, lent) == "disbursed"

    unstated = begin(client, **LARGE | borrower)
    car = {"kind": "loan", "monthly_payment": "285"}
    short = begin(client, **LARGE | borrower | {"obligations": [car]})

    obligations = facts(countersign, unstated)["evidence"]["figures"][1]
    # 285.00 and 95.00 on the file, and 12,000.00 at 7.99 % over 36 months.
    assert (obligations["used_minor"], obligations["source"]) == (380_00 + 375_98, "bank_records")
    assert open_review(client, short)["facts"]["gaps"][0]["found_minor"] == 755_98


@pytest.mark.parametrize("waits_for", ["completion", "underwriting", "acceptance"])
def test_application_is_withdrawn_at_whatever_it_waits_for(countersign: Service, waits_for: str) -> None:
    client, stranger = countersign.client("client"), countersign.client("operator")
    changed: dict[str, dict[str, Any]] = {
        "completion": {"housing": {"status": "rent", "monthly_cost": "0"}},
        "underwriting": {"applicant_id": "cust_3003"},
        "acceptance": {"applicant_id": "cust_1002"},
    }
    thread_id = begin(client, **changed[waits_for])

    others, taken = withdraw(stranger, thread_id), withdraw(client, thread_id)

    assert (others.status_code, taken.status_code) == (403, 202), taken.text
    assert outcome(client, thread_id) == "withdrawn"
    assert "withdrawal" in letters(client, thread_id)
    assert withdraw(client, thread_id).status_code == 409
    trail = countersign.client("auditor").get(f"/threads/{thread_id}/audit").json()
    assert [row["action"] for row in trail].count("loan.withdrawn") == 1


def test_stored_application_is_withdrawn_without_being_decided(countersign: Service) -> None:
    client = countersign.client("client")
    wanted = {"applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6500}
    number = client.post("/loan/applications", json=wanted).json()["application_id"]
    thread_id = client.get(f"/loan/applications/{number}").json()["thread_id"]

    withdraw(client, thread_id).raise_for_status()

    assert outcome(client, thread_id) == "withdrawn"
    assert client.get(f"/loan/applications/{number}").json()["status"] == "withdrawn"
    assert "We have made no decision" in letters(client, thread_id)["withdrawal"]


def test_application_whose_run_waits_for_the_bank_is_withdrawn_when_it_is_back(countersign: Service) -> None:
    client, bank = countersign.client("client"), countersign.bank()
    bank.put("/misbehaviour", json={"route": "*", "mode": "500"}).raise_for_status()
    try:
        thread_id = start_case(client, APPLICATION)
        with client.stream("GET", f"/threads/{thread_id}/events") as stream:
            next(line for line in stream.iter_lines() if '"waiting"' in line)
        noted = withdraw(client, thread_id)
    finally:
        bank.put("/misbehaviour", json={"route": "*", "mode": "none"}).raise_for_status()

    assert noted.status_code == 202, noted.text
    assert outcome(client, thread_id) == "withdrawn"
    assert set(letters(client, thread_id)) == {"withdrawal"}


def test_loan_that_is_paid_out_is_withdrawn_no_more(countersign: Service) -> None:
    client = countersign.client("client")
    thread_id = begin(client, applicant_id="cust_1005", housing={"status": "mortgage", "monthly_cost": "1890"})
    answer(client, open_review(client, thread_id), {"accepted": True})
    assert outcome(client, thread_id) == "disbursed"

    assert withdraw(client, thread_id).status_code == 409


def test_two_who_apply_together_are_judged_accept_and_hear_of_it_together(countersign: Service) -> None:
    client = countersign.client("client")
    together = {"co_applicant": {"applicant_id": "cust_1002", "income": "3100"}}
    thread_id = begin(client, **together)
    review = open_review(client, thread_id)

    alone = answer(client, review, {"accepted": True})
    complete(client, thread_id, accepted=True, co_applicant_accepted=True)

    assert (alone.status_code, alone.json()["errors"][0]["field"]) == (422, "answer.co_applicant_accepted")
    assert client.get(f"/threads/{thread_id}").json()["outcome"] == "disbursed"
    stored = facts(countersign, thread_id)
    assert stored["means"]["monthly_income_minor"] == 6_500_00 + 3_100_00
    assert len(stored["other_files"]) == 1
    assert run(countersign, "replay", thread_id)[0] == 0
    sent = served_rows(countersign, "SELECT kind, copy, body FROM letters WHERE thread_id = %s", thread_id)
    assert {(row["kind"], row["copy"]) for row in sent} == {
        (kind, copy) for kind in ("offer", "disbursement_confirmation") for copy in ("", "co_applicant")
    }
    assert all("Sofia Lindqvist" in row["body"] for row in sent if row["copy"])


def test_co_applicant_with_a_bad_file_fails_both_and_each_reads_no_score_but_their_own(countersign: Service) -> None:
    client = countersign.client("client")

    thread_id = begin(client, co_applicant={"applicant_id": "cust_4004", "income": "5200"})

    assert client.get(f"/threads/{thread_id}").json()["outcome"] == "declined"
    sent = served_rows(countersign, "SELECT copy, facts FROM letters WHERE thread_id = %s", thread_id)
    assert {row["copy"]: row["facts"]["score"] is None for row in sent} == {"": True, "co_applicant": False}


def test_co_applicants_own_gaps_are_asked_without_their_figures(countersign: Service) -> None:
    client, underwriter = countersign.client("client"), countersign.client("underwriter")
    thread_id = begin(client, co_applicant={"applicant_id": "cust_1006", "income": "3100"})

    review = open_review(client, thread_id)
    complete(client, thread_id, co_applicant_employment={"status": "employed"})

    assert list(review["form"]["properties"]) == ["co_applicant_employment"]
    assert review["facts"]["gaps"][0]["why"] == "We have no record of it for the co-applicant."
    assert "credit_file" in open_review(underwriter, thread_id)["facts"]["refer_reasons"]


@pytest.mark.parametrize(
    ("co_applicant", "field"),
    [
        ({"applicant_id": "cust_2002", "income": 1}, "co_applicant"),
        ({"applicant_id": "cust_9", "income": 1}, "co_applicant.applicant_id"),
        ({"applicant_id": "cust_1002", "income": "much"}, "co_applicant.income"),
    ],
)
def test_bad_co_applicant_is_refused_by_field(countersign: Service, co_applicant: Any, field: str) -> None:
    refused = countersign.client("client").post(
        "/workflows/loan_origination/threads",
        json=APPLICATION | {"co_applicant": co_applicant},
        headers={"Idempotency-Key": uuid4().hex},
    )

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"].endswith(field)


def test_policy_may_check_every_loan_and_refer_a_contradiction_at_once(countersign: Service) -> None:
    """The last of this module: the policy is in force from then on."""
    client, underwriter = countersign.client("client"), countersign.client("underwriter")
    careful = document("careful", TODAY)
    careful["intake"] |= {"cross_check_from_minor": 0, "on_contradiction": "refer"}
    rash = careful | {"intake": careful["intake"] | {"answer_days": 1}}
    refused = propose(countersign.client("policy_owner"), rash)
    approved(countersign.client("policy_owner", "olga"), countersign.client("policy_owner", "otto"), careful)

    thread_id = begin(client, applicant_id=salaried(countersign, 4_000_00))

    assert refused.json()["errors"][0]["field"] == "document.intake.answer_days"
    assert open_review(underwriter, thread_id)["facts"]["evidence"]["unresolved"][0]["found_minor"] == 4_000_00
