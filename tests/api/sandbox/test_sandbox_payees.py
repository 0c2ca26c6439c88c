"""Confirmation of payee: what the bank says of a name, and what a customer keeps of it."""

import pytest

from tests.served_bank import ServedBank


@pytest.mark.parametrize(
    ("account", "name", "confirmation", "right_name"),
    [
        ({"account": "ACC002"}, "Marcus Okafor", "match", None),
        ({"account": "ACC002"}, "OKAFOR, Marcus", "match", None),
        ({"account": "ACC002"}, "Mr M. Okafor", "close_match", "Marcus Okafor"),
        ({"account": "ACC002"}, "Markus Okafor", "close_match", "Marcus Okafor"),
        ({"account": "ACC002"}, "Eleanor Whitfield", "no_match", None),
        ({"account": "ACC002"}, "Okafor", "no_match", None),
        ({"account": "ACC009"}, "Lukasz Nowak", "match", None),
        ({"iban": "DE32 5009 9900 0004 7112 74"}, "Marcus Okafor", "match", None),
        ({"account": "EXT003"}, "Meridian Furniture BV", "match", None),
        ({"iban": "NL91ABNA0417164300"}, "Meridian Furnitures", "close_match", "Meridian Furniture B.V."),
        ({"account": "EXT005"}, "Alpenblick Hotel KG", "unavailable", None),
        ({"iban": "DE12500105170648489890"}, "Ada Quist", "unavailable", None),
        ({"account": "ACC999"}, "Ada Quist", "no_match", None),
        ({"account": "BANK-CASH-USD"}, "Bank", "no_match", None),
    ],
)
def test_a_name_is_confirmed_or_not(
    bank: ServedBank, account: dict[str, str], name: str, confirmation: str, right_name: str | None
) -> None:
    answer = bank.post("/payees/confirm", account | {"name": name})

    assert answer.status_code == 200
    assert (answer.json()["confirmation"], answer.json()["name"]) == (confirmation, right_name)


@pytest.mark.parametrize(
    ("claim", "field"),
    [
        ({"name": "A"}, "iban"),
        ({"name": "A", "account": "ACC002", "iban": "DE32500999000004711274"}, "iban"),
        ({"name": "A", "iban": "DE33500999000004711274"}, "iban"),
        ({"account": "ACC002"}, "name"),
    ],
)
def test_a_claim_names_one_account_and_a_name(bank: ServedBank, claim: dict[str, str], field: str) -> None:
    answer = bank.post("/payees/confirm", claim)

    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_customer_keeps_payees_with_what_was_confirmed(bank: ServedBank) -> None:
    before = bank.http.get("/customers/cust_1005/payees").json()["payees"]

    added = bank.post("/customers/cust_1005/payees", {"account": "EXT001", "name": "Norhwind Utilities"}, key="payee")
    again = bank.post("/customers/cust_1005/payees", {"account": "EXT001", "name": "Norhwind Utilities"}, key="payee")
    listed = bank.http.get("/customers/cust_1005/payees").json()["payees"]
    bank.http.delete(f"/customers/cust_1005/payees/{added.json()['payee_id']}").raise_for_status()

    assert [(payee["name"], payee["confirmation"]) for payee in before] == [("Hotel Alpenblick", "unavailable")]
    assert (added.json()["confirmation"], added.json()["iban"]) == ("close_match", "GB29NWBK60161331926819")
    assert again.json() == added.json()
    assert listed == [*before, added.json()]
    assert bank.http.get("/customers/cust_1005/payees").json()["payees"] == before


def test_a_payee_needs_a_customer_and_an_account(bank: ServedBank) -> None:
    nobody = bank.post("/customers/cust_9999/payees", {"account": "EXT001", "name": "N"}, key="no-customer")
    nothing = bank.post("/customers/cust_1005/payees", {"account": "ACC999", "name": "N"}, key="no-account")

    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown_customer")
    assert (nothing.status_code, nothing.json()["code"]) == (422, "unknown_account")
