"""A transfer from request to receipt, over HTTP, through every way it can end."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.payers import bank_sql, book, new_payer
from tests.service import SIGNING_KEY, Service, answer, follow, open_review, told_service

TUTORIAL: dict[str, Any] = {
    "agent_name": "risk-agent",
    "source_account": "ACC001",
    "destination_account": "ACC002",
    "amount": 125.50,
}
RELEASE = {"verdict": "release", "note": "called the customer back"}
REFUSE = {"verdict": "refuse", "note": "the customer did not order it"}


@pytest.fixture(scope="module")
def countersign(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A bank that settles fast and tells us so, and a janitor that looks often. The learned fraud scorer minds large
    transfers at night, so what waits for whom would depend on the hour: rules alone decide."""
    environment = {
        "COUNTERSIGN_FRAUD_MODEL": "off",
        "COUNTERSIGN_RETURN_WINDOW_S": "1.2",
        "COUNTERSIGN_SANDBOX_SETTLEMENT_S": "0.3",
        "COUNTERSIGN_STALLED_AFTER_S": "6",
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
    """An everyday transfer that nothing speaks against."""
    everyday = {"destination_account": "ACC002", "creditor_name": "Marcus Okafor", "amount": "80.00"}
    return {"agent_name": "risk-agent", "source_account": source_account} | everyday | changes


def made_from(countersign: Service, changes: dict[str, Any]) -> dict[str, Any]:
    """Of a payer with some of these, the rest being the transfer's."""
    of_payer = {
        name: changes[name] for name in changes.keys() & {"balance", "years", "kyc_status", "full_name", "born"}
    }
    payer = new_payer(countersign, **of_payer)
    return wanted(payer, **{name: value for name, value in changes.items() if name not in of_payer})


def asked(agent: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    """The task's answer, flat."""
    told = agent.post("/agent/transfers", json=body)
    assert told.status_code == 200, told.text
    return {"task_id": told.json()["task_id"], **told.json()["result"]}


def thread_of(agent: httpx.Client, told: dict[str, Any]) -> str:
    return str(agent.get(f"/agent/tasks/{told['task_id']}").json()["payload"]["thread_id"])


def ended(agent: httpx.Client, thread_id: str) -> dict[str, Any]:
    """The thread once its case is over: bank and clock bring it there."""
    deadline = time.monotonic() + 40
    while True:
        follow(agent, thread_id)
        thread: dict[str, Any] = agent.get(f"/threads/{thread_id}").json()
        if thread["outcome"] is not None:
            return thread
        assert thread["status"] != "error", agent.get(f"/threads/{thread_id}/runs").text
        assert time.monotonic() < deadline, agent.get(f"/threads/{thread_id}/state").text
        time.sleep(0.05)


def available_minor(bank: httpx.Client, account_id: str) -> int:
    return int(bank.get(f"/accounts/{account_id}/balance").json()["available_minor"])


def letters(agent: httpx.Client, thread_id: str) -> dict[str, str]:
    found = agent.get(f"/threads/{thread_id}/letters").json()
    return {letter["kind"]: " ".join(letter["body"].split()) for letter in found}


def effects(served: Service, thread_id: str) -> list[tuple[str, str]]:
    found = served.client("auditor").get(f"/threads/{thread_id}/effects").json()
    return [(effect["kind"], effect["status"]) for effect in found]


def codes(told: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in told["reasons"]]


def decision(agent: httpx.Client, thread_id: str) -> dict[str, Any]:
    return dict(agent.get(f"/threads/{thread_id}/state").json()["values"]["decision"])


def waiting(countersign: Service, agent: httpx.Client, **changes: Any) -> tuple[str, str, dict[str, Any]]:
    """A transfer above the review threshold that waits: its payer, thread and review."""
    payer = new_payer(countersign)
    told = asked(agent, wanted(payer, **{"amount": "3000.00", "reference": "deposit for the flat"} | changes))
    assert told["status"] == "waiting_for_review", told
    thread_id = thread_of(agent, told)
    return payer, thread_id, open_review(countersign.client("operator"), thread_id)


def test_tutorials_transfer_goes_straight_through(agent: httpx.Client, bank: httpx.Client) -> None:
    before = bank.get("/accounts/ACC002/balance").json()["booked_minor"]

    told = agent.post("/agent/transfers", json=TUTORIAL)

    assert told.status_code == 200, told.text
    assert told.json()["result"] == {"transfer_id": told.json()["result"]["transfer_id"], "status": "submitted"}
    made = bank.get(f"/transfers/{told.json()['result']['transfer_id']}").json()
    assert (made["status"], made["amount"]) == ("settled", "125.50")
    assert bank.get("/accounts/ACC002/balance").json()["booked_minor"] == before + 12_550
    task = agent.get(f"/agent/tasks/{told.json()['task_id']}").json()
    assert task.keys() == {"task_id", "agent_name", "status", "payload"}
    assert ended(agent, task["payload"]["thread_id"])["outcome"] == "settled"
    assert "125.50 USD" in letters(agent, task["payload"]["thread_id"])["transfer_receipt"]


def test_tutorials_transfer_goes_straight_through_again(agent: httpx.Client) -> None:
    assert [asked(agent, TUTORIAL)["status"] for _ in range(2)] == ["submitted", "submitted"]


def test_transfer_started_by_its_typed_route_ends_with_a_receipt(countersign: Service) -> None:
    client = countersign.client("client")
    ordered = {"source_account": new_payer(countersign), "creditor_iban": "DE32 5009 9900 0004 7112 74"}
    ordered |= {"creditor_name": "Marcus Okafor", "amount": "80.00", "channel": "mobile", "device": "d-1"}

    started = client.post("/workflows/transfer/threads", json=ordered, headers={"Idempotency-Key": uuid4().hex})

    thread_id = started.json()["thread_id"]
    assert ended(client, thread_id)["outcome"] == "settled"
    assert "DE32500999000004711274" in letters(client, thread_id)["transfer_receipt"]
    tasks = client.get(f"/threads/{thread_id}/tasks").json()
    assert [task["status"] for task in tasks] == ["done"] * len(tasks)


def test_large_transfer_is_held_and_waits_until_an_operator_releases_exactly_it(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer, thread_id, review = waiting(countersign, agent)
    held = available_minor(bank, payer)

    released = answer(countersign.client("operator"), review, RELEASE)

    assert held == 50_000_00 - 3_000_00
    assert review["payload"] == {
        "source_account": payer,
        "payee_name": "Marcus Okafor",
        "payee_account": "ACC002",
        "amount_minor": 300_000,
        "amount": "3,000.00 USD",
        "currency": "USD",
        "reference": "deposit for the flat",
    }
    assert [reason["code"] for reason in review["facts"]["reasons"]] == ["over_review_threshold", "new_payee"]
    assert released.status_code == 202
    assert ended(agent, thread_id)["outcome"] == "settled"
    assert effects(countersign, thread_id) == [("hold", "done"), ("hold_capture", "done")]
    assert bank.get(f"/accounts/{payer}/balance").json()["booked_minor"] == 50_000_00 - 3_000_00


def test_transfer_that_an_operator_refuses_gives_the_money_back_and_says_so(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer, thread_id, review = waiting(countersign, agent)

    answer(countersign.client("operator"), review, REFUSE)

    assert ended(agent, thread_id)["outcome"] == "refused"
    assert effects(countersign, thread_id) == [("hold", "done"), ("hold_void", "done")]
    assert available_minor(bank, payer) == 50_000_00
    letter = letters(agent, thread_id)["transfer_refusal"]
    assert "available to you again" in letter
    assert REFUSE["note"] not in letter


def test_review_that_nobody_answers_refuses_the_transfer(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer, thread_id, review = waiting(countersign, agent)

    with psycopg.connect(countersign.database_url) as conn:
        conn.execute("UPDATE reviews SET due_at = now() WHERE review_id = %s", (review["review_id"],))

    assert ended(agent, thread_id)["outcome"] == "refused"
    assert available_minor(bank, payer) == 50_000_00
    task = agent.get(f"/agent/tasks/{thread_id}").json()
    assert (task["status"], codes(task["payload"])) == ("refused", ["review_expired"])


def test_very_large_transfer_takes_two_people_and_not_the_same_twice(countersign: Service, agent: httpx.Client) -> None:
    first, second = countersign.client("operator"), countersign.client("operator")
    _, thread_id, review = waiting(countersign, agent, amount="10500.00")

    assert answer(first, review, RELEASE).status_code == 202
    follow(agent, thread_id)
    again = open_review(second, thread_id)
    refused = answer(first, again, RELEASE)

    assert again["kind"] == "second_release"
    assert again["payload_sha256"] == review["payload_sha256"]
    assert again["facts"]["first_release"]["note"] == RELEASE["note"]
    assert (refused.status_code, refused.json()["detail"]) == (403, "another person must answer this one")
    assert [one for one in first.get("/reviews").json() if one["thread_id"] == thread_id] == []
    assert answer(second, again, RELEASE).status_code == 202
    assert ended(agent, thread_id)["outcome"] == "settled"


def test_second_person_may_still_refuse(countersign: Service, agent: httpx.Client, bank: httpx.Client) -> None:
    payer, thread_id, review = waiting(countersign, agent, amount="10500.00")
    answer(countersign.client("operator"), review, RELEASE)
    follow(agent, thread_id)

    second = countersign.client("operator")
    answer(second, open_review(second, thread_id), REFUSE)

    assert ended(agent, thread_id)["outcome"] == "refused"
    assert available_minor(bank, payer) == 50_000_00


def test_whoever_asked_for_a_transfer_cannot_release_it(countersign: Service) -> None:
    maker = countersign.client("operator", "mia")
    payer = new_payer(countersign)
    told = asked(maker, wanted(payer, amount="3000.00"))

    review = open_review(countersign.client("operator"), thread_of(maker, told))

    assert answer(maker, review, RELEASE).status_code == 403


def test_transfer_cannot_be_changed_while_it_waits(countersign: Service, agent: httpx.Client) -> None:
    _, thread_id, review = waiting(countersign, agent)
    operator = countersign.client("operator")
    state = operator.get(f"/threads/{thread_id}/state").json()["values"]

    edited = operator.post(
        f"/threads/{thread_id}/state", json={"values": {"transfer": state["transfer"] | {"amount_minor": 1}}}
    )
    other_hash = operator.post(
        f"/reviews/{review['review_id']}/answer",
        json={"payload_sha256": "0" * 64, "answer": RELEASE},
        headers={"Idempotency-Key": uuid4().hex},
    )
    with psycopg.connect(countersign.database_url) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("UPDATE transfers SET amount_minor = 1 WHERE thread_id = %s", (thread_id,))

    assert (edited.status_code, other_hash.status_code) == (409, 409)


def test_hold_that_is_over_when_it_is_released_pays_nothing(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer, thread_id, review = waiting(countersign, agent)
    with bank_sql(countersign) as conn:
        conn.execute("UPDATE holds SET expires_at = now() WHERE account_id = %s", (payer,))

    answer(countersign.client("operator"), review, RELEASE)

    assert ended(agent, thread_id)["outcome"] == "refused"
    task = agent.get(f"/agent/tasks/{thread_id}").json()
    assert codes(task["payload"]) == ["hold_expired"]
    assert effects(countersign, thread_id) == [("hold", "done"), ("hold_capture", "failed"), ("hold_void", "failed")]
    assert available_minor(bank, payer) == 50_000_00


def test_bank_that_refuses_the_hold_ends_the_case_with_its_reason(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    bank.put("/misbehaviour", json={"route": "POST /holds", "mode": "refuse", "times": 1}).raise_for_status()

    told = asked(agent, wanted(new_payer(countersign)))

    assert (told["status"], codes(told)) == ("refused", ["refused_by_switch"])
    assert told["transfer_id"] is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "60.00", "balance": 50}, "insufficient_funds"),
        ({"amount": "1200.00", "years": 0}, "over_transfer_limit"),
        ({"creditor_name": "Somebody Else"}, "payee_name_mismatch"),
        ({"destination_account": "ACC011", "creditor_name": "Henry Osei"}, "payee_account_closed"),
        ({"destination_account": "EUR001", "creditor_name": "Robert Feldman"}, "payee_currency_mismatch"),
        ({"kyc_status": "blocked"}, "not_carried_out"),
        ({"full_name": "Tariel Gochaevich Vornadze", "born": "1961-02-14"}, "not_carried_out"),
    ],
)
def test_transfer_that_must_not_be_is_refused_before_anything_is_held(
    countersign: Service, agent: httpx.Client, changes: dict[str, Any], code: str
) -> None:
    told = asked(agent, made_from(countersign, changes))

    assert (told["status"], codes(told)) == ("refused", [code])
    thread_id = thread_of(agent, told)
    assert effects(countersign, thread_id) == []
    assert "No money has left your account." in letters(agent, thread_id)["transfer_refusal"]


def test_sanctioned_payee_is_refused_and_nobody_is_warned(countersign: Service, agent: httpx.Client) -> None:
    to_iban = {"destination_account": None, "creditor_iban": "GB33BUKB20201555555555"}

    told = asked(agent, wanted(new_payer(countersign), **to_iban, creditor_name="Tariel Gochaevich VORNADZE"))

    thread_id = thread_of(agent, told)
    assert codes(told) == ["not_carried_out"]
    assert "sanctions" not in letters(agent, thread_id)["transfer_refusal"].casefold()
    auditor = countersign.client("auditor").get(f"/threads/{thread_id}/audit").json()
    (decided,) = (row["record"]["decision"] for row in auditor if row["action"] == "transfer.decided")
    assert [reason["code"] for reason in decided["reasons"]] == ["sanctions_match"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"creditor_name": "M. Okafor"}, "payee_close_match"),
        ({"creditor_name": None}, "payee_unnamed"),
        ({"amount": "260.00"}, "new_payee"),
        ({"destination_account": "EXT006", "creditor_name": "Talleres Ibarra"}, "payee_unconfirmed"),
        ({"full_name": "Oleg Krushenkovic", "born": "1987-11-03"}, "sanctions_possible_match"),
        ({"kyc_status": "pending"}, "customer_not_verified"),
    ],
)
def test_doubtful_transfer_waits_for_a_person_who_sees_why(
    countersign: Service, agent: httpx.Client, changes: dict[str, Any], code: str
) -> None:
    told = asked(agent, made_from(countersign, changes))

    assert told["status"] == "waiting_for_review"
    review = open_review(countersign.client("operator"), thread_of(agent, told))
    assert [reason["code"] for reason in review["facts"]["reasons"]] == [code]
    if code == "payee_close_match":
        assert review["facts"]["payee"]["right_name"] == "Marcus Okafor"
    if code == "sanctions_possible_match":
        (hit,) = review["facts"]["sanctions"]["screened"][0]["hits"]
        assert hit["listed_name"] == "KRUSHENKOVITCH, Oleg Ruslanovich"


