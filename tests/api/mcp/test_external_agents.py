"""The example's three agents, as the processes that a reader would start: one is killed within its lease, after it had
money sent and before it said so, and another goes on."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import uuid4, uuid5

import httpx

from tests.payers import bank_sql, new_payer
from tests.service import Service

EXAMPLE = Path(__file__).parents[3] / "examples" / "external_agents"


@contextmanager
def agent(served: Service, name: str, key: str, **environment: str) -> Iterator[Popen[bytes]]:
    told = os.environ | {"COUNTERSIGN_URL": served.url, "COUNTERSIGN_KEY": key} | environment
    with Popen([sys.executable, EXAMPLE / f"{name}.py"], env=told) as process:
        try:
            yield process
        finally:
            process.kill()


def once(admin: httpx.Client, path: str, status: str) -> dict[str, Any]:
    """What is there, once it has come so far."""
    while (answer := admin.get(path)).status_code == 404 or answer.json()["status"] != status:
        time.sleep(0.02)
    return dict(answer.json())


def test_an_agent_killed_within_its_lease_is_followed_and_pays_nothing_twice(countersign: Service) -> None:
    account = new_payer(countersign)
    with bank_sql(countersign) as conn:
        found = conn.execute("SELECT customer_id FROM accounts WHERE account_id = %s", (account,)).fetchone()
    assert found is not None
    admin, client_id, first = countersign.admin(), found[0], uuid4()
    third = uuid5(second := uuid5(first, "next"), "next")
    admin.post("/clients", json={"client_id": client_id, "full_name": "Ada Moor", "risk_profile": "moderate"})
    bound = {"roles": ["agent"], "customers": [client_id]}
    keys = [
        admin.post("/keys", json=bound | {"person": f"{name}.{client_id}"}).json()["key"] for name in ("a", "b", "c")
    ]
    payee = {"destination_account": "ACC002", "creditor_name": "Marcus Okafor"}
    order = payee | {"source_account": account, "amount": "80.00"}
    task = {"task_id": str(first), "client_id": client_id, "agent_name": "balance-reader", "payload": order}

    with ExitStack() as agents:
        enter = agents.enter_context
        slow = enter(agent(countersign, "decider", keys[1], LEASE_S="1", PAUSE_S="60"))
        enter(agent(countersign, "reader", keys[0]))
        enter(agent(countersign, "recorder", keys[2]))
        admin.post("/tasks", json=task).raise_for_status()
        once(admin, f"/agent/tasks/{second}", "settled")
        slow.kill()
        enter(agent(countersign, "decider", keys[1]))
        read, decided, recorded = (once(admin, f"/tasks/{one}", "completed") for one in (first, second, third))
        with bank_sql(countersign) as conn:
            paid = conn.execute(
                "SELECT amount_minor FROM postings WHERE account_id = %s AND amount_minor < 0", (account,)
            ).fetchall()

    assert read["result"] == {"available_minor": 5_000_000, "currency": "USD"}
    assert (decided["claims"], decided["result"]["decision"], decided["result"]["status"]) == (
        2,
        "transfer",
        "submitted",
    )
    assert paid == [(-8_000,)]
    (kept,) = admin.get(f"/clients/{client_id}/interactions").json()
    assert recorded["result"]["recorded"]["interaction_id"] == kept["interaction_id"]
