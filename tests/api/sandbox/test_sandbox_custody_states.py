"""Whatever is ordered at whatever prices in whatever order, custody stays what its trades say, and nothing is lost."""

import asyncio
import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from api.sandbox import custody_fills
from api.sandbox.database import Connection, open_pool
from db.embedded import Server
from tests.many_portfolios import seed_portfolios
from tests.served_bank import ServedBank, fresh_database, served_bank

NEVER_S = 3600.0
REFUSALS = {"insufficient_cash", "insufficient_holdings", "whole_shares_only", "order_cancelled"}

instruments = st.sampled_from(["HUSA", "HAGG", "HLEV", "TPAR", "TSHO", "TREJ"])
quantities = st.decimals("0.000001", 60, places=6) | st.integers(1, 60).map(Decimal)
prices = st.decimals("0.5", 400, places=4)
sides = st.sampled_from(["buy", "sell"])


class CustodyStates(RuleBasedStateMachine):
    """The bank's own clock stands still: the machine says when it is time."""

    bank: ClassVar[ServedBank]
    runner: ClassVar[asyncio.Runner]
    conn: ClassVar[Connection]
    books: ClassVar[psycopg.Connection]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    @initialize()
    def begin(self) -> None:
        self.prefix = f"s{next(self.numbers)}x"
        (self.account,) = seed_portfolios(self.bank.database_url, 1, self.prefix)
        self.open: list[str] = []
        self.sent: list[tuple[str, str, Any, httpx.Response]] = []

    @rule(side=sides, instrument_id=instruments, quantity=quantities, limit=st.none() | prices)
    def order(self, side: str, instrument_id: str, quantity: Decimal, limit: Decimal | None) -> None:
        order = {"side": side, "instrument_id": instrument_id, "quantity": f"{quantity:f}"}
        answer = self.post(
            f"/custody-accounts/{self.account}/orders", order | ({} if limit is None else {"limit": f"{limit:f}"})
        )
        if answer.status_code == 201:
            self.open.append(answer.json()["order_id"])

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.post(f"/custody-orders/{data.draw(st.sampled_from(self.open))}/cancel", {})

    @rule(instrument_id=instruments, price=prices)
    def price_moves(self, instrument_id: str, price: Decimal) -> None:
        body = {"instrument_id": instrument_id, "price": f"{price:f}"}
        self.bank.http.put("/prices", json=body).raise_for_status()

    @rule(kind=st.sampled_from(["deposit", "withdrawal"]), amount_minor=st.integers(1, 500_00))
    def cash_flows(self, kind: str, amount_minor: int) -> None:
        body = {"kind": kind, "amount": f"{Decimal(amount_minor) / 100}", "currency": "USD"}
        self.post(f"/custody-accounts/{self.account}/cash-flows", body)

    @rule()
    def take_a_step(self) -> None:
        """At the prices of the moment a fill changes nothing in value but the fee, and half a cent for its rounding."""
        before, fees = self.worth(), self.fees_minor()

        self.runner.run(custody_fills.step_one(self.conn, 0.0))

        assert abs(before - (self.worth() + self.fees_minor() - fees)) <= Decimal("0.5")

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        key, path, body, first = data.draw(st.sampled_from(self.sent))

        again = self.bank.post(path, body, key)

        assert (again.status_code, again.content) == (first.status_code, first.content)

    @invariant()
    def nothing_is_below_zero_and_all_adds_up(self) -> None:
        assert self.one(
            "SELECT booked_minor >= held_minor AND held_minor >= 0 FROM accounts WHERE account_id = %(cash)s"
        )
        assert self.one(_CASH_IS_WHAT_FLOWED)
        assert not self.rows(_POSITIONS_OTHER_THAN_TRADES)
        assert not self.rows(_RESERVATIONS_OTHER_THAN_ORDERS)

    def teardown(self) -> None:
        """The books of the whole bank; then nothing is left for the next machine."""
        if not hasattr(self, "sent"):
            return
        ledger = self.bank.ledger()
        assert ledger["unbalanced"] == ledger["drifted_balances"] == ledger["drifted_holds"] == []
        for order_id in self.open:
            self.post(f"/custody-orders/{order_id}/cancel", {})

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        key = f"{self.prefix}-{len(self.sent)}"
        answer = self.bank.post(path, body, key)
        self.sent.append((key, path, body, answer))
        if answer.status_code != 201:
            code = answer.json()["code"]
            assert code in REFUSALS or code.startswith(("order_", "invalid_quantity")), answer.text
        return answer

    def worth(self) -> Decimal:
        return Decimal(self.one(_WORTH_MINOR))

    def fees_minor(self) -> int:
        return int(self.one("SELECT sum(fee_minor) FROM trades WHERE custody_account_id = %(id)s"))

    def one(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def rows(self, sql: str) -> list[Any]:
        return self.books.execute(sql.encode(), {"id": self.account, "cash": f"{self.account}-USD"}).fetchall()


_WORTH_MINOR = """
    SELECT booked_minor + (SELECT sum(quantity * price) * 100 FROM lots JOIN quotes ON quote_id = instrument_id
                           WHERE lots.custody_account_id = %(id)s)
    FROM accounts WHERE account_id = %(cash)s
"""
_CASH_IS_WHAT_FLOWED = """
    SELECT booked_minor = (SELECT sum(amount_minor) FROM custody_cash_flows WHERE custody_account_id = %(id)s)
        - (SELECT sum(fee_minor + CASE side WHEN 'buy' THEN amount_minor ELSE -amount_minor END)
           FROM trades WHERE custody_account_id = %(id)s)
    FROM accounts WHERE account_id = %(cash)s
"""
_POSITIONS_OTHER_THAN_TRADES = """
    SELECT instrument_id, quantity FROM positions WHERE custody_account_id = %(id)s AND quantity <> (
        SELECT sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) FROM trades
        WHERE custody_account_id = %(id)s AND trades.instrument_id = positions.instrument_id)
"""
_RESERVATIONS_OTHER_THAN_ORDERS = """
    SELECT lot_id, reserved_quantity FROM lots WHERE custody_account_id = %(id)s AND reserved_quantity <> (
        SELECT coalesce(sum(left_quantity), 0) FROM custody_order_lots AS taken JOIN custody_orders USING (order_id)
        WHERE taken.lot_id = lots.lot_id AND status IN ('accepted', 'partially_filled'))
"""


@pytest.fixture(scope="module")
def machine(postgres: Server, banked: str) -> Iterator[type[CustodyStates]]:
    with (
        fresh_database(postgres.url, banked) as database_url,
        served_bank(database_url, tick_s=NEVER_S) as bank,
        bank.sql() as CustodyStates.books,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        pool = open_pool(database_url, 1)
        runner.run(pool.open(wait=True))
        CustodyStates.bank, CustodyStates.runner, CustodyStates.conn = bank, runner, runner.run(pool.getconn())
        yield CustodyStates
        runner.run(pool.putconn(CustodyStates.conn))
        runner.run(pool.close())


def test_a_price_that_rose_beyond_the_cash_rejects_the_order_rather_than_overdraw(
    machine: type[CustodyStates],
) -> None:
    bank = machine.bank
    (account,) = seed_portfolios(bank.database_url, 1, "rise")
    free_minor = bank.booked_minor(f"{account}-USD")
    quantity = Decimal(free_minor) / 100 / Decimal("33.5")
    order = {"side": "buy", "instrument_id": "HREI", "quantity": f"{quantity:.4f}"}

    placed = bank.post(f"/custody-accounts/{account}/orders", order, key="rises").json()
    bank.http.put("/prices", json={"instrument_id": "HREI", "price": "90"}).raise_for_status()
    machine.runner.run(custody_fills.step_one(machine.conn, 0.0))

    ended = bank.http.get(f"/custody-orders/{placed['order_id']}").json()
    assert (ended["status"], ended["reason"]) == ("rejected", "price_moved")
    assert bank.available_minor(f"{account}-USD") == bank.booked_minor(f"{account}-USD") == free_minor


@pytest.mark.parametrize("examples", [10, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_custody_stays_what_its_trades_say(machine: type[CustodyStates], examples: int) -> None:
    run_machine(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
