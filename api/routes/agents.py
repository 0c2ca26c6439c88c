"""One task by its id, as external agents ask for it."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import Caller, TheEngine
from api.errors import responses
from api.strict import StrictRoute
from db import tasks
from db.errors import NotFound


class AgentTask(BaseModel):
    """`payload` holds what the task was given and what came of it."""

    task_id: UUID
    agent_name: str
    status: Literal["running", "done", "failed", "interrupted"]
    payload: dict[str, Any]


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/agent", tags=["agents"], responses=responses(401, 404, 422, 503), route_class=StrictRoute
    )

    @routes.get("/tasks/{task_id}")
    async def get_agent_task(task_id: str, actor: Caller, engine: TheEngine) -> AgentTask:
        """What an agent was given and what it made of it. Callers may have any text for an id; ours are UUIDs."""
        try:
            known_as = UUID(task_id)
        except ValueError as exc:
            raise NotFound("task", task_id) from exc
        async with engine.pool.connection() as conn:
            task = await tasks.get(conn, actor, known_as)
        payload = {"name": task.name, "input": task.input, "result": task.result, "error": task.error}
        return AgentTask(task_id=task.task_id, agent_name=task.agent_name, status=task.status, payload=payload)

    return routes
