"""The client of the bank's custody against the sandbox bank, behaving and not."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from db.embedded import Server
from db.errors import BankRefused, BankUnavailable, NeedsReconcile, NotFound
from tests.served_bank import API_KEY, ServedBank, fresh_database, served_bank
from tools.bank import Bank
from tools.bank_custody import (
    Order,
    PlacedOrder,
    cancel_order,
    find_order,
    place_order,
    placed_order,
    read_custody_accounts,
    read_fx,
    read_holdings,
    read_household,
    read_instruments,
    read_prices,
    read_trades,
)
from tools.bank_custody_history import read_cash_flows, read_price_history, read_valuations
from tools.bank_custody_overview import read_custody
from tools.bank_custody_positions import AccountPositions, read_positions

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
ORDERS = "POST /custody-accounts/{custody_account_id}/orders"


@pytest.fixture(scope="module")
def module_sandbox(postgres: Server, banked: str) -> Iterator[ServedBank]:
    with fresh_database(postgres.url, banked) as database_url, served_bank(database_url) as bank:
        yield bank


@pytest.fixture
def sandbox(module_sandbox: ServedBank) -> Iterator[ServedBank]:
    yield module_sandbox
    module_sandbox.behave()


@pytest.fixture
async def bank(sandbox: ServedBank) -> AsyncIterator[Bank]:
    bank = Bank(sandbox.url, API_KEY)
    yield bank
    await bank.aclose()


async def ended(bank: Bank, order_id: str) -> PlacedOrder:
    deadline = time.monotonic() + 30
    while not (order := await find_order(bank, order_id)).is_over:
        assert time.monotonic() < deadline, order
        await asyncio.sleep(0.05)
    return order


async def test_instruments_have_what_suitability_asks_and_each_has_a_price_of_now(bank: Bank) -> None:
    instruments = {instrument.instrument_id: instrument for instrument in await read_instruments(bank)}
    prices = await read_prices(bank, instruments)

    assert (instruments["HEUR"].whole_shares, instruments["HEUR"].currency) == (True, "EUR")
    assert (instruments["HAUT"].complexity, instruments["HPRC"].liquidity_days) == ("complex", 90)
    assert "tobacco" in instruments["KLMT"].tags
    assert prices["HUSA"].price == Decimal("241.15")
    assert min(price.as_of for price in prices.values()) > datetime.now(UTC) - timedelta(minutes=15)


async def test_a_household_is_read_with_the_accounts_of_all_its_customers(bank: Bank) -> None:
    of_client = await read_custody_accounts(bank, "client-001")
    of_household = await read_household(bank, "hh-002")

    assert [(one.custody_account_id, one.tax_status) for one in of_client] == [
        ("CUS001", "taxable"),
        ("CUS002", "deferred"),
    ]
    assert {one.customer_id for one in of_household} == {"client-002", "client-003"}


async def test_one_call_tells_of_a_client_what_single_calls_do(bank: Bank) -> None:
    own = await read_custody(bank, "client-002", (), LONG_AGO)
    both = await read_custody(bank, "client-002", ("CUS004", "CUS003"), LONG_AGO)

    assert [one.account.custody_account_id for one in own] == ["CUS003", "CUS004"]
    assert [one.holdings is None for one in own] == [False, True]
    for one in both:
        alone = await read_holdings(bank, one.account.custody_account_id)
        assert one.holdings is not None and replace(alone, as_of=one.holdings.as_of) == one.holdings
        assert one.trades == await read_trades(bank, one.account.custody_account_id, LONG_AGO) != ()
    assert await read_custody(bank, "cust_1001", (), LONG_AGO) == ()


async def test_holdings_are_lots_with_cost_and_cash_in_each_currency(bank: Bank) -> None:
    holdings = await read_holdings(bank, "CUS006")

    assert set(holdings.cash) == {"USD", "EUR"}
    assert holdings.pending_orders == () and holdings.reserved == {"USD": 0, "EUR": 0}
    assert {lot.instrument_id: lot.quantity for lot in holdings.lots}["RHNK"] == 35
    assert all(lot.cost_minor > 0 and lot.acquired_on < holdings.as_of.date() for lot in holdings.lots)
    assert [(rate.base, rate.quote, rate.rate) for rate in await read_fx(bank)] == [("EUR", "USD", Decimal("1.0842"))]


async def test_what_all_accounts_hold_is_read_page_by_page(bank: Bank) -> None:
    accounts: list[AccountPositions] = []
    after: str | None = ""
    while after is not None:
        page = await read_positions(bank, after, 4)
        accounts += page.custody_positions
        after = page.next_after

    assert [one.custody_account_id for one in accounts] == [f"CUS{number:03}" for number in range(1, 12)]
    for account in accounts:
        lots = (await read_holdings(bank, account.custody_account_id)).lots
        held = {
            name: sum(lot.quantity for lot in lots if lot.instrument_id == name)
            for name in {lot.instrument_id for lot in lots}
        }
        assert {one.instrument_id: one.quantity for one in account.positions} == held


async def test_the_past_is_read_to_measure_performance_and_risk(bank: Bank) -> None:
    closes = await read_price_history(bank, ["HUSA", "HAGG"], date(2000, 1, 1))
    valuations = await read_valuations(bank, "CUS006", date(2000, 1, 1))
    flows = await read_cash_flows(bank, "CUS006", LONG_AGO)
    trades = await read_trades(bank, "CUS006", LONG_AGO)

    assert len(closes["HUSA"]) >= 262 and [close.on for close in closes["HUSA"]] == [
        close.on for close in closes["HAGG"]
    ]
    assert closes["HUSA"][-1].close == Decimal("241.15")
    assert valuations[0].flow_minor == flows[0].amount_minor
    assert valuations[0].total_minor == flows[0].amount_minor - trades[0].fee_minor
    assert {flow.kind for flow in flows} == {"deposit", "dividend", "fee"}
    assert sum(lot.cost_minor for trade in trades for lot in trade.lots) == sum(
        lot.cost_minor for lot in (await read_holdings(bank, "CUS006")).lots
    )


async def test_the_last_valuation_is_what_the_holdings_are_worth(bank: Bank) -> None:
    holdings = await read_holdings(bank, "CUS010")
    prices = await read_prices(bank, [lot.instrument_id for lot in holdings.lots])
    in_eur = {"EUR": Decimal(1), "USD": 1 / Decimal("1.0842")}

    last = (await read_valuations(bank, "CUS010", date(2000, 1, 1)))[-1]

    cash = sum((minor * in_eur[currency] for currency, minor in holdings.cash.items()), Decimal(0))
    shares = ((lot.quantity * prices[lot.instrument_id].price * in_eur[lot.currency]) for lot in holdings.lots)
    assert abs(last.securities_minor - sum(shares, Decimal(0)) * 100) < 1
    assert abs(last.cash_minor - cash) < 1


async def test_an_order_is_placed_once_per_key_and_found_by_it(bank: Bank, sandbox: ServedBank) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    order = Order("buy", "HGOV", Decimal("3.5"))
    sandbox.misbehave("timeout_after_commit", ORDERS, times=1)

    placed = placed_order(await place_order(bank, "CUS009", order, "buy-once"))
    filled = await ended(bank, placed.order_id)

    assert sandbox.awaited_log("buy-once", 2) == [(201, False), (201, True)]
    assert (filled.status, filled.filled_quantity, filled.key) == ("filled", Decimal("3.5"), "buy-once")
    assert [(fill.amount_minor, fill.fee_minor) for fill in filled.fills] == [(358_89, 18)]
    assert await bank.request_by_key("never-sent") is None
    days = {"since": since.isoformat(), "until": (since + timedelta(hours=1)).isoformat()}
    listed = (await bank.call("GET", f"custody-orders?{urlencode(days)}")).json()["orders"]
    assert filled in [placed_order(each) for each in listed]
    assert await bank.outcome("buy-once", order.body()) == await place_order(bank, "CUS009", order, "buy-once")


async def test_named_lots_are_sold_and_the_trade_tells_the_gain(bank: Bank) -> None:
    lots = [lot for lot in (await read_holdings(bank, "CUS001")).lots if lot.instrument_id == "HUSA"]
    dearest = max(lots, key=lambda lot: lot.cost_minor / lot.quantity)
    part = Decimal("10.000001")

    order = Order("sell", "HUSA", part, lots=((dearest.lot_id, part),))
    placed = placed_order(await place_order(bank, "CUS001", order, "sell-dearest"))
    await ended(bank, placed.order_id)

    (trade,) = [one for one in await read_trades(bank, "CUS001", LONG_AGO) if one.order_id == placed.order_id]
    cost = round(dearest.cost_minor * part / dearest.quantity)
    left = {lot.lot_id: lot for lot in (await read_holdings(bank, "CUS001")).lots}
    assert [(lot.lot_id, lot.cost_minor) for lot in trade.lots] == [(dearest.lot_id, cost)]
    assert trade.gain_minor == trade.amount_minor - trade.fee_minor - cost
    assert left[dearest.lot_id].quantity == dearest.quantity - part
    assert left[dearest.lot_id].cost_minor == dearest.cost_minor - cost


@pytest.mark.parametrize(
    ("account_id", "order", "code"),
    [
        ("CUS001", Order("buy", "HUSA", Decimal(1000)), "insufficient_cash"),
        ("CUS001", Order("sell", "HUSA", Decimal(1000)), "insufficient_holdings"),
        ("CUS001", Order("sell", "HUSA", Decimal(1), lots=(("lot_x", Decimal(1)),)), "unknown_lot"),
        ("CUS001", Order("buy", "NONE", Decimal(1)), "unknown_instrument"),
        ("CUS001", Order("buy", "HGIL", Decimal(1)), "no_cash_in_currency"),
        ("CUS006", Order("buy", "HEUR", Decimal("1.5")), "whole_shares_only"),
        ("CUS001", Order("buy", "HUSA", Decimal(-1)), "invalid_request"),
        ("CUS011", Order("sell", "HGOV", Decimal(1)), "account_frozen"),
    ],
)
async def test_an_impossible_order_is_refused_for_good(bank: Bank, account_id: str, order: Order, code: str) -> None:
    with pytest.raises(BankRefused) as refusal:
        await place_order(bank, account_id, order, f"impossible-{code}")

    assert refusal.value.code == code


async def test_a_refusal_is_found_by_its_key_and_a_key_of_something_else_says_so(bank: Bank) -> None:
    with pytest.raises(BankRefused):
        await place_order(bank, "CUS001", Order("buy", "HUSA", Decimal(1000)), "refused-by-key")
    await place_order(bank, "CUS009", Order("buy", "HCSH", Decimal(1)), "other-order")

    refused = await bank.request_by_key("refused-by-key")
    assert refused is not None and refused.response["code"] == "insufficient_cash"
    with pytest.raises(NeedsReconcile):
        await place_order(bank, "CUS009", Order("buy", "HCSH", Decimal(2)), "other-order")


async def test_an_order_that_waits_for_its_limit_reserves_its_cash_until_it_is_cancelled(bank: Bank) -> None:
    before = await read_holdings(bank, "CUS003")
    order = Order("buy", "HUSA", Decimal(10), limit=Decimal(200))

    placed = placed_order(await place_order(bank, "CUS003", order, "waits"))
    waiting = await read_holdings(bank, "CUS003")
    await cancel_order(bank, placed.order_id, "waits-no-more")
    after = await read_holdings(bank, "CUS003")

    assert [one.order_id for one in waiting.pending_orders] == [placed.order_id]
    assert (waiting.cash, waiting.reserved["USD"]) == (before.cash, 2_001_00)
    assert (after.cash, after.reserved, after.pending_orders) == (before.cash, before.reserved, ())
    with pytest.raises(BankRefused) as refusal:
        await cancel_order(bank, placed.order_id, "waits-too-late")
    assert refusal.value.code == "order_cancelled"


async def test_what_the_bank_does_not_have_is_not_found(bank: Bank) -> None:
    for reading in (
        read_holdings(bank, "CUS999"),
        read_trades(bank, "CUS999", LONG_AGO),
        read_custody_accounts(bank, "client-999"),
        read_custody(bank, "client-999", (), LONG_AGO),
        read_household(bank, "hh-999"),
        read_prices(bank, ["HUSA", "NONE"]),
        read_price_history(bank, ["NONE"], date(2000, 1, 1)),
        find_order(bank, "ord_none"),
        find_order(bank, "../health"),
    ):
        with pytest.raises(NotFound):
            await reading


async def test_a_bank_that_is_away_is_unavailable_and_takes_the_order_later(bank: Bank, sandbox: ServedBank) -> None:
    order = Order("buy", "HCSH", Decimal(1))
    sandbox.misbehave("500", ORDERS)

    with pytest.raises(BankUnavailable):
        await place_order(bank, "CUS009", order, "later")
    sandbox.behave()

    assert await bank.request_by_key("later") is None
    assert placed_order(await place_order(bank, "CUS009", order, "later")).status == "accepted"
