"""A payment under suspicion, over HTTP, through every way its case can end."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from tests.service import Service, answer, follow, open_review


def payment(**changes: Any) -> dict[str, Any]:
    """An everyday payment of an account that the bank does not know, so that its past is what the tests make it."""
    return {
        "payment_id": f"p-{uuid4().hex}",
        "at": datetime.now(UTC).isoformat(),
        "account": f"A-{uuid4().hex[:12]}",
        "payee": f"B-{uuid4().hex[:12]}",
        "payee_name": "Corner Shop",
        "amount_minor": 4_250,
        "currency": "USD",
        "channel": "mobile",
        "device": "d-1",
        "reference": "groceries",
    } | changes


def keyed() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


def judged(client: httpx.Client, asked: dict[str, Any]) -> str:
    """The thread of the payment's case, once it is decided or waits."""
    opened = client.post("/fraud/cases", json=asked, headers=keyed())
    assert opened.status_code == 202, opened.text
    follow(client, opened.json()["thread_id"])
    return str(opened.json()["thread_id"])


def structured(client: httpx.Client, **changes: Any) -> str:
    """The case of the third payment of a week that is just under what is reported."""
    account, now = f"A-{uuid4().hex[:12]}", datetime.now(UTC)
    for days in (2, 1):
        earlier = payment(account=account, amount_minor=950_000, at=(now - timedelta(days=days)).isoformat())
        judged(client, earlier)
    return judged(client, payment(account=account, amount_minor=950_000, **changes))


def values(client: httpx.Client, thread_id: str) -> dict[str, Any]:
    return dict(client.get(f"/threads/{thread_id}/state").json()["values"])


def outcome(client: httpx.Client, thread_id: str) -> str:
    return str(client.get(f"/threads/{thread_id}").json()["outcome"])


def decide(client: httpx.Client, thread_id: str, **given: Any) -> httpx.Response:
    answered = answer(client, open_review(client, thread_id), {"note": "looked at it", **given})
    follow(client, thread_id)
    return answered


def labels(client: httpx.Client) -> dict[str, bool]:
    return {label["payment_id"]: label["fraud"] for label in client.get("/fraud/labels").json()}


def test_everyday_payment_is_released_by_the_rules_and_says_what_each_scorer_found(countersign: Service) -> None:
    operator = countersign.client("operator")

    thread_id = judged(operator, payment())

    case = operator.get(f"/fraud/cases/{thread_id}").json()
    scores = operator.get(f"/fraud/scores/{thread_id}").json()
    assert (case["band"], case["verdict"], case["decided_by"]) == ("release", "released", "system")
    assert {each["scorer"] for each in scores} == {
        "velocity", "amount", "payee", "structuring", "novelty", "model",
    }  # fmt: skip
    assert all(each["version"] and each["evidence"] for each in scores)
    assert labels(operator) == {}


def test_held_payment_is_released_by_an_analyst_who_saw_the_evidence(countersign: Service) -> None:
    operator, analyst = countersign.client("operator"), countersign.client("analyst")
    thread_id = structured(operator, reference="for \u202eyou")

    review = open_review(analyst, thread_id)
    decide(analyst, thread_id, action="release")

    said = {each["scorer"]: each for each in review["facts"]["scorers"]}
    assert "3 payments within a week just under 10,000.00 USD" in review["facts"]["narrative"]
    assert said["structuring"]["reasons"][0]["code"] == "below_reported"
    assert said["structuring"]["evidence"]["near"][0]["count"] == 3
    assert review["payload"]["amount_minor"] == 950_000
    assert review["facts"]["untrusted"]["reference"] == "for ⟨U+202E⟩you"
    assert outcome(operator, thread_id) == "released"
    assert labels(operator)[review["payload"]["payment_id"]] is False


def test_whoever_opened_a_case_cannot_decide_it(countersign: Service) -> None:
    analyst = countersign.client("analyst")
    thread_id = structured(analyst)
    review = open_review(countersign.client("analyst"), thread_id)

    refused = answer(analyst, review, {"action": "release", "note": "mine"})

    assert refused.status_code == 403
    assert "cannot check" in refused.json()["detail"]


