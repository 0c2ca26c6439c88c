"""Runs as LangGraph's SDK sees them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict
from typing_extensions import TypedDict

from api.protocol.schema import nothing_required
from db import assistants
from db.run_records import Run
from db.runs import NewRun, Status

SdkStatus = Literal["pending", "running", "error", "success", "timeout", "interrupted"]
RunField = Literal[
    "run_id", "thread_id", "assistant_id", "created_at", "updated_at", "status", "metadata", "kwargs",
    "multitask_strategy", "cancel_reason", "attempts", "error", "started_by", "started_at", "ended_at",
]  # fmt: skip
STATUS: Mapping[Status, SdkStatus] = {
    "pending": "pending",
    "running": "running",
    "waiting": "pending",
    "success": "success",
    "error": "error",
    "cancelled": "interrupted",
}


_CANCELLED = {"interrupt": "UserInterrupt", "rollback": "UserRollback"}


class RunView(TypedDict):
    """The SDK's `Run`; behind `cancel_reason`, what we know besides. A run that waits for the bank is `pending`."""

    run_id: UUID
    thread_id: UUID
    assistant_id: UUID
    created_at: datetime
    updated_at: datetime
    status: SdkStatus
    metadata: dict[str, Any]
    kwargs: dict[str, Any]
    multitask_strategy: Literal["reject", "enqueue", "interrupt", "rollback"]
    cancel_reason: str | None
    attempts: int
    error: dict[str, Any] | None
    started_by: str
    started_at: datetime | None
    ended_at: datetime | None


class FoundRun(RunView):
    """A run, of which `select` may have named only some fields."""

    __pydantic_config__ = ConfigDict(json_schema_extra=nothing_required)  # type: ignore[misc]  # how Pydantic has it


def run_view(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": run.assistant_id or assistants.own_id(run.workflow),
        "created_at": run.created_at,
        "updated_at": run.ended_at or run.started_at or run.created_at,
        "status": STATUS[run.status],
        "metadata": _derived(run.assistant_id or assistants.own_id(run.workflow), run.workflow) | run.metadata,
        "kwargs": {**run.options, "input": run.input},
        "multitask_strategy": run.multitask_strategy,
        "cancel_reason": run.cancel,
        "attempts": run.attempts,
        "error": run.error,
        "started_by": run.started_by,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def error_view(run: Mapping[str, Any]) -> dict[str, str] | None:
    """What went wrong, as the SDK words it, of a run that ended with this status, error and cancel; None: nothing."""
    if run["status"] == "success":
        return None
    if run["status"] == "cancelled":
        return {"error": _CANCELLED[run.get("cancel", "interrupt")], "message": "the run was cancelled"}
    error = run.get("error") or {}
    return {"error": error.get("type", "Error"), "message": error.get("detail", "the run failed")}


def new_run_view(run: NewRun, created_at: datetime) -> dict[str, Any]:
    """JSON-plain, so that it can be kept as an answer."""
    at = created_at.isoformat()
    return {
        "run_id": str(run.run_id),
        "thread_id": str(run.thread_id),
        "assistant_id": str(run.assistant_id),
        "created_at": at,
        "updated_at": at,
        "status": "pending",
        "metadata": _derived(run.assistant_id, run.workflow and run.workflow[0]) | {**run.metadata},
        "kwargs": {**run.options, "input": run.input},
        "multitask_strategy": run.multitask,
        "cancel_reason": None,
        "attempts": 0,
        "error": None,
        "started_by": run.started_by,
        "started_at": None,
        "ended_at": None,
    }


def _derived(assistant_id: UUID | None, graph_id: str | None) -> dict[str, Any]:
    told = {"assistant_id": assistant_id and str(assistant_id), "graph_id": graph_id}
    return {key: value for key, value in told.items() if value}
