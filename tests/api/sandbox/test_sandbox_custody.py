"""Orders in custody: what becomes of them, what they reserve, and prices that tests put."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from stdnum import isin

from tests.many_portfolios import seed_portfolios
from tests.receiver import receiver
from tests.served_bank import ServedBank

PARTS = [Decimal("4.8"), Decimal("3.6"), Decimal("3.6")]


def placed(bank: ServedBank, account: str, key: str, **order: Any) -> dict[str, Any]:
    order = {"side": "buy", "quantity": "12"} | order
    return dict(bank.post(f"/custody-accounts/{account}/orders", order, key).raise_for_status().json())


def filled(bank: ServedBank, order: dict[str, Any], status: str = "filled") -> dict[str, Any]:
    return bank.awaited(f"/custody-orders/{order['order_id']}", status=status)


def cash(bank: ServedBank, account: str) -> tuple[int, int]:
    """In USD: all of it, and what is reserved."""
    holdings = bank.http.get(f"/custody-accounts/{account}/holdings").json()
    return holdings["cash"]["USD"], holdings["reserved"]["USD"]


@pytest.mark.parametrize(
    ("instrument_id", "status", "parts", "reason"),
    [
        ("HUSA", "filled", [Decimal(12)], None),
        ("TPAR", "filled", PARTS, None),
        ("TSHO", "cancelled", [Decimal(7)], "no_more_liquidity"),
        ("TREJ", "rejected", [], "rejected_by_market"),
    ],
)
def test_the_instrument_decides_how_an_order_is_filled_and_the_rest_is_free_again(
    bank: ServedBank, instrument_id: str, status: str, parts: list[Decimal], reason: str | None
) -> None:
    before, _ = cash(bank, "CUS009")

    order = placed(bank, "CUS009", f"fill-{instrument_id}", instrument_id=instrument_id)
    ended = filled(bank, order, status)

    paid = sum(fill["amount_minor"] + fill["fee_minor"] for fill in ended["fills"])
    assert order["reserved_minor"] >= paid and order["status"] == "accepted"
    assert ([Decimal(fill["quantity"]) for fill in ended["fills"]], ended["reason"]) == (parts, reason)
    assert cash(bank, "CUS009") == (before - paid, 0)
    assert bank.ledger()["drifted_balances"] == bank.ledger()["drifted_holds"] == bank.ledger()["unbalanced"] == []


@pytest.mark.parametrize(
    ("mode", "status"), [("fill_partial", "filled"), ("fill_short", "cancelled"), ("fill_reject", "rejected")]
)
def test_a_switch_decides_what_becomes_of_the_next_order(bank: ServedBank, mode: str, status: str) -> None:
    bank.misbehave(mode, "custody orders", times=1)

    first = placed(bank, "CUS009", f"{mode}-1", instrument_id="HCSH")
    second = placed(bank, "CUS009", f"{mode}-2", instrument_id="HCSH")

    assert filled(bank, first, status)["status"] == status
    assert len(filled(bank, second)["fills"]) == 1


def test_fills_are_told_by_signed_webhooks(bank: ServedBank) -> None:
    with receiver() as listener:
        secret = bank.http.put("/webhook-endpoint", json={"url": f"{listener.url}/fills"}).json()["secret"]
        order = placed(bank, "CUS009", "told", instrument_id="TPAR")
        told = [one.verified(secret) for one in listener.awaited("/fills", 3)]
        bank.http.delete("/webhook-endpoint").raise_for_status()

    assert {one["data"]["order_id"] for one in told} == {order["order_id"]}
    assert sorted(one["type"] for one in told) == ["order.filled", "order.partially_filled", "order.partially_filled"]


def test_a_sale_takes_the_oldest_lots_and_what_it_takes_is_not_sold_twice(bank: ServedBank) -> None:
    account = "/custody-accounts/CUS003"
    lots = [lot for lot in bank.http.get(f"{account}/holdings").json()["lots"] if lot["instrument_id"] == "HUSA"]
    sale = {"side": "sell", "instrument_id": "HUSA", "quantity": "300", "limit": "1000"}

    order = placed(bank, "CUS003", "sell-300", **sale)
    again = bank.post(f"{account}/orders", sale, key="sell-300-more")
    reserved = [lot["reserved_quantity"] for lot in bank.http.get(f"{account}/holdings").json()["lots"]]
    bank.http.put("/prices", json={"instrument_id": "HUSA", "price": "1000"}).raise_for_status()
    filled(bank, order)

    (trade,) = [
        trade
        for trade in bank.http.get(f"{account}/trades", params={"since": "2020-01-01T00:00:00Z"}).json()["trades"]
        if trade["order_id"] == order["order_id"]
    ]
    assert again.json()["code"] == "insufficient_holdings"
    assert sorted(map(Decimal, filter(lambda quantity: Decimal(quantity), reserved))) == [40, 260]
    assert [(lot["lot_id"], Decimal(lot["quantity"])) for lot in trade["lots"]] == [
        (lots[0]["lot_id"], Decimal(260)),
        (lots[1]["lot_id"], Decimal(40)),
    ]
    left = bank.http.get(f"{account}/holdings").json()["lots"]
    assert [Decimal(lot["quantity"]) for lot in left if lot["instrument_id"] == "HUSA"] == [50]


def test_a_price_is_of_now_unless_it_was_put_with_a_time(bank: ServedBank) -> None:
    with bank.sql() as conn:
        conn.execute("UPDATE quotes SET as_of = now() - INTERVAL '3 days' WHERE quote_id IN ('HINR', 'HGLD')")
    old = datetime.now(UTC) - timedelta(days=2)
    bank.http.put("/prices", json={"instrument_id": "HGLD", "price": 150.25, "as_of": old.isoformat()})

    prices = _fresh(bank, "HINR", old)

    assert datetime.fromisoformat(prices["HGLD"]["as_of"]) == old
    assert prices["HGLD"]["price"] == "150.250000"


def _fresh(bank: ServedBank, instrument_id: str, old: datetime) -> dict[str, Any]:
    """All prices, once the bank's clock has refreshed this one."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        prices = {one["instrument_id"]: one for one in bank.http.get("/prices").json()["prices"]}
        if datetime.fromisoformat(prices[instrument_id]["as_of"]) > old:
            return prices
        time.sleep(0.02)
    raise AssertionError("no price was refreshed")


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        ("/prices", {"instrument_id": "NONE", "price": 1}, "unknown_instrument", None),
        ("/prices", {"instrument_id": "HUSA", "price": "0"}, "invalid_request", "price"),
        ("/prices", {"instrument_id": "HUSA", "price": 1, "as_of": "yesterday"}, "invalid_request", "as_of"),
        ("/fx-rates", {"base": "GBP", "quote": "USD", "rate": 1}, "unknown_currency_pair", None),
    ],
)
def test_a_wrong_price_is_refused_naming_the_field(
    bank: ServedBank, path: str, body: dict[str, Any], code: str, field: str | None
) -> None:
    answer = bank.http.put(path, json=body)

    assert (answer.json()["code"], answer.json().get("field")) == (code, field)


