"""A rebalance from a profile to the confirmation of its fills, over HTTP, through the ways it can end."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from db.canonical import sha256_hex
from tests.many_portfolios import seed_portfolios
from tests.payers import bank_sql
from tests.service import Service, answer, follow, open_review, told_service

ANSWERS: dict[str, Any] = {
    "objective": "balanced",
    "horizon_years": 10,
    "reaction": "hold",
    "loss_capacity_bps": 2500,
    "liquidity_need_bps": 1000,
    "reserve_months": 6,
    "knowledge": {"bonds": "informed", "equities": "informed", "real_assets": "informed"},
    "wants": ["bonds", "equities"],
    "tax_status": "taxable",
}
CAUTIOUS: dict[str, Any] = {"objective": "preservation", "reaction": "sell_some", "loss_capacity_bps": 0}
NOTE = "the client was called, and agrees with every order"


@pytest.fixture(scope="module")
def countersign(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A bank that fills fast and tells us so, and a janitor that looks often."""
    environment = {
        "COUNTERSIGN_SANDBOX_SETTLEMENT_S": "0.1",
        "COUNTERSIGN_STALLED_AFTER_S": "6",
    }
    with told_service(module_database_url, tmp_path_factory.mktemp("home"), **environment) as served:
        yield served


@pytest.fixture(scope="module")
def adviser(countersign: Service) -> httpx.Client:
    return countersign.client("adviser")


@pytest.fixture(scope="module")
def maker(countersign: Service) -> httpx.Client:
    """Another adviser, who starts what the first one reviews."""
    return countersign.client("adviser")


@pytest.fixture(scope="module")
def bank(countersign: Service) -> httpx.Client:
    return countersign.bank()


@pytest.fixture(scope="module")
def accounts(countersign: Service) -> Iterator[str]:
    """Custody accounts with twelve lots each, one for each test that takes one."""
    with bank_sql(countersign):
        pass
    return iter(seed_portfolios(countersign.database_url, 12, "reb"))


def registered(client: httpx.Client, client_id: str, assessed: bool = True, **changed: Any) -> str:
    body = {"client_id": client_id, "full_name": "Amina Patel", "risk_profile": "moderate"}
    client.post("/clients", json=body).raise_for_status()
    if assessed:
        posted(client, "client_profile", {"client_id": client_id, "answers": ANSWERS | changed})
    return client_id


