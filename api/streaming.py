"""A case's events as server-sent events: over all its runs, resumable by `Last-Event-ID`, ending with its last run."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import Header
from fastapi.responses import StreamingResponse
from psycopg import AsyncConnection
from pydantic import WithJsonSchema

from api.bootstrap import Engine
from api.disclosure import sight_of
from db import events, run_records, runs, threads
from db.actor import Actor
from db.errors import InvalidInput, NotFound
from db.journal import Event
from db.run_records import Run

PING_S = 15.0
LOOK_AGAIN_S = 1.0
EVENT_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9]{1,9}$"
_TEXT = {"type": "string"}
_EVENT = {
    "type": "object",
    "properties": {
        "id": {**_TEXT, "pattern": EVENT_ID},
        "event": _TEXT,
        "data": {**_TEXT, "contentMediaType": "application/json"},
    },
}
CONTENT: dict[str, Any] = {"text/event-stream": {"itemSchema": _EVENT}}
"""Such a stream in OpenAPI, in the words of its version 3.2."""

LastEventId = Annotated[
    str | None,
    WithJsonSchema({**_TEXT, "pattern": EVENT_ID}),
    Header(alias="Last-Event-ID", description="The last id that was seen: what follows it is sent."),
]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """The last event that was seen."""

    run_id: UUID
    seq: int


def position(last_event_id: str | None) -> Position | None:
    """`run_id:seq`, as the stream's own ids are."""
    if last_event_id is None:
        return None
    if not re.fullmatch(EVENT_ID, last_event_id):
        raise InvalidInput("Last-Event-ID", f"{last_event_id!r} is not an id of such a stream, `run_id:seq`")
    run_id, seq = last_event_id.split(":")
    return Position(UUID(run_id), int(seq))


async def check_position(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID, seen: Position) -> None:
    """Raises InvalidInput for an event that the case never had: after it, nothing would ever come.

    The event itself may be gone since, as old events go.
    """
    of_case = any(run.run_id == seen.run_id for run in await run_records.of_thread(conn, tenant_id, thread_id))
    last = await events.last_seq(conn, seen.run_id)
    if not of_case or (last is not None and seen.seq > last):
        raise InvalidInput("Last-Event-ID", f"{seen.run_id}:{seen.seq} is no event of this case")


async def of_thread(
    engine: Engine, actor: Actor, thread_id: UUID, seen: Position | None = None
) -> AsyncGenerator[Event]:
    """The case's events after a position, until no run of it is under way or it is deleted. A database that is
    away is waited for."""
    while True:
        try:
            async with engine.pool.connection() as conn:
                thread = await threads.get(conn, actor, thread_id)
                of_case = await run_records.of_thread(conn, actor.tenant_id, thread_id)
            for run in _ahead(of_case, seen):
                sight = sight_of(actor, run.workflow)
                after_seq = seen.seq if seen is not None and seen.run_id == run.run_id else -1
                told = engine.feed.follow if run.status in runs.ACTIVE else engine.feed.past
                async with aclosing(told(run.run_id, after_seq)) as of_run:
                    async for event in of_run:
                        seen = Position(event.run_id, event.seq)
                        shown = event if sight is None else sight.event(event)
                        if shown is not None:
                            yield shown
        except NotFound:
            return
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            _log.warning("events of %s cannot be read, trying again: %s", thread_id, exc)
            await asyncio.sleep(LOOK_AGAIN_S)
        else:
            if thread.status != "busy":
                return


def event_stream(events: AsyncGenerator[Event], **headers: str) -> StreamingResponse:
    headers |= {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_encoded(events), media_type="text/event-stream", headers=headers)


def _ahead(of_case: Sequence[Run], seen: Position | None) -> Sequence[Run]:
    """The run that was being read, and those after it, by the database's clock: ids are made by many machines'."""
    in_order = sorted(of_case, key=lambda run: (run.created_at, run.run_id))
    ids = [run.run_id for run in in_order]
    return in_order if seen is None or seen.run_id not in ids else in_order[ids.index(seen.run_id) :]


async def _encoded(events: AsyncGenerator[Event]) -> AsyncIterator[str]:
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
        if upcoming.done():
            await events.aclose()
        else:
            upcoming.cancel()