def test_a_rate_is_put_as_a_price_is(bank: ServedBank) -> None:
    old = "2026-01-05T12:00:00Z"

    rates = bank.http.put("/fx-rates", json={"base": "EUR", "quote": "USD", "rate": "1.2", "as_of": old}).json()

    assert rates == {"fx_rates": [{"base": "EUR", "quote": "USD", "rate": "1.200000", "as_of": old}]}


def test_prices_move_once_for_each_weekday_that_began(bank: ServedBank) -> None:
    closes = {"instrument_id": "HAGG", "since": "2000-01-01"}
    before = bank.http.get("/price-history", params=closes).json()["histories"]["HAGG"]
    with bank.sql() as conn:
        conn.execute("DELETE FROM quote_history WHERE weekday > -3")
        conn.execute("UPDATE quotes SET as_of = now() - INTERVAL '3 days', stays = false")
        _, price = _last_close(conn)
        conn.execute("UPDATE quotes SET price = %s WHERE quote_id = 'HAGG'", (price,))

    _fresh(bank, "HAGG", datetime.now(UTC) - timedelta(hours=1))
    after = bank.http.get("/price-history", params=closes).json()["histories"]["HAGG"]

    assert [close["on"] for close in after] == [close["on"] for close in before]
    moved = [abs(Decimal(one["close"]) - Decimal(other["close"])) for one, other in zip(before, after, strict=True)]
    assert max(moved) < Decimal("0.001")


