"""The books balance, whatever happens at once and whoever writes."""

import asyncio
import random
from collections import Counter

import httpx
import psycopg
import pytest

from tests.served_bank import API_KEY, ServedBank

OVERDRAFT_MINOR = 20_00


def open_accounts(bank: ServedBank, prefix: str, count: int, opening_minor: int) -> list[str]:
    """Current accounts of cust_1001; every second may be overdrawn."""
    account_ids = [f"{prefix}{number:03}" for number in range(count)]
    with bank.sql() as conn, conn.transaction():
        for number, account_id in enumerate(account_ids):
            conn.execute(
                """
                INSERT INTO accounts (account_id, customer_id, currency, kind, overdraft_limit_minor)
                VALUES (%s, 'cust_1001', 'USD', 'current', %s)
                """,
                (account_id, number % 2 * OVERDRAFT_MINOR),
            )
        post(conn, {"BANK-CASH-USD": -count * opening_minor} | dict.fromkeys(account_ids, opening_minor))
    return account_ids


def post(conn: psycopg.Connection, amounts: dict[str, int], currency: str = "USD") -> None:
    conn.execute(
        """
        WITH booked AS (INSERT INTO transactions (reference) VALUES ('test') RETURNING transaction_id)
        INSERT INTO postings (transaction_id, account_id, currency, amount_minor)
        SELECT transaction_id, account_id, %s, amount_minor
        FROM booked, unnest(%s::text[], %s::bigint[]) AS posting (account_id, amount_minor)
        """,
        (currency, list(amounts), list(amounts.values())),
    )


async def transfer_at_random(bank: ServedBank, account_ids: list[str], count: int) -> Counter[str]:
    """Fires `count` transfers, 64 at a time; returns how many were settled and how many refused, by code."""
    dice = random.Random(count)
    orders = []
    for _ in range(count):
        source, destination = dice.sample(account_ids, 2)
        amount = f"{dice.randint(1, 60)}.{dice.randint(0, 99):02}"
        orders.append({"source_account": source, "destination_account": destination, "amount": amount})
    headers = {"Authorization": f"Bearer {API_KEY}"}
    sockets = asyncio.Semaphore(64)
    async with httpx.AsyncClient(base_url=bank.url, headers=headers, timeout=120, trust_env=False) as http:

        async def fire(number: int, order: dict[str, str]) -> httpx.Response:
            async with sockets:
                key = f"{account_ids[0]}-{number}"
                return await http.post("/transfers", json=order, headers={"Idempotency-Key": key})

        answers = await asyncio.gather(*(fire(number, order) for number, order in enumerate(orders)))
    return Counter(answer.json().get("code", "settled") for answer in answers)


async def assert_storm_breaks_nothing(bank: ServedBank, account_ids: list[str], count: int) -> None:
    before = bank.ledger()
    total_minor = sum(bank.booked_minor(account_id) for account_id in account_ids)

    outcomes = await transfer_at_random(bank, account_ids, count)

    after = bank.ledger()
    assert set(outcomes) == {"settled", "insufficient_funds"}
    assert outcomes.total() == count
    assert after["transactions"] - before["transactions"] == outcomes["settled"]
    assert sum(bank.booked_minor(account_id) for account_id in account_ids) == total_minor
    assert after["unbalanced"] == after["limit_breaches"] == after["drifted_balances"] == []
    assert set(after["sum_by_currency"].values()) == {0}


async def test_500_transfers_at_once_over_20_accounts_keep_sums_and_limits(bank: ServedBank) -> None:
    await assert_storm_breaks_nothing(bank, open_accounts(bank, "STORM", 20, 100_00), 500)


@pytest.mark.slow
async def test_2000_transfers_at_once_over_50_accounts_keep_sums_and_limits(bank: ServedBank) -> None:
    await assert_storm_breaks_nothing(bank, open_accounts(bank, "GALE", 50, 100_00), 2000)


async def test_opposite_transfers_never_wait_for_each_other(bank: ServedBank) -> None:
    pair = open_accounts(bank, "PAIR", 2, 1000_00)

    outcomes = await transfer_at_random(bank, pair, 100)

    assert set(outcomes) <= {"settled", "insufficient_funds"}


def test_an_overdraft_may_be_used_to_the_cent(bank: ServedBank) -> None:
    _, overdrawn = open_accounts(bank, "LIMIT", 2, 10_00)
    order = {"source_account": overdrawn, "destination_account": "ACC001"}

    too_much = bank.post("/transfers", order | {"amount": "30.01"}, key="over-the-limit")
    exactly = bank.post("/transfers", order | {"amount": "30.00"}, key="to-the-limit")

    assert too_much.json()["code"] == "insufficient_funds"
    assert exactly.status_code == 201
    assert bank.booked_minor(overdrawn) == -OVERDRAFT_MINOR


@pytest.mark.parametrize(
    "amounts",
    [
        {"ACC001": -1_00, "ACC002": 99},
        {"ACC001": -1_00},
        {"ACC002": 1_00, "BANK-CASH-USD": -1_01},
    ],
)
def test_the_database_refuses_an_unbalanced_transaction(bank: ServedBank, amounts: dict[str, int]) -> None:
    before = bank.ledger()

    with bank.sql() as conn, pytest.raises(psycopg.errors.CheckViolation):
        post(conn, amounts)

    assert bank.ledger() == before


def test_the_database_refuses_a_transaction_without_postings(bank: ServedBank) -> None:
    with bank.sql() as conn, pytest.raises(psycopg.errors.CheckViolation, match="has no postings"):
        conn.execute("INSERT INTO transactions (reference) VALUES ('empty')")


def test_the_database_refuses_postings_added_to_a_transaction_later(bank: ServedBank) -> None:
    with bank.sql() as conn, pytest.raises(psycopg.errors.CheckViolation, match="does not sum to zero"):
        conn.execute(
            """
            INSERT INTO postings (transaction_id, account_id, currency, amount_minor)
            VALUES (1, 'ACC001', 'USD', 5)
            """
        )


def test_the_database_refuses_a_balance_below_the_limit(bank: ServedBank) -> None:
    with bank.sql() as conn, pytest.raises(psycopg.errors.CheckViolation, match="balance_within_limit"):
        post(conn, {"ACC004": -1_000_000_00, "BANK-CASH-USD": 1_000_000_00})


def test_the_database_refuses_a_posting_in_another_currency_than_its_account(bank: ServedBank) -> None:
    with bank.sql() as conn, pytest.raises(psycopg.errors.ForeignKeyViolation):
        post(conn, {"ACC001": -1_00, "ACC002": 1_00}, currency="EUR")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE postings SET amount_minor = amount_minor",
        "DELETE FROM postings",
        "TRUNCATE postings",
        "UPDATE transactions SET reference = ''",
        "DELETE FROM transactions",
        "TRUNCATE transactions CASCADE",
    ],
)
def test_the_database_refuses_to_change_what_was_booked(bank: ServedBank, statement: str) -> None:
    with bank.sql() as conn, pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        conn.execute(statement.encode())


def test_the_check_names_a_balance_that_is_not_the_sum_of_its_postings(bank: ServedBank) -> None:
    with bank.sql() as conn:
        conn.execute("UPDATE accounts SET booked_minor = booked_minor + 1 WHERE account_id = 'ACC005'")
        found = bank.ledger()["drifted_balances"]
        conn.execute("UPDATE accounts SET booked_minor = booked_minor - 1 WHERE account_id = 'ACC005'")

    assert found == ["ACC005"]
    assert bank.ledger()["drifted_balances"] == []
