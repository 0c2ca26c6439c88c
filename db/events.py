"""What a run's watchers are told: read from `run_events`, woken by NOTIFY or, in the same process, by the journal.

The table is the truth and everything else only says when to look. Each process has one listening connection and asks
for all runs that have news in one query; a poll catches up with what a lost notification would have said. A watcher who
falls behind its bounded queue is served from the table again, once the queue is empty.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from db.journal import CHANNEL, Event

CATCH_UP_S = 2.0
QUEUE_LENGTH = 256
BATCH = 1000
_LAST_WORDS = frozenset({"success", "error", "cancelled"})
_log = logging.getLogger(__name__)


def is_last(event: Event) -> bool:
    """Whether the run has ended with this event."""
    return event.event == "run" and orjson.loads(event.data)["status"] in _LAST_WORDS


async def last_seq(conn: AsyncConnection[Any], run_id: UUID) -> int | None:
    """The number of the run's newest event; None if it has none, or none any more."""
    cur = await conn.execute("SELECT max(seq) AS seq FROM run_events WHERE run_id = %s", (run_id,))
    row = await cur.fetchone()
    assert row is not None
    seq: int | None = row["seq"]
    return seq


class EventFeed:
    """`async with EventFeed(pool, database_url)`, then `follow` any number of runs.

    `stirred` is set whenever anything is heard of any run, followed or not.
    """

    def __init__(self, pool: AsyncConnectionPool[Any], database_url: str) -> None:
        self._pool = pool
        self._database_url = database_url
        self._watchers: dict[UUID, set[_Watcher]] = defaultdict(set)
        self._news: set[UUID] = set()
        self._wake = asyncio.Event()
        self.stirred = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "EventFeed":
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._read_news())]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def follow(self, run_id: UUID, after_seq: int = -1, *, new: bool = False) -> AsyncGenerator[Event]:
        """The run's events from `after_seq` on, each once and in order, until its last word.

        `new`: none of them is told yet, for the run is being accepted just now.
        """
        watcher = _Watcher(next_seq=after_seq + 1)
        self._watchers[run_id].add(watcher)
        if not new:
            self._look_at(run_id)
        try:
            while True:
                while watcher.queue:
                    event = watcher.queue.popleft()
                    yield event
                    if is_last(event):
                        return
                if watcher.fell_behind:
                    watcher.fell_behind = False
                    self._look_at(run_id)
                watcher.wake.clear()
                await watcher.wake.wait()
        finally:
            self._watchers[run_id].discard(watcher)
            if not self._watchers[run_id]:
                del self._watchers[run_id]

    async def past(self, run_id: UUID, after_seq: int = -1) -> AsyncGenerator[Event]:
        """What was told of a run so far, without waiting for more."""
        async with self._pool.connection() as conn, conn.cursor(row_factory=class_row(Event)) as cur:
            await cur.execute(
                """
                SELECT run_id, seq, tenant_id, event, data FROM run_events
                WHERE run_id = %(run_id)s AND seq > %(after_seq)s ORDER BY seq
                """,
                {"run_id": run_id, "after_seq": after_seq},
            )
            events = await cur.fetchall()
        for event in events:
            yield event

    def publish(self, events: Iterable[Event]) -> None:
        """Hands events that are already committed to whoever watches their runs in this process."""
        self.stirred.set()
        for event in events:
            for watcher in self._watchers.get(event.run_id, ()):
                if event.seq > watcher.next_seq:
                    self._look_at(event.run_id)
                else:
                    watcher.offer(event)

    def _look_at(self, run_id: UUID) -> None:
        self._news.add(run_id)
        self._wake.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._database_url, autocommit=True, connect_timeout=5
                ) as conn:
                    await conn.execute(f"LISTEN {CHANNEL}")
                    async for notification in conn.notifies():
                        self._heard(notification.payload)
            except psycopg.Error as exc:
                _log.warning("not listening for events, trying again: %s", exc)
            await asyncio.sleep(CATCH_UP_S)

    def _heard(self, payload: str) -> None:
        self.stirred.set()
        try:
            news = [(UUID(run), int(seq)) for run, seq in orjson.loads(payload)]
        except (ValueError, TypeError):
            _log.warning("not ours, on channel %s: %.80s", CHANNEL, payload)
            return
        for run_id, seq in news:
            if any(watcher.next_seq <= seq for watcher in self._watchers.get(run_id, ())):
                self._look_at(run_id)

    async def _read_news(self) -> None:
        clock = asyncio.get_running_loop().time
        catch_up_at = clock() + CATCH_UP_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(catch_up_at):
                    await self._wake.wait()
            if clock() >= catch_up_at:
                self._news.update(self._watchers)
                catch_up_at = clock() + CATCH_UP_S
            self._wake.clear()
            news, self._news = self._news, set()
            try:
                await self._read(news)
            except psycopg.Error as exc:
                _log.warning("events cannot be read, trying again: %s", exc)

    async def _read(self, runs: set[UUID]) -> None:
        """One query for all; it speaks to those who watched when it was asked, and have room."""
        asking = {run_id: [w for w in self._watchers.get(run_id, ()) if not w.fell_behind] for run_id in runs}
        wanted = {run_id: min(w.next_seq for w in watchers) for run_id, watchers in asking.items() if watchers}
        if not wanted:
            return
        async with self._pool.connection() as conn, conn.cursor(row_factory=class_row(Event)) as cur:
            await cur.execute(
                """
                SELECT e.run_id, e.seq, e.tenant_id, e.event, e.data
                FROM unnest(%(run_ids)s::uuid[], %(seqs)s::integer[]) AS w (run_id, seq)
                JOIN run_events e ON e.run_id = w.run_id AND e.seq >= w.seq
                ORDER BY e.run_id, e.seq LIMIT %(batch)s
                """,
                {"run_ids": list(wanted), "seqs": list(wanted.values()), "batch": BATCH},
            )
            events = await cur.fetchall()
        for event in events:
            for watcher in asking[event.run_id]:
                watcher.offer(event)
        if len(events) == BATCH:
            self._news.update(wanted)
            self._wake.set()


@dataclass(eq=False, slots=True)
class _Watcher:
    next_seq: int
    queue: deque[Event] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    fell_behind: bool = False

    def offer(self, event: Event) -> None:
        """Queues an event that was not queued before. What lies before it is known to be queued, or pruned."""
        if event.seq >= self.next_seq:
            if len(self.queue) >= QUEUE_LENGTH:
                self.fell_behind = True
            else:
                self.queue.append(event)
                self.next_seq = event.seq + 1
        self.wake.set()
