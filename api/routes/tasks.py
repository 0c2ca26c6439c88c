"""Tasks for agents about clients: made, claimed under a lease, completed; each by its id alone."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.idempotent import Answer, OptionalKey, Wish
from api.strict import StrictRoute
from db.actor import Actor
from db.errors import Conflict
from db.pool import transaction
from tools import client_tasks, clients, task_results
from tools.client_tasks import ClientTask, NewTask, Status, Wanted
from tools.loan_request import RecordId
from tools.payment_request import Name

MAY_MAKE = ("client", "agent", "adviser", "operator")
MAY_DO = ("agent", "adviser", "operator")
LONGEST_LEASE_S = 3600
EXAMPLE: JsonDict = {
    "task_id": "550e8400-e29b-41d4-a716-446655440000",
    "client_id": "client-001",
    "agent_name": "rebalancing_agent",
    "payload": {"objective": "review allocation"},
}


class TaskBody(BaseModel):
    """The same `task_id` is the same task, however often it is sent; left out, it is made here."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    task_id: UUID | None = None
    client_id: RecordId
    agent_name: Name
    payload: dict[str, Any] = Field(default_factory=dict)


class TaskStatus(BaseModel):
    task_id: UUID
    status: Status


class TaskView(TaskStatus):
    """`status` is `claimed` while a lease is in force, `failed` once leases ran out on it so often that nobody is given
    it any more, `withdrawn` if the case that handed it out (`thread_id`) no longer waits for it."""

    model_config = ConfigDict(from_attributes=True)

    client_id: str
    agent_name: str
    payload: dict[str, Any]
    result: dict[str, Any] | None
    thread_id: UUID | None
    claims: int
    claims_left: int
    claimed_by: str | None
    lease_until: datetime | None
    created_by: str
    created_at: datetime
    completed_by: str | None
    completed_at: datetime | None


class ClaimBody(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"agent_name": "rebalancing_agent", "lease_s": 60}]}
    )

    agent_name: Name
    lease_s: Annotated[int, Field(strict=True, ge=1, le=LONGEST_LEASE_S)] = 60


class ClaimedTask(TaskView):
    """`lease_token` proves the claim: extend the lease and complete the task with it."""

    lease_token: UUID


class LeaseBody(BaseModel):
    """So many seconds from now; 0 gives the task back."""

    model_config = ConfigDict(extra="forbid")

    lease_token: UUID
    lease_s: Annotated[int, Field(strict=True, ge=0, le=LONGEST_LEASE_S)] = 60


class ResultBody(BaseModel):
    """`lease_token` may be left out for a task that nobody claimed and no case waits for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"result": {"target": {"equities": 60, "bonds": 30, "cash": 10}}}]},
    )

    result: dict[str, Any]
    lease_token: UUID | None = None


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/tasks", tags=["wealth"], responses=responses(401, 403, 404, 422, 503), route_class=StrictRoute
    )
    _making(routes)
    _doing(routes)
    return routes


def _making(routes: APIRouter) -> None:
    @routes.post("", response_model=TaskStatus, responses=responses(400, 409, 413, 415))
    async def make_task(
        body: TaskBody, request: Request, actor: Caller, engine: TheEngine, idempotency_key: OptionalKey = None
    ) -> JSONResponse:
        """Makes a task, once per `task_id`: whoever sends it again is told how it stands, and nothing starts anew."""
        require(actor, *MAY_MAKE)

        async def act(conn: AsyncConnection[Any]) -> Answer:
            task_id: UUID = body.task_id or uuids.uuid7()
            new = NewTask(task_id, body.client_id, body.agent_name, body.payload)
            task = await _made(conn, actor, new)
            return 200, {"task_id": str(task.task_id), "status": task.status}

        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump(mode="json"))
        return (await idempotent.grant(engine.pool, wish, act)).response()

    @routes.get("")
    async def list_tasks(
        actor: Caller,
        engine: TheEngine,
        agent_name: str | None = None,
        client_id: str | None = None,
        status: Status | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[TaskView]:
        """The newest first: staff see all, others their own, agents those that nobody has claimed, too."""
        async with engine.pool.connection() as conn:
            found = await client_tasks.search(conn, actor, Wanted(agent_name, client_id, status), limit)
        return [TaskView.model_validate(task) for task in found]

    @routes.get("/{client_task_id}")
    async def get_task(client_task_id: UUID, actor: Caller, engine: TheEngine) -> TaskView:
        async with engine.pool.connection() as conn:
            return TaskView.model_validate(await client_tasks.get(conn, actor, client_task_id))


def _doing(routes: APIRouter) -> None:
    nothing: dict[int | str, Any] = {204: {"description": "There is no task of this kind to do"}}

    @routes.post("/claim", response_model=ClaimedTask, responses=responses(400, 413, 415) | nothing)
    async def claim_task(body: ClaimBody, actor: Caller, engine: TheEngine) -> Any:
        """The oldest task of a kind that is to be done, under a lease. A lease that runs out returns the task."""
        require(actor, *MAY_DO)
        async with transaction(engine.pool) as conn:
            task = await client_tasks.claim(conn, actor, body.agent_name, body.lease_s)
        return Response(status_code=204) if task is None else ClaimedTask.model_validate(task)

    @routes.post("/{client_task_id}/lease", responses=responses(400, 409, 413, 415))
    async def extend_lease(client_task_id: UUID, body: LeaseBody, actor: Caller, engine: TheEngine) -> TaskView:
        """A worker's sign of life: the lease lasts so long from now."""
        require(actor, *MAY_DO)
        async with transaction(engine.pool) as conn:
            task = await client_tasks.extend(conn, actor, client_task_id, body.lease_token, body.lease_s)
        return TaskView.model_validate(task)

    @routes.post("/{client_task_id}/reopen", responses=responses(409))
    async def reopen_task(client_task_id: UUID, actor: Caller, engine: TheEngine) -> TaskView:
        """Has a failed task handed out again."""
        require(actor, "operator")
        async with transaction(engine.pool) as conn:
            task = await client_tasks.reopen(conn, actor, client_task_id)
        return TaskView.model_validate(task)

    @routes.post("/{client_task_id}/result", responses=responses(400, 409, 413, 415))
    async def complete_task(client_task_id: UUID, body: ResultBody, actor: Caller, engine: TheEngine) -> TaskView:
        """Stores this task's result, once: the same again gets the same answer, another one a 409."""
        require(actor, *MAY_DO)
        async with transaction(engine.pool) as conn:
            task = await task_results.complete(conn, actor, client_task_id, body.result, body.lease_token)
        return TaskView.model_validate(task)


async def _made(conn: AsyncConnection[Any], actor: Actor, new: NewTask) -> ClientTask:
    """Raises InvalidInput for an unknown client, Conflict if the id is another task's."""
    await clients.must_see(conn, actor, new.client_id)
    made = await client_tasks.create(conn, actor.tenant_id, actor.person, new)
    known = await client_tasks.find(conn, actor.tenant_id, new.task_id)
    if not made and (known.request_sha256 != new.sha256 or known.created_by != actor.person):
        raise Conflict(f"task {new.task_id} is another task")
    return known
