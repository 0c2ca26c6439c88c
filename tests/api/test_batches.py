"""Many cases with one call: each line accepted or refused by itself, once, and its decision read with the others."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.service import Service
from tests.test_path_of_a_loan import APPLICATION

PATH = "/workflows/loan_origination/batches"
SINGLE = "/workflows/loan_origination/threads"


@pytest.fixture(scope="module")
def operator(countersign: Service) -> httpx.Client:
    return countersign.client("operator")


def line(key: str | None = None, **other: Any) -> dict[str, Any]:
    return {"key": key or uuid4().hex, "request": APPLICATION | other}


def sent(client: httpx.Client, *lines: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post(PATH, json={"lines": lines})
    assert answer.status_code == 200, answer.text
    told: list[dict[str, Any]] = answer.json()["lines"]
    return told


def await_rest(client: httpx.Client, thread_id: str) -> None:
    """Its events end when no run of it is under way."""
    client.get(f"/threads/{thread_id}/events").raise_for_status()


def threads(client: httpx.Client) -> set[str]:
    return {thread["thread_id"] for thread in client.get("/threads").json()}


def test_each_line_is_accepted_or_refused_by_itself(operator: httpx.Client) -> None:
    used = line()
    operator.post(SINGLE, json=used["request"], headers={"Idempotency-Key": used["key"]}).raise_for_status()
    lines = [line(), line(amount="12.345", yacht=1), line(applicant_id="cust_9999"), line(used["key"], term_months=24)]

    good, malformed, stranger, mismatch = sent(operator, *lines)

    assert [each["key"] for each in lines] == [good["key"], malformed["key"], stranger["key"], mismatch["key"]]
    assert good["fault"] is None and good["started"]["status"] == "pending"
    assert {fault["field"] for fault in malformed["fault"]["errors"]} == {"amount", "yacht"}
    assert stranger["fault"] == {
        "status": 422,
        "detail": "applicant_id: the bank knows no customer cust_9999",
        "errors": [{"field": "applicant_id", "reason": "the bank knows no customer cust_9999"}],
    }
    assert mismatch["fault"]["status"] == 409
    assert malformed["started"] is stranger["started"] is mismatch["started"] is None


def test_line_is_one_wish_however_and_how_often_it_is_sent(operator: httpx.Client) -> None:
    lines = [line() for _ in range(20)]
    before = threads(operator)

    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda some: sent(operator, *some), (lines, lines[::-1], lines[:12], lines[8:])))
    alone = operator.post(SINGLE, json=lines[0]["request"], headers={"Idempotency-Key": lines[0]["key"]})

    started = {told["key"]: told["started"] for told in at_once[0]}
    assert all(told["started"] == started[told["key"]] for answers in at_once for told in answers)
    assert alone.json() == started[lines[0]["key"]] and alone.headers["Idempotent-Replayed"] == "true"
    assert threads(operator) - before == {each["thread_id"] for each in started.values()}


def test_case_of_a_batch_is_audited_and_decided_as_any_other(operator: httpx.Client) -> None:
    (told,) = sent(operator, line(applicant_id="cust_4004"))
    thread_id = told["started"]["thread_id"]

    await_rest(operator, thread_id)

    (decided,) = operator.get("/loan/decisions", params={"thread_id": thread_id}).json()
    state = operator.get(f"/threads/{thread_id}/state").json()["values"]
    events = operator.get(f"/threads/{thread_id}/audit").json()
    assert decided["decision"] == state["decision"] and state["outcome"] == "declined"
    assert [row["action"] for row in events] == [
        "thread.started",
        "loan.decided_by_policy",
        "letter.written",
        "run.success",
    ]
    assert events[0]["run_id"] == told["started"]["run_id"]


def test_decisions_are_told_to_whoever_may_see_the_case(countersign: Service, operator: httpx.Client) -> None:
    (told,) = sent(operator, line(applicant_id="cust_4004"))
    await_rest(operator, told["started"]["thread_id"])

    seen = countersign.client("client").get("/loan/decisions", params={"thread_id": told["started"]["thread_id"]})

    assert seen.json() == []


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([], "lines"),
        ([line()] * 101, "lines"),
        ([line("twice"), line("twice")], "lines"),
        ([line("a b")], "lines.0.key"),
        ([{"key": "k"}], "lines.0.request"),
    ],
)
def test_batch_that_is_none_is_refused_whole(operator: httpx.Client, lines: list[Any], field: str) -> None:
    answer = operator.post(PATH, json={"lines": lines})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
