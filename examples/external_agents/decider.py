"""Agent B decides whether to transfer. A model may stand here: what it wants is a request, which rules check and people
release where policy says so. The transfer has the task's id, so whoever takes the task over pays nothing twice."""

from decimal import Decimal
from typing import Any

from agent import call, work

KEPT_MINOR = 100_00


def decide(task: dict[str, Any]) -> dict[str, Any]:
    order, available_minor = task["payload"]["order"], task["payload"]["before"]["available_minor"]
    left_minor = available_minor - int(Decimal(order["amount"]) * 100)
    if left_minor < KEPT_MINOR:
        return {"decision": "hold", "reason": f"{left_minor} would be left, of the {KEPT_MINOR} that stay"}
    transfer = {"task_id": task["task_id"], "agent_name": "payment-decider"} | order
    told = call("POST", "/agent/transfers", transfer)[1]
    return {"decision": "transfer", "reason": f"{left_minor} are left"} | told.get("result", {"refused": told})


if __name__ == "__main__":
    work("payment-decider", decide, hands_on_to="outcome-recorder")
