"""Answers about one run: what it comes to, or its events, for a client that starts it or joins it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from api.bootstrap import Engine
from api.disclosure import sight_of
from api.protocol import acceptance
from api.protocol.run_watch import PING_S, Watch, metadata
from api.protocol.state import encoded
from db import run_records, threads
from db.actor import Actor

EVENT_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def accepted(run: dict[str, Any]) -> Response:
    headers = {"Content-Location": f"/threads/{run['thread_id']}/runs/{run['run_id']}"}
    return Response(encoded(run), media_type="application/json", headers=headers)


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What is to be done when the client has its answer, or has left before."""

    watch: Watch
    cancels: bool = False
    forgets: bool = False

    async def __call__(self) -> None:
        if self.cancels and not self.watch.over:
            await self.watch.stop()
        if self.forgets and self.watch.over:
            await self.watch.forget_thread()


async def waited_for(engine: Engine, asked: acceptance.Request) -> Response:
    """What the run comes to, watched from before it is accepted. One accepted before under the same key is joined."""
    run_id: UUID = uuids.uuid7()
    watching = Watch(engine, asked.actor, asked.thread_id or run_id, run_id, after_seq=0, new=True)
    engine.results.expect(run_id)
    waiting = asyncio.ensure_future(watching.result())
    try:
        run = await acceptance.accept(engine, replace(asked, run_id=run_id, learns=watching.learn))
    except BaseException:
        waiting.cancel()
        engine.results.take(run_id)
        raise
    watching.thread_id = UUID(run["thread_id"])
    if run["run_id"] != str(run_id):
        waiting.cancel()
        watching = await watch(engine, asked.actor, watching.thread_id, UUID(run["run_id"]))
        waiting = asyncio.ensure_future(watching.result())
    return await _patiently(waiting, _afterwards(watching, asked))


async def joined(watching: Watch, *, cancels: bool) -> Response:
    watching.engine.results.expect(watching.run_id)
    return await _patiently(asyncio.ensure_future(watching.result()), Afterwards(watching, cancels))


async def streamed(engine: Engine, asked: acceptance.Request) -> Response:
    """The run's events, watched from before it is accepted. One accepted before under the same key is joined."""
    run_id: UUID = uuids.uuid7()
    watching = Watch(engine, asked.actor, asked.thread_id or run_id, run_id, after_seq=0, new=True)
    events = watching.sent()
    upcoming = asyncio.ensure_future(anext(events))
    try:
        run = await acceptance.accept(engine, replace(asked, run_id=run_id, learns=watching.learn))
    except BaseException:
        upcoming.cancel()
        raise
    watching.thread_id = UUID(run["thread_id"])
    if run["run_id"] != str(run_id):
        upcoming.cancel()
        watching = await watch(engine, asked.actor, watching.thread_id, UUID(run["run_id"]))
        return stream(watching, _afterwards(watching, asked))
    return _event_stream(_from_metadata(run_id, upcoming, events), _afterwards(watching, asked))


def stream(watching: Watch, afterwards: Afterwards | None = None) -> Response:
    return _event_stream(watching.sent(), afterwards or Afterwards(watching))


async def watch(engine: Engine, actor: Actor, thread_id: UUID, run_id: UUID) -> Watch:
    """Of a run that was accepted before. Raises NotFound."""
    async with engine.pool.connection() as conn:
        await threads.get(conn, actor, thread_id)
        run = await run_records.get(conn, actor.tenant_id, run_id, thread_id)
    return Watch(engine, actor, thread_id, run_id, sight=sight_of(actor, run.workflow))


def _afterwards(watching: Watch, asked: acceptance.Request) -> Afterwards:
    is_temporary = asked.thread_id is None and asked.body.on_completion == "delete"
    return Afterwards(watching, asked.body.on_disconnect == "cancel", is_temporary)


async def _patiently(waiting: "asyncio.Future[bytes]", afterwards: Afterwards) -> Response:
    """The result, or, when it takes long, blanks until it is there: nothing between us takes it for a dead line."""
    path = _path(afterwards.watch)
    headers = {"Location": f"{path}/join", "Content-Location": path}
    done, _ = await asyncio.wait((waiting,), timeout=PING_S)
    if done:
        await afterwards()
        return Response(waiting.result(), media_type="application/json", headers=headers)
    later = BackgroundTask(afterwards)
    return StreamingResponse(_blanks(waiting), media_type="application/json", headers=headers, background=later)


async def _blanks(waiting: "asyncio.Future[bytes]") -> AsyncIterator[bytes]:
    try:
        while not waiting.done():
            yield b"\n"
            await asyncio.wait((waiting,), timeout=PING_S)
        yield waiting.result()
    finally:
        waiting.cancel()


async def _from_metadata(
    run_id: UUID, upcoming: "asyncio.Future[bytes]", events: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    try:
        yield metadata(run_id)
        yield await upcoming
        async for event in events:
            yield event
    finally:
        upcoming.cancel()


def _event_stream(events: AsyncIterator[bytes], afterwards: Afterwards) -> Response:
    path = _path(afterwards.watch)
    headers = {**EVENT_STREAM, "Location": f"{path}/stream", "Content-Location": path}
    return StreamingResponse(
        events, media_type="text/event-stream", headers=headers, background=BackgroundTask(afterwards)
    )


def _path(watching: Watch) -> str:
    return f"/threads/{watching.thread_id}/runs/{watching.run_id}"
