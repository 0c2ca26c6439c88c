"""The switches: what a call suffers, how often, and that nothing is executed twice or by halves."""

import time

import httpx
import pytest

from tests.served_bank import ServedBank

TRANSFER = {"source_account": "ACC001", "destination_account": "ACC002", "amount": "1.00"}


def test_slow_waits_and_then_executes(bank: ServedBank) -> None:
    bank.misbehave("slow", "POST /transfers", delay_s=0.2)

    started = time.monotonic()
    answer = bank.post("/transfers", TRANSFER, key="slow")

    assert answer.status_code == 201
    assert time.monotonic() - started >= 0.2


def test_429_says_when_to_come_back_and_executes_nothing(bank: ServedBank) -> None:
    bank.misbehave("429", "POST /transfers", delay_s=1.2)

    answer = bank.post("/transfers", TRANSFER, key="busy")

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert bank.http.get("/requests/busy").status_code == 404
    assert bank.log("busy") == [(429, False)]


def test_500_executes_nothing(bank: ServedBank) -> None:
    bank.misbehave("500", "POST /transfers", times=1)
    balance = bank.booked_minor("ACC001")

    failed = bank.post("/transfers", TRANSFER, key="failed")
    unmoved = bank.booked_minor("ACC001")
    again = bank.post("/transfers", TRANSFER, key="failed")

    assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
    assert unmoved == balance
    assert again.status_code == 201


def test_refuse_is_a_final_no_for_the_key(bank: ServedBank) -> None:
    bank.misbehave("refuse", "POST /transfers", times=1)

    refused = bank.post("/transfers", TRANSFER, key="refused")
    again = bank.post("/transfers", TRANSFER, key="refused")

    assert (refused.status_code, refused.json()["code"]) == (422, "refused_by_switch")
    assert again.content == refused.content
    assert bank.http.get("/requests/refused").json()["status"] == 422


def test_refuse_refuses_reading_too(bank: ServedBank) -> None:
    bank.misbehave("refuse", "GET /accounts/{account_id}")

    assert bank.http.get("/accounts/ACC001").json()["code"] == "refused_by_switch"


def test_timeout_after_commit_executes_and_stays_silent_until_the_client_gives_up(bank: ServedBank) -> None:
    bank.misbehave("timeout_after_commit", "POST /transfers", times=1, delay_s=60)
    balance = bank.booked_minor("ACC001")

    with pytest.raises(httpx.ReadTimeout):
        bank.http.post("/transfers", json=TRANSFER, headers={"Idempotency-Key": "silent"}, timeout=0.3)
    asked = bank.http.get("/requests/silent").json()
    again = bank.post("/transfers", TRANSFER, key="silent")

    assert asked["status"] == 201
    assert again.json() == asked["response"]
    assert bank.booked_minor("ACC001") == balance - 1_00
    assert bank.log("silent") == [(201, False), (201, True)]


def test_timeout_after_commit_breaks_the_connection_after_its_delay(bank: ServedBank) -> None:
    bank.misbehave("timeout_after_commit", "POST /transfers", times=1)

    with pytest.raises(httpx.RemoteProtocolError):
        bank.post("/transfers", TRANSFER, key="broken-off")

    assert bank.log("broken-off") == [(201, False)]


def test_a_switch_is_over_after_its_times(bank: ServedBank) -> None:
    bank.misbehave("500", "POST /transfers", times=2)

    statuses = [bank.post("/transfers", TRANSFER, key=f"times-{number}").status_code for number in range(3)]

    assert statuses == [500, 500, 201]
    assert bank.http.get("/misbehaviour").json() == {"switches": []}


def test_a_routes_own_switch_goes_before_the_general_one(bank: ServedBank) -> None:
    bank.misbehave("500", "*")
    bank.misbehave("429", "GET /accounts/{account_id}")

    statuses = [bank.http.get(f"/accounts/{path}").status_code for path in ("ACC001", "ACC001/balance")]

    assert statuses == [429, 500]
    assert len(bank.http.get("/misbehaviour").json()["switches"]) == 2


def test_none_clears_one_switch_or_all(bank: ServedBank) -> None:
    bank.misbehave("500", "*")
    bank.misbehave("429", "POST /transfers")

    bank.misbehave("none", "POST /transfers")
    left = bank.http.get("/misbehaviour").json()["switches"]
    bank.misbehave("none", "*")

    assert [switch["mode"] for switch in left] == ["500"]
    assert bank.http.get("/misbehaviour").json() == {"switches": []}


def test_switches_health_and_ledger_check_never_misbehave(bank: ServedBank) -> None:
    bank.misbehave("500", "*")

    statuses = {bank.http.get(path).status_code for path in ("/health", "/ledger/check", "/log", "/misbehaviour")}

    assert statuses == {200}


@pytest.mark.parametrize(
    ("switch", "field"),
    [
        ({"route": "POST /loans", "mode": "500"}, "route"),
        ({"route": "GET /accounts/ACC001", "mode": "500"}, "route"),
        ({"route": "*", "mode": "explode"}, "mode"),
        ({"route": "*", "mode": "500", "times": 0}, "times"),
        ({"route": "*", "mode": "slow", "delay_s": -1}, "delay_s"),
        ({"route": "*", "mode": "slow", "delay_s": 1e9}, "delay_s"),
        ({"mode": "500"}, "route"),
    ],
)
def test_a_wrong_switch_is_refused(bank: ServedBank, switch: dict[str, object], field: str) -> None:
    answer = bank.http.put("/misbehaviour", json=switch)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
