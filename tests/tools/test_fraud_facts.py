"""The background of a payment, from our own rows and the sandbox bank's books."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import uuid_utils.compat as uuids

from db import threads
from db.embedded import Server
from db.errors import Conflict
from db.journal import Fence
from db.pool import Pool, open_pool
from db.threads import NewThread
from tests.served_bank import API_KEY, ServedBank, fresh_database, served_bank
from tools import fraud
from tools.bank import Bank
from tools.context import Context
from tools.fraud_facts import background
from tools.letter_facts import DEMO_CREDITOR
from tools.rules.payment import Payment
from tools.screening import screening_index

TENANT = "acme"


@pytest.fixture(scope="module")
def sandbox(postgres: Server, banked: str) -> Iterator[ServedBank]:
    with fresh_database(postgres.url, banked) as database_url, served_bank(database_url) as bank:
        yield bank


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=4) as pool:
        async with pool.connection() as conn:
            await conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s)", (TENANT,))
        yield pool


@dataclass(frozen=True, slots=True)
class Desk:
    """A tenant with the sandbox bank."""

    pool: Pool
    bank: Bank
    sandbox: ServedBank

    async def context(self) -> Context:
        """Of a case of its own."""
        thread_id: UUID = uuids.uuid7()
        async with self.pool.connection() as conn:
            await threads.create(conn, NewThread(thread_id, TENANT, "transfer", "1", "ada"))
        fence = Fence(uuids.uuid7(), 1)
        screening = screening_index(None)
        now = datetime.now(UTC)
        return Context(TENANT, thread_id, fence, "ada", self.pool, self.bank, DEMO_CREDITOR, lambda: now, screening)

    async def judge(self, payment: Payment, outcome: str | None = None) -> Context:
        """Stores the payment as judged, in a case that came to this outcome."""
        context = await self.context()
        async with self.pool.connection() as conn, conn.transaction():
            await fraud.store_payment(conn, TENANT, context.thread_id, payment)
            await conn.execute("UPDATE threads SET outcome = %s WHERE thread_id = %s", (outcome, context.thread_id))
        return context

    def pay(self, payment: Payment) -> str:
        order = {
            "source_account": payment.account,
            "destination_account": payment.payee,
            "amount": f"{payment.amount_minor / 100:.2f}",
        }
        return str(self.sandbox.post("/transfers", order, uuid4().hex).json()["transfer_id"])


@pytest.fixture
async def desk(pool: Pool, sandbox: ServedBank) -> AsyncIterator[Desk]:
    bank = Bank(sandbox.url, API_KEY)
    yield Desk(pool, bank, sandbox)
    await bank.aclose()


def payment(account: str, payee: str, amount_minor: int, at: datetime | None = None) -> Payment:
    return Payment(uuid4().hex, at or datetime.now(UTC), account, payee, None, amount_minor, "USD", "web", "laptop")


async def test_payment_that_was_judged_and_booked_counts_once(desk: Desk) -> None:
    earlier = payment("ACC001", "ACC003", 7_00)
    await desk.judge(earlier)
    desk.pay(earlier)
    await desk.judge(unbooked := payment("ACC001", "ACC003", 8_00))
    await desk.judge(payment("ACC001", "ACC003", 9_00), outcome="refused")

    found = await background(await desk.context(), payment("ACC001", "ACC003", 5_00))

    paid = [move.amount_minor for move in found.paid_to_payee()]
    assert paid == [-7_00, -8_00]
    assert [move.payment_id for move in found.payee if move.amount_minor == 8_00] == [unbooked.payment_id]
    assert [use.device for use in found.uses] == ["laptop"] * 3


async def test_booking_of_a_payment_found_to_be_fraud_is_fraud(desk: Desk) -> None:
    stolen = payment("ACC005", "ACC004", 60_00)
    context = await desk.judge(stolen, outcome="settled")
    desk.pay(stolen)
    desk.pay(stolen)
    async with desk.pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO fraud_labels (tenant_id, payment_id, thread_id, fraud, labelled_by)
            VALUES (%s, %s, %s, true, 'ada')
            """,
            (TENANT, stolen.payment_id, context.thread_id),
        )

    found = await background(await desk.context(), payment("ACC008", "ACC004", 5_00))

    assert [move.fraud for move in found.payee if move.amount_minor == 60_00] == [True, False]


async def test_payment_is_no_part_of_its_own_past_and_neither_is_what_came_later(desk: Desk) -> None:
    transfer_id = desk.pay(payment("ACC006", "ACC009", 3_00))
    booked_at = datetime.fromisoformat(desk.sandbox.http.get(f"/transfers/{transfer_id}").json()["created_at"])
    desk.pay(payment("ACC006", "ACC009", 4_00))

    judged = replace(payment("ACC006", "ACC009", 3_00, booked_at + timedelta(microseconds=1)), payment_id=transfer_id)
    found = await background(await desk.context(), judged)

    assert list(found.paid()) == []


async def test_money_that_came_back_is_nobodys_first_payment(desk: Desk) -> None:
    transfer_id = desk.pay(payment("ACC008", "EXT002", 11_00))
    desk.sandbox.awaited(f"/transfers/{transfer_id}", status="rejected")

    found = await background(await desk.context(), payment("ACC008", "ACC002", 5_00))

    assert [move.amount_minor for move in found.received()] == [745_010]


async def test_id_of_one_payment_cannot_be_anothers(desk: Desk) -> None:
    known = payment("ACC001", "ACC003", 7_00)
    context = await desk.judge(known)

    with pytest.raises(Conflict, match="another account, payee or amount"):
        await fraud.score_payment(context, replace(known, amount_minor=8_00))


async def test_payment_scored_again_after_a_crash_is_told_what_was_kept(desk: Desk) -> None:
    judged = payment("ACC001", "ACC002", 125_50)
    context = await desk.context()

    first = await fraud.score_payment(context, judged)
    desk.pay(judged)
    again = await fraud.score_payment(context, replace(judged, at=datetime.now(UTC)))

    assert again == first
    assert (first["band"], first["model"]) == ("release", "off")
