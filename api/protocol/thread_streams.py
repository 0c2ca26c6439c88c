"""A thread's stream as LangGraph's SDK joins it: the events of all its runs, until the client leaves.

A run tells what it was asked to tell when it was started; whoever joins later, with whatever modes, is told no more.
"""

from collections.abc import AsyncGenerator, Iterator, Set
from typing import Annotated, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from api.auth import Caller, TheEngine
from api.bootstrap import Engine
from api.errors import responses
from api.protocol.run_responses import EVENT_STREAM
from api.protocol.run_watch import FROM_THE_FIRST, frame_of, frames
from api.protocol.snapshots import snapshot_of
from api.protocol.state import encoded, thread_state
from api.protocol.thread_feed import ThreadFeed, from_now, kept_alive
from db import threads
from db.actor import Actor
from db.errors import InvalidInput
from db.events import is_last
from db.journal import Event
from db.thread_turns import Edit, Turn

Mode = Literal["run_modes", "lifecycle", "state_update"]
Modes = Annotated[
    list[Mode] | None, Query(description="`run_modes` unless others are named; `stream_modes` is the same")
]
LastEventId = Annotated[
    str | None, Header(description="the last id seen: what follows it is sent; `-`: all that was ever told")
]
MAX_NUMBER = 2**53


def router() -> APIRouter:
    routes = APIRouter(tags=["threads"], responses=responses(400, 401, 403, 404, 422, 503))

    @routes.get(
        "/threads/{thread_id}/stream",
        response_class=StreamingResponse,
        responses={200: {"description": "server-sent events", "content": {"text/event-stream": {}}}},
    )
    async def join_thread(
        thread_id: UUID,
        actor: Caller,
        engine: TheEngine,
        stream_mode: Modes = None,
        stream_modes: Annotated[
            str | None, Query(max_length=100, description="the same, with commas, as LangGraph's server reads it")
        ] = None,
        last_event_id: LastEventId = None,
    ) -> StreamingResponse:
        """The events of the runs under way and to come, each run from its first, until the client leaves.

        `run_modes` is what the runs tell, between `metadata` of their begin and of their end; `lifecycle` these alone;
        `state_update` the states written by hand.
        """
        modes = {*_listed(stream_modes)} or {*(stream_mode or ["run_modes"])}
        feed = await _feed(engine, actor, thread_id, last_event_id)
        feed.with_edits = "state_update" in modes
        return StreamingResponse(kept_alive(_frames(feed, modes)), media_type="text/event-stream", headers=EVENT_STREAM)

    return routes


async def _feed(engine: Engine, actor: Actor, thread_id: UUID, last_event_id: str | None) -> ThreadFeed:
    if last_event_id is None or last_event_id == "":
        return await from_now(engine, actor, thread_id)
    async with engine.pool.connection() as conn:
        await threads.get(conn, actor, thread_id)
    if last_event_id in FROM_THE_FIRST:
        return ThreadFeed(engine, actor, thread_id)
    if not last_event_id.isdecimal() or int(last_event_id) > MAX_NUMBER:
        raise InvalidInput("Last-Event-ID", f"{last_event_id!r} is not an id of this stream, nor `-`")
    return ThreadFeed(engine, actor, thread_id, int(last_event_id))


def _listed(modes: str | None) -> Iterator[str]:
    for mode in (modes or "").split(","):
        if mode.strip() and mode.strip() not in ("run_modes", "lifecycle", "state_update"):
            raise InvalidInput("stream_modes", f"{mode!r} is none of run_modes, lifecycle, state_update")
        if mode.strip():
            yield mode.strip()


async def _frames(feed: ThreadFeed, modes: Set[str]) -> AsyncGenerator[bytes]:
    sent = feed.after
    async for one in feed.told():
        for number, frame in await _of_edit(feed, one) if isinstance(one, Edit) else _of_run(*one, modes):
            if number > sent:
                sent = number
                yield frame


def _of_run(turn: Turn, event: Event, modes: Set[str]) -> Iterator[tuple[int, bytes]]:
    number = turn.number(event.seq)
    if "run_modes" in modes or ("lifecycle" in modes and event.event == "run" and not is_last(event)):
        yield from ((number, frame) for frame in frames(event, number, None))
    if is_last(event) and modes & {"run_modes", "lifecycle"}:
        done = {"status": "run_done", "run_id": str(turn.run_id)}
        yield number + 1, frame_of(number + 1, "metadata", orjson.dumps(done))


async def _of_edit(feed: ThreadFeed, edit: Edit) -> list[tuple[int, bytes]]:
    async with feed.engine.pool.connection() as conn:
        thread = await threads.get(conn, feed.actor, feed.thread_id)
    snapshot = await snapshot_of(feed.engine, feed.actor, thread, {"checkpoint_id": edit.checkpoint_id})
    told = encoded({"state": snapshot and thread_state(snapshot), "thread_id": str(feed.thread_id)})
    return [(edit.number, frame_of(edit.number, "state_update", told))]