def test_blocked_payment_is_not_called_fraud(countersign: Service) -> None:
    operator, analyst = countersign.client("operator"), countersign.client("analyst")
    thread_id = structured(operator)

    decide(analyst, thread_id, action="block")

    case = operator.get(f"/fraud/cases/{thread_id}").json()
    assert (case["verdict"], case["band"]) == ("blocked", "hold")
    assert case["payment_id"] not in labels(operator)


def test_payment_marked_as_fraud_warns_of_its_payee_and_feeds_the_training(countersign: Service) -> None:
    operator, analyst = countersign.client("operator"), countersign.client("analyst")
    mule = f"B-{uuid4().hex[:12]}"
    thread_id = structured(operator, payee=mule)

    decide(analyst, thread_id, action="mark_fraud")
    next_victim = judged(operator, payment(payee=mule))

    marked = operator.get(f"/fraud/cases/{thread_id}").json()["payment_id"]
    assert outcome(operator, thread_id) == "fraud"
    assert outcome(operator, next_victim) == "blocked"
    assert values(operator, next_victim)["payee"]["reasons"][0]["code"] == "payee_with_frauds"
    header, *lines = operator.get("/fraud/training.csv").text.splitlines()
    assert header == "payment_id,at,account,payee,amount,is_fraud"
    assert next(line for line in lines if line.startswith(marked)).endswith(f",{mule},9500.00,1")


def test_requester_is_asked_and_the_analyst_decides_on_what_they_said(countersign: Service) -> None:
    operator, analyst = countersign.client("operator"), countersign.client("analyst")
    thread_id = structured(operator)

    decide(analyst, thread_id, action="request_information", question="What is the money for?")
    asked = open_review(operator, thread_id)
    answer(operator, asked, {"text": "a car\u200b, from a neighbour"})
    follow(operator, thread_id)
    second_look = open_review(analyst, thread_id)
    decide(analyst, thread_id, action="release")

    assert (asked["kind"], asked["facts"]) == ("payment_information", {"question": "What is the money for?"})
    told = second_look["facts"]["untrusted"]["information"]
    assert [each["text"] for each in told] == ["a car⟨U+200B⟩, from a neighbour"]
    assert second_look["kind"] == "fraud_analysis_2"
    assert outcome(operator, thread_id) == "released"


def test_question_is_asked_only_with_its_words(countersign: Service) -> None:
    operator, analyst = countersign.client("operator"), countersign.client("analyst")
    thread_id = structured(operator)

    refused = answer(analyst, open_review(analyst, thread_id), {"action": "request_information", "note": "unclear"})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "answer.question"


def test_escalated_case_is_decided_by_a_senior_who_is_another_person(countersign: Service) -> None:
    operator, analyst = countersign.client("operator"), countersign.client("analyst", "pat")
    thread_id = structured(operator)

    decide(analyst, thread_id, action="escalate")
    same_person = countersign.client("admin", "pat")
    waiting_for_same = [review["thread_id"] for review in same_person.get("/reviews").json()]
    senior = countersign.client("admin")
    review = open_review(senior, thread_id)
    decide(senior, thread_id, action="mark_fraud", note="known ring")

    assert thread_id not in waiting_for_same
    assert [done["action"] for done in review["facts"]["history"]] == ["escalate"]
    case = operator.get(f"/fraud/cases/{thread_id}").json()
    assert (case["verdict"], case["note"]) == ("fraud", "known ring")


def test_transfer_at_the_bank_has_one_case_however_often_it_is_opened(countersign: Service) -> None:
    analyst, bank = countersign.client("analyst"), countersign.bank()
    order = {"source_account": "ACC005", "destination_account": "ACC006", "amount": "12.00", "reference": "lunch"}
    booked = bank.post("/transfers", json=order, headers=keyed()).json()["transfer_id"]

    opened = analyst.post(f"/fraud/transfers/{booked}/case", headers=keyed())
    again = analyst.post(f"/fraud/transfers/{booked}/case", headers=keyed())
    follow(analyst, opened.json()["thread_id"])

    assert (opened.status_code, again.status_code) == (202, 200)
    assert again.json() == opened.json() | {"status": "known"}
    case = analyst.get(f"/fraud/cases/{opened.json()['thread_id']}").json()
    assert (case["account"], case["payee"], case["amount_minor"]) == ("ACC005", "ACC006", 1_200)
    assert analyst.post("/fraud/transfers/trf_none/case", headers=keyed()).status_code == 404