def posted(client: httpx.Client, workflow: str, body: dict[str, Any]) -> str:
    made = client.post(f"/workflows/{workflow}/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 202, made.text
    thread_id = str(made.json()["thread_id"])
    follow(client, thread_id)
    return thread_id


def rebalanced(client: httpx.Client, client_id: str, **more: Any) -> str:
    return posted(client, "rebalance", {"client_id": client_id, "objective": "review allocation"} | more)


def values(client: httpx.Client, thread_id: str) -> dict[str, Any]:
    return dict(client.get(f"/threads/{thread_id}/state").json()["values"])


def ended(client: httpx.Client, thread_id: str, outcome: str | None = None) -> dict[str, Any]:
    """The case once it is over, or waits for an adviser."""
    deadline = time.monotonic() + 90
    while True:
        follow(client, thread_id)
        thread: dict[str, Any] = client.get(f"/threads/{thread_id}").json()
        assert thread["status"] != "error", client.get(f"/threads/{thread_id}/runs").text
        if thread["outcome"] is not None:
            assert outcome in (None, thread["outcome"]), values(client, thread_id)
            return values(client, thread_id)
        assert time.monotonic() < deadline, client.get(f"/threads/{thread_id}/state").text
        time.sleep(0.05)


def awaited_review(client: httpx.Client, thread_id: str, kind: str) -> dict[str, Any]:
    deadline = time.monotonic() + 90
    while True:
        found = [one for one in client.get("/reviews").json() if one["thread_id"] == thread_id]
        if found and found[0]["kind"] == kind:
            return dict(found[0])
        assert time.monotonic() < deadline, client.get(f"/threads/{thread_id}").text
        time.sleep(0.05)


def positions(bank: httpx.Client, account_id: str) -> dict[str, Decimal]:
    held: dict[str, Decimal] = {}
    for lot in bank.get(f"/custody-accounts/{account_id}/holdings").json()["lots"]:
        held[lot["instrument_id"]] = held.get(lot["instrument_id"], Decimal(0)) + Decimal(lot["quantity"])
    return held


def told(client: httpx.Client, thread_id: str) -> str:
    """The one letter, which says that nothing was done and why."""
    (letter,) = client.get(f"/threads/{thread_id}/letters").json()
    assert letter["kind"] == "rebalance_not_made"
    return " ".join(letter["body"].split())


def revised(changes: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": "revise", "note": "the client would rather have it so", "changes": changes}


def test_approved_orders_are_sold_then_bought_once_and_confirmed_to_the_client(
    countersign: Service, adviser: httpx.Client, bank: httpx.Client, accounts: Iterator[str]
) -> None:
    account = next(accounts)
    client = countersign.client("client")
    registered(client, f"client-{account}")
    before = positions(bank, account)
    thread_id = rebalanced(client, f"client-{account}")
    review = open_review(adviser, thread_id)
    hidden = values(client, thread_id)

    assert answer(client, review, {"verdict": "approve", "note": NOTE}).status_code == 403
    assert answer(adviser, review, {"verdict": "approve", "note": NOTE}).status_code == 202
    state = ended(client, thread_id, "rebalanced")

    assert review["payload"]["orders"] and review["facts"]["drift_after"]
    assert {"proposal", "findings", "payload"} & hidden.keys() == set()
    assert {"answer", "proposal", "findings"} & state.keys() == set() and NOTE not in json.dumps(state)
    orders = state["confirmation"]["orders"]
    sides = [order["side"] for order in orders]
    assert sides == sorted(sides, reverse=True) and {"buy", "sell"} <= set(sides)
    assert all(order["status"] == "filled" for order in orders)
    for order in orders:
        sign = 1 if order["side"] == "buy" else -1
        before[order["instrument_id"]] = before.get(order["instrument_id"], Decimal(0)) + sign * Decimal(
            order["quantity"]
        )
    assert positions(bank, account) == {name: quantity for name, quantity in before.items() if quantity}
    assert all(abs(row["off_bps"]) <= row["band_bps"] for row in state["confirmation"]["drift"] if row["band_bps"])
    effects = countersign.client("auditor").get(f"/threads/{thread_id}/effects").json()
    assert [one["key"] for one in effects] == [f"{thread_id}:order:{n}" for n in range(1, len(orders) + 1)]
    (letter,) = client.get(f"/threads/{thread_id}/letters").json()
    words = " ".join(letter["body"].split())
    assert letter["kind"] == "rebalance_confirmation" and "Sold " in words and "Bought " in words
    assert "Not every order" not in words

    again = rebalanced(client, f"client-{account}")
    assert ended(client, again)["holdings"]["drift"]
    assert client.get(f"/threads/{again}").json()["outcome"] == "within_bands"
    assert client.get(f"/threads/{again}/letters").json() == []


@pytest.mark.parametrize(("market", "status"), [("fill_reject", "rejected"), ("fill_short", "cancelled")])
def test_market_that_fills_in_part_or_not_is_told_to_client_and_adviser(
    adviser: httpx.Client, maker: httpx.Client, bank: httpx.Client, accounts: Iterator[str], market: str, status: str
) -> None:
    account = next(accounts)
    registered(maker, f"client-{account}")
    thread_id = rebalanced(maker, f"client-{account}")
    bank.put("/misbehaviour", json={"route": "custody orders", "mode": market, "times": 1}).raise_for_status()

    answer(adviser, open_review(adviser, thread_id), {"verdict": "approve", "note": NOTE}).raise_for_status()
    review = awaited_review(adviser, thread_id, "rebalance_exceptions")

    assert len(review["payload"]["differences"]) >= 1 and status in review["payload"]["differences"][0]
    answer(adviser, review, {"note": "bought next week"}).raise_for_status()
    state = ended(maker, thread_id, "partly_rebalanced")
    assert state["confirmation"]["orders"][0]["status"] == status
    (letter,) = maker.get(f"/threads/{thread_id}/letters").json()
    assert "Not every order could be carried out in full" in " ".join(letter["body"].split())


def test_prices_that_moved_since_the_approval_void_it_and_ask_again(
    countersign: Service, adviser: httpx.Client, maker: httpx.Client, bank: httpx.Client, accounts: Iterator[str]
) -> None:
    account = next(accounts)
    registered(maker, f"client-{account}")
    thread_id = rebalanced(maker, f"client-{account}")
    first = open_review(adviser, thread_id)
    traded = first["payload"]["orders"][0]
    shock = {"instrument_id": traded["instrument_id"], "price": f"{Decimal(traded['price']) * Decimal('1.03'):.4f}"}
    bank.put("/prices", json=shock).raise_for_status()

    answer(adviser, first, {"verdict": "approve", "note": NOTE}).raise_for_status()
    follow(maker, thread_id)
    second = open_review(adviser, thread_id)

    assert traded["instrument_id"] in second["facts"]["voided"]
    assert second["payload_sha256"] != first["payload_sha256"] and second["payload"]["round"] == 2
    assert countersign.client("auditor").get(f"/threads/{thread_id}/effects").json() == []
    answer(adviser, second, {"verdict": "decline", "note": "they would rather wait"}).raise_for_status()
    ended(maker, thread_id, "declined")
    assert "Your adviser looked at the trades" in told(maker, thread_id)


def test_another_proposal_keeps_what_an_adviser_names_and_another_one_approves_it(
    countersign: Service, adviser: httpx.Client, maker: httpx.Client, bank: httpx.Client, accounts: Iterator[str]
) -> None:
    account = next(accounts)
    registered(maker, f"client-{account}")
    thread_id = rebalanced(maker, f"client-{account}")
    first = open_review(adviser, thread_id)
    sold, bought = (
        next(one["instrument_id"] for one in first["payload"]["orders"] if one["side"] == side)
        for side in ("sell", "buy")
    )
    before = positions(bank, account)

    unknown = answer(adviser, first, revised({"keep": [sold, "NOSUCH"]}))
    approved = answer(adviser, first, {"verdict": "approve", "note": NOTE, "changes": {"keep": [sold]}})
    changes = {"keep": [sold], "exclude": [sold, bought], "cash_to_raise_minor": 100_00, "turnover_bps": 4000}
    answer(adviser, first, revised(changes)).raise_for_status()
    follow(maker, thread_id)
    other = countersign.client("adviser")
    second = open_review(other, thread_id)

    assert unknown.status_code == 422 and "NOSUCH" in unknown.text
    assert unknown.json()["errors"][0]["field"].startswith("answer.changes.keep")
    assert (approved.status_code, approved.json()["errors"][0]["field"]) == (422, "answer.verdict")
    assert second["payload"]["changes"].items() >= changes.items() and second["payload"]["changes"]["of_round"] == 1
    orders = {(one["side"], one["instrument_id"]) for one in second["payload"]["orders"]}
    assert orders and not orders & {("sell", sold), ("buy", sold), ("buy", bought)}
    with psycopg.connect(countersign.database_url) as conn:
        kept = conn.execute(
            "SELECT proposal -> 'changes' ->> 'by', answered_by FROM rebalance_proposals JOIN reviews USING (thread_id)"
            " WHERE thread_id = %s AND round = 2 AND status = 'answered'",
            (thread_id,),
        ).fetchone()
    assert kept and kept[0] == kept[1] == second["payload"]["changes"]["by"]
    assert answer(adviser, second, {"verdict": "approve", "note": NOTE}).status_code == 403
    answer(other, second, {"verdict": "approve", "note": NOTE}).raise_for_status()
    ended(maker, thread_id, "rebalanced")
    assert positions(bank, account)[sold] == before[sold]


def test_orders_are_refused_that_are_not_what_the_review_showed(
    countersign: Service, adviser: httpx.Client, maker: httpx.Client, accounts: Iterator[str]
) -> None:
    """Somebody with the database in their hands showed the adviser other orders than those of the case."""
    account = next(accounts)
    registered(maker, f"client-{account}")
    thread_id = rebalanced(maker, f"client-{account}")
    shown = open_review(adviser, thread_id)["payload"]
    shown["orders"][0]["quantity"] = "1"
    with psycopg.connect(countersign.database_url) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute(
            "UPDATE reviews SET payload = %s, payload_sha256 = %s WHERE thread_id = %s",
            (Jsonb(shown), sha256_hex(shown), thread_id),
        )

    answer(adviser, open_review(adviser, thread_id), {"verdict": "approve", "note": NOTE}).raise_for_status()
    follow(maker, thread_id)

    assert maker.get(f"/threads/{thread_id}").json()["status"] == "error"
    (run, *_) = adviser.get(f"/threads/{thread_id}/runs").json()
    assert run["error"]["type"] == "ApprovalVoid"
    assert countersign.client("auditor").get(f"/threads/{thread_id}/effects").json() == []


def test_what_does_not_suit_takes_an_override_with_a_reason_and_a_second_person(
    countersign: Service, adviser: httpx.Client, maker: httpx.Client
) -> None:
    """Nearly all that this client has is one company's shares, and they want to invest and to sell nothing."""
    registered(maker, "client-006")
    thread_id = rebalanced(maker, "client-006", cash_to_invest="2000")
    review = open_review(adviser, thread_id)

    blocks = [one["rule"] for one in review["facts"]["findings"] if one["verdict"] == "block"]
    assert "issuer_share" in blocks
    assert {order["side"] for order in review["payload"]["orders"]} == {"buy"}
    assert answer(adviser, review, {"verdict": "approve", "note": NOTE}).status_code == 422
    assert answer(adviser, review, {"verdict": "override", "note": "ok"}).status_code == 422
    assert answer(adviser, review, {"verdict": "override", "note": NOTE}).status_code == 202
    follow(maker, thread_id)
    other = countersign.client("adviser")
    second = open_review(other, thread_id)
    assert second["facts"]["override"]["note"] == NOTE
    assert answer(adviser, second, {"verdict": "approve", "note": NOTE}).status_code == 403
    assert answer(other, second, {"verdict": "approve", "note": "agreed"}).status_code == 202
    ended(maker, thread_id, "rebalanced")


def test_limits_that_conflict_are_named_and_an_adviser_loosens_the_least_or_stops(
    adviser: httpx.Client, maker: httpx.Client
) -> None:
    registered(maker, "client-006", **CAUTIOUS)
    thread_id = rebalanced(maker, "client-006")
    review = open_review(adviser, thread_id)

    assert "turnover_cap" in review["facts"]["conflict"]
    assert [one["constraint"] for one in review["payload"]["relaxation"]]
    answer(adviser, review, {"verdict": "relax", "note": "one large step is wanted"}).raise_for_status()
    follow(maker, thread_id)
    proposed = open_review(adviser, thread_id)
    assert proposed["kind"] == "rebalance_review"
    assert proposed["facts"]["relaxed"] == review["payload"]["relaxation"]

    stopped = rebalanced(maker, "client-006")
    answer(adviser, open_review(adviser, stopped), {"verdict": "stop", "note": "not now"}).raise_for_status()
    ended(maker, stopped, "stopped")
    assert "No trades keep to everything" in told(maker, stopped)


def test_stale_price_is_refused_with_its_name_and_hour(
    maker: httpx.Client, bank: httpx.Client, accounts: Iterator[str]
) -> None:
    account = next(accounts)
    registered(maker, f"client-{account}")
    now = bank.get("/prices", params={"instrument_id": "HGLD"}).json()["prices"][0]
    as_of = datetime.now(UTC) - timedelta(hours=2)
    stale = {"instrument_id": "HGLD", "price": now["price"], "as_of": as_of.isoformat()}
    bank.put("/prices", json=stale).raise_for_status()

    thread_id = rebalanced(maker, f"client-{account}")
    refused = ended(maker, thread_id, "refused")["refused_for"]

    bank.put("/prices", json={"instrument_id": "HGLD", "price": now["price"]}).raise_for_status()
    assert refused["code"] == "stale_price"
    assert "HGLD" in refused["text"] and f"{as_of:%Y-%m-%d %H:%M}" in refused["text"]
    assert "An up-to-date price was missing" in told(maker, thread_id)


def test_declared_profile_is_proposed_for_alone_and_one_that_is_over_says_what_to_do(
    countersign: Service, maker: httpx.Client, accounts: Iterator[str]
) -> None:
    account = next(accounts)
    declared = registered(maker, f"client-{account}", assessed=False)

    assert ended(maker, rebalanced(maker, declared), "proposal_only")["proposal"]["orders"]
    registered(maker, declared)
    body = {"client_id": declared, "full_name": "Amina Patel", "risk_profile": "aggressive"}
    maker.post("/clients", json=body).raise_for_status()
    state = ended(maker, rebalanced(maker, declared), "profile_needed")
    assert "client_profile" in state["refused_for"]["text"]
    stranger, agent = countersign.client("client"), countersign.client("agent")
    for nobody in (stranger, agent):
        ended(nobody, rebalanced(nobody, declared), "unknown_client")
    task = {"task_id": str(uuid4()), "client_id": declared, "agent_name": declared, "payload": {"objective": "review"}}
    maker.post("/tasks", json=task).raise_for_status()
    agent.post("/tasks/claim", json={"agent_name": declared}).raise_for_status()
    ended(agent, rebalanced(agent, declared), "profile_needed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"client_id": "client-404"}, "client_id"),
        ({"client_id": "client-001", "custody_accounts": ["CUS003"]}, "custody_accounts[0]"),
        ({"client_id": "client-001", "cash_to_raise": "-1"}, "cash_to_raise"),
        ({"client_id": "client-001", "cash_to_raise": "1", "cash_to_invest": "1"}, "cash_to_invest"),
        ({"client_id": "client-001", "objective": "sell\u202eyub"}, "objective"),
    ],
)
def test_bad_requests_are_refused_by_field(maker: httpx.Client, body: dict[str, Any], field: str) -> None:
    refused = maker.post("/workflows/rebalance/threads", json=body, headers={"Idempotency-Key": uuid4().hex})

    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == field


def test_what_cannot_be_traded_now_is_refused_in_words(maker: httpx.Client, accounts: Iterator[str]) -> None:
    responsible = registered(maker, f"client-{next(accounts)}", esg="require")
    registered(maker, "client-010")

    assert ended(maker, rebalanced(maker, responsible), "refused")["refused_for"]["code"] == "nothing_suits"

    assert ended(maker, rebalanced(maker, "client-010"), "refused")["refused_for"]["code"] == "account_not_open"


def test_household_is_an_advisers_to_rebalance_and_its_most_cautious_owner_counts(
    countersign: Service, adviser: httpx.Client, maker: httpx.Client
) -> None:
    client = countersign.client("client")
    registered(client, "client-002")
    registered(maker, "client-003", loss_capacity_bps=500, exclusions=["tobacco"])
    together = {"custody_accounts": ["CUS003", "CUS004"]}

    alone = ended(client, rebalanced(client, "client-002", **together), "refused")
    review = open_review(adviser, rebalanced(maker, "client-002", **together))

    assert alone["refused_for"]["code"] == "account_of_another"
    investor = review["facts"]["profile"]["investor"]
    assert (investor["risk_profile"], investor["exclusions"]) == ("moderately_conservative", ["tobacco"])
    assert {order["custody_account_id"] for order in review["payload"]["orders"]} == {"CUS003", "CUS004"}


def test_snapshots_and_proposals_are_kept_and_never_changed(countersign: Service) -> None:
    with psycopg.connect(countersign.database_url) as conn:
        kept = conn.execute("SELECT count(*) FROM holding_snapshots").fetchone()
        held = conn.execute("SELECT count(*) FROM client_holdings").fetchone()
        for table in ("holding_snapshots", "rebalance_proposals"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute(f"UPDATE {table} SET round = 9".encode())

    assert kept and kept[0] and held and held[0]
