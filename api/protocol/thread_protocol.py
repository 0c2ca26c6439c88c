"""LangGraph's protocol for thread streams (`client.threads.stream`): events by channel, and commands, over HTTP.

A stream is told all that the thread's runs told, from the first, or behind the number that its client saw last.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse
from pydantic import AfterValidator, BaseModel, Field

from api.auth import Caller, TheEngine
from api.bootstrap import Engine
from api.errors import responses
from api.protocol.json_values import Text
from api.protocol.run_responses import EVENT_STREAM
from api.protocol.run_watch import frame_of
from api.protocol.state import encoded
from api.protocol.thread_commands import SentThreadCommand, carry_out, open_questions
from api.protocol.thread_events import CHANNELS, Subscription, Telling
from api.protocol.thread_feed import ThreadFeed, kept_alive
from api.strict import StrictBodyRoute
from db import thread_turns, threads
from db.actor import Actor
from db.changes import Seen
from db.thread_turns import Edit

SETTLE_S = 0.5
_COURSE = frozenset({"lifecycle", "input"})


def _known(channel: str) -> str:
    if channel not in CHANNELS and not (channel.startswith("custom:") and channel != "custom:"):
        raise ValueError(f"{channel!r} is none of {', '.join(CHANNELS)}, custom:<name>")
    return channel


class EventStreamBody(BaseModel):
    """Which events. `since`: only those behind this number."""

    channels: Annotated[list[Annotated[Text, AfterValidator(_known)]], Field(min_length=1, max_length=100)]
    namespaces: Annotated[list[Annotated[list[Text], Field(max_length=100)]], Field(max_length=1000)] | None = None
    depth: Annotated[int, Field(ge=0)] | None = None
    since: Annotated[int, Field(ge=0, lt=2**53)] | None = None


def router() -> APIRouter:
    routes = APIRouter(
        tags=["threads"], responses=responses(400, 401, 403, 404, 413, 422, 503), route_class=StrictBodyRoute
    )

    @routes.post("/threads/{thread_id}/commands", response_class=Response)
    async def command_thread(thread_id: UUID, body: SentThreadCommand, actor: Caller, engine: TheEngine) -> Response:
        """`run.start` or `input.respond`. The thread is made if there is none. 200 also for a command that fails."""
        return Response(encoded(await carry_out(engine, actor, thread_id, body)), media_type="application/json")

    @routes.post(
        "/threads/{thread_id}/stream/events",
        response_class=StreamingResponse,
        responses={200: {"description": "server-sent events", "content": {"text/event-stream": {}}}},
    )
    async def stream_thread_events(
        thread_id: UUID, body: EventStreamBody, actor: Caller, engine: TheEngine
    ) -> StreamingResponse:
        """What the thread's runs told and tell on these channels, until the client leaves."""
        async with engine.pool.connection() as conn:
            await threads.get(conn, actor, thread_id)
        return StreamingResponse(
            kept_alive(_frames(events(engine, actor, thread_id, body))),
            media_type="text/event-stream",
            headers=EVENT_STREAM,
        )

    return routes


async def events(
    engine: Engine, actor: Actor, thread_id: UUID, asked: EventStreamBody
) -> AsyncGenerator[dict[str, Any]]:
    """Each once, as the protocol has it; ends with the thread."""
    wanted, telling = Subscription(asked.channels, asked.namespaces, asked.depth), None
    feed = ThreadFeed(engine, actor, thread_id, asked.since or 0)
    if asked.since is None and _COURSE.issuperset(asked.channels):
        await _skip_to_last(feed)
    sent = asked.since or 0
    async for one in feed.told():
        if isinstance(one, Edit):
            continue
        turn, event = one
        if telling is None or telling.turn is not turn:
            telling = Telling(turn)
        if telling.asks_unheard(event):
            telling.ask([], await open_questions(engine, actor, thread_id))
        told, number = telling.of(event), turn.number(event.seq)
        if number > sent:
            sent = number
            for envelope in told:
                if wanted.takes(envelope):
                    yield envelope


async def _skip_to_last(feed: ThreadFeed) -> None:
    """Whoever asks for the course of things alone wants to hear how the last run goes, and not how earlier ones ended.

    LangGraph's SDK asks so as it opens a thread, moments before or after it starts a run. So a run that was over by
    then is told only if no other one comes soon, or if the thread waits for an answer.
    """
    async with feed.engine.pool.connection() as conn:
        # The runs first: one that ends in between must not be taken for over while the thread was still busy with it.
        turns = await thread_turns.of_thread(conn, feed.actor.tenant_id, feed.thread_id)
        thread = await threads.get(conn, feed.actor, feed.thread_id)
    if not turns:
        return
    last = next((turn for turn in turns if turn.is_active), turns[-1])
    feed.after = last.begins
    if last.is_active or thread.status == "interrupted":
        return
    if thread.status == "busy":
        feed.over = {last.run_id}
    elif len(turns) > 1:
        try:
            async with asyncio.timeout(SETTLE_S):
                await feed.engine.changes.after(Seen(feed.thread_id, thread.state_updated_at, last.at))
        except TimeoutError:
            return
        feed.over = {last.run_id}


async def _frames(envelopes: AsyncGenerator[dict[str, Any]]) -> AsyncGenerator[bytes]:
    async for envelope in envelopes:
        yield frame_of(envelope["seq"], envelope["method"], encoded(envelope))