def test_same_payment_started_twice_is_judged_once(countersign: Service) -> None:
    operator, asked = countersign.client("operator"), payment()
    first = judged(operator, asked)

    second = operator.post("/workflows/fraud_review/threads", json={"payment": asked}, headers=keyed()).json()
    follow(operator, second["thread_id"])
    changed = operator.post("/fraud/cases", json=asked | {"amount_minor": 1}, headers=keyed())

    assert outcome(operator, second["thread_id"]) == "duplicate"
    assert values(operator, second["thread_id"])["duplicate_of"] == first
    assert changed.status_code == 409


def suspicious_transfer(countersign: Service, client: httpx.Client, mule: str) -> tuple[str, str]:
    """A transfer to an account that many paid for the first time and that passes it on: its thread and its case's."""
    bank = countersign.bank()
    for source, amount in (("ACC001", "300.00"), ("ACC005", "310.00"), ("ACC008", "290.00")):
        order = {"source_account": source, "destination_account": mule, "amount": amount}
        bank.post("/transfers", json=order, headers=keyed()).raise_for_status()
    order = {"source_account": mule, "destination_account": "EXT001", "amount": "890.00"}
    bank.post("/transfers", json=order, headers=keyed()).raise_for_status()
    wanted = {"source_account": "ACC002", "destination_account": mule, "amount": "150.00"}
    started = client.post("/workflows/transfer/threads", json=wanted, headers=keyed())
    assert started.status_code == 202, started.text
    thread_id = started.json()["thread_id"]
    follow(client, thread_id)
    return thread_id, case_of(countersign.client("analyst"), thread_id)


def case_of(analyst: httpx.Client, thread_id: str) -> str:
    """The fraud case about a transfer, once it waits or is decided. It begins by itself, when the transfer waits."""
    deadline = time.monotonic() + 20
    while not (found := [c for c in analyst.get("/fraud/cases").json() if c["opened_by_thread"] == thread_id]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    follow(analyst, found[0]["thread_id"])
    return str(found[0]["thread_id"])


def test_transfer_waits_for_its_own_fraud_case_and_goes_on_when_that_is_released(countersign: Service) -> None:
    operator, analyst = countersign.client("operator"), countersign.client("analyst")
    thread_id, case_id = suspicious_transfer(countersign, operator, "ACC009")

    forged = {"payment": payment(), "opened_by_thread": thread_id}
    started = operator.post("/workflows/fraud_review/threads", json=forged, headers=keyed()).json()
    follow(operator, started["thread_id"])
    unmoved = values(operator, thread_id)
    decide(analyst, case_id, action="release")
    follow(operator, thread_id)

    assert operator.get(f"/threads/{started['thread_id']}").json()["status"] == "error"
    assert "fraud_case" not in unmoved
    assert outcome(analyst, case_id) == "released"
    assert values(operator, thread_id)["fraud_case"]["verdict"] == "release"
    assert analyst.get(f"/fraud/cases/{case_id}").json()["opened_by_thread"] == thread_id


def test_transfer_whose_fraud_case_is_blocked_pays_nothing_and_frees_its_hold(countersign: Service) -> None:
    operator, analyst, bank = countersign.client("operator"), countersign.client("analyst"), countersign.bank()
    thread_id, case_id = suspicious_transfer(countersign, operator, "ACC010")
    held = bank.get("/accounts/ACC002/balance").json()["held_minor"]

    decide(analyst, case_id, action="mark_fraud")
    follow(operator, thread_id)

    assert outcome(operator, thread_id) == "refused"
    assert held >= 15_000
    assert bank.get("/accounts/ACC002/balance").json()["held_minor"] == held - 15_000
