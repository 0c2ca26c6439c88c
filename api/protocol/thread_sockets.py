"""LangGraph's protocol for thread streams over one WebSocket: commands go in, answers and events come out."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from api.auth import actor_of
from api.bootstrap import Engine
from api.errors import InvalidRequest
from api.protocol.state import encoded
from api.protocol.thread_commands import Answer, SentThreadCommand, carry_out, error
from api.protocol.thread_protocol import EventStreamBody, events
from api.strict import read_json
from db import threads
from db.actor import Actor
from db.errors import NotFound, Unavailable

MAX_SUBSCRIPTIONS = 32
REFUSED = 4000
"""And the status that HTTP has for it: what LangGraph's SDK takes as a refusal."""


def router() -> APIRouter:
    routes = APIRouter()

    @routes.websocket("/threads/{thread_id}/stream/events")
    async def converse(websocket: WebSocket, thread_id: UUID) -> None:
        """The key is in the handshake's headers, as in a request's."""
        await websocket.accept()
        engine: Engine = websocket.app.state.engine
        try:
            actor = await actor_of(websocket)
            async with engine.pool.connection() as conn:
                await threads.get(conn, actor, thread_id)
        except HTTPException as exc:
            await websocket.close(REFUSED + exc.status_code, exc.detail)
        except NotFound as exc:
            await websocket.close(REFUSED + 404, str(exc))
        else:
            await _Conversation(websocket, engine, actor, thread_id).hold()

    return routes


class _Conversation:
    """One client on one thread, with its subscriptions."""

    def __init__(self, websocket: WebSocket, engine: Engine, actor: Actor, thread_id: UUID) -> None:
        self._websocket = websocket
        self._engine = engine
        self._actor = actor
        self._thread_id = thread_id
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    async def hold(self) -> None:
        """Until the client leaves."""
        try:
            while True:
                await self._send(await self._answer(await self._websocket.receive_text()))
        except (WebSocketDisconnect, RuntimeError):  # The second is Starlette's for a line that is gone.
            return
        finally:
            for task in self._telling.values():
                task.cancel()
            await asyncio.gather(*self._telling.values(), return_exceptions=True)

    async def _answer(self, raw: str) -> Answer:
        command_id = None
        try:
            command = SentThreadCommand.model_validate(read_json(raw.encode()))
            command_id = command.id
            if command.method == "subscription.subscribe":
                return self._subscribe(command)
            if command.method == "subscription.unsubscribe":
                return self._unsubscribe(command)
            return await carry_out(self._engine, self._actor, self._thread_id, command)
        except (ValidationError, RequestValidationError, InvalidRequest) as exc:
            return error(command_id, "invalid_argument", str(exc))
        except Unavailable as exc:
            return error(command_id, "unknown_error", str(exc))

    def _subscribe(self, command: SentThreadCommand) -> Answer:
        if len(self._telling) >= MAX_SUBSCRIPTIONS:
            return error(
                command.id, "invalid_argument", f"one connection has {MAX_SUBSCRIPTIONS} subscriptions at most"
            )
        asked, name = EventStreamBody.model_validate(command.params), str(uuid4())
        self._telling[name] = asyncio.create_task(self._tell(asked))
        return _done(command, {"subscription_id": name, "replayed_events": 0})

    def _unsubscribe(self, command: SentThreadCommand) -> Answer:
        telling = self._telling.pop(str(command.params.get("subscription_id")), None)
        if telling is None:
            return error(command.id, "no_such_subscription", "params.subscription_id: this connection has none such")
        telling.cancel()
        return _done(command, {})

    async def _tell(self, asked: EventStreamBody) -> None:
        """A connection whose events end is of no more use to its client."""
        async for envelope in events(self._engine, self._actor, self._thread_id, asked):
            await self._send(envelope)
        await self._websocket.close(1000, "the thread is gone")

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._turn:
            await self._websocket.send_text(encoded(message).decode())


def _done(command: SentThreadCommand, result: dict[str, Any]) -> Answer:
    return {"type": "success", "id": command.id, "result": result, "meta": {"applied_through_seq": 0}}
