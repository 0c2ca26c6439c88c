"""Watching one run as LangGraph's SDK does: its events as server-sent events, or what it came to as JSON."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from api.bootstrap import Engine
from api.disclosure import Sight, sight_of
from api.protocol.run_views import error_view
from api.protocol.snapshots import snapshot_of
from api.protocol.state import encoded
from api.protocol.streams import final
from db import retention, run_records, stopping, threads
from db.actor import Actor
from db.errors import Conflict, InvalidInput, NotFound
from db.events import is_last
from db.journal import Event
from db.pool import transaction
from db.runs import ACTIVE
from db.stopping import Stop

PING_S = 5.0
FROM_THE_FIRST = ("-", "-1")


@dataclass(slots=True)
class Watch:
    """One client that watches one run. `over`: it has heard the run's last word.

    `new` says that the run is being accepted: then it is watched before anything can be told of it. `modes`: only
    these; None: all that are told. `sight`: what of the run's case the client is shown; None: everything.
    """

    engine: Engine
    actor: Actor
    thread_id: UUID
    run_id: UUID
    after_seq: int = -1
    new: bool = False
    modes: Collection[str] | None = None
    over: bool = False
    sight: Sight | None = None

    def learn(self, workflow: str) -> None:
        self.sight = sight_of(self.actor, workflow)

    async def events(self) -> AsyncIterator[Event]:
        feed = self.engine.feed
        follows = self.new or await self._is_active()
        told = (
            feed.follow(self.run_id, self.after_seq, new=self.new)
            if follows
            else feed.past(self.run_id, self.after_seq)
        )
        async for event in told:
            self.over = self.over or is_last(event)
            shown = event if self.sight is None else self.sight.event(event)
            if shown is not None:
                yield shown
        self.over = True

    async def result(self) -> bytes:
        """What the run comes to: its values, with its questions, or its error."""
        last = None
        async for event in self.events():
            last = event
        if last is None:
            raise NotFound("run", self.run_id)
        told = orjson.loads(last.data)
        if told["status"] != "success":
            self.engine.results.take(self.run_id)
            return orjson.dumps({"__error__": error_view(told)})
        kept = self.engine.results.take(self.run_id)
        if kept is not None:
            return kept if self.sight is None else encoded(self.sight.values(orjson.loads(kept)))
        async with self.engine.pool.connection() as conn:
            thread = await threads.get(conn, self.actor, self.thread_id)
        snapshot = await snapshot_of(self.engine, self.actor, thread)
        interrupts = [] if snapshot is None else [{"id": i.id, "value": i.value} for i in snapshot.interrupts]
        return encoded(final(None if snapshot is None else snapshot.values, interrupts))

    async def sent(self) -> AsyncIterator[bytes]:
        """As server-sent events, from `metadata` to `end`; a comment now and then keeps the connection open."""
        events = self.events()
        upcoming = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                done, _ = await asyncio.wait((upcoming,), timeout=PING_S)
                if not done:
                    yield b": ping\n\n"
                    continue
                event = upcoming.result()
                if event is None:
                    yield b"event: end\ndata: null\n\n"
                    return
                for frame in frames(event, event.seq, self.modes):
                    yield frame
                upcoming = asyncio.ensure_future(anext(events, None))
        finally:
            upcoming.cancel()

    async def stop(self) -> None:
        """For a client that left: the run is not worth anything to anybody. One that may not be stopped goes on."""
        async with transaction(self.engine.pool) as conn:
            try:
                await stopping.ask(
                    conn, self.engine.queue, Stop(self.actor.tenant_id, self.thread_id, "interrupt", [self.run_id])
                )
            except Conflict:
                return

    async def forget_thread(self) -> None:
        """Deletes the thread that was made for this run, unless it is a case, which is a record."""
        async with self.engine.pool.connection() as conn, conn.transaction():
            try:
                thread = await threads.get(conn, self.actor, self.thread_id, lock=True)
            except NotFound:
                return
            served = self.engine.served.get(thread.workflow or "")
            if served is not None and served.workflow is None:
                await retention.delete(conn, thread)

    async def _is_active(self) -> bool:
        async with self.engine.pool.connection() as conn:
            try:
                return (await run_records.get(conn, self.actor.tenant_id, self.run_id)).status in ACTIVE
            except NotFound:  # It was rolled back, and only its last word is left.
                return False


def metadata(run_id: UUID | str, attempt: int = 1) -> bytes:
    """A stream's first event."""
    return b"id: 0\nevent: metadata\ndata: " + orjson.dumps({"run_id": str(run_id), "attempt": attempt}) + b"\n\n"


def after(last_event_id: str | None) -> int:
    """The number of the last event seen. `-1`, which `useStream` sends, and `-` stand before the first."""
    if not last_event_id or last_event_id in FROM_THE_FIRST:
        return -1
    if not last_event_id.isdecimal() or len(last_event_id) > 9:
        raise InvalidInput("Last-Event-ID", f"{last_event_id!r} is not an id of this stream")
    return int(last_event_id)


def modes_of(asked: Sequence[str]) -> frozenset[str] | None:
    """Of a query, where a list may also be sent as JSON. None: all."""
    modes = [mode for one in asked for mode in (orjson.loads(one) if one.startswith("[") else [one]) if mode]
    return frozenset("messages" if mode == "messages-tuple" else mode for mode in modes) or None


def frames(event: Event, number: int, modes: Collection[str] | None) -> Iterator[bytes]:
    """As server-sent events under this number, if it is of these modes."""
    if event.event == "run":
        told = orjson.loads(event.data)
        if told["status"] in ("pending", "waiting"):
            begun = {"run_id": told["run_id"], "attempt": told.get("attempt", 1)}
            yield frame_of(number, "metadata", orjson.dumps(begun))
        elif told["status"] != "success":
            yield frame_of(number, "error", orjson.dumps(error_view(told)))
    elif event.event not in ("task", "asked") and (modes is None or _mode(event.event) in modes):
        yield frame_of(number, event.event, event.data.encode())


def frame_of(number: int, event: str, data: bytes) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, event.encode(), data)


def _mode(event: str) -> str:
    return event.partition("|")[0].partition("/")[0]
