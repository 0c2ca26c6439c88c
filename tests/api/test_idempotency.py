"""The same key and wish get the first answer again; another wish under the key gets a 409."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.api.refusals import APPLICATION, START, assert_refused, nothing_stored
from tests.service import Service, follow, open_review, start_case

pytestmark = pytest.mark.usefixtures("no_traceback")

SHORT = {key: APPLICATION[key] for key in ("applicant_id", "amount", "term_months", "income")}


@pytest.fixture(scope="module")
def client(countersign: Service) -> httpx.Client:
    return countersign.client("client")


def wish(client: httpx.Client, path: str, body: Any, key: str) -> httpx.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def at_once(times: int, act: Callable[[], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(times) as pool:
        return [done.result() for done in [pool.submit(act) for _ in range(times)]]


def begin(client: httpx.Client, key: str) -> httpx.Response:
    """A case under this key that has come to its question, so that nothing is being written about it any more."""
    started = wish(client, START, APPLICATION, key)
    follow(client, started.json()["thread_id"])
    return started


def threads_of(client: httpx.Client) -> list[str]:
    return [thread["thread_id"] for thread in client.get("/threads").json()]


def test_same_key_gets_the_first_answer_again(countersign: Service, client: httpx.Client) -> None:
    keys = {START: uuid4().hex, "/loan/applications": uuid4().hex}
    firsts = {START: begin(client, keys[START])}
    firsts["/loan/applications"] = wish(client, "/loan/applications", SHORT, keys["/loan/applications"])

    for path, first in firsts.items():
        with nothing_stored(countersign):
            again = wish(client, path, APPLICATION if path == START else SHORT, keys[path])

        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers.get("location") == first.headers.get("location")


def test_same_key_with_another_body_or_path_is_refused(countersign: Service, client: httpx.Client) -> None:
    key = uuid4().hex
    begin(client, key)

    with nothing_stored(countersign):
        others = [
            wish(client, START, APPLICATION | {"amount": "12000.01"}, key),
            wish(client, "/loan/applications", SHORT, key),
            wish(client, "/loan/applications/1/decision", None, key),
            wish(client, f"/reviews/{uuid4()}/answer", {"payload_sha256": "0" * 64, "answer": {}}, key),
        ]

    for refused in others:
        assert assert_refused(refused, 409)["type"] == "urn:countersign:IdempotencyMismatch"
        assert key in refused.json()["detail"]


@pytest.mark.parametrize(("path", "body"), [(START, APPLICATION), ("/loan/applications", SHORT)])
def test_of_twenty_with_one_key_at_once_one_is_done_and_all_are_told(
    countersign: Service, path: str, body: dict[str, Any]
) -> None:
    client, key = countersign.client("client"), uuid4().hex

    answers = at_once(20, lambda: wish(client, path, body, key))

    assert all(answer.json() == answers[0].json() for answer in answers)
    assert answers[0].is_success
    assert sorted(answer.headers.get("idempotent-replayed", "") for answer in answers) == [""] + ["true"] * 19
    assert len(threads_of(client)) == 1


def test_of_two_bodies_with_one_key_at_once_one_is_done_and_the_other_refused(countersign: Service) -> None:
    client, key = countersign.client("client"), uuid4().hex
    bodies = [APPLICATION | {"amount": 1000 + number} for number in range(10)]

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda body: wish(client, START, body, key), bodies))

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 9
    assert len(threads_of(client)) == 1


def test_another_person_may_use_the_same_key(countersign: Service) -> None:
    key = uuid4().hex
    one, other = countersign.client("client"), countersign.client("client")

    answers = [wish(who, START, APPLICATION, key).json() for who in (one, other)]

    assert answers[0]["thread_id"] != answers[1]["thread_id"]


def test_another_key_of_the_same_person_gets_the_same_answer(countersign: Service) -> None:
    key = uuid4().hex
    clients = [countersign.client("client", "t.wokeys") for _ in range(2)]

    answers = [wish(who, START, APPLICATION, key).json() for who in clients]

    assert answers[0] == answers[1]


def test_refused_wish_does_not_use_up_its_key(client: httpx.Client) -> None:
    key = uuid4().hex
    assert_refused(wish(client, START, APPLICATION | {"amount": -5}, key), 422, "amount")
    assert_refused(wish(client, START, APPLICATION | {"applicant_id": "cust_9"}, key), 422, "applicant_id")

    assert wish(client, START, APPLICATION, key).status_code == 202


def test_first_answer_comes_again_although_the_bank_is_away(countersign: Service, client: httpx.Client) -> None:
    key, short_key = uuid4().hex, uuid4().hex
    first = [begin(client, key), wish(client, "/loan/applications", SHORT, short_key)]
    bank = countersign.bank()

    bank.put("/misbehaviour", json={"route": "*", "mode": "500"}).raise_for_status()
    try:
        with nothing_stored(countersign):
            again = [wish(client, START, APPLICATION, key), wish(client, "/loan/applications", SHORT, short_key)]
    finally:
        bank.put("/misbehaviour", json={"route": "*", "mode": "none"}).raise_for_status()

    assert [answer.json() for answer in again] == [answer.json() for answer in first]


def test_same_answer_under_the_same_key_is_given_once(countersign: Service, client: httpx.Client) -> None:
    thread_id = start_case(client, APPLICATION | {"applicant_id": "cust_1001"})
    follow(client, thread_id)
    review = open_review(client, thread_id)
    body = {"payload_sha256": review["payload_sha256"], "answer": {"accepted": True}}
    path, key = f"/reviews/{review['review_id']}/answer", uuid4().hex

    answers = at_once(20, lambda: wish(client, path, body, key))

    assert {answer.status_code for answer in answers} == {202}
    assert all(given.json() == answers[0].json() for given in answers)
    follow(client, thread_id)
    assert_refused(wish(client, path, body | {"answer": {"accepted": False}}, key), 409)
    loans = countersign.bank().get("/log").json()["requests"]
    assert [call["path"] for call in loans if thread_id in str(call["idempotency_key"])] == ["/loan-accounts"]


def test_decision_under_a_key_stays_what_it_was_when_it_was_made(countersign: Service, client: httpx.Client) -> None:
    number = wish(client, "/loan/applications", SHORT | {"applicant_id": "cust_3003"}, uuid4().hex).json()
    path, key = f"/loan/applications/{number['application_id']}/decision", uuid4().hex
    first = wish(client, path, None, key)
    underwriter = countersign.client("underwriter")
    thread_id = client.get(f"/loan/applications/{number['application_id']}").json()["thread_id"]
    review = open_review(underwriter, thread_id)
    body = {"payload_sha256": review["payload_sha256"], "answer": {"verdict": "approve", "note": "known for years"}}
    wish(underwriter, f"/reviews/{review['review_id']}/answer", body, uuid4().hex)
    follow(client, thread_id)

    again, without_key = wish(client, path, None, key), client.post(path)

    assert first.json()["status"] == again.json()["status"] == "waiting_for_review"
    assert again.headers["idempotent-replayed"] == "true"
    assert without_key.json()["status"] == "approved"


def test_started_with_a_stream_the_same_key_streams_the_same_case(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid4().hex, "Accept": "text/event-stream"}
    first = client.post(START, json=APPLICATION, headers=headers)
    again = client.post(START, json=APPLICATION, headers=headers)

    assert first.status_code == again.status_code == 200
    assert first.headers["content-type"].startswith("text/event-stream")
    assert first.text == again.text
    assert first.headers["location"] == again.headers["location"]


def test_keys_are_kept_by_person_and_hash_alone(countersign: Service, client: httpx.Client) -> None:
    key = uuid4().hex
    wish(client, START, APPLICATION, key)

    with psycopg.connect(countersign.database_url) as conn:
        row = conn.execute(
            "SELECT octet_length(request_sha256), response_status, response::text FROM idempotency_keys WHERE key = %s",
            (key,),
        ).fetchone()

    assert row is not None
    assert row[:2] == (32, 202)
    assert "12000" not in row[2]
