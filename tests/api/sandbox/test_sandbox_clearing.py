"""Payments to other banks: pending at first, and then what the creditor's bank makes of them."""

from typing import Any

import pytest

from db.embedded import Server
from tests.api.sandbox.test_sandbox_ledger import open_accounts
from tests.receiver import receiver
from tests.served_bank import ServedBank, fresh_database, served_bank


def sent(bank: ServedBank, account: str, to: dict[str, str], amount: str = "40.00") -> dict[str, Any]:
    order = {"source_account": account, "amount": amount, "reference": "invoice 7"} | to
    return dict(bank.post("/transfers", order, key=f"sent-{account}").raise_for_status().json())


def steps(bank: ServedBank, transfer: dict[str, Any]) -> list[tuple[str, str | None]]:
    found = bank.http.get(f"/transfers/{transfer['transfer_id']}/steps").json()["steps"]
    return [(step["status"], step["reason"]) for step in found]


def test_a_payment_to_another_bank_is_submitted_and_its_money_reserved(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "PENDING", 1, 100_00)

    transfer = sent(bank, account, {"destination_account": "EXT001"})

    assert (transfer["status"], transfer["destination_account"]) == ("submitted", "EXT001")
    assert (transfer["creditor_name"], transfer["creditor_iban"]) == (
        "Northwind Utilities Ltd",
        "GB29NWBK60161331926819",
    )
    assert bank.available_minor(account) == 60_00


@pytest.mark.parametrize(
    ("destination", "path", "left_minor"),
    [
        ("EXT001", [("submitted", None), ("settled", None)], 60_00),
        ("EXT002", [("submitted", None), ("rejected", "AC04")], 100_00),
        ("EXT003", [("submitted", None), ("settled", None), ("returned", "FOCR")], 100_00),
    ],
)
def test_the_destination_decides_what_becomes_of_a_payment(
    bank: ServedBank, destination: str, path: list[tuple[str, str | None]], left_minor: int
) -> None:
    (account,) = open_accounts(bank, f"TO{destination}", 1, 100_00)
    clearing_minor = bank.booked_minor("BANK-CLEARING-USD")

    transfer = sent(bank, account, {"destination_account": destination})
    ended = bank.awaited(f"/transfers/{transfer['transfer_id']}", status=path[-1][0])

    assert steps(bank, transfer) == path
    assert ended["reason"] == path[-1][1]
    assert bank.booked_minor(account) == bank.available_minor(account) == left_minor
    assert bank.booked_minor("BANK-CLEARING-USD") <= clearing_minor
    assert bank.ledger()["unbalanced"] == []


def test_an_iban_names_the_creditor_and_an_unknown_one_takes_its_money(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "IBAN", 1, 100_00)

    transfer = sent(bank, account, {"creditor_iban": "ES91 2100 0418 4502 0005 1332"})
    stranger = bank.post(
        "/transfers",
        {
            "source_account": account,
            "creditor_iban": "DE12500105170648489890",
            "creditor_name": "Ada Quist",
            "amount": 1,
        },
        key="to-a-stranger",
    ).json()

    assert transfer["destination_account"] == "EXT006"
    assert (stranger["destination_account"], stranger["creditor_name"]) == (None, "Ada Quist")
    bank.awaited(f"/transfers/{stranger['transfer_id']}", status="settled")


def test_an_iban_of_this_bank_is_its_account_and_booked_at_once(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "HOUSE", 1, 100_00)

    transfer = sent(bank, account, {"creditor_iban": "DE32500999000004711274"})

    assert (transfer["status"], transfer["destination_account"]) == ("settled", "ACC002")


@pytest.mark.parametrize(
    ("to", "code", "field"),
    [
        ({"creditor_iban": "DE12500105170648489891"}, "invalid_request", "creditor_iban"),
        (
            {"creditor_iban": "DE32500999000004711274", "destination_account": "ACC002"},
            "invalid_request",
            "creditor_iban",
        ),
        ({}, "invalid_request", "creditor_iban"),
        ({"destination_account": "EXT999"}, "unknown_account", "destination_account"),
        ({"creditor_iban": "DE70500999000004712918"}, "currency_mismatch", "creditor_iban"),
        ({"creditor_iban": "DE45500999000004711137"}, "same_account", "creditor_iban"),
        ({"destination_account": "EXT001", "amount": "999999.00"}, "insufficient_funds", "amount"),
        ({"destination_account": "EXT001", "currency": "EUR"}, "currency_mismatch", "currency"),
        ({"destination_account": "EXT001", "creditor_name": "a\u202eb"}, "invalid_request", "creditor_name"),
    ],
)
def test_a_wrong_creditor_is_refused_naming_the_field(
    bank: ServedBank, to: dict[str, str], code: str, field: str
) -> None:
    order = {"source_account": "ACC001", "amount": "1.00"} | to

    answer = bank.post("/transfers", order, key=f"wrong-creditor-{abs(hash(str(to)))}")

    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)


def test_a_pending_payment_is_made_once_per_key_and_found_by_it(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "ONCE", 1, 100_00)

    transfer = sent(bank, account, {"destination_account": "EXT002"})
    bank.awaited(f"/transfers/{transfer['transfer_id']}", status="rejected")
    again = sent(bank, account, {"destination_account": "EXT002"})

    assert again == transfer
    assert bank.http.get(f"/requests/sent-{account}").json()["response"] == transfer
    assert bank.booked_minor(account) == 100_00


def test_a_hold_is_captured_to_another_bank(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "CARD", 1, 100_00)
    hold = bank.post("/holds", {"account": account, "amount": "100.00"}, key="card-hold").json()

    captured = bank.post(f"/holds/{hold['hold_id']}/capture", {"destination_account": "EXT003"}, key="card").json()
    bank.awaited(f"/transfers/{captured['transfer_id']}", status="returned")

    assert bank.available_minor(account) == 100_00


def test_a_bank_that_was_gone_settles_and_tells_what_it_had_taken(postgres: Server, banked: str) -> None:
    with fresh_database(postgres.url, banked) as database_url, receiver() as listener:
        with served_bank(database_url, tick_s=3600) as bank:
            secret = bank.http.put("/webhook-endpoint", json={"url": f"{listener.url}/gone"}).json()["secret"]
            transfer = sent(bank, "ACC001", {"destination_account": "EXT002"})
        with served_bank(database_url) as bank:
            bank.awaited(f"/transfers/{transfer['transfer_id']}", status="rejected")
            (told,) = listener.awaited("/gone")

            assert told.verified(secret)["data"]["transfer_id"] == transfer["transfer_id"]
            assert bank.booked_minor("ACC001") == 10_000_00
