"""A case's events as server-sent events: over all its runs, resumable by `Last-Event-ID`, ending with its last run."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from fastapi.responses import StreamingResponse

from api.bootstrap import Engine
from db import runs, threads
from db.actor import Actor
from db.errors import InvalidInput
from db.journal import Event

PING_S = 15.0
NOTHING_SEEN = (UUID(int=0), -1)

Position = tuple[UUID, int]


def position(last_event_id: str | None) -> Position:
    """`run_id:seq`, as the stream's own ids are."""
    if last_event_id is None:
        return NOTHING_SEEN
    run_id, _, seq = last_event_id.partition(":")
    try:
        return UUID(run_id), int(seq)
    except ValueError as exc:
        raise InvalidInput("Last-Event-ID", f"{last_event_id!r} is not an id of this stream, `run_id:seq`") from exc


async def of_thread(engine: Engine, actor: Actor, thread_id: UUID, after: Position) -> AsyncIterator[Event]:
    """The case's events after a position, until no run of it is under way."""
    while True:
        async with engine.pool.connection() as conn:
            thread = await threads.get(conn, actor, thread_id)
            ahead = [r for r in await runs.of_thread(conn, actor.tenant_id, thread_id) if r.run_id >= after[0]]
        for run in ahead:
            after_seq = after[1] if run.run_id == after[0] else -1
            told = engine.feed.follow if run.status in runs.ACTIVE else engine.feed.past
            async for event in told(run.run_id, after_seq):
                after = (event.run_id, event.seq)
                yield event
        if thread.status != "busy":
            return


def event_stream(events: AsyncIterator[Event]) -> StreamingResponse:
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_encoded(events), media_type="text/event-stream", headers=headers)


async def _encoded(events: AsyncIterator[Event]) -> AsyncIterator[str]:
    upcoming = asyncio.ensure_future(anext(events))
    try:
        while True:
            done, _ = await asyncio.wait((upcoming,), timeout=PING_S)
            if not done:
                yield ": ping\n\n"
                continue
            event = upcoming.result()
            yield f"id: {event.run_id}:{event.seq}\nevent: {event.event}\ndata: {event.data}\n\n"
            upcoming = asyncio.ensure_future(anext(events))
    except StopAsyncIteration:
        return
    finally:
        upcoming.cancel()
