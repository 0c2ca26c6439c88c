"""A transfer from request to receipt, over HTTP, through every way it can end."""

from typing import Any

from tests.service import Service

TUTORIAL: dict[str, Any] = {
    "agent_name": "risk-agent",
    "source_account": "ACC001",
    "destination_account": "ACC002",
    "amount": 125.50,
}


def test_tutorials_transfer_goes_straight_through(countersign: Service) -> None:
    agent, bank = countersign.client("agent"), countersign.bank()
    before = bank.get("/accounts/ACC002/balance").json()["booked_minor"]

    told = agent.post("/agent/transfers", json=TUTORIAL)

    assert told.status_code == 200, told.text
    assert told.json()["result"]["status"] == "submitted", told.text
    assert told.json()["result"].keys() == {"transfer_id", "status"}
    made = bank.get(f"/transfers/{told.json()['result']['transfer_id']}").json()
    assert (made["status"], made["amount"]) == ("settled", "125.50")
    assert bank.get("/accounts/ACC002/balance").json()["booked_minor"] == before + 12_550
    task = agent.get(f"/agent/tasks/{told.json()['task_id']}").json()
    assert (task["agent_name"], task["status"]) == ("risk-agent", "settled")
