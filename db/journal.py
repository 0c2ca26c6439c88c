"""Everything a run writes as it goes, committed in groups: one statement, one commit for all runs of the process.

Checkpoints, their blobs and writes, task rows and events wait here while the flush before them is under way; the next
one takes all that waits. Alone, a row waits for nobody. A worker whose run was started again elsewhere stores nothing,
and holds up nobody whose run is still their own.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from uuid import UUID

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from db.errors import DatabaseUnavailable, StaleRun
from db.flush import NOBODY, Flush, Rows, Table, compose
from db.grouping import others_first
from db.pool import Pool

CHANNEL = "run_events"
LINGER_S = 0.005
LINGER_ROWS = 64
NOTIFY_EVERY_S = 0.03
NOTIFY_RUNS = 140
"""In one notification: at most 52 bytes each, and a payload has less than 8000."""
FLUSH_TIMEOUT_S = 10.0

Listener = Callable[[list["Event"]], None]
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fence:
    """Who writes: this start of this run. The next start of the run shuts it out."""

    run_id: UUID
    epoch: int

    def __hash__(self) -> int:
        return hash(self.run_id.int)


class Event(NamedTuple):
    """`data` is JSON. `seq` counts up within the run, over its restarts too; whoever drives the run numbers."""

    run_id: UUID
    seq: int
    tenant_id: str
    event: str
    data: str


EVENTS = Table(
    rows="new_events",
    columns={"run_id": "uuid", "seq": "integer", "tenant_id": "text", "event": "text", "data": "text"},
    key=2,
    merge=lambda earlier, _: earlier,
    # A flush whose answer got lost is sent again, and then finds its own events.
    statements=(
        """
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        SELECT run_id, seq, tenant_id, event, data FROM new_events
        ON CONFLICT (run_id, seq) DO NOTHING
        """,
    ),
)


class Journal:
    """`async with Journal(pool)`, one per process. Leaving it stores what still waits."""

    def __init__(self, pool: Pool) -> None:
        self.flushes = 0
        self._pool = pool
        self._conn: AsyncConnection[DictRow] | None = None
        self._waiting: list[_Entry] = []
        self._flushing: list[_Entry] = []
        self._lost: dict[Fence, Exception] = {}
        self._wake = asyncio.Event()
        self._linger: asyncio.TimerHandle | None = None
        self._listeners: list[Listener] = []
        self._news: dict[UUID, int] = {}
        self._has_news = asyncio.Event()
        self._stopping = False

    async def __aenter__(self) -> Self:
        self._flusher = asyncio.create_task(self._flush_until_stopped())
        self._notifier = asyncio.create_task(self._notify_until_stopped())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._stopping = True
        self._wake.set()
        await self._flusher
        self._has_news.set()
        await self._notifier

    async def commit(self, fence: Fence | None, rows: Rows) -> None:
        """Returns when these rows, and all that this run added before, are committed.

        Raises StaleRun if the run was started again since, DatabaseUnavailable, or what PostgreSQL has against the
        rows. Then none of them is stored, and nothing more of this run until `drain`. A caller that is cancelled
        leaves its rows behind to be stored.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(_Entry(fence, rows, done))
        self._wake.set()
        await done

    def add(self, fence: Fence, rows: Rows) -> None:
        """Rows that nobody waits for: they ride in the next flush, 5 ms or 64 additions away at most.

        If they cannot be stored, the run's next `commit` or `drain` raises.
        """
        self._enqueue(_Entry(fence, rows, None))
        if len(self._waiting) >= LINGER_ROWS:
            self._wake.set()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._wake.set)

    async def drain(self, fence: Fence) -> None:
        """For a run's end: returns when all it added is committed. Raises as `commit` does, then forgets it."""
        try:
            await self.commit(fence, {})
        finally:
            self._lost.pop(fence, None)

    def announce(self, events: Sequence[Event]) -> None:
        """Tells of events that are committed: the journal's own, or those that another transaction stored."""
        for listener in self._listeners:
            asyncio.get_running_loop().call_soon(listener, list(events))
        for event in events:
            self._news[event.run_id] = max(event.seq, self._news.get(event.run_id, 0))
        self._has_news.set()

    def on_events(self, listener: Listener) -> None:
        """`listener` hears of this process's events after they are committed, a run's in their order."""
        self._listeners.append(listener)

    def _enqueue(self, entry: "_Entry") -> None:
        if self._stopping or self._flusher.done():
            raise DatabaseUnavailable("the journal is closed")
        self._waiting.append(entry)

    async def _flush_until_stopped(self) -> None:
        try:
            while self._waiting or not self._stopping:
                await self._wake.wait()
                await others_first()
                self._wake.clear()
                if self._linger is not None:
                    self._linger.cancel()
                    self._linger = None
                self._flushing, self._waiting = self._waiting, []
                await self._flush(self._flushing)
        finally:
            closed = DatabaseUnavailable("the journal is closed")
            self._settle([*self._flushing, *self._waiting], lambda _: closed)
            await self._let_go()

    async def _flush(self, entries: "list[_Entry]") -> None:
        try:
            stale = await self._store([entry for entry in entries if entry.fence not in self._lost])
        except _AWAY as exc:
            await self._let_go()
            away = DatabaseUnavailable(f"the database is away: {exc or 'no answer'}")
            self._settle(entries, lambda _: away)
        except (psycopg.Error, ValueError) as exc:
            # Somebody's rows are bad. Whose, shows when each run is flushed alone: the others must not suffer.
            if len(parts := _by_writer(entries)) == 1:
                refusal = exc
                self._settle(entries, lambda _: refusal)
            else:
                for part in parts:
                    await self._flush(part)
        else:
            self._settle(entries, lambda fence: StaleRun(fence.run_id) if fence in stale else None)

    async def _store(self, entries: "list[_Entry]") -> set[Fence | None]:
        """Stores all rows but those of stale runs, which it returns."""
        fences = {entry.fence: None for entry in entries if entry.fence is not None and entry.rows}
        owners: dict[Fence | None, int] = {fence: number for number, fence in enumerate(fences, NOBODY + 1)}
        flush = compose(
            ((owners.get(entry.fence, NOBODY), entry.rows) for entry in entries),
            {number: (fence.run_id, fence.epoch) for number, fence in enumerate(fences, NOBODY + 1)},
        )
        if flush is None:
            return set()
        async with asyncio.timeout(FLUSH_TIMEOUT_S):
            try:
                live = await self._execute(flush)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                # A restarted server costs a second try on a new connection, not everybody's runs.
                await self._let_go()
                live = await self._execute(flush)
        self.flushes += 1
        return {fence for fence, owner in owners.items() if owner not in live}

    async def _execute(self, flush: Flush) -> set[int]:
        """On one connection for as long as it lasts: it has the plans."""
        if self._conn is None:
            self._conn = await self._pool.getconn()
        cur = await self._conn.execute(flush.statement, flush.params)
        return {row["owner"] for row in await cur.fetchall()}

    async def _let_go(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            await self._pool.putconn(conn)

    def _settle(self, entries: "list[_Entry]", verdict: "Callable[[Any], Exception | None]") -> None:
        committed: list[Event] = []
        for entry in entries:
            error = self._lost.get(entry.fence) if entry.fence else None
            error = error or verdict(entry.fence)
            if error is None:
                committed += [Event(*row) for row in entry.rows.get(EVENTS, ())]
            elif entry.fence is not None:
                self._lost[entry.fence] = error
            entry.settle(error)
        if committed:
            self.announce(committed)

    async def _notify_until_stopped(self) -> None:
        while self._news or not self._stopping:
            await self._has_news.wait()
            self._has_news.clear()
            news, self._news = self._news, {}
            await self._notify(_payloads(news))
            await asyncio.sleep(NOTIFY_EVERY_S)

    async def _notify(self, payloads: Iterable[str]) -> None:
        """In statements of their own: NOTIFY serialises commits, and nobody's rows shall wait for that."""
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_S), self._pool.connection() as conn:
                for payload in payloads:
                    await conn.execute(
                        "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%(channel)s, %(payload)s)",
                        {"channel": CHANNEL, "payload": payload},
                    )
        except _AWAY as exc:
            _log.warning("listeners will see events at their next poll only: %s", exc)


@dataclass(eq=False, slots=True)
class _Entry:
    fence: Fence | None
    rows: Rows
    done: asyncio.Future[None] | None

    def settle(self, error: Exception | None) -> None:
        if self.done is None or self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


def _by_writer(entries: list[_Entry]) -> list[list[_Entry]]:
    """Each run's entries together, unfenced ones each alone."""
    parts: dict[object, list[_Entry]] = {}
    for entry in entries:
        parts.setdefault(entry.fence or entry, []).append(entry)
    return list(parts.values())


def _payloads(news: Mapping[UUID, int]) -> Iterable[str]:
    """`[[run_id, last seq], …]`"""
    pairs = [[str(run_id), seq] for run_id, seq in news.items()]
    for start in range(0, len(pairs), NOTIFY_RUNS):
        yield orjson.dumps(pairs[start : start + NOTIFY_RUNS]).decode()
