"""A payment under suspicion, over HTTP, through every way its case can end."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from tests.service import Service, follow


def payment(**changes: Any) -> dict[str, Any]:
    """An everyday payment of an account that no bank knows, so that its past is what the tests say it is."""
    return {
        "payment_id": f"p-{uuid4().hex}",
        "at": datetime.now(UTC).isoformat(),
        "account": f"A-{uuid4().hex[:12]}",
        "payee": f"B-{uuid4().hex[:12]}",
        "payee_name": "Corner Shop",
        "amount_minor": 4_250,
        "currency": "USD",
        "channel": "mobile",
        "device": "d-1",
        "reference": "groceries",
    } | changes


def start(client: httpx.Client, judged: dict[str, Any], **more: Any) -> str:
    body = {"payment": judged, **more}
    started = client.post("/workflows/fraud_review/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert started.status_code == 202, started.text
    follow(client, started.json()["thread_id"])
    return str(started.json()["thread_id"])


def test_everyday_payment_is_released_by_the_rules(countersign: Service) -> None:
    operator = countersign.client("operator")

    thread_id = start(operator, payment())

    state = operator.get(f"/threads/{thread_id}/state").json()["values"]
    assert state["outcome"] == "released"
    assert state["combined"]["band"] == "release"
