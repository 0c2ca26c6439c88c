"""The lending tutorial's calls answer as it promises, and the faults it has are gone: one test by the name of each."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.api.refusals import assert_refused, nothing_stored, post_raw, with_raw
from tests.service import Service, answer, follow, open_review

pytestmark = pytest.mark.usefixtures("no_traceback")

APPLICATIONS = "/loan/applications"
TUTORIAL: dict[str, Any] = {"applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6500}


@pytest.fixture(scope="module")
def client(countersign: Service) -> httpx.Client:
    return countersign.client("client")


def stored(client: httpx.Client, **changed: Any) -> int:
    """The number of a new application."""
    made = client.post(APPLICATIONS, json=TUTORIAL | changed)
    assert made.status_code == 200, made.text
    return int(made.json()["application_id"])


def decided(client: httpx.Client, number: int) -> httpx.Response:
    return client.post(f"{APPLICATIONS}/{number}/decision")


def thread_of(client: httpx.Client, number: int) -> str:
    return str(client.get(f"{APPLICATIONS}/{number}").json()["thread_id"])


def counted(served: Service, table: str, thread_id: str) -> int:
    with psycopg.connect(served.database_url) as conn:
        row = conn.execute(f"SELECT count(*) FROM {table} WHERE thread_id = %s", (thread_id,)).fetchone()
    assert row is not None
    return int(row[0])


def test_tutorials_own_calls_answer_what_it_promises(client: httpx.Client) -> None:
    made = client.post(APPLICATIONS, json=TUTORIAL)
    read = client.get(f"{APPLICATIONS}/1")
    asked = client.post(f"{APPLICATIONS}/1/decision")

    assert (made.status_code, made.json()) == (200, {"application_id": 1, "status": "stored"})
    assert read.status_code == 200
    assert read.json()["application_id"] == 1
    assert read.json()["status"] == "stored"
    assert (asked.status_code, asked.json()) == (200, {"application_id": 1, "status": "approved"})
    assert client.get(f"{APPLICATIONS}/1").json()["status"] == "approved"
    assert_refused(client.get(f"{APPLICATIONS}/999"), 404)
    assert_refused(client.post(f"{APPLICATIONS}/999/decision"), 404)


def test_numbers_count_up_without_a_gap_whatever_is_refused_between(client: httpx.Client) -> None:
    first = stored(client)
    post_raw(client, APPLICATIONS, "{")
    client.post(APPLICATIONS, json=TUTORIAL | {"amount": -1})
    client.post(APPLICATIONS, json=TUTORIAL | {"applicant_id": "cust_9"})
    key = {"Idempotency-Key": uuid4().hex}
    again = [client.post(APPLICATIONS, json=TUTORIAL, headers=key).json()["application_id"] for _ in range(3)]
    client.post(APPLICATIONS, json=TUTORIAL | {"amount": 5}, headers=key)

    with ThreadPoolExecutor(10) as pool:
        at_once = sorted(pool.map(lambda _: stored(client), range(20)))

    assert again == [first + 1] * 3
    assert at_once == list(range(first + 2, first + 22))


def test_applicant_whom_policy_declines_is_rejected(client: httpx.Client) -> None:
    number = stored(client, applicant_id="cust_4004")

    assert decided(client, number).json() == {"application_id": number, "status": "rejected"}
    follow(client, thread_of(client, number))
    assert client.get(f"{APPLICATIONS}/{number}").json()["outcome"] == "declined"


def test_applicant_who_is_referred_waits_until_an_underwriter_decides(
    countersign: Service, client: httpx.Client
) -> None:
    number = stored(client, applicant_id="cust_3003")
    underwriter = countersign.client("underwriter")

    before = decided(client, number).json()["status"]
    follow(client, thread_of(client, number))
    approval = {"verdict": "approve", "note": "salary account since 2019"}
    answer(underwriter, open_review(underwriter, thread_of(client, number)), approval)
    follow(client, thread_of(client, number))

    assert (before, decided(client, number).json()["status"]) == ("waiting_for_review", "approved")


def test_task_of_an_agent_is_read_by_its_id(client: httpx.Client) -> None:
    number = stored(client)
    decided(client, number)
    follow(client, thread_of(client, number))
    [intake] = [t for t in client.get(f"/threads/{thread_of(client, number)}/tasks").json() if t["name"] == "intake"]

    task = client.get(f"/agent/tasks/{intake['task_id']}")

    assert task.status_code == 200
    assert set(task.json()) == {"task_id", "agent_name", "status", "payload"}
    assert task.json()["task_id"] == intake["task_id"]
    assert task.json()["agent_name"] == "intake-agent"
    assert task.json()["status"] == "done"
    assert task.json()["payload"]["input"]["request"]["applicant_id"] == "cust_2002"
    assert_refused(client.get(f"/agent/tasks/{uuid4()}"), 404)


def test_money_is_never_a_float(countersign: Service, client: httpx.Client) -> None:
    numbers = [stored(client, amount=amount) for amount in (8999.99, "8999.99", 1234.1, 0.29, 1.1, 4.35)]

    amounts = [client.get(f"{APPLICATIONS}/{number}").json()["amount"] for number in numbers]

    assert amounts == ["8999.99", "8999.99", "1234.10", "0.29", "1.10", "4.35"]
    with psycopg.connect(countersign.database_url) as conn:
        columns = conn.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type IN ('real', 'double precision', 'money')"
            " AND (column_name LIKE '%minor%' OR table_name ~ 'loan|decision|assessment|letter|effect|review')"
        ).fetchall()
    assert columns == []


def test_timestamps_have_a_zone(countersign: Service, client: httpx.Client) -> None:
    number = stored(client)
    decided(client, number)
    read = client.get(f"{APPLICATIONS}/{number}").json()

    assert all(datetime.fromisoformat(read[name]).tzinfo is not None for name in ("created_at", "decided_at"))
    with psycopg.connect(countersign.database_url) as conn:
        naive = conn.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'timestamp without time zone'"
        ).fetchall()
    assert naive == []


def test_request_opens_no_connection_of_its_own(countersign: Service, client: httpx.Client) -> None:
    def sessions() -> int:
        with psycopg.connect(countersign.database_url, autocommit=True) as conn:
            conn.execute("SELECT pg_stat_force_next_flush()")
            row = conn.execute("SELECT sessions FROM pg_stat_database WHERE datname = current_database()").fetchone()
        assert row is not None
        return int(row[0])

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: stored(client), range(20)))
        before = sessions()
        list(pool.map(lambda _: client.get(f"{APPLICATIONS}/1"), range(200)))
        after = sessions()

    assert after - before < 20


@pytest.mark.parametrize("field", ["amount", "income"])
def test_negative_zero_nan_and_absurd_amounts_are_refused(
    countersign: Service, client: httpx.Client, field: str
) -> None:
    with nothing_stored(countersign):
        for raw in ("-1", "0", "NaN", '"NaN"', "Infinity", "1e400", "1e40", "10000001", "12000.001", "true", '"many"'):
            assert_refused(post_raw(client, APPLICATIONS, with_raw(TUTORIAL, field, raw)), 422, field)


def test_debt_to_income_counts_payment_existing_debt_rate_and_term(countersign: Service) -> None:
    def dti_bps(**changed: Any) -> int:
        client = countersign.client("client")
        number = stored(client, **changed)
        decided(client, number)
        state = client.get(f"/threads/{thread_of(client, number)}/state").json()["values"]
        return int(state["affordability"]["dti_bps"])

    tutorial = dti_bps()

    assert tutorial != 12000 * 10_000 // (6500 * 12)
    assert dti_bps(term_months=12) > tutorial > dti_bps(term_months=60)
    assert dti_bps(amount=24000) > tutorial > dti_bps(income=13000)
    obligations_alone_bps = (240 + 110) * 10_000 // 6500
    assert tutorial > obligations_alone_bps + 12000 * 10_000 // 36 // 6500


def test_repeated_decision_restarts_nothing_and_pays_nothing_again(countersign: Service, client: httpx.Client) -> None:
    number = stored(client, applicant_id="cust_1001")
    decided(client, number)
    thread_id = thread_of(client, number)
    follow(client, thread_id)
    answer(client, open_review(client, thread_id), {"accepted": True})
    follow(client, thread_id)

    with nothing_stored(countersign):
        again = [decided(client, number).json() for _ in range(3)]

    assert again == [{"application_id": number, "status": "approved"}] * 3
    assert client.get(f"{APPLICATIONS}/{number}").json()["outcome"] == "disbursed"
    calls = countersign.bank().get("/log").json()["requests"]
    assert [call["path"] for call in calls if thread_id in str(call["idempotency_key"])] == ["/loan-accounts"]


def test_bank_is_never_called_without_an_idempotency_key(countersign: Service) -> None:
    calls = countersign.bank().get("/log").json()["requests"]

    assert calls
    assert all(re.fullmatch(r"\S+:disburse:1", call["idempotency_key"]) for call in calls)


def test_case_is_disbursed_only_once_the_bank_has_confirmed(countersign: Service, client: httpx.Client) -> None:
    number = stored(client, applicant_id="cust_1001", amount=5000)
    decided(client, number)
    thread_id = thread_of(client, number)
    follow(client, thread_id)
    bank, outcomes = countersign.bank(), []
    switch = {"route": "POST /loan-accounts", "mode": "slow", "delay_s": 0.5, "times": 1}
    bank.put("/misbehaviour", json=switch).raise_for_status()

    answer(client, open_review(client, thread_id), {"accepted": True})
    with client.stream("GET", f"/threads/{thread_id}/events") as stream:
        for line in stream.iter_lines():
            if '"disburse"' in line:
                outcomes.append(client.get(f"{APPLICATIONS}/{number}").json()["outcome"])

    assert outcomes[0] is None
    read = client.get(f"{APPLICATIONS}/{number}").json()
    assert read["outcome"] == "disbursed"
    assert bank.get(f"/loan-accounts/{read['loan_account_id']}").json()["principal_minor"] == 500_000


def test_two_decisions_on_one_application_race_to_one(countersign: Service, client: httpx.Client) -> None:
    for applicant in ("cust_2002", "cust_3003", "cust_4004"):
        number = stored(client, applicant_id=applicant)

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _, number=number: decided(client, number), range(20)))

        thread_id = thread_of(client, number)
        follow(client, thread_id)
        assert {given.status_code for given in answers} == {200}
        assert len({given.json()["status"] for given in answers}) == 1
        assert [counted(countersign, table, thread_id) for table in ("runs", "credit_decisions")] == [1, 1]


def test_application_that_is_decided_cannot_be_decided_again(countersign: Service, client: httpx.Client) -> None:
    number = stored(client, applicant_id="cust_4004")
    first = decided(client, number)
    follow(client, thread_of(client, number))

    with nothing_stored(countersign):
        again = decided(client, number)

    assert again.json() == first.json() == {"application_id": number, "status": "rejected"}


def test_completing_one_task_of_an_agent_leaves_its_others_alone(countersign: Service, client: httpx.Client) -> None:
    number = stored(client, applicant_id="cust_3003")
    decided(client, number)
    thread_id = thread_of(client, number)
    follow(client, thread_id)

    auditor = countersign.client("auditor")
    tasks = {task["name"]: task for task in auditor.get(f"/threads/{thread_id}/tasks").json()}

    assert tasks["policy"]["agent_name"] == tasks["decision"]["agent_name"]
    assert tasks["policy"]["result"].keys() == {"findings"}
    assert tasks["decision"]["result"].keys() == {"decision"}
    assert tasks["underwriter_review"]["status"] == "interrupted"
    assert "underwriting" not in tasks


def test_nobody_applies_or_decides_without_a_key_and_a_role(countersign: Service, client: httpx.Client) -> None:
    number = stored(client)
    auditor = countersign.client("auditor")
    with nothing_stored(countersign), httpx.Client(base_url=countersign.url) as nobody:
        for status, caller in ((401, nobody), (403, auditor)):
            assert_refused(caller.post(APPLICATIONS, json=TUTORIAL), status)
            assert_refused(decided(caller, number), status)


def test_what_was_done_and_by_whom_is_in_the_audit_trail(countersign: Service, client: httpx.Client) -> None:
    number = stored(client, applicant_id="cust_3003")
    decided(client, number)
    thread_id = thread_of(client, number)
    follow(client, thread_id)
    underwriter = countersign.client("underwriter", "u.nderwood")
    decline = {"verdict": "decline", "note": "no", "reasons": ["Length of employment"]}
    answer(underwriter, open_review(underwriter, thread_id), decline)
    follow(client, thread_id)

    trail = countersign.client("auditor").get(f"/threads/{thread_id}/audit").json()

    person = client.get(f"/threads/{thread_id}").json()["started_by"]
    done = [(row["action"], row["person"]) for row in trail]
    assert done[:2] == [("loan.stored", person), ("thread.started", person)]
    assert ("loan.decided_by_policy", "system") in done
    assert ("review.answered", "u.nderwood") in done
    assert ("loan.decided_by_underwriter", "u.nderwood") in done
    assert trail[0]["record"]["request"]["applicant_id"] == "cust_3003"
    assert all(UUID(row["run_id"]) for row in trail[1:])
