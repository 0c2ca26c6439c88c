"""All that is told of a thread: its runs, one after the other, as they are and as they come, until it is deleted."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from api.bootstrap import Engine
from api.disclosure import sight_of
from api.protocol.run_watch import PING_S
from db import thread_turns, threads
from db.actor import Actor
from db.changes import Seen
from db.errors import NotFound
from db.journal import Event
from db.thread_turns import Edit, Turn

LOOK_AGAIN_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ThreadFeed:
    """One client that follows one thread, from the event of number `after` on.

    The run of that event is told from its first, and again so if the database was away. `with_edits`: states written by
    hand are told, too. `over`: runs of which nothing more is to be told; `edited`: the checkpoint of the last edit.
    """

    engine: Engine
    actor: Actor
    thread_id: UUID
    after: int = 0
    with_edits: bool = False
    over: set[UUID] = field(default_factory=set)
    edited: str = ""

    async def told(self) -> AsyncGenerator[tuple[Turn, Event] | Edit]:
        """Each event with its run. A database that is away is waited for; ends with the thread."""
        self.edited = self.edited or thread_turns.checkpoint_before(self.after)
        while True:
            try:
                seen, turns, edits = await self._look()
                for turn in turns:
                    for edit in self._edits(edits, before=turn.begins):
                        yield edit
                    async with aclosing(self._run(turn)) as of_run:
                        async for event in of_run:
                            yield turn, event
                    self.over.add(turn.run_id)
                for edit in self._edits(edits):
                    yield edit
                await self.engine.changes.after(seen)
            except NotFound:
                return
            except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
                _log.warning("thread %s cannot be followed, trying again: %s", self.thread_id, exc)
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _look(self) -> tuple[Seen, Sequence[Turn], list[Edit]]:
        """The thread as it is, the runs still to be told, and the edits."""
        async with self.engine.pool.connection() as conn:
            thread = await threads.get(conn, self.actor, self.thread_id)
            turns = await thread_turns.of_thread(conn, self.actor.tenant_id, self.thread_id, self.after)
            found = self.with_edits and await thread_turns.edits(conn, thread.tenant_id, self.thread_id, self.edited)
        seen = Seen(self.thread_id, thread.state_updated_at, turns[-1].at if turns else None)
        self.over &= {turn.run_id for turn in turns}
        return seen, [turn for turn in turns if turn.run_id not in self.over], list(found or ())

    def _edits(self, edits: list[Edit], before: int | None = None) -> list[Edit]:
        """Takes those that come next."""
        due = [edit for edit in edits if before is None or edit.number < before]
        del edits[: len(due)]
        if due:
            self.edited, self.after = due[-1].checkpoint_id, max(self.after, due[-1].number)
        return due

    async def _run(self, turn: Turn) -> AsyncGenerator[Event]:
        """What is told of the run, to its end if it is under way."""
        follow = self.engine.feed.follow if turn.is_active else self.engine.feed.past
        sight = sight_of(self.actor, turn.workflow)
        async with aclosing(follow(turn.run_id)) as events:
            async for event in events:
                self.after = max(self.after, turn.number(event.seq))
                shown = event if sight is None else sight.event(event)
                if shown is not None:
                    yield shown


async def from_now(engine: Engine, actor: Actor, thread_id: UUID, *, with_edits: bool = False) -> ThreadFeed:
    """Follows the run under way from its first event, and all that comes next. Raises NotFound."""
    async with engine.pool.connection() as conn:
        await threads.get(conn, actor, thread_id)
        turns = await thread_turns.of_thread(conn, actor.tenant_id, thread_id)
    feed = ThreadFeed(engine, actor, thread_id, with_edits=with_edits)
    feed.edited = thread_turns.checkpoint_before(thread_turns.number_at(datetime.now(UTC)))
    if turns:
        first = next((turn for turn in turns if turn.is_active), turns[-1])
        feed.after, feed.over = first.begins, set() if first.is_active else {first.run_id}
    return feed


async def kept_alive(frames: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """With a comment now and then, so that nobody between us takes the line for dead."""
    upcoming = asyncio.ensure_future(anext(frames, None))
    try:
        while True:
            done, _ = await asyncio.wait((upcoming,), timeout=PING_S)
            frame = upcoming.result() if done else b": ping\n\n"
            if frame is None:
                return
            yield frame
            if done:
                upcoming = asyncio.ensure_future(anext(frames, None))
    finally:
        if upcoming.done():
            await frames.aclose()
        else:
            upcoming.cancel()
