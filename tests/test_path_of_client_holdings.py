"""What clients hold is read from the bank's custody, so that events find whom they concern; a stale view says so."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from tests.service import Service, follow
from tests.test_path_of_a_market_event import SHOCK, begun, outcome

POSITIONS = "GET /custody-positions"


@pytest.fixture(scope="module")
def adviser(countersign: Service) -> httpx.Client:
    """With a few of the sandbox bank's customers as clients."""
    adviser = countersign.client("adviser")
    for number in (1, 9):
        body = {"client_id": f"client-{number:03}", "full_name": f"Client {number}", "risk_profile": "moderate"}
        adviser.post("/clients", json=body).raise_for_status()
    return adviser


@pytest.fixture
def bank(countersign: Service) -> Iterator[httpx.Client]:
    bank = countersign.bank()
    yield bank
    bank.put("/misbehaviour", json={"route": "*", "mode": "none"}).raise_for_status()


def rows(served: Service, query: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(served.database_url, autocommit=True, row_factory=dict_row) as conn:
        cur = conn.execute(query.encode(), values or None)
        return cur.fetchall() if cur.description else []


def refreshed(client: httpx.Client) -> str:
    made = client.post("/workflows/holdings_refresh/threads", json={}, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 202, made.text
    thread_id = str(made.json()["thread_id"])
    follow(client, thread_id)
    return thread_id


def aged(served: Service) -> None:
    rows(served, "UPDATE holdings_refreshes SET as_of = as_of - interval '2 hours'")


def test_event_reads_custody_first_where_nobody_has_yet(countersign: Service, adviser: httpx.Client) -> None:
    case = begun(countersign.client("operator"), "first", SHOCK | {"instrument_id": "HUSA"})

    seen = adviser.get("/market-events/first").json()
    assert outcome(adviser, case) == "queued"
    assert seen["found"] >= 1 and not seen["holdings_are_stale"] and seen["holdings_as_of"] is not None


def test_refresh_stores_what_our_clients_hold_and_drops_what_they_sold(
    countersign: Service, adviser: httpx.Client, bank: httpx.Client
) -> None:
    rows(
        countersign,
        "INSERT INTO client_holdings SELECT tenant_id, client_id, custody_account_id, 'SOLD', currency, asset_class,"
        " quantity, value_minor, now() - interval '1 day' FROM client_holdings WHERE client_id = 'client-001' LIMIT 1",
    )

    case = refreshed(adviser)

    held = rows(countersign, "SELECT * FROM client_holdings ORDER BY client_id, custody_account_id, instrument_id")
    lots = bank.get("/custody-accounts/CUS001/holdings").json()["lots"]
    husa = next(one for one in held if (one["custody_account_id"], one["instrument_id"]) == ("CUS001", "HUSA"))
    assert {one["client_id"] for one in held} == {"client-001", "client-009"}
    assert husa["quantity"] == sum(int(float(lot["quantity"])) for lot in lots if lot["instrument_id"] == "HUSA")
    assert "SOLD" not in {one["instrument_id"] for one in held}
    assert all(one["value_minor"] > 0 for one in held)
    state = countersign.client("auditor").get(f"/threads/{case}/state").json()["values"]
    assert (state["refresh"]["accounts"], state["refresh"]["positions"]) == (3, len(held))


def test_value_without_a_rate_of_exchange_is_left_open_and_the_client_found_nevertheless(
    countersign: Service, adviser: httpx.Client
) -> None:
    refreshed(adviser)
    rows(countersign, "UPDATE client_holdings SET value_minor = NULL WHERE client_id = 'client-009'")
    (one, *_) = rows(countersign, "SELECT instrument_id FROM client_holdings WHERE client_id = 'client-009' LIMIT 1")

    begun(countersign.client("operator"), "unvalued", SHOCK | {"instrument_id": one["instrument_id"]})

    (found,) = rows(
        countersign, "SELECT exposure_bps FROM market_event_clients WHERE event_id = 'unvalued' AND client_id = %s",
        "client-009",
    )  # fmt: skip
    assert found["exposure_bps"] == 0


def test_stale_view_is_read_anew_or_the_event_says_that_the_bank_was_away(
    countersign: Service, adviser: httpx.Client, bank: httpx.Client
) -> None:
    operator = countersign.client("operator")
    refreshed(adviser)
    before = rows(countersign, "SELECT max(as_of) AS as_of FROM holdings_refreshes")
    aged(countersign)

    bank.put("/misbehaviour", json={"route": POSITIONS, "mode": "500"}).raise_for_status()
    begun(operator, "away", SHOCK | {"instrument_id": "HUSA"})
    bank.put("/misbehaviour", json={"route": POSITIONS, "mode": "none"}).raise_for_status()
    begun(operator, "back", SHOCK | {"instrument_id": "HUSA"})

    away, back = (adviser.get(f"/market-events/{name}").json() for name in ("away", "back"))
    assert away["holdings_are_stale"] and away["found"] == back["found"] > 0
    assert not back["holdings_are_stale"]
    assert rows(countersign, "SELECT max(as_of) AS as_of FROM holdings_refreshes")[0]["as_of"] > before[0]["as_of"]
