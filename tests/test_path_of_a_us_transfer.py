"""A transfer to a US account at another bank: by routing number and account number, in dollars, exactly as released."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from api.commands.reconcile import Wanted, run_reconciliation
from api.settings import Settings
from tests.payers import bank_sql, new_payer
from tests.service import Service, answer, open_review, told_service
from tests.test_path_of_a_transfer import (
    RELEASE,
    asked,
    available_minor,
    codes,
    effects,
    ended,
    letters,
    thread_of,
)

ROUTING, LAKESIDE, REJECTING = "123456780", "0012345678", "990011"
UNCONFIRMED = {"creditor_routing_number": "012345672", "creditor_account_number": "44410200"}


@pytest.fixture(scope="module")
def countersign(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A bank that settles fast and tells us so; rules alone judge fraud, whatever the hour."""
    environment = {
        "COUNTERSIGN_FRAUD_MODEL": "off",
        "COUNTERSIGN_RETURN_WINDOW_S": "1.2",
        "COUNTERSIGN_SANDBOX_SETTLEMENT_S": "0.3",
    }
    with told_service(module_database_url, tmp_path_factory.mktemp("home"), **environment) as served:
        yield served


@pytest.fixture(scope="module")
def agent(countersign: Service) -> httpx.Client:
    return countersign.client("agent")


@pytest.fixture(scope="module")
def bank(countersign: Service) -> httpx.Client:
    return countersign.bank()


def wanted(source_account: str, **changes: Any) -> dict[str, Any]:
    """Below every threshold, to a payee whose bank confirms the name."""
    us_account = {"creditor_routing_number": ROUTING, "creditor_account_number": LAKESIDE}
    named = {"creditor_name": "Lakeside Property Management LLC", "amount": "80.00", "reference": "rent"}
    return {"agent_name": "risk-agent", "source_account": source_account} | us_account | named | changes


def waiting(countersign: Service, agent: httpx.Client, **changes: Any) -> tuple[str, dict[str, Any]]:
    """The thread of a transfer that is to be released by an operator, and its review."""
    told = asked(agent, wanted(new_payer(countersign), **{"amount": "3000.00"} | changes))
    assert told["status"] == "waiting_for_review", told
    thread_id = thread_of(agent, told)
    return thread_id, open_review(countersign.client("operator"), thread_id)


def test_us_account_is_paid_through_clearing_and_the_receipt_names_both_numbers(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer = new_payer(countersign)

    told = asked(agent, wanted(payer, creditor_routing_number="1234-5678-0"))

    assert told["status"] == "submitted"
    thread_id = thread_of(agent, told)
    assert ended(agent, thread_id)["outcome"] == "settled"
    made = bank.get(f"/transfers/{told['transfer_id']}").json()
    assert (made["creditor_routing_number"], made["creditor_account_number"]) == (ROUTING, LAKESIDE)
    assert (made["creditor_iban"], made["destination_account"]) == (None, "EXT101")
    assert "0012345678, ABA 123456780" in letters(agent, thread_id)["transfer_receipt"]
    assert effects(countersign, thread_id) == [("hold", "done"), ("hold_capture", "done")]
    assert available_minor(bank, payer) == 50_000_00 - 80_00
    task = agent.get(f"/agent/tasks/{told['task_id']}").json()["payload"]
    assert (task["creditor_routing_number"], task["creditor_account_number"]) == (ROUTING, LAKESIDE)


def test_review_shows_exactly_the_account_that_is_paid_and_its_hash_covers_it(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    thread_id, review = waiting(countersign, agent)
    _, other = waiting(countersign, agent, creditor_account_number="5678", creditor_name="Lakeside Property Management")

    answer(countersign.client("operator"), review, RELEASE)

    assert review["payload"]["payee_routing_number"] == ROUTING
    assert review["payload"]["payee_account"] == LAKESIDE
    assert other["payload_sha256"] != review["payload_sha256"]
    assert ended(agent, thread_id)["outcome"] == "settled"
    (made,) = agent.get(f"/threads/{thread_id}/state").json()["values"]["capture"]["transfer_id"].split()
    assert bank.get(f"/transfers/{made}").json()["creditor_account_number"] == LAKESIDE


@pytest.mark.parametrize(
    "change", ["creditor_routing_number = '012345672'", "creditor_account_number = '5678'", "creditor_iban = 'x'"]
)
def test_us_account_never_changes_after_intake(countersign: Service, agent: httpx.Client, change: str) -> None:
    thread_id, _ = waiting(countersign, agent)

    with psycopg.connect(countersign.database_url) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(f"UPDATE transfers SET {change} WHERE thread_id = %s", (thread_id,))


def test_rejected_us_transfer_gives_the_money_back(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer = new_payer(countersign)

    told = asked(agent, wanted(payer, creditor_account_number=REJECTING, creditor_name="Prairie Machine Works Inc."))

    thread_id = thread_of(agent, told)
    assert ended(agent, thread_id)["outcome"] == "rejected"
    assert available_minor(bank, payer) == 50_000_00
    assert "AC04" in letters(agent, thread_id)["transfer_return"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"creditor_name": "Somebody Else"}, "refused", "payee_name_mismatch"),
        ({"creditor_name": "Tariel Gochaevich VORNADZE"} | UNCONFIRMED, "refused", "not_carried_out"),
        ({"amount": "60000.00"}, "refused", "insufficient_funds"),
    ],
)
def test_us_transfer_passes_the_same_checks(
    countersign: Service, agent: httpx.Client, changes: dict[str, Any], status: str, code: str
) -> None:
    told = asked(agent, wanted(new_payer(countersign), **changes))

    assert (told["status"], code in codes(told)) == (status, True), told
    assert effects(countersign, thread_of(agent, told)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "260.00"}, "new_payee"),
        ({"creditor_name": "Harbor Dental"} | UNCONFIRMED, "payee_unconfirmed"),
    ],
)
def test_doubtful_us_transfer_waits_for_a_person(
    countersign: Service, agent: httpx.Client, changes: dict[str, Any], code: str
) -> None:
    _, review = waiting(countersign, agent, **{"amount": "80.00"} | changes)

    assert code in [reason["code"] for reason in review["facts"]["reasons"]]


