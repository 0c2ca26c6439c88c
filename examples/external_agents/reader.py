"""Agent A reads the balance of the account that is to pay."""

from typing import Any

from agent import read, work


def look_up(task: dict[str, Any]) -> dict[str, Any]:
    balance = read("get_balance", account_id=task["payload"]["source_account"])["balance"]
    return {"available_minor": balance["available_minor"], "currency": balance["currency"]}


if __name__ == "__main__":
    work("balance-reader", look_up, hands_on_to="payment-decider")
