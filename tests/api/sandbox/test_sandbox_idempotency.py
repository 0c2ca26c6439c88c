"""One key, one effect, one answer."""

import asyncio
import hashlib

import httpx
import pytest

from tests.served_bank import API_KEY, ServedBank

TRANSFER = {"source_account": "ACC001", "destination_account": "ACC002", "amount": "1.00"}


def test_a_repeated_key_gets_the_first_answer_and_moves_nothing(bank: ServedBank) -> None:
    first = bank.post("/transfers", TRANSFER, key="twice")
    balance = bank.booked_minor("ACC001")

    second = bank.post("/transfers", TRANSFER, key="twice")

    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert bank.booked_minor("ACC001") == balance
    assert bank.log("twice") == [(201, False), (201, True)]


@pytest.mark.parametrize(
    "same",
    [
        b'{ "amount" : 2.50, "destination_account":"ACC002", "source_account":"ACC001" }',
        b'{"source_account":"ACC001","destination_account":"ACC002","amount":2.5}',
    ],
)
def test_order_blanks_and_trailing_zeros_make_no_other_body(bank: ServedBank, same: bytes) -> None:
    bank.post("/transfers", TRANSFER | {"amount": 2.5}, key="same-body")
    headers = {"Content-Type": "application/json", "Idempotency-Key": "same-body"}

    answer = bank.http.post("/transfers", content=same, headers=headers)

    assert answer.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("other", [{"amount": "1.01"}, {"destination_account": "ACC003"}, {"reference": "x"}])
def test_a_key_with_another_body_is_a_conflict(bank: ServedBank, other: dict[str, str]) -> None:
    bank.post("/transfers", TRANSFER, key="mine")
    balance = bank.booked_minor("ACC001")

    answer = bank.post("/transfers", TRANSFER | other, key="mine")

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")
    assert bank.booked_minor("ACC001") == balance


def test_a_key_of_another_route_is_a_conflict(bank: ServedBank) -> None:
    bank.post("/transfers", TRANSFER, key="of-transfers")
    loan = {
        "customer_id": "cust_2002",
        "disburse_to_account": "ACC002",
        "principal_minor": 100_00,
        "fee_minor": 0,
        "currency": "USD",
        "annual_rate_bps": 0,
        "term_months": 1,
        "first_due_on": "2031-01-01",
    }

    answer = bank.post("/loan-accounts", loan, key="of-transfers")

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")


def test_a_refusal_is_final_for_its_key(bank: ServedBank) -> None:
    order = {"source_account": "ACC004", "destination_account": "ACC001", "amount": "100.00"}
    refused = bank.post("/transfers", order, key="too-poor")
    bank.post("/transfers", {**order, "source_account": "ACC001", "destination_account": "ACC004"}, key="fund")

    again = bank.post("/transfers", order, key="too-poor")
    other_key = bank.post("/transfers", order, key="rich-now")

    assert (refused.status_code, refused.json()["code"]) == (422, "insufficient_funds")
    assert again.content == refused.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Content-Type"] == "application/problem+json"
    assert other_key.status_code == 201


def test_what_became_of_a_key_can_be_asked(bank: ServedBank) -> None:
    done = bank.post("/transfers", TRANSFER, key="tenant/thread:settle:1").json()
    refused = bank.post("/transfers", TRANSFER | {"amount": "0.001"}, key="no").json()

    accepted = bank.http.get("/requests/tenant%2Fthread:settle:1").json()
    declined = bank.http.get("/requests/no").json()

    canonical = b'{"amount":"1.00","destination_account":"ACC002","source_account":"ACC001"}'
    assert accepted["request_sha256"] == hashlib.sha256(canonical).hexdigest()
    assert (accepted["method"], accepted["path"]) == ("POST", "/transfers")
    assert (accepted["status"], accepted["response"]) == (201, done)
    assert (declined["status"], declined["response"]) == (422, refused)


def test_a_malformed_request_uses_no_key_up(bank: ServedBank) -> None:
    bank.post("/transfers", TRANSFER | {"amount": "lots"}, key="corrected")

    answer = bank.post("/transfers", TRANSFER, key="corrected")

    assert answer.status_code == 201


async def test_twenty_at_once_with_one_key_are_one_transfer(bank: ServedBank) -> None:
    balance, transactions = bank.booked_minor("ACC001"), bank.ledger()["transactions"]
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "all-at-once"}

    async with httpx.AsyncClient(base_url=bank.url, headers=headers, timeout=30, trust_env=False) as http:
        answers = await asyncio.gather(*(http.post("/transfers", json=TRANSFER) for _ in range(20)))

    assert {answer.content for answer in answers} == {answers[0].content}
    assert [answer.status_code for answer in answers] == [201] * 20
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert bank.booked_minor("ACC001") == balance - 1_00
    assert bank.ledger()["transactions"] == transactions + 1
    assert sorted(bank.log("all-at-once")) == [(201, False)] + [(201, True)] * 19


async def test_of_two_bodies_at_once_with_one_key_one_wins(bank: ServedBank) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "two-bodies"}
    bodies = [TRANSFER | {"amount": f"{number}.00"} for number in range(1, 11)]

    async with httpx.AsyncClient(base_url=bank.url, headers=headers, timeout=30, trust_env=False) as http:
        answers = await asyncio.gather(*(http.post("/transfers", json=body) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
