"""Cases as tasks of the extension `io.modelcontextprotocol/tasks` (SEP-2663). The case's thread is the task: nothing is
kept for it, so it outlives every process.

A person's decision is nothing that a task's client can give: it is told where that person gives it.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY, RequestParams
from pydantic import Field

from api.mcp import cases
from api.mcp.agent import TASKS, Agent
from api.mcp.answers import case_answer
from api.mcp.cases import ProvidedInput
from api.mcp.elicitation import answer_of, input_requests, review_of, waits_for
from api.mcp.withdrawing import is_taken_back, take_back, what_cancelling_does
from db.errors import AlreadyAnswered, Conflict, Forbidden, TooLate
from tools.case_operations import CaseView

POLL_MS = 1_000
POLL_SLOWLY_MS = 5_000
"""While a person is waited for."""


class OfTask(RequestParams):
    task_id: UUID


class TaskUpdate(OfTask):
    input_responses: dict[str, dict[str, Any]] = Field(max_length=100)


async def created(agent: Agent, thread_id: UUID) -> dict[str, Any]:
    """In place of a tool's answer. The case is stored by now: `tasks/get` finds it."""
    case = await cases.case_of(agent, thread_id)
    return {"resultType": "task", **_task(case), "status": "working", "pollIntervalMs": POLL_MS}


async def get(agent: Agent, wanted: OfTask) -> dict[str, Any]:
    must_take_tasks(agent)
    case = await cases.case_of(agent, wanted.task_id)
    return {"resultType": "complete", **detailed(input_requests(agent, case), case)}


async def update(agent: Agent, wanted: TaskUpdate) -> dict[str, Any]:
    """Gives the answers to what is still asked; those to anything else are passed over, as the extension has it.

    Raises InvalidInput for one that does not fit its form.
    """
    must_take_tasks(agent)
    case = await cases.case_of(agent, wanted.task_id)
    open_now = {asked.review_id: asked for asked in case.waiting if asked.is_yours and asked.form is not None}
    for key, response in wanted.input_responses.items():
        review_id, payload_sha256 = review_of(key) or (None, "")
        asked = open_now.get(review_id) if review_id else None
        if asked is None or asked.payload_sha256 != payload_sha256 or key not in input_requests(agent, case):
            continue
        given = answer_of(asked, response)
        if given is None:
            continue
        try:
            provided = ProvidedInput(review_id=asked.review_id, payload_sha256=payload_sha256, answer=given)
            await cases.provide_input(agent, provided)
        except (AlreadyAnswered, TooLate):
            continue
    return {"resultType": "complete"}


async def cancel(agent: Agent, wanted: OfTask) -> dict[str, Any]:
    """Has the case taken back where its workflow knows that. Where it does not, or it is too late, the wish is
    acknowledged all the same, as the extension has it; the status says what cancelling does."""
    must_take_tasks(agent)
    with suppress(Conflict, Forbidden):
        await take_back(agent, wanted.task_id)
    return {"resultType": "complete"}


def detailed(asked: Mapping[str, Any], case: CaseView) -> dict[str, Any]:
    """The task as it stands; `asked` is what its client can put before its user."""
    task, stands = _task(case), case.case.stands
    if is_taken_back(case):
        return task | {"status": "cancelled", "statusMessage": f"outcome: {case.case.outcome}"}
    if stands == "completed":
        result = case_answer(case).model_dump(by_alias=True, mode="json", exclude_none=True)
        return task | {"status": "completed", "statusMessage": f"outcome: {case.case.outcome}", "result": result}
    if stands == "failed":
        told = dict(case.error or {})
        detail = str(told.get("detail") or "this case met a fault")
        message = f"{detail}; staff may take it up again, and get_case tells how it stands"
        return task | {"status": "failed", "error": {"code": INTERNAL_ERROR, "message": message, "data": told}}
    waiting = waits_for(case)
    said = "; ".join(one for one in (waiting, what_cancelling_does(case)) if one)
    now: dict[str, Any] = {"status": "input_required", "inputRequests": asked} if asked else {"status": "working"}
    slowly = {} if waiting is None else {"pollIntervalMs": POLL_SLOWLY_MS}
    return task | now | {"statusMessage": said} | slowly


def _task(case: CaseView) -> dict[str, Any]:
    line = case.case
    return {
        "taskId": str(line.thread_id),
        "createdAt": _at(line.created_at),
        "lastUpdatedAt": _at(line.updated_at),
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }


def _at(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def must_take_tasks(agent: Agent) -> None:
    if not agent.is_modern:
        raise MCPError(METHOD_NOT_FOUND, "tasks are of protocol 2026-07-28; get_case tells the same")
    if not agent.takes_tasks:
        needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, f"missing client capability: {TASKS}", needed)
