"""A case as a task of A2A. The thread is the task, and its own context; nothing is kept for it."""

from typing import Any

from a2a.types import Task, TaskStatusUpdateEvent
from google.protobuf.json_format import ParseDict

from api.mcp.agent import Agent
from api.mcp.elicitation import waits_for
from api.mcp.withdrawing import is_taken_back, what_cancelling_does
from db.reviews import MACHINES, REQUESTER
from tools.case_operations import Asked, CaseLine, CaseView, get_case

STATES = {
    "working": "TASK_STATE_WORKING",
    "input_required": "TASK_STATE_WORKING",
    "completed": "TASK_STATE_COMPLETED",
    "failed": "TASK_STATE_FAILED",
}
"""Of a case, without a look at what it asks: it needs input only if somebody is there to give it."""
_NEEDS_INPUT, _CANCELED = "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_CANCELED"


def task_of(agent: Agent, case: CaseView) -> Task:
    plain = get_case.output.dump_python(case, mode="json")
    task = _task(case.case) | {"status": _status(agent, case, plain)}
    if case.case.stands == "completed":
        task["artifacts"] = [{"artifactId": "case", "name": "case", "parts": [_data(plain)]}]
    return _as_task(task)


def task_in_short(line: CaseLine) -> Task:
    """Of a list: with its state, not with what it asks."""
    return _as_task(_task(line) | {"status": {"state": STATES[line.stands], "timestamp": _at(line)}})


def status_update(task: Task) -> TaskStatusUpdateEvent:
    return TaskStatusUpdateEvent(task_id=task.id, context_id=task.context_id, status=task.status)


def step_told(line: CaseLine, number: int, said: str) -> TaskStatusUpdateEvent:
    """A node's begin or end, while the case is worked on."""
    status = {"state": STATES["working"], "message": _message(line, f"step-{number}", [{"text": said}])}
    plain = {"taskId": str(line.thread_id), "contextId": str(line.thread_id), "status": status}
    update: TaskStatusUpdateEvent = ParseDict(plain, TaskStatusUpdateEvent())
    return update


def _as_task(plain: dict[str, Any]) -> Task:
    task: Task = ParseDict(plain, Task())
    return task


def _task(line: CaseLine) -> dict[str, Any]:
    return {
        "id": str(line.thread_id),
        "contextId": str(line.thread_id),
        "metadata": {"skill": line.workflow, "outcome": line.outcome},
    }


def _status(agent: Agent, case: CaseView, plain: dict[str, Any]) -> dict[str, Any]:
    line = case.case
    if is_taken_back(case):
        return {"state": _CANCELED, "timestamp": _at(line), "message": _said(line, f"outcome: {line.outcome}")}
    if line.stands == "completed":
        return {
            "state": STATES["completed"],
            "timestamp": _at(line),
            "message": _said(line, f"outcome: {line.outcome}"),
        }
    if line.stands == "failed":
        detail = str((case.error or {}).get("detail") or "this case met a fault")
        message = _said(line, f"{detail}; staff may take it up again")
        return {"state": STATES["failed"], "timestamp": _at(line), "message": message}
    said = "; ".join(one for one in (waits_for(case), what_cancelling_does(case)) if one)
    asked = [
        (one, as_told)
        for one, as_told in zip(case.waiting, plain["waiting"], strict=True)
        if one.waits_for not in MACHINES
    ]
    if not asked:
        return {"state": STATES["working"], "timestamp": _at(line), "message": _said(line, said)}
    parts = [{"text": said}, *(_question(agent, one, as_told) for one, as_told in asked)]
    return {"state": _NEEDS_INPUT, "timestamp": _at(line), "message": _message(line, "asks", parts)}


def _question(agent: Agent, asked: Asked, plain: dict[str, Any]) -> dict[str, Any]:
    """What the requester owes, with its form; of what a person must check, where they do."""
    if asked.waits_for == REQUESTER and asked.is_yours:
        return _data(plain)
    return {"url": agent.review_url(asked.review_id), "mediaType": "text/html"}


def _said(line: CaseLine, text: str) -> dict[str, Any]:
    return _message(line, "stands", [{"text": text}])


def _message(line: CaseLine, name: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "messageId": f"{line.thread_id}.{name}.{int(line.updated_at.timestamp() * 1000)}",
        "taskId": str(line.thread_id),
        "contextId": str(line.thread_id),
        "role": "ROLE_AGENT",
        "parts": parts,
    }


def _data(plain: Any) -> dict[str, Any]:
    return {"data": plain, "mediaType": "application/json"}


def _at(line: CaseLine) -> str:
    return line.updated_at.isoformat()
