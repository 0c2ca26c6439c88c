"""An account's bookings, read from the sandbox bank's statements and postings."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from db.embedded import Server
from db.errors import NotFound
from tests.served_bank import API_KEY, ServedBank, fresh_database, served_bank
from tools import bank_activity
from tools.bank import Bank
from tools.bank_activity import activity


@pytest.fixture(scope="module")
def sandbox(postgres: Server, banked: str) -> Iterator[ServedBank]:
    with fresh_database(postgres.url, banked) as database_url, served_bank(database_url) as bank:
        yield bank


@pytest.fixture
async def bank(sandbox: ServedBank) -> AsyncIterator[Bank]:
    bank = Bank(sandbox.url, API_KEY)
    yield bank
    await bank.aclose()


def transfer(sandbox: ServedBank, amount: str, key: str, **to: str) -> str:
    order = {"source_account": "ACC001", "amount": amount, "reference": key, **to}
    return str(sandbox.post("/transfers", order, key).json()["transfer_id"])


async def test_activity_says_with_whom_and_when_page_after_page(
    sandbox: ServedBank, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_activity, "PAGE", 2)
    since = datetime.now(UTC)
    ids = [transfer(sandbox, f"{n}.00", f"t{n}", destination_account="ACC002") for n in range(1, 6)]
    abroad = transfer(sandbox, "9.00", "t9", creditor_iban="DE02120300000000202051", creditor_name="Erika Muster")

    found = await activity(bank, "ACC001", since, datetime.now(UTC) + timedelta(days=1))

    assert [entry.transfer_id for entry in found] == [*ids, abroad]
    assert [entry.amount_minor for entry in found] == [-100, -200, -300, -400, -500, -900]
    assert all(since <= entry.at <= datetime.now(UTC) for entry in found)
    assert (found[0].counterparty, found[0].counterparty_name) == ("ACC002", "Marcus Okafor")
    assert (found[-1].counterparty, found[-1].counterparty_name) == ("DE02120300000000202051", "Erika Muster")


async def test_money_that_comes_back_is_a_credit_with_its_transfer(sandbox: ServedBank, bank: Bank) -> None:
    since = datetime.now(UTC)
    transfer_id = transfer(sandbox, "31.00", "rejected", destination_account="EXT002")
    sandbox.awaited(f"/transfers/{transfer_id}", status="rejected")

    found = await activity(bank, "ACC001", since, datetime.now(UTC) + timedelta(seconds=1))

    steps = [(entry.transfer_status, entry.amount_minor) for entry in found if entry.transfer_id == transfer_id]
    assert steps == [("submitted", -3100), ("rejected", 3100)]


async def test_periods_longer_than_a_statement_are_put_together(bank: Bank) -> None:
    now = datetime.now(UTC)

    found = await activity(bank, "ACC008", now - timedelta(days=1000), now + timedelta(days=1))

    assert [entry.reference for entry in found] == ["opening balances"]
    assert await activity(bank, "ACC008", now - timedelta(days=1000), now - timedelta(days=500)) == ()


async def test_unknown_account_is_not_found(bank: Bank) -> None:
    with pytest.raises(NotFound, match="no account ACC999"):
        await activity(bank, "ACC999", datetime.now(UTC) - timedelta(days=1), datetime.now(UTC))
