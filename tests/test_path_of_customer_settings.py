"""Standing orders and what the bank knows of a customer: changed once, as the customer saw and confirmed it."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from db.canonical import sha256_hex
from tests.payers import bank_sql
from tests.service import Service, answer, follow, open_review, service
from tests.test_path_of_a_conversation import Talker

SECRET = "Mond-2089-Kiesel"
AT_THE_BANK = ("bank.requests", "bank.request_log", "bank.staged_credentials", "bank.credentials", "bank.customers")
RENT = {
    "destination_account": "ACC002",
    "creditor_name": "Marcus Okafor",
    "amount": "120.00",
    "reference": "Rent",
    "every": "month",
    "first_on": "2030-01-31",
}


@pytest.fixture(scope="module")
def countersign(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(module_database_url, tmp_path_factory.mktemp("home"), COUNTERSIGN_FRAUD_MODEL="off") as served:
        yield served


def start(client: httpx.Client, workflow: str, body: dict[str, Any]) -> str:
    """Until its first question or its end."""
    said = client.post(f"/workflows/{workflow}/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    thread_id = str(said.raise_for_status().json()["thread_id"])
    follow(client, thread_id)
    return thread_id


def given(client: httpx.Client, thread_id: str, verdict: str, **more: Any) -> dict[str, Any]:
    """The review that was answered so, once the case rests again."""
    review = open_review(client, thread_id)
    answer(client, review, {"verdict": verdict, **more}).raise_for_status()
    follow(client, thread_id)
    return review


def outcome(client: httpx.Client, thread_id: str) -> Any:
    return client.get(f"/threads/{thread_id}").json()["outcome"]


def orders(served: Service, account: str) -> list[dict[str, Any]]:
    told = served.bank().get(f"/accounts/{account}/standing-orders").raise_for_status().json()
    return [dict(each) for each in told["standing_orders"]]


def test_standing_order_is_made_changed_and_cancelled_as_its_customer_saw_it(countersign: Service) -> None:
    payer = Talker(countersign)
    body = {"source_account": payer.account}

    made = start(payer.http, "standing_order", body | RENT)
    asked = given(payer.http, made, "confirm")
    changed = start(payer.http, "standing_order", body | {"do": "change", "number": 1, "amount": "130.00"})
    seen = given(payer.http, changed, "confirm")
    same = start(payer.http, "standing_order", body | {"do": "change", "number": 1, "amount": "130.00"})
    declined = start(payer.http, "standing_order", body | {"do": "cancel", "number": 1})
    given(payer.http, declined, "decline")
    (standing,) = orders(countersign, payer.account)
    cancelled = start(payer.http, "standing_order", body | {"do": "cancel", "number": 1})
    given(payer.http, cancelled, "confirm")

    assert (
        "pay 120.00 USD to ACC002 (Marcus Okafor), with the subject “Rent”, every month from 2030-01-31"
        in asked["question"]
    )
    assert seen["payload"]["old"]["amount_minor"] == 120_00 and seen["payload"]["amount_minor"] == 130_00
    assert (standing["amount"], standing["first_on"], standing["status"]) == ("130.00", "2030-01-31", "active")
    assert [each["status"] for each in orders(countersign, payer.account)] == ["cancelled"]
    ends = [outcome(payer.http, one) for one in (made, changed, same, declined, cancelled)]
    assert ends == ["done", "done", "unchanged", "declined", "done"]
    letter = payer.http.get(f"/threads/{changed}/letters").json()[0]
    assert "130.00 USD" in letter["body"] and "31 January 2030" in letter["body"].replace(
        "January 31, 2030", "31 January 2030"
    )
    posted = countersign.bank().get("/log").json()["requests"]
    keys = [each["idempotency_key"] for each in posted if "/standing-orders" in each["path"] and each["status"] == 201]
    assert [f"{one}:standing_order:1" in keys for one in (made, changed, same, declined, cancelled)] == [
        *(True, True, False, False, True)
    ]


def test_high_standing_order_is_released_by_two_people_who_saw_the_same(countersign: Service) -> None:
    payer, body = Talker(countersign), RENT | {"amount": "12000.00", "every": "once"}
    first, second = countersign.client("operator"), countersign.client("operator")

    case = start(payer.http, "standing_order", body | {"source_account": payer.account})
    confirmed = given(payer.http, case, "confirm")
    before = orders(countersign, payer.account)
    released = given(first, case, "release", note="known")
    again = [each for each in first.get("/reviews").json() if each["thread_id"] == case]
    also = given(second, case, "release", note="known")

    assert (before, again, outcome(payer.http, case)) == ([], [], "done")
    assert {each["payload_sha256"] for each in (confirmed, released, also)} == {sha256_hex(confirmed["payload"])}
    (standing,) = orders(countersign, payer.account)
    assert (standing["first_on"], standing["last_on"], standing["amount"]) == ("2030-01-31", "2030-01-31", "12000.00")


def test_nobody_orders_for_an_account_that_they_do_not_speak_for(countersign: Service) -> None:
    mine, other = Talker(countersign), Talker(countersign)

    case = start(mine.http, "standing_order", RENT | {"source_account": other.account})
    moved = start(mine.http, "customer_settings", {"customer_id": other.customer, "street": "1 Thief Street"})
    unknown = mine.http.post(
        "/workflows/standing_order/threads",
        json=RENT | {"source_account": "ACC999"},
        headers={"Idempotency-Key": uuid4().hex},
    )

    assert [outcome(mine.http, one) for one in (case, moved)] == ["refused", "refused"]
    assert orders(countersign, other.account) == [] and mine.http.get(f"/threads/{case}/letters").json() == []
    assert unknown.status_code == 422 and other.customer not in mine.http.get(f"/threads/{moved}/state").text.replace(
        f'"customer_id":"{other.customer}"', ""
    )


def test_what_changed_meanwhile_is_not_what_was_confirmed(countersign: Service) -> None:
    payer = Talker(countersign)
    given(payer.http, start(payer.http, "standing_order", RENT | {"source_account": payer.account}), "confirm")
    change = {"do": "change", "number": 1, "amount": "125.00", "source_account": payer.account}
    case = start(payer.http, "standing_order", change)
    quick = start(payer.http, "standing_order", change | {"amount": "121.00"})

    given(payer.http, quick, "confirm")
    given(payer.http, case, "confirm")

    assert (outcome(payer.http, quick), outcome(payer.http, case)) == ("done", "refused")
    assert [each["amount"] for each in orders(countersign, payer.account)] == ["121.00"]


def test_changed_contact_data_is_told_where_the_customer_was_reached_before(countersign: Service) -> None:
    payer = Talker(countersign)
    wanted = {"customer_id": payer.customer, "street": "5 River Street", "city": "Graz", "email": "new@example.org"}

    case = start(payer.http, "customer_settings", wanted)
    seen = given(payer.http, case, "confirm")

    assert seen["payload"]["old"] == {"street": "1 Elm Street", "city": "Salem", "email": "ada@example.com"}
    kept = countersign.bank().get(f"/customers/{payer.customer}/contact").json()
    assert (kept["street"], kept["city"], kept["postcode"], kept["email"], kept["version"]) == (
        *("5 River Street", "Graz", "97301", "new@example.org", 2),
    )
    letters = [each["body"] for each in payer.http.get(f"/threads/{case}/letters").json()]
    to = ("1 Elm Street", "ada@example.com", "5 River Street")
    assert [[place for place in to if place in body] for body in letters] == [[place] for place in to]
    assert all("your address" in body and "new@example.org" not in body for body in letters)


def test_secret_that_a_customer_types_is_at_the_bank_alone(countersign: Service) -> None:
    payer, other = Talker(countersign), Talker(countersign)
    case = start(payer.http, "customer_settings", {"customer_id": payer.customer, "change": "credential"})
    review = open_review(payer.http, case)
    form = f"/reviews/{review['review_id']}/credential"

    short = payer.http.post(form, json={"new_credential": "Kiesel"})
    others = other.http.post(form, json={"new_credential": SECRET})
    by_staff = countersign.client("operator").post(form, json={"new_credential": SECRET})
    staged = payer.http.post(form, json={"new_credential": SECRET}).raise_for_status().json()["staged_id"]
    given(payer.http, case, "confirm", staged_id=staged)
    again = start(payer.http, "customer_settings", {"customer_id": payer.customer, "change": "credential"})
    given(payer.http, again, "confirm", staged_id=staged)

    assert (short.status_code, others.status_code, by_staff.status_code) == (422, 404, 403)
    assert "Kiesel" not in short.text
    assert (outcome(payer.http, case), outcome(payer.http, again)) == ("done", "refused")
    check = f"/customers/{payer.customer}/credential-check"
    assert countersign.bank().post(check, json={"new_credential": SECRET}).json() == {"matches": True}
    assert found_in(countersign, SECRET) == [] and found_in(countersign, staged) != []
    told = [payer.http.get(f"/threads/{case}/{part}").text for part in ("state", "history", "events", "reviews")]
    assert SECRET not in json.dumps(told)
    letter = payer.http.get(f"/threads/{case}/letters").json()[0]["body"]
    assert "what you sign in with" in letter


def found_in(served: Service, text: str) -> list[str]:
    """Our tables, the bank's that could have it, and logs."""
    found = [log.name for log in served.home.rglob("*.log") if text in log.read_text(errors="replace")]
    tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'bank')"
    with psycopg.connect(served.database_url) as ours, bank_sql(served) as banks:
        for conn, schema in ((ours, "public."), (banks, "bank.")):
            names = [row[0] for row in ours.execute(tables).fetchall() if row[0].startswith(schema)]
            names = [name for name in names if schema == "public." or name in AT_THE_BANK]
            for name in names:
                sql = f"SELECT 1 FROM {name} t WHERE position(%s IN t::text) > 0 LIMIT 1".encode()
                found += [name] if conn.execute(sql, (text,)).fetchone() else []
    return found
