"""Holds: what they keep from being spent, and the three ways they end."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.sandbox.test_sandbox_ledger import open_accounts
from tests.served_bank import API_KEY, ServedBank

CAPTURE = {"destination_account": "ACC002"}


def held(bank: ServedBank, account: str, amount: str, **more: Any) -> dict[str, Any]:
    order = {"account": account, "amount": amount, "reason": "hotel"} | more
    return dict(bank.post("/holds", order, key=f"hold-{account}-{amount}").raise_for_status().json())


def test_a_hold_keeps_money_from_being_spent_without_moving_it(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "KEEP", 1, 100_00)

    hold = held(bank, account, "60.00", currency="USD")
    spent = bank.post("/transfers", {"source_account": account, "amount": "40.01"} | CAPTURE, key="keep-too-much")
    again = bank.post("/holds", {"account": account, "amount": "40.01"}, key="keep-twice")

    assert (hold["status"], hold["amount"], hold["amount_minor"], hold["reason"]) == ("active", "60.00", 60_00, "hotel")
    assert (bank.booked_minor(account), bank.available_minor(account)) == (100_00, 40_00)
    assert spent.json()["code"] == again.json()["code"] == "insufficient_funds"
    assert bank.http.get(f"/holds/{hold['hold_id']}").json() == hold
    assert bank.http.get(f"/accounts/{account}/holds").json() == {"holds": [hold]}


def test_an_overdraft_can_be_held(bank: ServedBank) -> None:
    _, account = open_accounts(bank, "OVER", 2, 10_00)

    held(bank, account, "30.00")

    assert bank.available_minor(account) == 0


def test_a_whole_hold_is_captured_as_a_transfer(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "WHOLE", 1, 100_00)
    hold = held(bank, account, "100.00")

    captured = bank.post(f"/holds/{hold['hold_id']}/capture", CAPTURE, key="whole").json()

    transfer = bank.http.get(f"/transfers/{captured['transfer_id']}").json()
    assert (captured["status"], captured["captured_minor"]) == ("captured", 100_00)
    assert (transfer["source_account"], transfer["destination_account"]) == (account, "ACC002")
    assert (transfer["amount"], transfer["reference"]) == ("100.00", "hotel")
    assert (bank.booked_minor(account), bank.available_minor(account)) == (0, 0)


def test_a_part_is_captured_and_the_rest_is_free(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "PART", 1, 100_00)
    hold = held(bank, account, "100.00")

    more = bank.post(f"/holds/{hold['hold_id']}/capture", CAPTURE | {"amount": "100.01"}, key="more-than-held")
    captured = bank.post(f"/holds/{hold['hold_id']}/capture", CAPTURE | {"amount": "70.00"}, key="part").json()

    assert (more.status_code, more.json()["code"], more.json()["field"]) == (422, "more_than_held", "amount")
    assert captured["captured_minor"] == 70_00
    assert (bank.booked_minor(account), bank.available_minor(account)) == (30_00, 30_00)


def test_a_voided_hold_is_free_and_cannot_be_captured(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "VOID", 1, 100_00)
    path = f"/holds/{held(bank, account, '80.00')['hold_id']}"

    voided = bank.post(f"{path}/void", {}, key="void").json()
    captured = bank.post(f"{path}/capture", CAPTURE, key="capture-of-void")
    again = bank.post(f"{path}/void", {}, key="void-again")

    assert (voided["status"], bank.available_minor(account)) == ("voided", 100_00)
    assert (captured.status_code, captured.json()["code"]) == (409, "hold_voided")
    assert again.json()["code"] == "hold_voided"
    assert bank.booked_minor(account) == 100_00


def test_a_void_needs_no_body(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "BODY", 1, 100_00)
    path = f"/holds/{held(bank, account, '80.00')['hold_id']}/void"

    answers = [bank.http.post(path, headers={"Idempotency-Key": "no-body"}) for _ in range(2)]

    assert [answer.json()["status"] for answer in answers] == ["voided", "voided"]


def test_an_expired_hold_frees_the_money(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "LATE", 1, 100_00)
    hold = held(bank, account, "80.00", expires_in_s=0.3)

    bank.awaited(f"/holds/{hold['hold_id']}", status="expired")
    captured = bank.post(f"/holds/{hold['hold_id']}/capture", CAPTURE, key="capture-of-expired")

    assert bank.available_minor(account) == 100_00
    assert (captured.status_code, captured.json()["code"]) == (409, "hold_expired")


@pytest.mark.parametrize("act", ["", "/capture", "/void"])
def test_a_hold_is_made_and_ended_once_per_key_and_found_by_it(bank: ServedBank, act: str) -> None:
    (account,) = open_accounts(bank, f"KEY{act[1:].upper()}", 1, 100_00)
    path = f"/holds/{held(bank, account, '50.00')['hold_id']}{act}" if act else "/holds"
    body = {"": {"account": account, "amount": "50.00"}, "/capture": CAPTURE, "/void": {}}[act]

    first = bank.post(path, body, key=f"once{act}")
    second = bank.post(path, body, key=f"once{act}")

    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert bank.http.get(f"/requests/once{act}").json()["response"] == first.json()
    assert bank.log(f"once{act}") == [(201, False), (201, True)]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"account": "ACC999"}, "unknown_account", "account"),
        ({"account": "ACC011"}, "account_frozen", "account"),
        ({"currency": "EUR"}, "currency_mismatch", "currency"),
        ({"amount": "0.001"}, "invalid_amount", "amount"),
        ({"amount": "999999.00"}, "insufficient_funds", "amount"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_expiry", "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+23:59"}, "invalid_expiry", "expires_at"),
        ({"expires_at": (datetime.now(UTC) + timedelta(days=32)).isoformat()}, "invalid_expiry", "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z", "expires_in_s": 1}, "invalid_expiry", "expires_in_s"),
        ({"expires_at": "2020-01-01T00:00:00"}, "invalid_request", "expires_at"),
    ],
)
def test_a_wrong_hold_is_refused_naming_the_field(
    bank: ServedBank, change: dict[str, Any], code: str, field: str
) -> None:
    answer = bank.post(
        "/holds", {"account": "ACC001", "amount": "1.00"} | change, key=f"wrong-hold-{abs(hash(str(change)))}"
    )

    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)


async def test_a_capture_and_a_void_at_once_leave_one_winner(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "RACE", 1, 100_00)
    path = f"/holds/{held(bank, account, '50.00')['hold_id']}"
    headers = {"Authorization": f"Bearer {API_KEY}"}

    async with httpx.AsyncClient(base_url=bank.url, headers=headers, timeout=30, trust_env=False) as http:
        acts = [("/capture", CAPTURE), ("/void", {})] * 8
        answers = await asyncio.gather(
            *(
                http.post(path + act, json=body, headers={"Idempotency-Key": f"race-{number}"})
                for number, (act, body) in enumerate(acts)
            )
        )

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    assert bank.available_minor(account) == bank.booked_minor(account) in (50_00, 100_00)
    assert bank.ledger()["drifted_holds"] == []


def test_the_database_refuses_a_posting_of_held_money(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "GUARD", 1, 100_00)
    held(bank, account, "60.00")

    with bank.sql() as conn, pytest.raises(psycopg.errors.CheckViolation, match="balance_within_limit"):
        conn.execute("UPDATE accounts SET booked_minor = 59_99 WHERE account_id = %s", (account,))


def test_the_database_ends_no_hold_twice(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "TWICE", 1, 100_00)
    hold_id = held(bank, account, "60.00")["hold_id"]
    bank.post(f"/holds/{hold_id}/void", {}, key="twice-void").raise_for_status()

    with bank.sql() as conn, pytest.raises(psycopg.errors.RestrictViolation, match="only once"):
        conn.execute("UPDATE holds SET status = 'expired' WHERE hold_id = %s", (hold_id,))