def test_transfers_at_once_cannot_both_take_what_is_left_of_a_daily_limit(
    countersign: Service, agent: httpx.Client
) -> None:
    payer = new_payer(countersign, years=0)

    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda _: asked(agent, wanted(payer, amount="900.00")), range(3)))

    assert sorted(one["status"] for one in told) == ["refused", "waiting_for_review", "waiting_for_review"]
    (refused,) = (one for one in told if one["status"] == "refused")
    assert codes(refused) == ["over_daily_limit"]


def test_refused_transfer_does_not_count_against_the_limits(countersign: Service, agent: httpx.Client) -> None:
    payer = new_payer(countersign, years=0, balance=5_000)
    first = asked(agent, wanted(payer, amount="900.00", creditor_name="Somebody Else"))

    told = [asked(agent, wanted(payer, amount="900.00")) for _ in range(2)]

    assert codes(first) == ["payee_name_mismatch"]
    assert [one["status"] for one in told] == ["waiting_for_review"] * 2


def test_suspicious_transfer_waits_for_its_fraud_case_and_goes_on_when_that_is_released(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    _, thread_id, review = suspected(countersign, agent)

    answer(countersign.client("analyst"), review, {"action": "release", "note": "pays out wages each month"})

    assert review["kind"].startswith("fraud_analysis")
    assert ended(agent, thread_id)["outcome"] == "settled"
    assert effects(countersign, thread_id) == [("hold", "done"), ("hold_capture", "done")]


def test_transfer_that_its_fraud_case_blocks_gives_the_money_back_and_warns_nobody(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer, thread_id, review = suspected(countersign, agent)
    held = available_minor(bank, payer)

    answer(countersign.client("analyst"), review, {"action": "mark_fraud", "note": "the phone was stolen"})

    assert ended(agent, thread_id)["outcome"] == "refused"
    assert effects(countersign, thread_id) == [("hold", "done"), ("hold_void", "done")]
    assert available_minor(bank, payer) == held + 80_00
    assert "fraud" not in letters(agent, thread_id)["transfer_refusal"].casefold()


def suspected(countersign: Service, agent: httpx.Client) -> tuple[str, str, dict[str, Any]]:
    """A transfer after six others within the hour: its payer and thread, and the analyst's review of it. Its payee is
    nobody else's in these tests: a fraud that is found speaks against all payments to the same."""
    payer = new_payer(countersign)
    with bank_sql(countersign) as conn:
        for _ in range(6):
            book(conn, payer, "BANK-CASH-USD", 10_00, "10 minutes")
    told = asked(agent, wanted(payer, destination_account="ACC009", creditor_name="Łukasz Nowak"))
    thread_id = thread_of(agent, told)
    staffs = countersign.client("auditor").get(f"/agent/tasks/{told['task_id']}").json()["status"]
    assert (told["status"], staffs) == ("waiting_for_review", "waiting_for_fraud_review")
    analyst, deadline = countersign.client("analyst"), time.monotonic() + 20
    while True:
        for review in analyst.get("/reviews").json():
            if review["facts"].get("opened_by_thread") == thread_id or thread_id in json.dumps(review):
                return payer, thread_id, review
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("payee", "name", "outcome", "letter"),
    [
        ("EXT001", "Northwind Utilities", "settled", "transfer_receipt"),
        ("EXT002", "Rhenus Freight", "rejected", "transfer_return"),
        ("EXT003", "Meridian Furniture", "returned", "transfer_return"),
    ],
)
def test_transfer_to_another_bank_ends_as_that_bank_says(
    countersign: Service, agent: httpx.Client, bank: httpx.Client, payee: str, name: str, outcome: str, letter: str
) -> None:
    payer = new_payer(countersign)

    told = asked(agent, wanted(payer, destination_account=payee, creditor_name=name))

    assert told["status"] == "submitted"
    thread_id = thread_of(agent, told)
    assert ended(agent, thread_id)["outcome"] == outcome
    # What came back before anybody looked was never seen settled, and has no receipt.
    receipt = {"transfer_receipt"} if outcome == "returned" else set()
    assert {letter} <= set(letters(agent, thread_id)) <= {letter} | receipt
    assert available_minor(bank, payer) == 50_000_00 - (80_00 if outcome == "settled" else 0)
    task = agent.get(f"/agent/tasks/{told['task_id']}").json()
    assert (task["status"], task["payload"]["outcome"]) == (outcome, outcome)
    if outcome == "rejected":
        assert "the account is closed" in letters(agent, thread_id)["transfer_return"]


@pytest.mark.parametrize("mode", ["webhook_duplicate", "webhook_never", "webhook_late"])
def test_bank_that_tells_twice_late_or_never_settles_a_transfer_once(
    countersign: Service, agent: httpx.Client, bank: httpx.Client, mode: str
) -> None:
    bank.put("/misbehaviour", json={"route": "webhooks", "mode": mode, "delay_s": 1}).raise_for_status()
    try:
        told = asked(
            agent, wanted(new_payer(countersign), destination_account="EXT002", creditor_name="Rhenus Freight")
        )
        thread_id = thread_of(agent, told)
        outcome = ended(agent, thread_id)["outcome"]
    finally:
        bank.put("/misbehaviour", json={"route": "webhooks", "mode": "none"}).raise_for_status()

    assert outcome == "rejected"
    reviews = countersign.client("auditor").get(f"/threads/{thread_id}/reviews").json()
    assert [(one["kind"], one["status"], one["answered_by"]) for one in reviews] == [("settlement", "answered", "bank")]


def test_transfer_that_took_longer_to_settle_than_to_be_returned_may_still_be_returned(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    """The bank is first asked when the return window, counted from the start, would be over."""
    bank.put("/misbehaviour", json={"route": "webhooks", "mode": "webhook_never"}).raise_for_status()
    try:
        told = asked(
            agent, wanted(new_payer(countersign), destination_account="EXT001", creditor_name="Northwind Utilities")
        )
        thread_id = thread_of(agent, told)
        outcome = ended(agent, thread_id)["outcome"]
    finally:
        bank.put("/misbehaviour", json={"route": "webhooks", "mode": "none"}).raise_for_status()

    assert outcome == "settled"
    reviews = countersign.client("auditor").get(f"/threads/{thread_id}/reviews").json()
    assert [one["kind"] for one in reviews] == ["settlement", "return_window"]


def test_each_event_of_the_bank_is_stored_once(countersign: Service) -> None:
    event = {"type": "hold.expired", "timestamp": "2026-05-04T09:00:00Z", "data": {"hold_id": "hld_1"}}
    event_id = f"evt_{uuid4().hex}"

    told = [tell(countersign, event, event_id) for _ in range(2)]

    assert [(one.status_code, one.json()["status"]) for one in told] == [(200, "stored"), (200, "known")]
    with psycopg.connect(countersign.database_url) as conn:
        assert conn.execute("SELECT count(*) FROM bank_events WHERE event_id = %s", (event_id,)).fetchone() == (1,)


def test_event_about_a_transfer_that_is_not_ours_changes_nothing(countersign: Service) -> None:
    event = {"type": "transfer.settled", "timestamp": "2026-05-04T09:00:00Z", "data": {"transfer_id": "trf_unknown"}}

    assert tell(countersign, event, f"evt_{uuid4().hex}").json()["status"] == "stored"


def test_event_that_lies_is_not_believed(countersign: Service, agent: httpx.Client, bank: httpx.Client) -> None:
    """Signed by the bank's key or not, the bank is asked what became of the transfer."""
    told = asked(agent, wanted(new_payer(countersign), destination_account="EXT002", creditor_name="Rhenus Freight"))
    lie = {"transfer_id": told["transfer_id"], "status": "settled", "amount": "1000000.00"}

    tell(countersign, {"type": "transfer.settled", "timestamp": "2026-05-04T09:00:00Z", "data": lie}, uuid4().hex)

    assert ended(agent, thread_of(agent, told))["outcome"] == "rejected"


@pytest.mark.parametrize("forged", ["signature", "body", "timestamp", "version"])
def test_forged_event_is_refused_and_not_stored(countersign: Service, forged: str) -> None:
    event = {"type": "hold.expired", "timestamp": "2026-05-04T09:00:00Z", "data": {}}
    event_id = f"evt_{uuid4().hex}"

    told = tell(countersign, event, event_id, forged)

    assert told.status_code == 403
    with psycopg.connect(countersign.database_url) as conn:
        assert conn.execute("SELECT count(*) FROM bank_events WHERE event_id = %s", (event_id,)).fetchone() == (0,)


def tell(served: Service, event: dict[str, Any], event_id: str, forged: str = "nothing") -> httpx.Response:
    """As the bank tells, with its key."""
    at = str(int(time.time()) - (3600 if forged == "timestamp" else 0))
    body = json.dumps(event).encode()
    key = b"another" if forged == "signature" else SIGNING_KEY
    signature = base64.b64encode(hmac.digest(key, f"{event_id}.{at}.".encode() + body, hashlib.sha256)).decode()
    return httpx.post(
        f"{served.url}/bank/events",
        content=body.replace(b"hold.expired", b"hold.voided") if forged == "body" else body,
        headers={
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": at,
            "webhook-signature": f"{'v2' if forged == 'version' else 'v1'},{signature}",
        },
    )


def test_repeated_task_id_never_pays_again(countersign: Service, agent: httpx.Client, bank: httpx.Client) -> None:
    payer = new_payer(countersign)
    body = wanted(payer, task_id=f"task-{uuid4().hex}")

    first, again = asked(agent, body), asked(agent, body)
    other = agent.post("/agent/transfers", json=body | {"amount": "81.00"})
    elsewhere = countersign.client("agent").post("/agent/transfers", json=body)

    assert first == again
    assert (other.status_code, elsewhere.status_code) == (409, 409)
    assert bank.get(f"/accounts/{payer}/balance").json()["booked_minor"] == 50_000_00 - 80_00


def test_same_idempotency_key_is_the_same_task(agent: httpx.Client, countersign: Service) -> None:
    body, headers = wanted(new_payer(countersign)), {"Idempotency-Key": uuid4().hex}

    first, again = (agent.post("/agent/transfers", json=body, headers=headers) for _ in range(2))
    other = agent.post("/agent/transfers", json=body | {"amount": "81.00"}, headers=headers)

    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert other.status_code == 409


def test_repeated_task_id_is_answered_as_the_task_stands_now(countersign: Service, agent: httpx.Client) -> None:
    body = wanted(new_payer(countersign), amount="3000.00", task_id=f"task-{uuid4().hex}")
    first = asked(agent, body)
    thread_id = thread_of(agent, first)
    operator = countersign.client("operator")

    answer(operator, open_review(operator, thread_id), RELEASE)
    follow(agent, thread_id)
    again = asked(agent, body)

    assert (first["status"], again["status"]) == ("waiting_for_review", "submitted")
    assert first["task_id"] == again["task_id"]


def test_task_id_sent_many_times_at_once_pays_once(
    countersign: Service, agent: httpx.Client, bank: httpx.Client
) -> None:
    payer = new_payer(countersign)
    body = wanted(payer, task_id=f"task-{uuid4().hex}")

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: asked(agent, body), range(8)))

    assert len({one["transfer_id"] for one in told}) == 1
    assert bank.get(f"/accounts/{payer}/balance").json()["booked_minor"] == 50_000_00 - 80_00


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": -1}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": 1e300}, "amount"),
        ({"amount": "10000000.01"}, "amount"),
        ({"amount": 0.001}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"destination_account": "ACC001"}, "destination_account"),
        ({"destination_account": None}, "creditor_iban"),
        ({"creditor_iban": "GB29NWBK60161331926819"}, "creditor_iban"),
        ({"destination_account": None, "creditor_iban": "GB28NWBK60161331926819"}, "creditor_iban"),
        ({"creditor_name": "Marcus\u202eOkafor"}, "creditor_name"),
        ({"creditor_name": "Marcus\u3164Okafor"}, "creditor_name"),
        ({"reference": "x" * 141}, "reference"),
        ({"source_account": "ACC404"}, "source_account"),
        ({"customer_id": "cust_2002"}, "customer_id"),
        ({"currency": "GBP"}, "currency"),
        ({"agent_name": ""}, "agent_name"),
        ({"task_id": "../x"}, "task_id"),
        ({"to": "ACC002"}, "to"),
    ],
)
def test_transfer_that_makes_no_sense_is_refused_by_its_field(
    agent: httpx.Client, changes: dict[str, Any], field: str
) -> None:
    told = agent.post("/agent/transfers", json=TUTORIAL | changes)

    assert told.status_code == 422, told.text
    assert [error["field"] for error in told.json()["errors"]] == [field]


def test_amount_that_is_no_number_is_refused(agent: httpx.Client) -> None:
    body = json.dumps(TUTORIAL | {"amount": float("nan")})

    told = agent.post("/agent/transfers", content=body, headers={"Content-Type": "application/json"})

    assert told.status_code in (400, 422)


def test_task_of_somebody_else_is_not_there(countersign: Service, agent: httpx.Client) -> None:
    told = asked(agent, wanted(new_payer(countersign)))

    assert countersign.client("agent").get(f"/agent/tasks/{told['task_id']}").status_code == 404
    assert countersign.client("auditor").get(f"/agent/tasks/{told['task_id']}").status_code == 200
    assert agent.get("/agent/tasks/none").status_code == 404


def test_bank_sums_to_zero_after_all_that(bank: httpx.Client) -> None:
    check = bank.get("/ledger/check").json()

    assert check["unbalanced"] == check["drifted_balances"] == check["drifted_holds"] == []
    assert set(check["sum_by_currency"].values()) == {0}
