"""A graph's state as LangGraph's SDK knows it, and its values as JSON."""

import json
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from re import Pattern
from typing import Any, cast

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.types import Interrupt, Send, StateSnapshot
from pydantic import BaseModel

from db.threads import Thread

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def config_of(thread: Thread, checkpoint: Mapping[str, Any] | None = None) -> RunnableConfig:
    """The thread's latest state, or the checkpoint that the SDK names; of another thread's it names none."""
    named = {key: value for key, value in (checkpoint or {}).items() if key.startswith("checkpoint_")}
    config = {"configurable": {"checkpoint_ns": "", **named, "thread_id": str(thread.thread_id)}}
    return cast(RunnableConfig, config)


def thread_state(snapshot: StateSnapshot) -> dict[str, Any]:
    """The SDK's `ThreadState`; its `checkpoint_id` and `parent_checkpoint_id` are for older clients."""
    checkpoint, parent = checkpoint_of(snapshot.config), checkpoint_of(snapshot.parent_config)
    return {
        "values": snapshot.values,
        "next": list(snapshot.next),
        "tasks": [_task(task) for task in snapshot.tasks],
        "metadata": None if snapshot.metadata is None else _without_root(snapshot.metadata),
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": [interrupt_of(i) for i in snapshot.interrupts],
        "checkpoint_id": checkpoint and checkpoint["checkpoint_id"],
        "parent_checkpoint_id": parent and parent["checkpoint_id"],
    }


def nothing_yet() -> dict[str, Any]:
    """The state of a thread that no graph has run on."""
    lists: dict[str, Any] = {"next": [], "tasks": [], "interrupts": []}
    nones = ("metadata", "created_at", "checkpoint", "parent_checkpoint", "checkpoint_id", "parent_checkpoint_id")
    return {"values": {}} | lists | dict.fromkeys(nones)


def interrupts_by_task(snapshot: StateSnapshot) -> dict[str, list[dict[str, Any]]]:
    return {task.id: [interrupt_of(i) for i in task.interrupts] for task in snapshot.tasks if task.interrupts}


def interrupt_of(interrupt: Interrupt) -> dict[str, Any]:
    told = {"id": interrupt.id, "value": interrupt.value}
    return told if interrupt.response_schema is None else told | {"response_schema": interrupt.response_schema}


def checkpoint_of(config: RunnableConfig | None) -> dict[str, Any] | None:
    """The SDK's `Checkpoint`; None if there is none yet."""
    configurable = (config or {}).get("configurable") or {}
    if not configurable.get("checkpoint_id"):
        return None
    return _plain(configurable, ("checkpoint_id", "thread_id", "checkpoint_ns", "checkpoint_map"))


def encoded(value: Any) -> bytes:
    """JSON of whatever a state may hold. What has no JSON of its own becomes its text."""
    try:
        return orjson.dumps(value, _default, _OPTIONS)
    except TypeError:  # Integers beyond 64 bits, halves of surrogate pairs.
        return json.dumps(value, default=_slow_default, skipkeys=True, ensure_ascii=False).encode(errors="replace")


def _task(task: Any) -> dict[str, Any]:
    inner = task.state
    return {
        "id": task.id,
        "name": task.name,
        "path": task.path,
        "error": None if task.error is None else str(task.error),
        "interrupts": [interrupt_of(i) for i in task.interrupts],
        "checkpoint": _plain(inner["configurable"]) if isinstance(inner, dict) else None,
        "state": thread_state(inner) if isinstance(inner, StateSnapshot) else None,
        "result": task.result,
    }


def _plain(configurable: Mapping[str, Any], keys: tuple[str, ...] | None = None) -> dict[str, Any]:
    return {key: configurable[key] for key in keys or configurable if key in configurable}


def _without_root(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if (key, value) != ("checkpoint_ns", "")}


def _slow_default(value: Any) -> Any:
    """For the standard library, which knows less than orjson."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return _default(value)


def _default(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Send):
        return {"node": value.node, "args": value.arg}
    if isinstance(value, set | frozenset | deque):
        return list(value)
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal | PurePath):
        return str(value)
    if isinstance(value, Pattern):
        return value.pattern
    return value._asdict() if hasattr(value, "_asdict") else str(value)
