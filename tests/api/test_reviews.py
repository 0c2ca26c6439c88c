"""One review, one answer, by the right person, of exactly what was shown."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.api.refusals import APPLICATION, assert_refused, nothing_stored
from tests.service import Service, answer, follow, open_review, start_case

pytestmark = pytest.mark.usefixtures("no_traceback")

REFERRED = APPLICATION | {"applicant_id": "cust_3003"}
APPROVAL = {"verdict": "approve", "note": "salary account here since 2019"}


def waiting_case(client: httpx.Client, application: dict[str, Any]) -> str:
    thread_id = start_case(client, application)
    follow(client, thread_id)
    return thread_id


@pytest.fixture(scope="module")
def client(countersign: Service) -> httpx.Client:
    return countersign.client("client")


@pytest.fixture(scope="module")
def underwriter(countersign: Service) -> httpx.Client:
    return countersign.client("underwriter")


@pytest.fixture(scope="module")
def underwriting(client: httpx.Client, underwriter: httpx.Client) -> dict[str, Any]:
    """A review for underwriters that stays open: every answer to it in this module is refused."""
    return open_review(underwriter, waiting_case(client, REFERRED))


@pytest.fixture(scope="module")
def acceptance(client: httpx.Client) -> dict[str, Any]:
    """The requester's own review, which stays open."""
    return open_review(client, waiting_case(client, APPLICATION))


def test_review_shows_what_happened_and_exactly_what_is_approved(underwriting: dict[str, Any]) -> None:
    facts = underwriting["facts"]

    assert underwriting["payload"]["terms"]["principal_minor"] == 1_200_000
    assert len(underwriting["payload_sha256"]) == 64
    assert facts["refer_reasons"]
    assert facts["scorecard"]["reasons"]
    assert facts["versions"]
    assert underwriting["form"]["properties"]["verdict"]
    assert underwriting["due_at"] > underwriting["created_at"]
    assert underwriting["on_due"]["escalate_to"] == "admin"


def test_end_of_a_run_that_waits_names_the_reviews_it_opened(client: httpx.Client, acceptance: dict[str, Any]) -> None:
    last = follow(client, acceptance["thread_id"])[-1]

    opened = {key: acceptance[key] for key in ("review_id", "kind", "role")}
    assert last["data"]["reviews"] == [opened]
    assert last["data"]["thread_status"] == "interrupted"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "answer.verdict"),
        ({"verdict": "approve"}, "answer.note"),
        ({"verdict": "perhaps", "note": "x"}, "answer.verdict"),
        ({"verdict": True, "note": "x"}, "answer.verdict"),
        ({"verdict": "approve", "note": ""}, "answer.note"),
        ({"verdict": "approve", "note": "x" * 2001}, "answer.note"),
        ({"verdict": "approve", "note": 5}, "answer.note"),
        ({"verdict": "approve", "note": "x", "amount": 5}, "answer.amount"),
        ({"verdict": "approve", "note": "x", "accepted": True}, "answer.accepted"),
        ({"verdict": "decline", "note": "x"}, "answer.reasons"),
        ({"verdict": "decline", "note": "x", "reasons": []}, "answer.reasons"),
        ({"verdict": "decline", "note": "x", "reasons": ["Because"]}, "answer.reasons.0"),
        ({"verdict": "decline", "note": "x", "reasons": "Because"}, "answer.reasons"),
        ({"accepted": True}, "answer.accepted"),
        ({"accepted": True, "verdict": "approve"}, "answer.accepted"),
    ],
)
def test_answer_that_is_not_what_the_form_asks_is_refused_by_its_field(
    countersign: Service, underwriter: httpx.Client, underwriting: dict[str, Any], given: dict[str, Any], field: str
) -> None:
    with nothing_stored(countersign):
        refused = answer(underwriter, underwriting, given)

    assert_refused(refused, 422, field)


def test_answer_to_another_question_is_refused_by_its_field(
    countersign: Service, client: httpx.Client, acceptance: dict[str, Any]
) -> None:
    with nothing_stored(countersign):
        assert_refused(answer(client, acceptance, {"accepted": "yes"}), 422, "answer.accepted")
        assert_refused(answer(client, acceptance, {"accepted": 1}), 422, "answer.accepted")
        assert_refused(answer(client, acceptance, APPROVAL), 422)


def test_approval_of_another_payload_is_void(
    countersign: Service, underwriter: httpx.Client, underwriting: dict[str, Any]
) -> None:
    other = underwriting | {"payload_sha256": "0" * 64}
    with nothing_stored(countersign):
        refused = answer(underwriter, other, APPROVAL)

    assert assert_refused(refused, 409)["type"] == "urn:countersign:ApprovalVoid"
    assert underwriter.get(f"/reviews/{underwriting['review_id']}").json()["status"] == "open"


@pytest.mark.parametrize("role", ["client", "auditor", "operator", "analyst", "adviser", "admin"])
def test_answer_by_the_wrong_role_is_refused(countersign: Service, underwriting: dict[str, Any], role: str) -> None:
    other = countersign.client(role)
    with nothing_stored(countersign):
        refused = answer(other, underwriting, APPROVAL)

    assert_refused(refused, 404 if role == "client" else 403)


