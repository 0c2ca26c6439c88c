"""Standing orders: paid when they are due, skipped with a reason, and never twice for a day."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.sandbox.test_sandbox_ledger import open_accounts
from tests.served_bank import ServedBank


def day(days_ahead: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days_ahead)).date().isoformat()


def ordered(bank: ServedBank, source: str, **more: Any) -> str:
    order = {"source_account": source, "destination_account": "ACC002", "amount": "30.00", "reference": "rent"}
    schedule = {"every": "month", "first_on": day(0)}
    answer = bank.post("/standing-orders", order | schedule | more, key=f"standing-{source}").raise_for_status()
    return f"/standing-orders/{answer.json()['standing_order_id']}"


def executions(bank: ServedBank, path: str, count: int) -> list[dict[str, Any]]:
    """Oldest first, once there are so many."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        time.sleep(0.02)
        found = bank.http.get(path).raise_for_status().json()["executions"]
    return found[::-1]


def long_ago(bank: ServedBank, path: str, first_on: str) -> None:
    """As if the bank had been away since."""
    with bank.sql() as conn:
        conn.execute(
            "UPDATE standing_orders SET first_on = %s, next_on = %s WHERE standing_order_id = %s",
            (first_on, first_on, path.rpartition("/")[2]),
        )


def test_a_due_order_is_paid_and_its_payment_found_by_its_key(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "DUE", 1, 100_00)

    path = ordered(bank, account)
    (execution,) = executions(bank, path, 1)

    order = bank.http.get(path).json()
    transfer = bank.http.get(f"/transfers/{execution['transfer_id']}").json()
    assert (execution["status"], execution["due_on"]) == ("executed", day(0))
    assert (order["status"], order["amount"], order["destination_account"]) == ("active", "30.00", "ACC002")
    assert order["next_on"] > day(27)
    assert (transfer["amount"], transfer["reference"]) == ("30.00", "rent")
    assert bank.http.get(f"/requests/{order['standing_order_id']}:{day(0)}").json()["response"] == transfer
    assert bank.booked_minor(account) == 70_00
    assert bank.http.get(f"/accounts/{account}/standing-orders").json()["standing_orders"][0]["next_on"] > day(27)


def test_an_uncovered_day_is_skipped_with_its_reason(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "BARE", 1, 10_00)

    (execution,) = executions(bank, ordered(bank, account), 1)

    assert (execution["status"], execution["reason"]) == ("skipped", "insufficient_funds")
    assert bank.booked_minor(account) == 10_00


def test_missed_days_are_made_up_for_as_far_as_the_money_goes(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "MISSED", 1, 70_00)
    path = ordered(bank, account, every="day", first_on=day(5), last_on=day(5))

    long_ago(bank, path, day(-2))
    found = executions(bank, path, 3)

    assert [(execution["due_on"], execution["status"]) for execution in found] == [
        (day(-2), "executed"),
        (day(-1), "executed"),
        (day(0), "skipped"),
    ]
    assert bank.booked_minor(account) == 10_00


def test_the_last_day_of_a_month_stays_the_last(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "MONTH", 1, 1_00)
    path = ordered(bank, account, first_on=day(5))

    long_ago(bank, path, "2024-01-31")
    found = executions(bank, path, 4)

    assert [execution["due_on"] for execution in found[:4]] == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]


def test_an_order_ends_after_its_last_day(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "LAST", 1, 100_00)

    path = ordered(bank, account, every="day", last_on=day(0))
    ended = bank.awaited(path, status="ended")

    assert (ended["next_on"], len(ended["executions"])) == (None, 1)


def test_a_cancelled_order_is_not_paid(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "CANCEL", 1, 100_00)
    path = ordered(bank, account, first_on=day(1))

    bank.http.delete(path).raise_for_status()

    assert bank.http.get(path).json().items() >= {"status": "cancelled", "next_on": None, "executions": []}.items()


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"first_on": "2020-01-01"}, "invalid_first_day", "first_on"),
        ({"last_on": "2020-01-01"}, "invalid_request", "last_on"),
        ({"every": "year"}, "invalid_request", "every"),
        ({"destination_account": "ACC999"}, "unknown_account", "destination_account"),
        ({"destination_account": None}, "invalid_request", "creditor_iban"),
    ],
)
def test_a_wrong_standing_order_is_refused(bank: ServedBank, change: dict[str, Any], code: str, field: str) -> None:
    order = {"source_account": "ACC001", "destination_account": "ACC002", "amount": 1, "every": "day"}

    answer = bank.post("/standing-orders", order | {"first_on": day(1)} | change, key=f"wrong-{code}-{field}")

    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)
