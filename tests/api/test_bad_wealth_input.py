"""Whatever is sent about clients, tasks, events and interactions: the fault is named, and nothing is left behind."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.refusals import assert_refused, nothing_stored
from tests.service import Service
from tests.test_path_of_a_client_profile import ANSWERS

pytestmark = pytest.mark.usefixtures("no_traceback")

EVENT = {"event_id": "bad", "headline": "x"}
SAID = {"client_id": "client-001", "channel": "phone", "occurred_at": "2026-05-04T09:00:00Z", "summary": "x"}
DUE = {"text": "x", "owner": "a.viser", "due_on": "2026-05-11"}
START = "/workflows/{}/threads"


def event(**of: Any) -> dict[str, Any]:
    return EVENT | {"event": of}


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("/clients", {"client_id": "client-002", "full_name": "", "risk_profile": "moderate"}, "full_name"),
    ("/clients", {"client_id": "a b", "full_name": "A", "risk_profile": "moderate"}, "client_id"),
    ("/clients", {"client_id": "client-002", "full_name": "A", "risk_profile": "bold"}, "risk_profile"),
    ("/clients", {"client_id": "client-002", "full_name": "A", "risk_profile": "moderate", "vip": 1}, "vip"),
    ("/tasks", {"client_id": "client-999", "agent_name": "a"}, "client_id"),
    ("/tasks", {"client_id": "client-001", "agent_name": ""}, "agent_name"),
    ("/tasks", {"client_id": "client-001", "agent_name": "a", "task_id": "7"}, "task_id"),
    ("/tasks", {"client_id": "client-001", "agent_name": "a", "payload": []}, "payload"),
    ("/tasks/claim", {"agent_name": "a", "lease_s": 0}, "lease_s"),
    ("/tasks/claim", {"agent_name": "a", "lease_s": "60"}, "lease_s"),
    (f"/tasks/{uuid4()}/lease", {"lease_token": "x"}, "lease_token"),
    (f"/tasks/{uuid4()}/lease", {"lease_token": str(uuid4()), "lease_s": -1}, "lease_s"),
    (f"/tasks/{uuid4()}/result", {"result": "done"}, "result"),
    ("/tasks/nine/reopen", {}, "client_task_id"),
    ("/interactions", SAID | {"client_id": "client-999"}, "client_id"),
    ("/interactions", SAID | {"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
    ("/interactions", SAID | {"occurred_at": 1_700_000_000}, "occurred_at"),
    ("/interactions", SAID | {"occurred_at": "1700000000"}, "occurred_at"),
    ("/interactions", SAID | {"follow_ups": [DUE | {"due_on": 0}]}, "follow_ups.0.due_on"),
    ("/interactions", SAID | {"channel": "telepathy"}, "channel"),
    ("/interactions", SAID | {"summary": ""}, "summary"),
    ("/interactions", SAID | {"follow_ups": [DUE | {"due_on": "2026-02-30"}]}, "follow_ups.0.due_on"),
    ("/interactions", SAID | {"follow_ups": [DUE] * 21}, "follow_ups"),
    (f"/interactions/{uuid4()}/follow-ups/0/done", {}, "number"),
    (START.format("holdings_refresh"), {"client_id": "client-001"}, "client_id"),
    (START.format("profile_renewals"), {"on": 86_400}, "on"),
    (START.format("loan_servicing_day"), {"on": 86_400}, "on"),
    (START.format("profile_renewals"), {"on": "2999-01-01"}, "on"),
    (START.format("profile_renewal"), {"client_id": "client-001", "version": 0, "stage": "expired"}, "version"),
    (START.format("market_event"), event(kind="flood"), "event"),
    (START.format("market_event"), event(kind="price_shock", instrument_id="A", move_bps=-10_001), "move_bps"),
    (START.format("market_event"), event(kind="price_shock", instrument_id="A", move_bps=1.5), "move_bps"),
    (START.format("market_event"), event(kind="price_shock", instrument_id="../A", move_bps=1), "instrument_id"),
    (START.format("market_event"), event(kind="price_shock", instrument_id="EQ-ACME", move_bps=1), "instrument_id"),
    ("/market-events/check", event(kind="downgrade", instrument_id="EQ-ACME", rating="BB"), "instrument_id"),
    (START.format("market_event"), event(kind="rate_change", currency="usd", move_bps=1), "currency"),
    (START.format("market_event"), event(kind="corporate_action", instrument_id="A", action="party"), "action"),
    (
        START.format("client_profile"),
        {"client_id": "client-001", "answers": ANSWERS | {"horizon_years": -1}},
        "horizon",
    ),
    (START.format("client_follow_up"), {"event_id": "bad", "client_id": "a b"}, "client_id"),
]


@pytest.fixture(scope="module")
def operator(countersign: Service) -> httpx.Client:
    operator = countersign.client("operator")
    body = {"client_id": "client-001", "full_name": "Amina Patel", "risk_profile": "moderate"}
    operator.post("/clients", json=body).raise_for_status()
    return operator


def test_whatever_is_wrong_is_named_and_leaves_nothing_behind(countersign: Service, operator: httpx.Client) -> None:
    with nothing_stored(countersign):
        for path, body, field in FAULTS:
            refused = operator.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
            problem = assert_refused(refused, 422)
            assert any(field in error["field"] for error in problem["errors"]), (path, body, problem)
    assert_refused(operator.get("/follow-ups", params={"until": "0.0"}), 422, "until")
