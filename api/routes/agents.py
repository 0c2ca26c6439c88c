"""One task by its id, as external agents ask for it."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import Caller, TheEngine
from api.errors import responses
from db import tasks


class AgentTask(BaseModel):
    task_id: UUID
    agent_name: str
    status: str
    payload: dict[str, Any]


def router() -> APIRouter:
    routes = APIRouter(prefix="/agent", tags=["agents"], responses=responses(401, 404, 422, 503))

    @routes.get("/tasks/{task_id}")
    async def get_agent_task(task_id: UUID, actor: Caller, engine: TheEngine) -> AgentTask:
        """What an agent was given and what it made of it."""
        async with engine.pool.connection() as conn:
            task = await tasks.get(conn, actor, task_id)
        payload = {"name": task.name, "input": task.input, "result": task.result, "error": task.error}
        return AgentTask(task_id=task.task_id, agent_name=task.agent_name, status=task.status, payload=payload)

    return routes
