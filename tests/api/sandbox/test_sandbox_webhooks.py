"""What the bank tells by itself: signed, at least once, and as badly as a switch says."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.sandbox.test_sandbox_ledger import open_accounts
from tests.receiver import Received, Receiver, receiver
from tests.served_bank import ServedBank


@pytest.fixture(scope="module")
def listener() -> Iterator[Receiver]:
    with receiver() as listening:
        yield listening


def registered(bank: ServedBank, listener: Receiver, path: str) -> str:
    """The endpoint's secret."""
    answer = bank.http.put("/webhook-endpoint", json={"url": listener.url + path})
    return str(answer.raise_for_status().json()["secret"])


def pay(bank: ServedBank, name: str, destination: str = "EXT001") -> str:
    (account,) = open_accounts(bank, name, 1, 100_00)
    order = {"source_account": account, "destination_account": destination, "amount": "40.00"}
    return str(bank.post("/transfers", order, key=name).raise_for_status().json()["transfer_id"])


def told_of(received: list[Received], transfer_id: str, secret: str) -> list[dict[str, Any]]:
    told = [one.verified(secret) for one in received]
    return [event for event in told if event["data"]["transfer_id"] == transfer_id]


def test_each_step_is_told_with_a_signature(bank: ServedBank, listener: Receiver) -> None:
    secret = registered(bank, listener, "/steps")

    transfer_id = pay(bank, "TELL", "EXT003")
    received = listener.awaited("/steps", 2)

    events = told_of(received, transfer_id, secret)
    assert [event["type"] for event in events] == ["transfer.settled", "transfer.returned"]
    assert events[1]["data"] == bank.http.get(f"/transfers/{transfer_id}").json()
    assert len({one.headers["webhook-id"] for one in received}) == 2
    with pytest.raises(Exception, match="signature"):
        received[0].verified("whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCBrZXkh")


def test_a_hold_that_expires_is_told(bank: ServedBank, listener: Receiver) -> None:
    secret = registered(bank, listener, "/holds")
    order = {"account": "ACC001", "amount": "1.00", "expires_in_s": 0.1}
    hold = bank.post("/holds", order, key="told-hold").json()

    (received,) = listener.awaited("/holds")

    event = received.verified(secret)
    assert (event["type"], event["data"]["hold_id"]) == ("hold.expired", hold["hold_id"])


def test_what_is_not_taken_is_sent_again_under_the_same_id(bank: ServedBank, listener: Receiver) -> None:
    registered(bank, listener, "/retry")
    listener.answers["/retry"] = [(500, {}), (503, {})]

    pay(bank, "RETRY")
    received = listener.awaited("/retry", 3)

    assert len({one.headers["webhook-id"] for one in received}) == 1
    assert len({one.body for one in received}) == 1


def test_an_event_may_come_twice(bank: ServedBank, listener: Receiver) -> None:
    registered(bank, listener, "/twice")
    bank.misbehave("webhook_duplicate", "webhooks", times=1)

    pay(bank, "DOUBLE")
    first, second = listener.awaited("/twice", 2)

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_an_event_may_never_come_though_the_money_moved(bank: ServedBank, listener: Receiver) -> None:
    secret = registered(bank, listener, "/never")
    bank.misbehave("webhook_never", "webhooks", times=1)

    silent = pay(bank, "NEVER")
    bank.awaited(f"/transfers/{silent}", status="settled")
    told = pay(bank, "AFTER")
    received = listener.awaited("/never")

    assert told_of(received, told, secret) and not told_of(received, silent, secret)
    withheld = [event for event in bank.http.get("/webhook-events").json()["events"] if event["status"] == "withheld"]
    assert [event["data"]["transfer_id"] for event in withheld] == [silent]


def test_an_event_may_come_late_and_after_a_later_one(bank: ServedBank, listener: Receiver) -> None:
    secret = registered(bank, listener, "/late")
    bank.misbehave("webhook_late", "webhooks", times=1, delay_s=1.0)

    transfer_id = pay(bank, "TARDY", "EXT003")
    received = listener.awaited("/late", 2)

    assert [event["type"] for event in told_of(received, transfer_id, secret)] == [
        "transfer.returned",
        "transfer.settled",
    ]


def test_each_key_has_an_endpoint_of_its_own(bank: ServedBank, listener: Receiver) -> None:
    key = bank.http.post("/api-keys", json={"name": "other", "scopes": ["read"]}).json()["key"]
    other = {"Authorization": f"Bearer {key}"}
    registered(bank, listener, "/mine")

    nothing = bank.http.get("/webhook-endpoint", headers=other)
    bank.http.put("/webhook-endpoint", json={"url": listener.url + "/theirs"}, headers=other).raise_for_status()
    pay(bank, "BOTH")

    assert (nothing.status_code, nothing.json()["code"]) == (404, "no_webhook_endpoint")
    mine, theirs = listener.awaited("/mine")[0], listener.awaited("/theirs")[0]
    assert mine.headers["webhook-signature"] != theirs.headers["webhook-signature"]
    assert "secret" not in bank.http.get("/webhook-endpoint", headers=other).json()


def test_an_endpoint_that_is_forgotten_is_told_nothing(bank: ServedBank, listener: Receiver) -> None:
    registered(bank, listener, "/forgotten")
    transfer_id = pay(bank, "FORGET")

    bank.http.delete("/webhook-endpoint").raise_for_status()
    bank.awaited(f"/transfers/{transfer_id}", status="settled")

    assert bank.http.get("/webhook-events").json() == {"events": []}
    assert listener.at("/forgotten") == []


@pytest.mark.parametrize(
    "endpoint",
    [
        {"url": "/relative"},
        {"url": "ftp://example.com/"},
        {"url": "https://user:pass@example.com/"},
        {"url": "https://example.com/", "secret": "short"},
        {"url": "https://example.com/", "secret": "whsec_c2hvcnQ="},
    ],
)
def test_a_wrong_endpoint_is_refused(bank: ServedBank, endpoint: dict[str, str]) -> None:
    assert bank.http.put("/webhook-endpoint", json=endpoint).json()["code"] == "invalid_request"


@pytest.mark.parametrize(("route", "mode"), [("*", "webhook_never"), ("webhooks", "500")])
def test_a_switch_of_another_kind_is_refused(bank: ServedBank, route: str, mode: str) -> None:
    answer = bank.http.put("/misbehaviour", json={"route": route, "mode": mode})

    assert (answer.status_code, answer.json()["code"]) == (422, "mode_not_allowed")
