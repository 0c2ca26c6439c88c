"""One task by its id, as external agents ask for it: a transfer's, or one node's work."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import Caller, TheEngine
from api.disclosure import sight_of
from api.errors import responses
from api.routes.payments import shown_status, told
from api.strict import StrictRoute
from db import tasks
from db.actor import Actor
from db.errors import NotFound
from db.tasks import Task
from tools import payments
from tools.payments import TransferCase
from tools.rules.money import from_minor


class AgentTask(BaseModel):
    """`payload` holds what the task was given and what came of it. `status` is a transfer's, as `POST /agent/transfers`
    names them, or a node's: running, done, failed, interrupted."""

    task_id: str
    agent_name: str
    status: str
    payload: dict[str, Any]


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/agent", tags=["agents"], responses=responses(401, 404, 422, 503), route_class=StrictRoute
    )

    @routes.get("/tasks/{task_id}")
    async def get_agent_task(task_id: str, actor: Caller, engine: TheEngine) -> AgentTask:
        """What an agent was given and what it made of it. Callers may have any text for an id; nodes' are UUIDs."""
        async with engine.pool.connection() as conn:
            try:
                return _of_transfer(actor, await payments.task(conn, actor, task_id))
            except NotFound as exc:
                known_as = _uuid(task_id, exc)
            task = await tasks.get(conn, actor, known_as)
        sight = sight_of(actor, task.workflow)
        seen = task if sight is None else sight.task(task)
        if seen is None:
            raise NotFound("task", known_as)
        return _of_node(seen)

    return routes


def _uuid(task_id: str, unknown: NotFound) -> UUID:
    try:
        return UUID(task_id)
    except ValueError:
        raise unknown from None


def _of_transfer(actor: Actor, case: TransferCase) -> AgentTask:
    payload = {
        "thread_id": str(case.thread_id),
        "source_account": case.source_account,
        "destination_account": case.destination_account,
        "creditor_iban": case.creditor_iban,
        "creditor_routing_number": case.creditor_routing_number,
        "creditor_account_number": case.creditor_account_number,
        "creditor_name": case.creditor_name,
        "amount": str(from_minor(case.amount_minor, case.currency)),
        "currency": case.currency,
        "reference": case.reference,
        "transfer_id": case.transfer_id,
        "outcome": case.outcome,
        "reasons": [{"code": code, "text": text} for code, text in told(case)],
    }
    return AgentTask(
        task_id=case.task_id, agent_name=case.agent_name, status=shown_status(actor, case), payload=payload
    )


def _of_node(task: Task) -> AgentTask:
    payload = {"name": task.name, "input": task.input, "result": task.result, "error": task.error}
    return AgentTask(task_id=str(task.task_id), agent_name=task.agent_name, status=task.status, payload=payload)
