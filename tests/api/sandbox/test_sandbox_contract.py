"""The bank's HTTP contract: what it answers, and how it says no."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.served_bank import ServedBank

TRANSFER = {"source_account": "ACC001", "destination_account": "ACC002", "amount": 125.50}
LOAN = {
    "customer_id": "cust_2002",
    "disburse_to_account": "ACC002",
    "principal_minor": 12_000_00,
    "fee_minor": 300_00,
    "currency": "USD",
    "annual_rate_bps": 1199,
    "term_months": 36,
    "first_due_on": "2031-01-01",
    "reference": "loan of a test",
}


def test_health_needs_no_key(bank: ServedBank) -> None:
    answer = bank.http.get("/health", headers={"Authorization": ""})

    assert answer.json() == {"status": "ok", "bank": "sandbox"}


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic a2V5", "Bearer kéy".encode()])
@pytest.mark.parametrize("path", ["/customers/cust_1001", "/log", "/misbehaviour", "/nowhere"])
def test_everything_else_needs_the_key(bank: ServedBank, path: str, authorization: str) -> None:
    answer = bank.http.get(path, headers={"Authorization": authorization})

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_customer_has_accounts_but_their_loans_are_listed_apart(bank: ServedBank) -> None:
    bank.post("/loan-accounts", LOAN, key="for-cust-2002").raise_for_status()

    customer = bank.http.get("/customers/cust_2002").json()

    assert customer == {
        "customer_id": "cust_2002",
        "full_name": "Marcus Okafor",
        "date_of_birth": "1989-11-21",
        "email": "marcus.okafor@example.com",
        "address": {
            "street": "77 Harbor View Road, Apt 4B",
            "city": "Baltimore",
            "postcode": "21224",
            "country": "US",
        },
        "customer_since": "2015-09-01",
        "kyc_status": "verified",
        "accounts": ["ACC002"],
        "currency": "USD",
    }


def test_a_credit_file_is_of_today_and_a_newcomer_stays_one(bank: ServedBank) -> None:
    file = bank.http.get("/customers/cust_3003/credit-file").json()

    today = datetime.now(UTC).date()
    assert date.fromisoformat(file["as_of"]) == today
    assert 240 <= (today - date.fromisoformat(file["employment"]["since"])).days <= 247
    assert file["accounts_open"] == 2
    assert file["obligations"][0] == {
        "kind": "lease",
        "lender": "Hill Country Motors",
        "balance_minor": 13_950_00,
        "monthly_payment_minor": 310_00,
    }


def test_every_customer_but_one_has_a_credit_file(bank: ServedBank) -> None:
    customers = [f"cust_{number}" for number in (1001, 2002, 3003, 4004, *range(1002, 1009))]

    files = {customer: bank.http.get(f"/customers/{customer}/credit-file") for customer in customers}

    missing = {customer: file.json()["code"] for customer, file in files.items() if file.status_code != 200}
    assert missing == {"cust_1006": "no_credit_file"}


def test_an_overview_says_what_the_single_reads_say(bank: ServedBank) -> None:
    order = {"source_account": "ACC001", "destination_account": "ACC002", "amount": "12.30", "every": "week"}
    for number, first_on in enumerate(("2041-01-01", "2040-01-01")):
        bank.post("/standing-orders", order | {"first_on": first_on}, key=f"overview-order-{number}").raise_for_status()
    for number in range(2):
        bank.post(
            "/loan-accounts",
            LOAN | {"customer_id": "cust_1001", "disburse_to_account": "ACC001"},
            key=f"overview-loan-{number}",
        ).raise_for_status()

    seen = {customer: _read(bank, f"/customers/{customer}/overview") for customer in ("cust_1001", "cust_1006")}

    for customer, overview in seen.items():
        path = f"/customers/{customer}"
        file = bank.http.get(f"{path}/credit-file")
        assert overview["customer"] == _read(bank, path)
        assert overview["credit_file"] == (file.json() if file.is_success else None)
        assert overview["loan_accounts"] == _read(bank, f"{path}/loan-accounts")["loan_accounts"]
        assert [held["account"]["account_id"] for held in overview["accounts"]] == overview["customer"]["accounts"]
        for held in overview["accounts"]:
            of_account = f"/accounts/{held['account']['account_id']}"
            balance = _read(bank, f"{of_account}/balance") | {"as_of": held["balance"]["as_of"]}
            assert held["account"] == _read(bank, of_account)
            assert held["balance"].items() <= balance.items()
            assert held["standing_orders"] == _read(bank, f"{of_account}/standing-orders")["standing_orders"]
    first = seen["cust_1001"]
    assert len(first["loan_accounts"]) >= 2 and len(first["accounts"][0]["standing_orders"]) >= 2
    assert seen["cust_1006"]["credit_file"] is None


def test_an_account_tells_its_state_and_limit(bank: ServedBank) -> None:
    assert bank.http.get("/accounts/ACC006").json() == {
        "account_id": "ACC006",
        "customer_id": "cust_1003",
        "currency": "USD",
        "kind": "current",
        "state": "open",
        "overdraft_limit_minor": 500_00,
    }


def test_a_balance_is_a_decimal_string_and_minor_units(bank: ServedBank) -> None:
    balance = bank.http.get("/accounts/SAV001/balance").json()

    assert datetime.fromisoformat(balance.pop("as_of")).tzinfo is not None
    assert balance == {
        "account_id": "SAV001",
        "currency": "USD",
        "balance": "24000.00",
        "booked_minor": 24_000_00,
        "held_minor": 0,
        "overdraft_limit_minor": 0,
        "available_minor": 24_000_00,
    }


def test_an_internal_account_has_the_balance_of_its_postings(bank: ServedBank) -> None:
    assert bank.http.get("/accounts/BANK-CASH-EUR/balance").json()["balance"] == "-8000.00"


def test_a_transfer_moves_the_amount_and_is_found_again(bank: ServedBank) -> None:
    before = bank.booked_minor("ACC001"), bank.booked_minor("ACC002")

    answer = bank.post("/transfers", TRANSFER | {"reference": "Miete für März"}, key="tutorial")

    transfer = answer.json()
    assert answer.status_code == 201
    assert transfer["transfer_id"].startswith("trf_")
    assert transfer["status"] == "settled"
    assert (transfer["amount"], transfer["amount_minor"], transfer["currency"]) == ("125.50", 12550, "USD")
    assert bank.http.get(f"/transfers/{transfer['transfer_id']}").json() == transfer
    assert (bank.booked_minor("ACC001"), bank.booked_minor("ACC002")) == (
        before[0] - 12550,
        before[1] + 12550,
    )


@pytest.mark.parametrize("amount", ["0.01", 1, 1.0, "2.50", 2.5, "3.000", 4e0])
def test_amounts_are_numbers_or_strings_of_major_units(bank: ServedBank, amount: object) -> None:
    answer = bank.post("/transfers", TRANSFER | {"amount": amount}, key=f"amount {amount!r}".replace(" ", "-"))

    assert answer.status_code == 201
    assert answer.json()["amount_minor"] == round(float(str(amount)) * 100)


def test_postings_are_paged(bank: ServedBank) -> None:
    for number in range(3):
        bank.post("/transfers", TRANSFER | {"reference": f"page {number}"}, key=f"page-{number}")

    everything = bank.http.get("/accounts/ACC002/postings", params={"limit": 1000}).json()["postings"]
    page = bank.http.get(
        "/accounts/ACC002/postings", params={"after": everything[-3]["posting_id"], "limit": 1}
    ).json()["postings"]

    assert [posting["reference"] for posting in everything[-3:]] == ["page 0", "page 1", "page 2"]
    assert page == everything[-2:-1]
    assert page[0]["amount_minor"] == 12550
    assert sum(posting["amount_minor"] for posting in everything) == bank.booked_minor("ACC002")


def test_a_loan_account_is_opened_and_paid_out_less_the_fee(bank: ServedBank) -> None:
    before, fees_before = bank.booked_minor("ACC002"), bank.booked_minor("BANK-FEES-USD")

    answer = bank.post("/loan-accounts", LOAN, key="loan")

    loan = answer.json()
    assert answer.status_code == 201
    assert loan.items() >= LOAN.items()
    assert (loan["status"], loan["paid_out_minor"]) == ("disbursed", 11_700_00)
    assert bank.booked_minor("ACC002") - before == 11_700_00
    assert bank.booked_minor("BANK-FEES-USD") - fees_before == 300_00
    assert bank.booked_minor(loan["loan_account_id"]) == -12_000_00
    assert bank.http.get(f"/loan-accounts/{loan['loan_account_id']}").json() == loan
    assert bank.http.get("/customers/cust_2002/loan-accounts", params={"limit": 1}).json() == {"loan_accounts": [loan]}
    assert bank.http.get(f"/transfers/{loan['transfer_id']}").json()["amount_minor"] == 11_700_00


def test_a_loan_without_a_fee_is_paid_out_whole(bank: ServedBank) -> None:
    loan = bank.post("/loan-accounts", LOAN | {"fee_minor": 0}, key="no-fee").json()

    assert loan["paid_out_minor"] == loan["principal_minor"]
    assert bank.ledger()["unbalanced"] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/customers/cust_9999", "unknown_customer"),
        ("/customers/cust_9999/credit-file", "unknown_customer"),
        ("/customers/cust_9999/loan-accounts", "unknown_customer"),
        ("/customers/cust_9999/overview", "unknown_customer"),
        ("/customers/%00", "unknown_customer"),
        ("/accounts/ACC999", "unknown_account"),
        ("/accounts/ACC999/balance", "unknown_account"),
        ("/accounts/ACC999/postings", "unknown_account"),
        ("/accounts/%F0%9F%92%B6", "unknown_account"),
        ("/accounts/%00/postings", "unknown_account"),
        ("/transfers/trf_0", "unknown_transfer"),
        ("/loan-accounts/lon_0", "unknown_loan_account"),
        ("/requests/never-sent", "unknown_key"),
        ("/requests/with/slash%00", "unknown_key"),
        ("/nowhere", "not_found"),
    ],
)
def test_what_is_not_there_is_a_404_with_its_code(bank: ServedBank, path: str, code: str) -> None:
    answer = bank.http.get(path)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code


@pytest.mark.parametrize("path", ["/transfers", "/loan-accounts"])
@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_required"),
        ("", "idempotency_key_invalid"),
        ("two words", "idempotency_key_invalid"),
        ("k" * 256, "idempotency_key_invalid"),
    ],
)
def test_what_moves_money_needs_a_key(bank: ServedBank, path: str, key: str | None, code: str) -> None:
    answer = bank.post(path, {}, key=key)

    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["field"]) == (code, "Idempotency-Key")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"source_account": "ACC999"}, "unknown_account", "source_account"),
        ({"destination_account": "ACC999"}, "unknown_account", "destination_account"),
        ({"source_account": "ACC002"}, "same_account", "destination_account"),
        ({"source_account": "ACC011"}, "account_frozen", "source_account"),
        ({"destination_account": "ACC011"}, "account_frozen", "destination_account"),
        ({"destination_account": "SAV002"}, "account_closed", "destination_account"),
        ({"source_account": "BANK-CASH-USD"}, "account_kind_not_allowed", "source_account"),
        ({"destination_account": "BANK-FEES-USD"}, "account_kind_not_allowed", "destination_account"),
        ({"destination_account": "EUR001"}, "currency_mismatch", "destination_account"),
        ({"currency": "EUR"}, "currency_mismatch", "currency"),
        ({"amount": "999999.00"}, "insufficient_funds", "amount"),
        ({"amount": "125.505"}, "invalid_amount", "amount"),
        ({"amount": 0.001}, "invalid_amount", "amount"),
        ({"amount": "99999999999.00"}, "invalid_amount", "amount"),
        ({"amount": 0}, "invalid_request", "amount"),
        ({"amount": "-1"}, "invalid_request", "amount"),
        ({"amount": -0.01}, "invalid_request", "amount"),
        ({"amount": 10**40}, "invalid_request", "amount"),
        ({"amount": "1" + "0" * 400}, "invalid_request", "amount"),
        ({"amount": "NaN"}, "invalid_request", "amount"),
        ({"amount": "Infinity"}, "invalid_request", "amount"),
        ({"amount": "1e2"}, "invalid_request", "amount"),
        ({"amount": "1_000"}, "invalid_request", "amount"),
        ({"amount": "१२"}, "invalid_request", "amount"),
        ({"amount": " 1"}, "invalid_request", "amount"),
        ({"amount": ""}, "invalid_request", "amount"),
        ({"amount": True}, "invalid_request", "amount"),
        ({"amount": None}, "invalid_request", "amount"),
        ({"amount": [1]}, "invalid_request", "amount"),
        ({"currency": "usd"}, "invalid_request", "currency"),
        ({"source_account": ""}, "invalid_request", "source_account"),
        ({"source_account": "ACC001\x00"}, "invalid_request", "source_account"),
        ({"source_account": 1}, "invalid_request", "source_account"),
        ({"reference": "x" * 141}, "invalid_request", "reference"),
        ({"reference": "pay \u202egnp.exe"}, "invalid_request", "reference"),
        ({"reference": "a\x00b"}, "invalid_request", "reference"),
        ({"note": "what is this"}, "invalid_request", "note"),
    ],
)
def test_a_wrong_transfer_is_refused_naming_the_field(
    bank: ServedBank, change: dict[str, Any], code: str, field: str
) -> None:
    transactions = bank.ledger()["transactions"]

    answer = bank.post("/transfers", TRANSFER | change, key=f"wrong-{abs(hash(json.dumps(change)))}")

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)
    assert bank.ledger()["transactions"] == transactions


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"customer_id": "cust_9999"}, "unknown_customer", "customer_id"),
        ({"customer_id": "cust_1004"}, "kyc_not_verified", "customer_id"),
        ({"disburse_to_account": "ACC999"}, "unknown_account", "disburse_to_account"),
        ({"disburse_to_account": "ACC001"}, "account_not_owned", "disburse_to_account"),
        ({"currency": "EUR"}, "currency_mismatch", "currency"),
        ({"principal_minor": 0}, "invalid_request", "principal_minor"),
        ({"principal_minor": 1.5}, "invalid_request", "principal_minor"),
        ({"principal_minor": "1200000"}, "invalid_request", "principal_minor"),
        ({"principal_minor": 10**40}, "invalid_request", "principal_minor"),
        ({"fee_minor": -1}, "invalid_request", "fee_minor"),
        ({"fee_minor": 12_000_00}, "invalid_request", "fee_minor"),
        ({"annual_rate_bps": 10_001}, "invalid_request", "annual_rate_bps"),
        ({"term_months": 0}, "invalid_request", "term_months"),
        ({"term_months": 1000}, "invalid_request", "term_months"),
        ({"first_due_on": "2031-02-30"}, "invalid_request", "first_due_on"),
        ({"first_due_on": 0}, "invalid_request", "first_due_on"),
        ({"first_due_on": "9999-12-31"}, "invalid_request", "first_due_on"),
        ({"grace": 1}, "invalid_request", "grace"),
    ],
)
def test_a_wrong_loan_is_refused_naming_the_field(
    bank: ServedBank, change: dict[str, Any], code: str, field: str
) -> None:
    transactions = bank.ledger()["transactions"]

    answer = bank.post("/loan-accounts", LOAN | change, key=f"wrong-loan-{abs(hash(json.dumps(change)))}")

    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)
    assert bank.ledger()["transactions"] == transactions


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"source_account":', 422, "malformed_body"),
        (b'{"source_account":"ACC001","destination_account":"ACC002","amount":NaN}', 422, "malformed_body"),
        (
            b'{"source_account":"ACC001","destination_account":"ACC002","amount":1e400}',
            422,
            "invalid_request",
        ),
        (b'{"reference":"\\ud800"}', 422, "invalid_request"),
        (b"\x80", 400, "malformed_body"),
        (b"[" * 60_000, 400, "malformed_body"),
        (b'{"amount":' + b"9" * 10_000 + b"}", 400, "malformed_body"),
        (b"[]", 422, "invalid_request"),
        (b"", 422, "invalid_request"),
        (b" " * 70_000, 413, "body_too_large"),
    ],
)
def test_a_broken_body_is_refused(bank: ServedBank, body: bytes, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "broken"}

    answer = bank.http.post("/transfers", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert bank.http.get("/requests/broken").status_code == 404


def test_a_number_that_a_float_would_round_to_cents_is_refused(bank: ServedBank) -> None:
    exact = b'{"source_account":"ACC001","destination_account":"ACC002","amount":1.0000000000000001}'
    headers = {"Content-Type": "application/json", "Idempotency-Key": "exact"}

    answer = bank.http.post("/transfers", content=exact, headers=headers)
    rounded = bank.post("/transfers", TRANSFER | {"amount": 1.0}, key="exact")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_amount")
    assert (rounded.status_code, rounded.json()["code"]) == (409, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/accounts/ACC001/postings?after=-1", "after"),
        ("/accounts/ACC001/postings?after=9223372036854775808", "after"),
        ("/accounts/ACC001/postings?limit=0", "limit"),
        ("/accounts/ACC001/postings?limit=x", "limit"),
        ("/log?since=-1", "since"),
        ("/log?idempotency_key=%00", "idempotency_key"),
    ],
)
def test_a_wrong_query_is_refused_naming_the_parameter(bank: ServedBank, path: str, field: str) -> None:
    answer = bank.http.get(path)

    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_wrong_method_is_a_problem_too(bank: ServedBank) -> None:
    answer = bank.http.delete("/transfers/trf_0")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_the_log_has_every_post_also_the_refused_ones(bank: ServedBank) -> None:
    lines = bank.http.get("/log").json()["requests"]
    since = lines[-1]["seq"] if lines else 0

    bank.post("/transfers", TRANSFER, key="logged")
    bank.post("/transfers", TRANSFER, key="logged")
    bank.post("/transfers", TRANSFER | {"amount": "7.00"}, key="logged")
    bank.post("/loan-accounts", {}, key="empty")
    bank.post("/transfers", TRANSFER)
    bank.http.get("/accounts/ACC001")

    lines = bank.http.get("/log", params={"since": since}).json()["requests"]
    assert [(line["path"], line["idempotency_key"], line["status"], line["replayed"]) for line in lines] == [
        ("/transfers", "logged", 201, False),
        ("/transfers", "logged", 201, True),
        ("/transfers", "logged", 409, False),
        ("/loan-accounts", "empty", 422, False),
        ("/transfers", None, 400, False),
    ]


def _read(bank: ServedBank, path: str) -> dict[str, Any]:
    """With times as values: each is written in one of the ways that ISO 8601 has."""
    return dict(json.loads(bank.http.get(path).raise_for_status().text, object_hook=_with_times))


def _with_times(found: dict[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(v) if name.endswith("_at") and v else v for name, v in found.items()}
