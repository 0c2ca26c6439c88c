"""From offer to payout, over HTTP: what is not accepted, what is offered instead, and that nothing is paid twice."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.crash_deployment import until
from tests.service import Service, answer, follow, open_review, start_case
from tests.test_path_of_a_loan import APPLICATION, letters
from tools.letter_parts import NO_BREAK
from tools.letter_words import spell_day

TOO_SHORT = APPLICATION | {"amount": "12000.00", "term_months": 12, "income": "5000.00"}


@pytest.fixture(scope="module", autouse=True)
def _patient_bank(module_database_url: str) -> None:
    """Our one applicant applies so often that policy would soon take them for a fraud."""
    with psycopg.connect(module_database_url) as conn:
        conn.execute("ALTER TABLE loan_applications ALTER created_at SET DEFAULT now() - interval '1 year'")


def answered(client: httpx.Client, thread_id: str, given: dict[str, Any]) -> None:
    assert answer(client, open_review(client, thread_id), given).status_code == 202
    follow(client, thread_id)


def outcome(client: httpx.Client, thread_id: str) -> str:
    return str(client.get(f"/threads/{thread_id}").json()["outcome"])


def values(client: httpx.Client, thread_id: str) -> dict[str, Any]:
    return dict(client.get(f"/threads/{thread_id}/state").json()["values"])


def test_counteroffer_that_is_declined_ends_in_a_notice_of_adverse_action(countersign: Service) -> None:
    client = countersign.client("client")
    thread_id = start_case(client, TOO_SHORT)
    follow(client, thread_id)

    answered(client, thread_id, {"accepted": False})

    written, decided = letters(client, thread_id), values(client, thread_id)["decision"]
    assert decided["outcome"] == "counter_offer"
    assert outcome(client, thread_id) == "declined"
    assert set(written) == {"counter_offer", "adverse_action"}
    assert "you declined our counteroffer" in " ".join(written["adverse_action"].split())
    assert all(reason["text"] in written["adverse_action"] for reason in decided["reasons"])


def test_counteroffer_that_expires_ends_in_a_notice_that_names_its_last_day(countersign: Service) -> None:
    client = countersign.client("client")
    thread_id = start_case(client, TOO_SHORT)
    follow(client, thread_id)
    expires_on = open_review(client, thread_id)["facts"]["expires_on"]

    outlast(countersign, client, thread_id)

    notice = " ".join(letters(client, thread_id)["adverse_action"].split())
    assert outcome(client, thread_id) == "declined"
    last_day = spell_day(expires_on).replace(NO_BREAK, " ")
    assert f"was open until the end of {last_day} (UTC). We did not receive your acceptance by then" in notice


def test_counteroffer_that_is_accepted_is_paid_out_at_its_own_terms(countersign: Service) -> None:
    client = countersign.client("client")
    thread_id = start_case(client, TOO_SHORT)
    follow(client, thread_id)

    answered(client, thread_id, {"accepted": True})

    found = values(client, thread_id)
    assert found["outcome"] == "disbursed"
    assert found["decision"]["terms"]["term_months"] == found["loan"]["term_months"] > 12
    assert set(letters(client, thread_id)) == {"counter_offer", "disbursement_confirmation"}


def test_loan_that_was_paid_out_is_not_paid_again_by_any_way_in(countersign: Service) -> None:
    client, operator = countersign.client("client", "ada"), countersign.client("operator")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)
    review = open_review(client, thread_id)
    answered(client, thread_id, {"accepted": True})
    (run, *_) = client.get(f"/threads/{thread_id}/runs").json()
    history = operator.post(f"/threads/{thread_id}/history", json={"limit": 50}).json()
    before = next(state for state in history if state["next"] == ["disburse"])

    body = {"assistant_id": "loan_origination"}
    tried = [
        answer(client, review, {"accepted": True}),
        client.post(f"/threads/{thread_id}/runs", json=body | {"input": APPLICATION}),
        client.post(f"/threads/{thread_id}/runs", json=body | {"input": None}),
        client.post(f"/threads/{thread_id}/runs", json=body | {"command": {"goto": "disburse"}}),
        client.post(f"/threads/{thread_id}/runs", json=body | {"checkpoint": before["checkpoint"], "input": None}),
        operator.post(f"/threads/{thread_id}/state", json={"values": {"outcome": None}, "as_node": "acceptance"}),
        operator.post(
            f"/threads/{thread_id}/state",
            json={"values": {"loan": {}}, "as_node": "acceptance", "checkpoint": before["checkpoint"]},
        ),
        operator.post(f"/threads/{thread_id}/runs/{run['run_id']}/restart", headers={"Idempotency-Key": uuid4().hex}),
    ]
    follow(client, thread_id)

    assert {each.status_code for each in tried} <= {403, 409, 422}, [each.text for each in tried]
    assert payouts_of(countersign, thread_id) == 1


@pytest.mark.parametrize(
    "again",
    [
        """INSERT INTO effects (key, tenant_id, thread_id, run_id, kind, request, request_sha256, attempts)
           SELECT key || '1', tenant_id, thread_id, run_id, kind, request, request_sha256, 1 FROM effects
           WHERE thread_id = %s""",
        """INSERT INTO loans (thread_id, tenant_id, loan_account_id, transfer_id, terms, schedule)
           SELECT thread_id, tenant_id, loan_account_id || '1', transfer_id, terms, schedule FROM loans
           WHERE thread_id = %s""",
    ],
    ids=["disbursement", "loan"],
)
def test_database_holds_one_disbursement_and_one_loan_per_application(countersign: Service, again: str) -> None:
    client = countersign.client("client")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)
    answered(client, thread_id, {"accepted": True})

    with psycopg.connect(countersign.database_url) as conn, pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(again.encode(), (thread_id,))


def outlast(served: Service, client: httpx.Client, thread_id: str) -> None:
    """The case's open review is answered by silence."""
    with psycopg.connect(served.database_url) as conn:
        conn.execute("UPDATE reviews SET due_at = now() WHERE thread_id = %s AND status = 'open'", (thread_id,))
    until(lambda: client.get(f"/threads/{thread_id}").json()["outcome"], "silence has answered")


def payouts_of(served: Service, thread_id: str) -> int:
    loans = served.bank().get("/customers/cust_2002/loan-accounts", params={"limit": 1000}).json()["loan_accounts"]
    return sum(loan["reference"] == f"Loan {thread_id}" for loan in loans)
