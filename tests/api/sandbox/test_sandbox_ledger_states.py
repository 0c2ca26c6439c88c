"""Whatever is asked of the ledger in whatever order, it stays what a ledger on paper says."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from api.sandbox import clearing, holds
from api.sandbox.database import Connection, open_pool
from db.embedded import Server
from tests.api.sandbox.test_sandbox_ledger import OVERDRAFT_MINOR, open_accounts
from tests.served_bank import ServedBank, fresh_database, served_bank

OPENING_MINOR = 50_00
NEVER_S = 3600.0
STEPS = {"EXT001": ("settled",), "EXT002": ("rejected",), "EXT003": ("settled", "returned")}

places = st.integers(0, 2)
amounts = st.integers(1, 80_00)


@dataclass(slots=True)
class Pending:
    source: int
    amount_minor: int
    steps: list[str]


@dataclass(slots=True)
class Paper:
    """The same accounts on paper. The second may be overdrawn."""

    account_ids: list[str]
    booked: list[int] = field(default_factory=lambda: [OPENING_MINOR] * 3)
    held: list[int] = field(default_factory=lambda: [0] * 3)
    holds: dict[str, tuple[int, int]] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)

    def available(self, place: int) -> int:
        return self.booked[place] + (place % 2) * OVERDRAFT_MINOR - self.held[place]


class LedgerStates(RuleBasedStateMachine):
    """The bank's own clock stands still: the machine says when it is time."""

    bank: ClassVar[ServedBank]
    runner: ClassVar[asyncio.Runner]
    conn: ClassVar[Connection]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    @initialize()
    def begin(self) -> None:
        self.prefix = f"S{next(self.numbers)}-"
        self.paper = Paper(open_accounts(self.bank, self.prefix, 3, OPENING_MINOR))
        self.sent: list[tuple[str, str, Any, httpx.Response]] = []
        self.clearing_minor = self.bank.booked_minor("BANK-CLEARING-USD")

    @rule(source=places, further=st.integers(1, 2), amount_minor=amounts)
    def transfer(self, source: int, further: int, amount_minor: int) -> None:
        destination = (source + further) % 3
        if self.accepted(self.pay(source, self.paper.account_ids[destination], amount_minor), source, amount_minor):
            self.paper.booked[source] -= amount_minor
            self.paper.booked[destination] += amount_minor

    @rule(source=places, bank=st.sampled_from(sorted(STEPS)), amount_minor=amounts)
    def pay_elsewhere(self, source: int, bank: str, amount_minor: int) -> None:
        if self.accepted(self.pay(source, bank, amount_minor), source, amount_minor):
            self.paper.booked[source] -= amount_minor
            self.paper.pending.append(Pending(source, amount_minor, list(STEPS[bank])))

    @rule(source=places, amount_minor=amounts)
    def hold(self, source: int, amount_minor: int) -> None:
        answer = self.post("/holds", {"account": self.paper.account_ids[source], "amount": major(amount_minor)})
        if self.accepted(answer, source, amount_minor):
            self.paper.holds[answer.json()["hold_id"]] = (source, amount_minor)
            self.paper.held[source] += amount_minor

    @precondition(lambda self: self.paper.holds)
    @rule(data=st.data())
    def capture(self, data: st.DataObject) -> None:
        hold_id, source, held_minor = self.a_hold(data)
        captured_minor = data.draw(st.integers(1, held_minor))
        neighbour, leaves = (source + 1) % 3, data.draw(st.booleans())
        destination = "EXT002" if leaves else self.paper.account_ids[neighbour]
        order = {"destination_account": destination, "amount": major(captured_minor)}

        assert self.post(f"/holds/{hold_id}/capture", order).status_code == 201
        self.free(hold_id)
        self.paper.booked[source] -= captured_minor
        if leaves:
            self.paper.pending.append(Pending(source, captured_minor, list(STEPS["EXT002"])))
        else:
            self.paper.booked[neighbour] += captured_minor

    @precondition(lambda self: self.paper.holds)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        hold_id, _, _ = self.a_hold(data)

        assert self.post(f"/holds/{hold_id}/void", {}).status_code == 201
        self.free(hold_id)
        assert self.post(f"/holds/{hold_id}/void", {}).status_code == 409

    @precondition(lambda self: self.paper.holds)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        hold_id, _, _ = self.a_hold(data)
        with self.bank.sql() as conn:
            conn.execute("UPDATE holds SET expires_at = now() WHERE hold_id = %s", (hold_id,))

        assert self.runner.run(holds.expire_one(self.conn))
        self.free(hold_id)

    @precondition(lambda self: self.paper.pending)
    @rule()
    def take_a_step(self) -> None:
        """The clearing takes what waited longest; what is settled and comes back waits anew."""
        pending = self.paper.pending.pop(0)
        step = pending.steps.pop(0)

        assert self.runner.run(clearing.step_one(self.conn, 0.0))
        if step != "settled":
            self.paper.booked[pending.source] += pending.amount_minor
        if pending.steps:
            self.paper.pending.append(pending)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        key, path, body, first = data.draw(st.sampled_from(self.sent))

        again = self.bank.post(path, body, key)

        assert (again.status_code, again.content) == (first.status_code, first.content)

    @invariant()
    def the_ledger_says_what_the_paper_says(self) -> None:
        with self.bank.sql() as conn:
            rows = conn.execute(
                """
                SELECT booked_minor, held_minor, booked_minor + overdraft_limit_minor - held_minor FROM accounts
                WHERE account_id = ANY(%s) ORDER BY account_id
                """,
                (self.paper.account_ids,),
            ).fetchall()

        places = range(3)
        assert rows == [(self.paper.booked[i], self.paper.held[i], self.paper.available(i)) for i in places]
        assert all(available_minor >= 0 for _, _, available_minor in rows)

    def teardown(self) -> None:
        """Sums, and how often each key was executed; then nothing is left for the next machine's clock."""
        if not hasattr(self, "sent"):
            return
        waiting_minor = sum(one.amount_minor for one in self.paper.pending if one.steps[0] != "returned")
        assert self.bank.booked_minor("BANK-CLEARING-USD") - self.clearing_minor == waiting_minor
        ledger = self.bank.ledger()
        wrong = ("unbalanced", "limit_breaches", "drifted_balances", "drifted_holds")
        assert [ledger[fault] for fault in wrong] == [[]] * 4
        assert set(ledger["sum_by_currency"].values()) == {0}
        for key, *_ in self.sent:
            assert [replayed for _, replayed in self.bank.log(key)].count(False) == 1
        while self.runner.run(clearing.step_one(self.conn, 0.0)):
            pass

    def pay(self, source: int, destination: str, amount_minor: int) -> httpx.Response:
        order = {"source_account": self.paper.account_ids[source], "destination_account": destination}
        return self.post("/transfers", order | {"amount": major(amount_minor)})

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        key = f"{self.prefix}{len(self.sent)}"
        answer = self.bank.post(path, body, key)
        self.sent.append((key, path, body, answer))
        return answer

    def accepted(self, answer: httpx.Response, source: int, amount_minor: int) -> bool:
        """Refused is exactly what the account cannot pay."""
        if amount_minor > self.paper.available(source):
            assert answer.json()["code"] == "insufficient_funds"
            return False
        assert answer.status_code == 201, answer.text
        return True

    def a_hold(self, data: st.DataObject) -> tuple[str, int, int]:
        hold_id = data.draw(st.sampled_from(list(self.paper.holds)))
        return hold_id, *self.paper.holds[hold_id]

    def free(self, hold_id: str) -> None:
        source, held_minor = self.paper.holds.pop(hold_id)
        self.paper.held[source] -= held_minor


def major(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02}"


@pytest.mark.parametrize("examples", [10, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_the_ledger_is_what_a_ledger_on_paper_says(postgres: Server, banked: str, examples: int) -> None:
    with (
        fresh_database(postgres.url, banked) as database_url,
        served_bank(database_url, tick_s=NEVER_S) as bank,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        pool = open_pool(database_url, 1)
        runner.run(pool.open(wait=True))
        LedgerStates.bank, LedgerStates.runner, LedgerStates.conn = bank, runner, runner.run(pool.getconn())
        try:
            run_state_machine_as_test(
                LedgerStates,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=25,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(pool.putconn(LedgerStates.conn))
            runner.run(pool.close())
