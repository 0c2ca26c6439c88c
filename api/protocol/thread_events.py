"""One run in the events of LangGraph's protocol for thread streams, made from the rows that it stored.

Nothing is stored for this protocol alone: what a run was not asked to tell when it was started cannot be told here.
Message and state payloads go as the run stored them, with fields that LangGraph's server would leave out.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.protocol.streams import NAMED
from db.events import is_last
from db.journal import Event
from db.thread_turns import Turn

CHANNELS = ("values", "updates", "checkpoints", "messages", "tools", "custom", "lifecycle", "input", "tasks")
_INTERRUPT = "__interrupt__"
_Envelope = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which events: of these channels, and below one of these namespaces if any are given, at most so deep."""

    channels: Sequence[str]
    namespaces: Sequence[Sequence[str]] | None = None
    depth: int | None = None

    def takes(self, envelope: _Envelope) -> bool:
        params = envelope["params"]
        return self._takes_channel(envelope["method"], params["data"]) and self._takes_place(params["namespace"])

    def _takes_channel(self, method: str, data: Any) -> bool:
        if method == "custom":
            return "custom" in self.channels or f"custom:{data.get('name', '')}" in self.channels
        return ("input" if method == "input.requested" else method) in self.channels

    def _takes_place(self, namespace: Sequence[str]) -> bool:
        if not self.namespaces:
            return True
        return any(
            _is_below(namespace, prefix) and (self.depth is None or len(namespace) - len(prefix) <= self.depth)
            for prefix in self.namespaces
        )


@dataclass(slots=True)
class Telling:
    """A run told from its first row on: what its namespaces do and whom it asks follows from the rows before."""

    turn: Turn
    _begun: bool = False
    _seen: set[tuple[str, ...]] = field(default_factory=set)
    _open: dict[tuple[str, ...], str] = field(default_factory=dict)
    _tool_calls: dict[str, str] = field(default_factory=dict)
    _asked: dict[str, _Envelope] = field(default_factory=dict)

    def of(self, event: Event) -> list[_Envelope]:
        """The row's envelopes. All but the last say that the row before is the last one that is complete, so that
        whoever was cut off between them is told them again, under the same ids."""
        told = list(self._of(event))
        number, name = self.turn.number(event.seq), f"{event.run_id}:{event.seq}"
        for place, envelope in enumerate(told):
            envelope["event_id"] = name if place == 0 else f"{name}.{place}"
            envelope["seq"] = number if place == len(told) - 1 else number - 1
        return told

    def asks_unheard(self, event: Event) -> bool:
        """Whether the run ends with this event, with questions that it was not asked to tell."""
        return not self._asked and is_last(event) and orjson.loads(event.data).get("thread_status") == "interrupted"

    def ask(self, namespace: Sequence[str], questions: Sequence[Mapping[str, Any]]) -> None:
        for asked in questions:
            # The protocol says `payload`, LangGraph's Python SDK reads `value`.
            request = {"interrupt_id": asked["id"], "payload": asked["value"], **asked}
            del request["id"]
            self._asked.setdefault(asked["id"], _envelope("input.requested", namespace, request))

    def _of(self, event: Event) -> Iterator[_Envelope]:
        method, *namespace = event.event.split("|")
        data = orjson.loads(event.data)
        if method == "run":
            yield from self._of_status(event, data)
        elif method == "values":
            yield from _stated("values", namespace, self._without_questions(namespace, data))
        elif method == "updates":
            node = next(iter(data)) if isinstance(data, dict) and len(data) == 1 else None
            yield from _stated("updates", namespace, self._without_questions(namespace, data), node)
        elif method == "tasks":
            yield from self._of_subgraphs(namespace, data)
            yield _envelope("tasks", namespace, data)
        elif method == "custom":
            yield _envelope("custom", namespace, {"payload": data})
        elif method.startswith(NAMED):
            yield _envelope("custom", namespace, {"name": method.removeprefix(NAMED), "payload": data})
        elif method == "tools" or (method == "messages" and isinstance(data, dict)):
            yield _envelope(method, namespace, data)
        elif method == "checkpoints":
            yield _envelope("checkpoints", namespace, _checkpoint(data))

    def _of_status(self, event: Event, told: dict[str, Any]) -> Iterator[_Envelope]:
        """Questions are told when the run is over: whoever hears them can answer."""
        if not is_last(event):
            if not self._begun:
                self._begun = True
                yield self._lifecycle([], "running")
            return
        status = _ENDS[told["status"]]
        if told.get("thread_status") == "interrupted":
            status = "interrupted"
            yield from self._asked.values()
        for namespace in sorted(self._open, key=len, reverse=True):
            yield self._lifecycle(namespace, status)
        error = (told.get("error") or {}).get("detail", "the run failed") if status == "failed" else None
        yield self._lifecycle([], status, error)

    def _of_subgraphs(self, namespace: list[str], task: dict[str, Any]) -> Iterator[_Envelope]:
        """A subgraph starts with the first task in its namespace, and ends with the task that it is."""
        place = tuple(namespace)
        if "result" in task:
            for child in [c for c, opener in self._open.items() if c[:-1] == place and opener == task["id"]]:
                del self._open[child]
                yield self._lifecycle(child, _came_to(task), task["error"] and str(task["error"]))
            return
        if isinstance(task.get("input"), dict) and isinstance(task["input"].get("tool_call"), dict):
            self._tool_calls[task["id"]] = str(task["input"]["tool_call"].get("id"))
        if place and place not in self._seen:
            self._seen.add(place)
            name, _, opener = place[-1].partition(":")
            started: dict[str, Any] = {"namespace": namespace, "trigger_call_id": opener}
            if agent := (task.get("metadata") or {}).get("lc_agent_name"):
                name = agent
                if call := self._tool_calls.get(opener):
                    started["cause"] = {"type": "toolCall", "tool_call_id": call}
            self._open[place] = opener
            yield _envelope("lifecycle", namespace, {"event": "started", "graph_name": name, **started})

    def _without_questions(self, namespace: list[str], data: Any) -> Any:
        if not isinstance(data, dict) or _INTERRUPT not in data:
            return data
        self.ask(namespace, data[_INTERRUPT])
        return {key: value for key, value in data.items() if key != _INTERRUPT}

    def _lifecycle(self, namespace: Sequence[str], what: str, error: str | None = None) -> _Envelope:
        name = namespace[-1].partition(":")[0] if namespace else self.turn.workflow
        data = {"event": what, "graph_name": name}
        return _envelope("lifecycle", namespace, data if error is None else data | {"error": error})


