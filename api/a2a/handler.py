"""What the SDK's dispatcher asks for, answered from threads and reviews alone: no task store, and no queue."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import orjson
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskNotCancelableError,
    TaskStatusUpdateEvent,
    UnsupportedOperationError,
)
from a2a.utils.constants import DEFAULT_LIST_TASKS_PAGE_SIZE

from api import streaming
from api.a2a.card import card
from api.a2a.messages import begun_or_answered, task_id_of
from api.a2a.refusals import refusing
from api.a2a.tasks import status_update, step_told, task_in_short, task_of
from api.a2a.unsupported import NoPushNotifications
from api.mcp import cases
from api.mcp.agent import Agent
from api.mcp.cases import WORDS
from api.mcp.withdrawing import take_back
from db.errors import Conflict, Forbidden
from tools.case_operations import WantedCases, list_cases

AGENT = "agent"
"""Where a call's state has who calls."""


class Cases(NoPushNotifications, RequestHandler):
    """Every method is the caller's own: what their key may see, start and answer."""

    async def on_message_send(self, params: SendMessageRequest, context: ServerCallContext) -> Task:
        """Answers once the case rests, or as it stands after the longest wait."""
        agent = _agent(context)
        with refusing():
            thread_id = await begun_or_answered(agent, params.message)
            if params.configuration.return_immediately:
                return task_of(agent, await cases.case_of(agent, thread_id))
            return task_of(agent, await cases.awaited(agent, thread_id))

    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Any]:
        agent = _agent(context)
        with refusing():
            thread_id = await begun_or_answered(agent, params.message)
        async for event in _followed(agent, thread_id):
            yield event

    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Any]:
        agent = _agent(context)
        with refusing():
            thread_id = task_id_of(params.id)
            if (await cases.case_of(agent, thread_id)).case.outcome is not None:
                raise UnsupportedOperationError(f"task {thread_id} is over; get it instead")
        async for event in _followed(agent, thread_id):
            yield event

    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task:
        agent = _agent(context)
        with refusing():
            return task_of(agent, await cases.case_of(agent, task_id_of(params.id)))

    async def on_list_tasks(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """The newest that the caller may see, on one page."""
        agent, size = _agent(context), params.page_size or DEFAULT_LIST_TASKS_PAGE_SIZE
        with refusing():
            lines = await list_cases.act(agent.caller, WantedCases(limit=size))
        tasks = [task_in_short(line) for line in lines]
        found = [
            task
            for task in tasks
            if params.context_id in ("", task.context_id) and params.status in (0, task.status.state)
        ]
        return ListTasksResponse(tasks=found, page_size=size, total_size=len(found))

    async def on_cancel_task(self, params: CancelTaskRequest, context: ServerCallContext) -> Task:
        agent = _agent(context)
        with refusing():
            thread_id = task_id_of(params.id)
            try:
                await take_back(agent, thread_id)
            except (Conflict, Forbidden) as exc:
                raise TaskNotCancelableError(str(exc)) from exc
            return task_of(agent, await cases.awaited(agent, thread_id))

    async def on_get_extended_agent_card(
        self, params: GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> AgentCard:
        agent = _agent(context)
        return card(agent.engine.settings.reached_at, agent.actor)


async def _followed(agent: Agent, thread_id: UUID) -> AsyncGenerator[Task | TaskStatusUpdateEvent]:
    """The task, its steps, and how it stands when no run of it is under way."""
    with refusing():
        case = await cases.case_of(agent, thread_id)
        yield task_of(agent, case)
        told = 0
        async with aclosing(streaming.of_thread(agent.engine, agent.actor, thread_id)) as events:
            async for event in events:
                if event.event == "task":
                    told += 1
                    node = orjson.loads(event.data)
                    yield step_told(case.case, told, f"{node['name']} {WORDS[node['status']]}")
        yield status_update(task_of(agent, await cases.case_of(agent, thread_id)))


def _agent(context: ServerCallContext) -> Agent:
    agent: Agent = context.state[AGENT]
    return agent
