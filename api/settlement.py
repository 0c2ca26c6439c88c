"""What became of transfers and orders: the bank is asked, in time or because it told us; its word answers reviews."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from db import party_reviews, reviews
from db.errors import AlreadyAnswered, BankUnavailable, NotFound
from db.pool import Pool, transaction
from db.reviews import BANK, Review
from tools import bank_payments, payments, rebalance_orders, rebalance_records
from tools.bank import Bank

BUDGET_S = 2.0
"""For one look: a bank that is slow must not keep the janitor from what else it does."""
RETURN_WINDOW_S = 5 * 24 * 3600.0

_log = logging.getLogger(__name__)


class Settlements:
    def __init__(self, pool: Pool, bank: Bank, return_window_s: float | None) -> None:
        self._pool = pool
        self._bank = bank
        self._return_window = timedelta(seconds=return_window_s or RETURN_WINDOW_S)

    async def look(self, now: datetime) -> int:
        """Asks about the transfers that have waited long enough; how many there were."""
        async with self._pool.connection() as conn:
            due = await party_reviews.claim_due(conn, BANK, now)
        await self._ask_all(due)
        return len(due)

    async def look_at(self, transfer_id: str) -> None:
        """Asks about this transfer if a case of ours waits for it. Who told us of it may lie, be late or repeat it."""
        async with self._pool.connection() as conn:
            known = await payments.case_of_transfer(conn, transfer_id)
            review = known and await party_reviews.latest_of(conn, BANK, *known)
        if review and review.status == "open":
            await self._ask_all([review])

    async def look_at_order(self, order_id: str) -> None:
        """As `look_at`, about an order in custody."""
        async with self._pool.connection() as conn:
            known = await rebalance_records.case_of_order(conn, order_id)
            review = known and await party_reviews.latest_of(conn, BANK, *known)
        if review and review.status == "open":
            await self._ask_all([review])

    async def _ask_all(self, waiting: Sequence[Review]) -> None:
        """Whatever is not answered within the budget is asked again when it falls due."""
        try:
            async with asyncio.timeout(BUDGET_S):
                for review in waiting:
                    await self._ask(review)
        except (TimeoutError, BankUnavailable) as exc:
            _log.warning("settlements wait for the bank: %s", exc or "it took too long")

    async def _ask(self, review: Review) -> None:
        try:
            orders = "order_ids" in review.payload
            word = await self._word_of_orders(review) if orders else await self._word_of_transfer(review)
        except NotFound as exc:
            _log.error("the bank has lost what it gave us: %s", exc)
            return
        if word is None:
            return
        with suppress(AlreadyAnswered):
            async with transaction(self._pool) as conn:
                await reviews.answer_as(conn, BANK, review, word)

    async def _word_of_orders(self, review: Review) -> dict[str, Any] | None:
        return await rebalance_orders.word(self._bank, review.payload, datetime.now(UTC))

    async def _word_of_transfer(self, review: Review) -> dict[str, Any] | None:
        """None: it is not time to answer yet."""
        made = await bank_payments.transfer(self._bank, review.payload["transfer_id"])
        # Counted from when we saw it settled, for a settlement may take longer than the window.
        is_over = review.kind == "return_window" and datetime.now(UTC) >= review.created_at + self._return_window
        word = {"status": made.status, "final": made.status != "settled" or made.is_here or is_over}
        if made.status == "submitted" or (review.kind == "return_window" and not word["final"]):
            return None
        return word
