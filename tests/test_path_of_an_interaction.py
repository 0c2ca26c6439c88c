"""What was said to a client is kept, found by its words and by client, and gone on from by the next agent."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.refusals import assert_refused
from tests.service import Service

SAID: dict[str, Any] = {
    "channel": "chat",
    "occurred_at": "2026-05-04T09:00:00Z",
    "summary": "Wants to keep the hydrogen fund until the harvest",
    "promised": ["No fee for the transfer of March"],
    "note": "is afraid of a margin call",
    "follow_ups": [
        {"text": "Pay the fee back", "owner": "a.viser", "due_on": "2026-05-11"},
        {"text": "Call after the harvest", "owner": "b.ackoffice", "due_on": "2026-09-30"},
    ],
}


@pytest.fixture(scope="module")
def adviser(countersign: Service) -> httpx.Client:
    return countersign.client("adviser")


def employed(served: Service, adviser: httpx.Client, client_id: str) -> httpx.Client:
    """An agent who has a task for this client."""
    agent, kind = served.client("agent"), f"kind-{uuid4().hex}"
    task = {"client_id": client_id, "agent_name": kind, "payload": {}}
    adviser.post("/tasks", json=task).raise_for_status()
    assert agent.post("/tasks/claim", json={"agent_name": kind}).status_code == 200
    return agent


def test_next_agent_goes_on_from_what_the_one_before_was_told_and_promised(
    countersign: Service, adviser: httpx.Client
) -> None:
    client_id = f"client-{uuid4().hex[:8]}"
    body = {"client_id": client_id, "full_name": "Amina Patel", "risk_profile": "moderate"}
    adviser.post("/clients", json=body).raise_for_status()
    first, second = (employed(countersign, adviser, client_id) for _ in range(2))
    idle = countersign.client("agent")
    kept = first.post("/interactions", json=SAID | {"client_id": client_id}, headers={"Idempotency-Key": uuid4().hex})

    by_word = second.get("/interactions", params={"q": "hydrogen -coal"}).json()
    by_promise = second.get("/interactions", params={"q": '"transfer of march"'}).json()
    by_client = second.get(f"/clients/{client_id}/interactions").json()
    due = second.get("/follow-ups", params={"owner": "a.viser", "until": "2026-05-31"}).json()

    assert kept.status_code == 201, kept.text
    assert by_word == by_promise == by_client
    assert [(one["interaction_id"], one["note"]) for one in by_client] == [
        (kept.json()["interaction_id"], SAID["note"])
    ]
    assert [(one["client_id"], one["text"], one["promised"]) for one in due] == [
        (client_id, "Pay the fee back", SAID["promised"])
    ]
    assert [one["owner"] for one in second.get("/follow-ups").json()] == ["a.viser", "b.ackoffice"]
    assert idle.get("/interactions", params={"q": "hydrogen"}).json() == idle.get("/follow-ups").json() == []
    second.post(f"/interactions/{kept.json()['interaction_id']}/follow-ups/1/done").raise_for_status()
    assert second.get("/follow-ups", params={"owner": "a.viser"}).json() == []
    assert_refused(countersign.client("client", client_id).get("/follow-ups"), 403)


def test_interactions_are_found_by_words_and_clients_see_no_notes(countersign: Service, adviser: httpx.Client) -> None:
    person = f"client-{uuid4().hex[:8]}"
    body = {"client_id": person, "full_name": "Amina Patel", "risk_profile": "moderate"}
    adviser.post("/clients", json=body).raise_for_status()
    client, stranger = countersign.client("client", person), countersign.client("client")
    told: dict[str, Any] = {
        "client_id": person,
        "channel": "phone",
        "occurred_at": "2026-05-04T09:00:00Z",
        "note": "sounds worried",
    }
    told |= {"summary": "Asked about ISIN US0378331005", "promised": ["Fees stay as they are"]}
    told["follow_ups"] = [{"text": "Send the fees", "owner": "a.viser", "due_on": "2026-05-11"}]
    keyed = {"Idempotency-Key": uuid4().hex}
    kept = [adviser.post("/interactions", json=told, headers=keyed) for _ in range(2)]

    way = f"/clients/{person}/interactions"
    (seen,) = client.get(way, params={"q": "fees"}).json()

    assert kept[0].json() == kept[1].json() and kept[0].status_code == 201
    assert (seen["note"], seen["promised"]) == (None, ["Fees stay as they are"])
    assert client.get(way, params={"q": "worried"}).json() == []
    assert len(adviser.get(way, params={"q": "worried"}).json()) == 1
    assert len(adviser.get("/interactions", params={"q": "US0378331005", "is_open": True}).json()) == 1
    assert_refused(stranger.get(way), 404)
    assert stranger.get("/interactions").json() == []
    done = f"/interactions/{kept[0].json()['interaction_id']}/follow-ups/1/done"
    assert [adviser.post(done).status_code for _ in range(2)] == [204, 204]
    assert adviser.get(way, params={"is_open": True}).json() == []
    assert_refused(adviser.post("/interactions", json=told | {"occurred_at": "2026-05-04T09:00:00"},
                                headers={"Idempotency-Key": uuid4().hex}), 422, "occurred_at")  # fmt: skip
