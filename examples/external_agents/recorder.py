"""Agent C records the decision and its outcome where people, and the next agent, read it."""

from typing import Any

from agent import call, work


def record(task: dict[str, Any]) -> dict[str, Any]:
    order, decided = task["payload"]["order"], task["payload"]["before"]
    interaction = {
        "client_id": task["client_id"],
        "channel": "chat",
        "occurred_at": task["created_at"],
        "summary": f"Asked for {order['amount']} to {order['destination_account']}: {decided['decision']}.",
        "note": f"{decided['reason']}; {decided.get('status', 'nothing was sent')}",
    }
    return {"recorded": call("POST", "/interactions", interaction, **{"Idempotency-Key": task["task_id"]})[1]}


if __name__ == "__main__":
    work("outcome-recorder", record)