def test_payee_that_was_saved_by_routing_number_is_no_new_one(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer = new_payer(countersign)
    customer = bank.get(f"/accounts/{payer}").json()["customer_id"]
    kept = {"routing_number": ROUTING, "account_number": LAKESIDE, "name": "Lakeside Property Management LLC"}
    # With the customer's own key: what is asked for with ours is compared with our effects.
    key = bank.post("/api-keys", json={"name": f"of {customer}", "scopes": ["read", "transfer"]}).json()["key"]
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"payee-{payer}"}
    saved = bank.post(f"/customers/{customer}/payees", json=kept, headers=headers)
    with bank_sql(countersign) as conn:
        conn.execute(
            "UPDATE payees SET created_at = now() - interval '30 days' WHERE payee_id = %s", (saved.json()["payee_id"],)
        )

    told = asked(agent, wanted(payer, amount="260.00", creditor_name=None))

    assert saved.json()["confirmation"] == "match"
    assert told["status"] == "submitted", told


def test_books_agree_on_us_transfers_and_the_order_has_no_sepa_form(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer = new_payer(countersign)
    told = asked(agent, wanted(payer))
    ended(agent, thread_of(agent, told))

    refused = bank.get(f"/transfers/{told['transfer_id']}/pain.001")
    statement = bank.get(f"/accounts/{payer}/statement", params={"format": "camt.053"})

    assert run_reconciliation(Settings(DATABASE_URL=countersign.database_url), Wanted(Settings().tenant, None, 0, 60))
    assert (refused.status_code, refused.json()["code"]) == (409, "no_iban")
    assert "<Id>0012345678</Id>" in statement.text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"creditor_routing_number": "123456789"}, "creditor_routing_number"),
        ({"creditor_routing_number": "12345678"}, "creditor_routing_number"),
        ({"creditor_routing_number": "991234560"}, "creditor_routing_number"),
        ({"creditor_account_number": "12-34"}, "creditor_account_number"),
        ({"creditor_account_number": "1" * 18}, "creditor_account_number"),
        ({"creditor_account_number": None}, "creditor_account_number"),
        ({"creditor_routing_number": None}, "creditor_account_number"),
        ({"creditor_iban": "GB29NWBK60161331926819"}, "creditor_iban"),
        ({"destination_account": "ACC002"}, "creditor_iban"),
        ({"creditor_bic": "DEUTDEFF"}, "creditor_bic"),
        ({"currency": "EUR"}, "currency"),
    ],
)
def test_us_account_that_makes_no_sense_is_refused_by_its_field(
    agent: httpx.Client, changes: dict[str, Any], field: str
) -> None:
    told = agent.post("/agent/transfers", json=wanted("ACC001") | changes)

    assert told.status_code == 422, told.text
    assert field in [error["field"] for error in told.json()["errors"]]
