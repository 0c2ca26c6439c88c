"""API keys: what each scope allows, and what a key without it hears."""

from typing import Any

import pytest

from tests.served_bank import ServedBank

TRANSFER = {"source_account": "ACC001", "destination_account": "ACC002", "amount": "1.00"}


def key_with(bank: ServedBank, *scopes: str) -> dict[str, Any]:
    order = {"name": "of a test", "scopes": list(scopes)}
    return dict(bank.http.post("/api-keys", json=order).raise_for_status().json())


def bearer(key: dict[str, Any], idempotency_key: str = "scoped") -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}", "Idempotency-Key": idempotency_key}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/accounts/ACC001", "read"),
        ("GET", "/transfers/trf_0", "read"),
        ("GET", "/requests/some-key", "read"),
        ("POST", "/transfers", "transfer"),
        ("POST", "/holds", "holds"),
        ("POST", "/holds/hld_0/capture", "holds"),
        ("POST", "/loan-accounts", "loans"),
        ("GET", "/log", "admin"),
        ("GET", "/ledger/check", "admin"),
        ("PUT", "/misbehaviour", "admin"),
        ("POST", "/api-keys", "admin"),
    ],
)
def test_a_missing_scope_is_a_403_naming_it(bank: ServedBank, method: str, path: str, scope: str) -> None:
    others = {"read", "transfer", "holds", "loans", "admin"} - {scope}

    refused = bank.http.request(method, path, headers=bearer(key_with(bank, *others)))
    allowed = bank.http.request(method, path, headers=bearer(key_with(bank, scope)))

    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (403, "scope_missing", scope)
    assert f"needs the scope {scope}" in refused.json()["detail"]
    assert allowed.status_code in (200, 404, 422)


def test_a_refusal_for_want_of_a_scope_uses_no_key_up(bank: ServedBank) -> None:
    refused = bank.http.post("/transfers", json=TRANSFER, headers=bearer(key_with(bank, "read"), "unused"))
    allowed = bank.http.post("/transfers", json=TRANSFER, headers=bearer(key_with(bank, "transfer"), "unused"))

    assert (refused.status_code, allowed.status_code) == (403, 201)
    assert bank.log("unused") == [(403, False), (201, False)]


def test_a_revoked_key_opens_nothing(bank: ServedBank) -> None:
    key = key_with(bank, "read")
    before = bank.http.get("/accounts/ACC001", headers=bearer(key)).status_code

    bank.http.delete(f"/api-keys/{key['key_id']}").raise_for_status()
    after = bank.http.get("/accounts/ACC001", headers=bearer(key)).status_code

    assert (before, after) == (200, 401)


def test_keys_are_listed_without_themselves(bank: ServedBank) -> None:
    key = key_with(bank, "read", "holds")

    listed = bank.http.get("/api-keys")

    assert key["key"] not in listed.text
    assert listed.json()["api_keys"][0]["key_id"] == "root"
    assert {"key_id": key["key_id"], "scopes": ["holds", "read"]}.items() <= listed.json()["api_keys"][-1].items()


def test_the_first_key_cannot_be_revoked(bank: ServedBank) -> None:
    assert bank.http.delete("/api-keys/root").json()["code"] == "key_is_root"


@pytest.mark.parametrize("order", [{"name": "", "scopes": []}, {"name": "x", "scopes": ["everything"]}, {"name": "x"}])
def test_a_wrong_key_order_is_refused(bank: ServedBank, order: dict[str, object]) -> None:
    assert bank.http.post("/api-keys", json=order).status_code == 422
