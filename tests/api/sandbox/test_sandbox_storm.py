"""Transfers, holds and payments to other banks, all at once over few accounts, break no balance."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.api.sandbox.test_sandbox_ledger import open_accounts
from tests.served_bank import API_KEY, ServedBank

OPENING_MINOR = 100_00
OTHER_BANKS = ("EXT001", "EXT002", "EXT003")
SETTLED_S = 60.0


class Storm:
    """`count` acts, 64 at a time, drawn by dice that fall alike each time."""

    def __init__(self, http: httpx.AsyncClient, account_ids: list[str]) -> None:
        self.http = http
        self.account_ids = account_ids
        self.outcomes: Counter[str] = Counter()
        self.sockets = asyncio.Semaphore(64)

    async def rage(self, count: int) -> None:
        dice = random.Random(count)
        await asyncio.gather(*(self.act(number, random.Random(dice.random())) for number in range(count)))

    async def act(self, number: int, dice: random.Random) -> None:
        async with self.sockets:
            source, neighbour = dice.sample(self.account_ids, 2)
            amount = f"{dice.randint(1, 60)}.{dice.randint(0, 99):02}"
            key = f"{self.account_ids[0]}-{number}"
            to: dict[str, Any] = {"destination_account": dice.choice([neighbour, dice.choice(OTHER_BANKS)])}
            if dice.random() < 0.5:
                await self.post("/transfers", {"source_account": source, "amount": amount} | to, key)
                return
            expiry: dict[str, Any] = {"expires_in_s": dice.choice([0.2, 600.0])}
            held = await self.post("/holds", {"account": source, "amount": amount} | expiry, f"{key}-hold")
            if held.status_code == 201 and (end := dice.choice(["capture", "void", None])) is not None:
                path = f"/holds/{held.json()['hold_id']}/{end}"
                await self.post(path, to if end == "capture" else {}, f"{key}-{end}")

    async def post(self, path: str, body: dict[str, Any], key: str) -> httpx.Response:
        answer = await self.http.post(path, json=body, headers={"Idempotency-Key": key})
        self.outcomes[answer.json().get("code", "done")] += 1
        return answer


async def assert_storm_breaks_nothing(bank: ServedBank, account_ids: list[str], count: int) -> None:
    before = bank.booked_minor("BANK-CASH-USD")
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=bank.url, headers=headers, timeout=120, trust_env=False) as http:
        storm = Storm(http, account_ids)
        await storm.rage(count)

    await_settlement(bank)
    ledger = bank.ledger()
    assert set(storm.outcomes) <= {"done", "insufficient_funds", "hold_expired"}
    assert storm.outcomes["done"] > count / 4
    assert ledger["unbalanced"] == ledger["limit_breaches"] == []
    assert ledger["drifted_balances"] == ledger["drifted_holds"] == []
    assert set(ledger["sum_by_currency"].values()) == {0}
    # Nobody else pays out meanwhile: what the accounts lack, the other banks took and kept.
    left_minor = sum(bank.booked_minor(account_id) for account_id in account_ids)
    assert bank.booked_minor("BANK-CLEARING-USD") == 0
    assert len(account_ids) * OPENING_MINOR - left_minor == bank.booked_minor("BANK-CASH-USD") - before
    assert kept_by_other_banks(bank, account_ids) == len(account_ids) * OPENING_MINOR - left_minor


def await_settlement(bank: ServedBank) -> None:
    deadline = time.monotonic() + SETTLED_S
    with bank.sql() as conn:
        while conn.execute("SELECT count(*) FROM transfers WHERE expects IS NOT NULL").fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def kept_by_other_banks(bank: ServedBank, account_ids: list[str]) -> int:
    with bank.sql() as conn:
        row = conn.execute(
            """
            SELECT coalesce(sum(amount_minor), 0)::bigint FROM transfers
            WHERE source_account = ANY(%s) AND external_account IS NOT NULL AND status = 'settled'
            """,
            (account_ids,),
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_400_holds_and_payments_at_once_over_10_accounts_break_no_balance(bank: ServedBank) -> None:
    await assert_storm_breaks_nothing(bank, open_accounts(bank, "SQUALL", 10, OPENING_MINOR), 400)


@pytest.mark.slow
async def test_2000_holds_and_payments_at_once_over_50_accounts_break_no_balance(bank: ServedBank) -> None:
    await assert_storm_breaks_nothing(bank, open_accounts(bank, "TYPHOON", 50, OPENING_MINOR), 2000)
