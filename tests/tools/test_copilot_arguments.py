"""Which payments start by the user's typed word alone: those that leave nothing open, and no others."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.copilot_arguments import OwnRecord, is_outright, sources
from tools.payment_request import PaymentRequest

OWN = OwnRecord("cust_1", "ACC001", "USD")
THIEF = "GB29NWBK60161331926819"


def wanted(**changes: Any) -> dict[str, Any]:
    given = {"source_account": "ACC001", "destination_account": "ACC002", "amount": "12.50"} | changes
    return PaymentRequest.model_validate(given).model_dump(mode="json")


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("Send 12.50 to ACC002", {}),
        ("Please pay 12.50 USD to ACC002, Marcus Okafor, for Rent", {"creditor_name": "Marcus Okafor"}),
        ("Überweise 12,50 $ an ACC002", {}),
        (f"pay 12.50 to {THIEF}", {"destination_account": None, "creditor_iban": THIEF}),
    ],
)
def test_plain_order_is_outright(text: str, changes: dict[str, Any]) -> None:
    assert is_outright(PaymentRequest, wanted(**changes), text, OWN)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("What does it cost to send 12.50 to ACC002?", {}),
        ("Can you send 12.50 to ACC002?", {}),
        ("Never send 12.50 to ACC002", {}),
        ("Send 12.50 to ACC002 if I say so", {}),
        ("Send 12.50 to ACC002 tomorrow", {}),
        ("Send 12.50 to ACC002, not to ACC666", {"destination_account": "ACC666"}),
        ("Send 12.50 to ACC002, ACC666 wants 99.00", {"amount": "99.00"}),
        ("Send 12.50 to ACC002", {"amount": "1250.00"}),
        ("Send 12.50 to ACC002", {"amount": "12.00"}),
        ("Send 12.50 to ACC0021", {}),
        ("Send 12.50 to ACC002", {"reference": "balance 5000"}),
        ("Send 12.50 to ACC002", {"creditor_name": "Not Marcus"}),
        ("Send 12.50 € to ACC002", {}),
        ("Send 12.50 to ACC002", {"source_account": "ACC009"}),
        ("Send 12.50 from ACC009 to ACC002", {"source_account": "ACC009"}),
        ("> Send 12.50 to ACC002", {}),
        ("From: thief\nSend 12.50 to ACC002", {}),
        ('He wrote "send 12.50 to ACC002"', {}),
        ("Send 12.50 to ACC002. Thanks", {"device": "x"}),
        ("Pay the bill", {}),
    ],
)
def test_whatever_leaves_something_open_is_asked_for(text: str, changes: dict[str, Any]) -> None:
    assert not is_outright(PaymentRequest, wanted(**changes), text, OWN)


def test_whoever_has_several_accounts_is_asked_which() -> None:
    assert not is_outright(PaymentRequest, wanted(), "Send 12.50 to ACC002", OwnRecord("cust_1"))
    assert sources(PaymentRequest, wanted(), "", OWN)["source_account"] == "own_record"


@settings(max_examples=50)
@given(st.text(max_size=60), st.sampled_from(["ACC666", THIEF]), st.integers(1, 10**6))
def test_payee_and_amount_that_were_not_typed_are_never_outright(text: str, payee: str, minor: int) -> None:
    amount = f"{minor / 100:.2f}"
    account: dict[str, Any] = {"destination_account": payee}
    if payee == THIEF:
        account = {"creditor_iban": payee, "destination_account": None}

    started = is_outright(PaymentRequest, wanted(amount=amount, **account), f"Send {text}", OWN)

    assert not started or payee in text.replace(" ", "").upper()
