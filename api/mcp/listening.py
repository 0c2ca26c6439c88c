"""`subscriptions/listen` for tasks: each that is named is told again whenever it stands otherwise, until it is over or
the client leaves. What is told is what `tasks/get` would answer."""

import asyncio
from contextlib import suppress
from typing import Any, Literal, cast
from uuid import UUID

from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import Notification, NotificationParams, RequestParams, ServerNotification, SubscriptionsListenResult
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.mcp import cases, tasks
from api.mcp.agent import Agent, Asked, agent_of
from api.mcp.elicitation import input_requests
from db import thread_turns, threads
from db.changes import Seen
from db.errors import NotFound

_OVER = ("completed", "cancelled", "failed")


class _Wanted(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    task_ids: list[UUID] = Field(default_factory=list, max_length=100)


class Listen(RequestParams):
    notifications: _Wanted


class _Params(NotificationParams):
    model_config = ConfigDict(extra="allow")


class _Told(Notification[_Params, Literal["notifications/tasks"]]):
    method: Literal["notifications/tasks"] = "notifications/tasks"
    params: _Params


class _Acknowledged(Notification[_Params, Literal["notifications/subscriptions/acknowledged"]]):
    method: Literal["notifications/subscriptions/acknowledged"] = "notifications/subscriptions/acknowledged"
    params: _Params


async def listen(asked: Asked, wanted: Listen) -> SubscriptionsListenResult:
    """Tasks that are not the caller's are left out of what is acknowledged."""
    agent = agent_of(asked)
    tasks.must_take_tasks(agent)
    stream = _Stream(asked)
    known = [task_id for task_id in wanted.notifications.task_ids if await _is_known(agent, task_id)]
    await stream.send(_Acknowledged, {"notifications": {"taskIds": [str(task_id) for task_id in known]}})
    async with asyncio.TaskGroup() as group:
        for task_id in known:
            group.create_task(_follow(agent, task_id, stream))
    return SubscriptionsListenResult(_meta=stream.meta)


class _Stream:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: asked.request_id}

    async def send(self, kind: type[_Told | _Acknowledged], told: dict[str, Any]) -> None:
        notification = kind(params=_Params(**told, _meta=self.meta))
        await self._asked.session.send_notification(
            cast(ServerNotification, notification), related_request_id=self._asked.request_id
        )


async def _is_known(agent: Agent, task_id: UUID) -> bool:
    try:
        await cases.case_of(agent, task_id)
    except NotFound:
        return False
    return True


async def _follow(agent: Agent, task_id: UUID, stream: _Stream) -> None:
    """Until it is over, or deleted."""
    with suppress(NotFound):
        await _told_of_each_change(agent, task_id, stream)


async def _told_of_each_change(agent: Agent, task_id: UUID, stream: _Stream) -> None:
    last: dict[str, Any] = {}
    while True:
        # Looked at before it is told: what changes meanwhile is told next.
        seen = await _seen(agent, task_id)
        case = await cases.case_of(agent, task_id)
        now = tasks.detailed(input_requests(agent, case), case)
        at = {"lastUpdatedAt": now.pop("lastUpdatedAt")}
        if now != last:
            await stream.send(_Told, now | at)
        if now["status"] in _OVER:
            return
        last = now
        await agent.engine.changes.after(seen)


async def _seen(agent: Agent, task_id: UUID) -> Seen:
    async with agent.engine.pool.connection() as conn:
        thread = await threads.get(conn, agent.actor, task_id)
        turns = await thread_turns.of_thread(conn, agent.actor.tenant_id, task_id)
    return Seen(task_id, thread.state_updated_at, turns[-1].at if turns else None)
