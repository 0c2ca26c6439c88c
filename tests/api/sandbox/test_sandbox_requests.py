"""What the bank tells of requests: each API key's own, page by page."""

from datetime import UTC, datetime
from typing import Any

from tests.api.sandbox.test_sandbox_access import TRANSFER, bearer, key_with
from tests.served_bank import ServedBank


def test_each_key_sees_its_own_requests_page_by_page(bank: ServedBank) -> None:
    ours, theirs = key_with(bank, "read", "transfer"), key_with(bank, "read", "transfer")
    before = datetime.now(UTC).isoformat()
    for number in range(5):
        bank.http.post("/transfers", json=TRANSFER, headers=bearer(ours, f"ours-{number}")).raise_for_status()
    refused = TRANSFER | {"amount": "99999999.00"}
    bank.http.post("/transfers", json=refused, headers=bearer(ours, "ours-refused"))
    bank.http.post("/transfers", json=TRANSFER, headers=bearer(theirs, "theirs-0")).raise_for_status()
    after = datetime.now(UTC).isoformat()

    def pages(**asked: Any) -> list[list[str]]:
        read, cursor = [], 0
        while cursor is not None:
            query = asked | {"cursor": cursor, "limit": 4}
            page = bank.http.get("/requests", params=query, headers=bearer(ours)).raise_for_status().json()
            read.append([one["idempotency_key"] for one in page["requests"]])
            cursor = page["next_cursor"]
        return read

    numbered = [f"ours-{number}" for number in range(5)]
    assert pages(since=before, until=after) == [numbered[:4], [numbered[4], "ours-refused"]]
    assert pages(until=before) == [[]]
    assert pages(since=after) == [[]]


def test_a_listed_request_says_what_its_key_says(bank: ServedBank) -> None:
    ours = key_with(bank, "read", "transfer")
    bank.http.post("/transfers", json=TRANSFER, headers=bearer(ours, "said-once")).raise_for_status()

    (listed,) = bank.http.get("/requests", headers=bearer(ours)).json()["requests"]

    known = bank.http.get("/requests/said-once", headers=bearer(ours)).json()
    assert datetime.fromisoformat(listed.pop("received_at")).tzinfo is not None
    assert listed == known