def test_applicant_cannot_decide_on_their_own_application(
    countersign: Service, client: httpx.Client, underwriting: dict[str, Any]
) -> None:
    with nothing_stored(countersign):
        assert_refused(answer(client, underwriting, APPROVAL), 403)


def test_maker_is_no_checker_whatever_key_they_hold(countersign: Service) -> None:
    maker, same_person = (countersign.client(role, "m.aker") for role in ("operator", "underwriter"))
    thread_id = waiting_case(maker, REFERRED)
    [review] = same_person.get(f"/threads/{thread_id}/reviews").json()

    with nothing_stored(countersign):
        refused = answer(same_person, review, APPROVAL)

    assert "check" in assert_refused(refused, 403)["detail"]
    assert thread_id not in [waiting["thread_id"] for waiting in same_person.get("/reviews").json()]


def test_agent_is_never_a_checker(countersign: Service, underwriting: dict[str, Any]) -> None:
    body = {"person": "r.obot", "roles": ["agent", "underwriter"]}
    key = countersign.admin().post("/keys", json=body).json()["key"]
    with httpx.Client(base_url=countersign.url, headers={"x-api-key": key}) as agent, nothing_stored(countersign):
        refused = answer(agent, underwriting, APPROVAL)

        assert "agent" in assert_refused(refused, 403)["detail"]
        assert agent.get("/reviews").json() == []


def test_only_the_requester_accepts_an_offer(countersign: Service, acceptance: dict[str, Any]) -> None:
    for role in ("admin", "underwriter", "operator"):
        staff = countersign.client(role)
        with nothing_stored(countersign):
            assert_refused(answer(staff, acceptance, {"accepted": True}), 403)


def test_agent_of_the_requester_accepts_for_them(countersign: Service, client: httpx.Client) -> None:
    thread_id = waiting_case(client, APPLICATION)
    person = client.get(f"/threads/{thread_id}").json()["started_by"]
    agent = countersign.client("agent", person)

    accepted = answer(agent, open_review(agent, thread_id), {"accepted": True})

    assert accepted.status_code == 202
    follow(agent, thread_id)
    assert agent.get(f"/threads/{thread_id}").json()["outcome"] == "disbursed"


def test_review_that_is_unknown_or_somebody_elses_is_a_404(countersign: Service, acceptance: dict[str, Any]) -> None:
    other = countersign.client("client")
    with nothing_stored(countersign):
        assert_refused(answer(other, acceptance, {"accepted": True}), 404)
        assert_refused(answer(other, acceptance | {"review_id": uuid4()}, {"accepted": True}), 404)
        assert_refused(answer(other, acceptance | {"review_id": "mine"}, {"accepted": True}), 422, "review_id")


def test_second_answer_is_refused(countersign: Service, client: httpx.Client) -> None:
    thread_id = waiting_case(client, APPLICATION)
    review = open_review(client, thread_id)
    first = answer(client, review, {"accepted": False})
    follow(client, thread_id)

    with nothing_stored(countersign):
        second = answer(client, review, {"accepted": True})

    assert first.status_code == 202
    assert assert_refused(second, 409)["type"] == "urn:countersign:AlreadyAnswered"
    assert client.get(f"/reviews/{review['review_id']}").json()["answer"] == {"accepted": False}
    assert client.get(f"/threads/{thread_id}").json()["outcome"] == "withdrawn"


def test_of_twenty_answers_at_once_one_wins(countersign: Service, client: httpx.Client) -> None:
    review = open_review(countersign.client("underwriter"), waiting_case(client, REFERRED))
    underwriters = [countersign.client("underwriter") for _ in range(20)]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda who: answer(who, review, APPROVAL), underwriters))

    assert sorted(given.status_code for given in answers) == [202] + [409] * 19
    for lost in (given for given in answers if given.status_code == 409):
        assert_refused(lost, 409)
    follow(client, review["thread_id"])
    with psycopg.connect(countersign.database_url) as conn:
        runs = conn.execute("SELECT count(*) FROM runs WHERE review_id = %s", (review["review_id"],)).fetchone()
        decisions = conn.execute(
            "SELECT count(*) FROM credit_decisions WHERE thread_id = %s AND decided_by = 'underwriter'",
            (review["thread_id"],),
        ).fetchone()
    assert (runs, decisions) == ((1,), (1,))


def test_open_reviews_come_most_urgent_first_and_as_many_as_asked_for(
    client: httpx.Client, underwriter: httpx.Client
) -> None:
    for _ in range(3):
        waiting_case(client, REFERRED)

    listed = underwriter.get("/reviews").json()
    two = underwriter.get("/reviews", params={"limit": 2}).json()

    assert [review["due_at"] for review in listed] == sorted(review["due_at"] for review in listed)
    assert two == listed[:2]
    assert all(review["role"] == "underwriter" and review["status"] == "open" for review in listed)
