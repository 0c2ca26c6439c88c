"""Files that a test world is made of: what is wrong with one is said by its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.desk import exposed_of
from api.sandbox.world import UnreadableWorld, read_world
from db.errors import CountersignError
from tools.copilot_exposed import read_exposed

WORLDS = Path(__file__).parents[1] / "worlds"


def changed(file: str, path: tuple[str | int, ...], value: Any) -> str:
    whole = json.loads((WORLDS / file).read_text())
    at = whole
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("version",), 2, "version: Input should be 1"),
        (("extra",), 1, "extra: Extra inputs are not permitted"),
        (("accounts", 0, "customer_id"), "cust_none", "accounts.0.customer_id: no customer cust_none"),
        (("accounts", 1, "account_id"), "DE89370400440532013000", "DE89370400440532013000 is named twice"),
        (("transactions", 0, "payee"), "X1", "transactions.0: neither account nor party X1"),
        (("transactions", 0, "amount"), -1, "transactions.0.amount: Input should be greater than 0"),
        (("files", 0, "customer_id"), "cust_none", "files.0.customer_id: no customer cust_none"),
        (("standing_orders", 0, "source_account"), "X1", "standing_orders.0.source_account: no account X1"),
    ],
)
def test_world_that_contradicts_itself_is_refused_by_its_place(
    tmp_path: Path, path: tuple[str | int, ...], value: Any, fault: str
) -> None:
    file = tmp_path / "world.json"
    file.write_text(changed("banking.json", path, value))

    with pytest.raises(UnreadableWorld, match="world") as refused:
        read_world(file)

    assert fault in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("tools", 1, "workflow"), "send", "send_money names send, and there is no such"),
        (("tools", 1, "operation"), "get_balance", "must have one of operation, workflow and refused"),
        (("tools", 1, "name"), "get_iban", "get_iban is exposed twice"),
        (("tools", 0, "operation"), "capture_hold", "get_iban names capture_hold, and there is no such"),
    ],
)
def test_tool_that_names_nothing_is_refused_by_its_name(
    tmp_path: Path, path: tuple[str | int, ...], value: Any, fault: str
) -> None:
    file = tmp_path / "tools.json"
    file.write_text(changed("banking_tools.json", path, value))

    with pytest.raises(CountersignError, match="COUNTERSIGN_COPILOT_TOOLS") as refused:
        exposed_of(file, ["transfer"])

    assert fault in str(refused.value)


def test_examples_are_a_world_and_its_tools() -> None:
    world, sha256 = read_world(WORLDS / "banking.json")
    exposed = read_exposed((WORLDS / "banking_tools.json").read_text())

    assert not world.account_number_checksums and len(sha256) == 64
    assert {"send_money", "get_iban", "update_scheduled_transaction"} <= {tool.name for tool in exposed.tools}