def _last_close(conn: psycopg.Connection) -> tuple[Any, Decimal]:
    row = conn.execute(
        "SELECT \"on\", close FROM quote_history WHERE quote_id = 'HAGG' ORDER BY weekday DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_cash_flows_are_booked_once_and_never_overdraw(bank: ServedBank) -> None:
    path = "/custody-accounts/CUS002/cash-flows"
    before, _ = cash(bank, "CUS002")

    deposit = {"kind": "deposit", "amount": "100.00", "currency": "USD"}
    answers = [bank.post(path, deposit, key="deposit").json() for _ in range(2)]
    refused = bank.post(path, {"kind": "withdrawal", "amount": "99999.00", "currency": "USD"}, key="withdrawal")

    assert answers[0] == answers[1]
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (
        422,
        "insufficient_cash",
        "amount",
    )
    assert cash(bank, "CUS002") == (before + 100_00, 0)


def test_custody_needs_its_own_scope_and_prices_are_put_by_the_admin(bank: ServedBank) -> None:
    def asking(scope: str) -> dict[str, str]:
        key = bank.post("/api-keys", {"name": scope, "scopes": ["read", scope]}).json()["key"]
        return {"Authorization": f"Bearer {key}", "Idempotency-Key": f"asking-{scope}"}

    order = {"side": "buy", "instrument_id": "HCSH", "quantity": 1}
    price = {"instrument_id": "HCSH", "price": 1}

    orders = [
        bank.http.post("/custody-accounts/CUS009/orders", json=order, headers=asking(scope)).status_code
        for scope in ("transfer", "custody")
    ]

    assert orders == [403, 201]
    assert bank.http.put("/prices", json=price, headers=asking("custody")).status_code == 403


def test_the_seeded_world_has_valid_isins_and_is_the_customers_own(bank: ServedBank) -> None:
    instruments = bank.http.get("/instruments").json()["instruments"]

    assert all(isin.is_valid(instrument["isin"]) for instrument in instruments)
    assert bank.http.get("/customers/client-001").json()["accounts"] == []
    assert (
        bank.post(
            "/transfers",
            {"source_account": "CUS001-USD", "destination_account": "ACC001", "amount": 1},
            key="out-of-custody",
        ).json()["code"]
        == "account_kind_not_allowed"
    )


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("UPDATE lots SET quantity = quantity + 1 WHERE custody_account_id = 'CUS004'", "do not sum"),
        ("UPDATE lots SET quantity = -1 WHERE custody_account_id = 'CUS004'", "check constraint"),
        ("UPDATE accounts SET booked_minor = -1 WHERE account_id = 'CUS004-USD'", "balance_within_limit"),
        ("DELETE FROM trades WHERE custody_account_id = 'CUS004'", "append-only"),
    ],
)
def test_the_database_itself_refuses_books_that_do_not_add_up(bank: ServedBank, broken: str, message: str) -> None:
    with bank.sql() as conn, pytest.raises(psycopg.Error, match=message):
        conn.execute(broken.encode())


def test_many_portfolios_are_seeded_whole(bank: ServedBank) -> None:
    accounts = seed_portfolios(bank.database_url, 50, "fifty")

    holdings = bank.http.get(f"/custody-accounts/{accounts[-1]}/holdings").json()

    assert len(accounts) == 50 and len(holdings["lots"]) == 12
    assert holdings["cash"]["USD"] > 0
    assert bank.ledger()["drifted_balances"] == bank.ledger()["unbalanced"] == []