_ENDS = {"success": "completed", "error": "failed", "cancelled": "interrupted"}


def _envelope(method: str, namespace: Sequence[str], data: Any, node: str | None = None) -> _Envelope:
    params = {"namespace": list(namespace), "timestamp": int(time.time() * 1000), "data": data}
    if node is not None:
        params["node"] = node
    return {"type": "event", "event_id": "", "seq": 0, "method": method, "params": params}


def _stated(method: str, namespace: list[str], data: Any, node: str | None = None) -> Iterator[_Envelope]:
    if data or not isinstance(data, dict):
        yield _envelope(method, namespace, data, node)


def _checkpoint(told: dict[str, Any]) -> dict[str, Any]:
    """Of a whole checkpoint, as other modes tell it, or of a reference to one."""
    if "values" not in told:
        return told
    metadata, parent = told.get("metadata") or {}, told.get("parent_checkpoint")
    reference = {"id": told["checkpoint"]["checkpoint_id"], "step": metadata["step"], "source": metadata["source"]}
    return reference if parent is None else reference | {"parent_id": parent["checkpoint_id"]}


def _came_to(task: dict[str, Any]) -> str:
    return "interrupted" if task.get("interrupts") else "failed" if task["error"] else "completed"


def _is_below(namespace: Sequence[str], prefix: Sequence[str]) -> bool:
    """A segment `name` of the prefix takes every `name:task`."""
    return len(prefix) <= len(namespace) and all(
        wanted in (segment, segment.partition(":")[0]) for wanted, segment in zip(prefix, namespace, strict=False)
    )
