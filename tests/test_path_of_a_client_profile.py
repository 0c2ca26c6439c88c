"""A client's answers become a suitability profile; answers that contradict each other are asked about first."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from api.settings import Settings
from db.errors import ProfileNotInForce
from tests.service import Service, answer, follow, open_review
from tools import clients
from tools.clients import ProfileInForce

ANSWERS: dict[str, Any] = {
    "objective": "balanced",
    "horizon_years": 10,
    "reaction": "hold",
    "loss_capacity_bps": 2500,
    "liquidity_need_bps": 1000,
    "reserve_months": 6,
    "knowledge": {"bonds": "basic", "equities": "informed"},
    "wants": ["bonds", "equities"],
    "exclusions": ["tobacco"],
    "tax_status": "taxable",
}


@pytest.fixture(scope="module")
def adviser(countersign: Service) -> httpx.Client:
    return countersign.client("adviser")


def registered(client: httpx.Client, risk_profile: str = "moderate") -> str:
    client_id = f"client-{uuid4().hex[:8]}"
    body = {"client_id": client_id, "full_name": "Amina Patel", "risk_profile": risk_profile}
    client.post("/clients", json=body).raise_for_status()
    return client_id


def started(client: httpx.Client, client_id: str, **changed: Any) -> str:
    body = {"client_id": client_id, "answers": ANSWERS | changed}
    made = client.post("/workflows/client_profile/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 202, made.text
    thread_id = str(made.json()["thread_id"])
    follow(client, thread_id)
    return thread_id


def outcome(client: httpx.Client, thread_id: str) -> Any:
    return client.get(f"/threads/{thread_id}").json()["outcome"]


def in_force(served: Service, client_id: str, days: int = 0) -> ProfileInForce:
    async def read() -> ProfileInForce:
        async with await psycopg.AsyncConnection.connect(served.database_url, row_factory=dict_row) as conn:
            on = datetime.now(UTC).date() + timedelta(days=days)
            return await clients.profile_in_force(conn, Settings().tenant, client_id, on)

    return asyncio.run(read())


def test_answers_that_agree_are_assessed_and_the_client_is_told(countersign: Service) -> None:
    client = countersign.client("client")
    client_id = registered(client)

    thread_id = started(client, client_id)

    (letter,) = client.get(f"/threads/{thread_id}/letters").json()
    latest, declared = client.get(f"/clients/{client_id}/profiles").json()
    assert outcome(client, thread_id) == "assessed"
    assert letter["kind"] == "profile_summary" and "profile is moderate" in " ".join(letter["body"].split())
    assert (declared["source"], latest["source"], latest["score"]) == ("self_declared", "questionnaire", 50)
    assert latest["rule_version"] == "risk-profile-2026-01"
    found = in_force(countersign, client_id)
    assert (found.version, found.investor.risk_profile, found.investor.exclusions) == (2, "moderate", ("tobacco",))
    trail = countersign.client("auditor").get(f"/threads/{thread_id}/audit").json()
    assert {"client.profile_assessed", "letter.written"} <= {row["action"] for row in trail}


def test_profile_that_is_missing_stale_or_contradicted_is_refused_to_its_users(
    countersign: Service, adviser: httpx.Client
) -> None:
    declared, assessed = registered(adviser), registered(adviser)
    started(adviser, assessed)

    for client_id, days, reason in ((declared, 0, "self_declared"), (assessed, 366, "expired")):
        with pytest.raises(ProfileNotInForce) as refused:
            in_force(countersign, client_id, days)
        assert refused.value.reason == reason
    assert in_force(countersign, assessed, 365).version == 2
    body = {"client_id": assessed, "full_name": "Amina Patel", "risk_profile": "conservative"}
    adviser.post("/clients", json=body).raise_for_status()
    with pytest.raises(ProfileNotInForce) as refused:
        in_force(countersign, assessed)
    assert refused.value.reason == "contradicted"


def test_contradictions_are_asked_of_the_requester_and_what_they_say_is_assessed(countersign: Service) -> None:
    client = countersign.client("client")
    client_id = registered(client)
    thread_id = started(client, client_id, objective="growth", horizon_years=3)

    asked = open_review(client, thread_id)
    assert asked["facts"]["contradictions"][0]["code"] == "growth_in_short_time"
    assert set(asked["form"]["properties"]) == {"objective", "horizon_years", "withdraw"}
    assert answer(client, asked, {"horizon_years": -1}).status_code == 422
    assert answer(client, asked, {"tax_status": "exempt"}).status_code == 422
    assert answer(client, asked, {"horizon_years": 8}).status_code == 202
    follow(client, thread_id)

    assert outcome(client, thread_id) == "assessed"
    assert in_force(countersign, client_id).investor.horizon_years == 8


def test_what_still_contradicts_is_an_advisers_who_may_only_be_more_cautious(
    countersign: Service, adviser: httpx.Client
) -> None:
    client = countersign.client("client")
    client_id = registered(client)
    thread_id = started(client, client_id, objective="growth", reaction="sell_all")
    for _ in range(2):
        answer(client, open_review(client, thread_id), {"objective": "growth"}).raise_for_status()
        follow(client, thread_id)

    review = open_review(adviser, thread_id)
    bolder = {"verdict": "accept", "risk_profile": "aggressive", "note": "they insist"}
    assert answer(adviser, review, bolder).status_code == 422
    lower = {"verdict": "accept", "risk_profile": "conservative", "note": "they would flee a loss"}
    assert answer(adviser, review, lower).status_code == 202
    follow(adviser, thread_id)

    assert in_force(countersign, client_id).investor.risk_profile == "conservative"
    shown = client.get(f"/threads/{thread_id}/state").json()["values"]
    assert "verdict" not in shown and shown["profile"]["risk_profile"] == "conservative"
    assert adviser.get(f"/clients/{client_id}/profiles").json()[0]["person"].startswith("adviser-")


def test_nobody_is_profiled_by_a_stranger(countersign: Service, adviser: httpx.Client) -> None:
    stranger, client_id = countersign.client("client"), registered(adviser)

    thread_id = started(stranger, client_id)

    assert outcome(stranger, thread_id) == "unknown_client"
    assert len(adviser.get(f"/clients/{client_id}/profiles").json()) == 1
    body = {"client_id": client_id, "answers": ANSWERS | {"loss_capacity_bps": 10_001}}
    refused = adviser.post("/workflows/client_profile/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "answers.loss_capacity_bps")
