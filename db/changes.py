"""Waiting for something to change about threads: one query of a process for all that wait, and no sooner than news.

News is whatever the event feed hears of; a poll catches up with what nobody was told, as a state written by hand.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import psycopg

from db.events import EventFeed
from db.pool import Pool

POLL_S = 0.5
PAUSE_S = 0.02
"""Between two looks: under load there is always news."""
_log = logging.getLogger(__name__)


@dataclass(eq=False, frozen=True, slots=True)
class Seen:
    """What is known of a thread: when its row was last written, and when the last of its runs was taken up."""

    thread_id: UUID
    updated_at: datetime
    last_at: datetime | None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Changes:
    """`async with Changes(pool, feed)`, then `after` for any number of threads."""

    def __init__(self, pool: Pool, feed: EventFeed) -> None:
        self._pool = pool
        self._feed = feed
        self._waiting: set[Seen] = set()
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self._look_until_cancelled())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)

    async def after(self, seen: Seen) -> None:
        """Returns when the thread is no longer as it was seen: written, with another run taken up, or deleted."""
        self._waiting.add(seen)
        self._arrived.set()
        self._feed.stirred.set()
        try:
            await seen.changed.wait()
        finally:
            self._waiting.discard(seen)

    async def _look_until_cancelled(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._feed.stirred.wait()
            self._feed.stirred.clear()
            try:
                await self._look(list(self._waiting))
            except psycopg.Error as exc:
                _log.warning("threads cannot be looked at, trying again: %s", exc)
            await asyncio.sleep(PAUSE_S)

    async def _look(self, waiting: list[Seen]) -> None:
        parameters: dict[str, Any] = {
            "ids": [seen.thread_id for seen in waiting],
            "updated": [seen.updated_at for seen in waiting],
            "last": [seen.last_at for seen in waiting],
        }
        async with self._pool.connection() as conn:
            cur = await conn.execute(
                """
                SELECT w.number FROM unnest(%(ids)s::uuid[], %(updated)s::timestamptz[], %(last)s::timestamptz[])
                    WITH ORDINALITY AS w (thread_id, updated_at, last_at, number)
                LEFT JOIN threads t ON t.thread_id = w.thread_id
                WHERE t.updated_at IS DISTINCT FROM w.updated_at OR EXISTS (
                    SELECT 1 FROM runs r WHERE r.thread_id = w.thread_id
                      AND coalesce(r.started_at, r.ended_at) > coalesce(w.last_at, '-infinity')
                )
                """,
                parameters,
            )
            for row in await cur.fetchall():
                waiting[row["number"] - 1].changed.set()
