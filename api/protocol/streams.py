"""LangGraph's stream in the words of its SDK: which modes a graph is asked for, and what each chunk is told as."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message
from langgraph.types import Interrupt, StreamMode

from api.protocol.state import checkpoint_of, interrupt_of

SdkMode = Literal[
    "values", "updates", "messages", "messages-tuple", "custom", "debug", "tasks", "checkpoints", "events", "tools",
    "lifecycle",
]  # fmt: skip
"""LangGraph's server takes `lifecycle`, too, and a graph streams nothing of that name."""
Told = tuple[str, Any]
"""An event's name and data."""
NAMED = "custom:"
"""Begins the name of what a graph's stream transformers push to a channel."""

MESSAGE_PARTS, _REFERENCES = "message-parts", "checkpoint-references"
THREAD_MODES = ("values", "updates", MESSAGE_PARTS, "tools", "custom", "tasks", _REFERENCES)
"""What a run tells for the protocol of thread streams: messages in its parts, and checkpoints by their ids alone."""
_OF_MODE: dict[str, str] = {
    "updates": "updates", "messages": "messages", "messages-tuple": "messages", "custom": "custom", "debug": "debug",
    "checkpoints": "checkpoints", "tools": "tools", MESSAGE_PARTS: "messages", _REFERENCES: "checkpoints",
}  # fmt: skip
_INTERRUPT = "__interrupt__"


class Translation:
    """Of one run's stream. It remembers the messages under way: `messages` tells each as far as it is known."""

    def __init__(self, modes: Sequence[str], *, subgraphs: bool) -> None:
        self._modes = frozenset(modes)
        self._subgraphs = subgraphs
        self._messages: dict[str | None, Any] = {}

    def graph_modes(self) -> list[StreamMode]:
        """What the graph streams: tasks and values are for our own account, whoever asked for them.

        With `custom` LangGraph hands out a task's end before it stores the checkpoint made of it. Without, a worker
        killed in between would leave a task that is done and whose row says for ever that it is running.
        """
        asked = {_OF_MODE[mode] for mode in self._modes if mode in _OF_MODE}
        asked.add("custom")
        # LangGraph knows `tools`, though its type does not.
        return cast(list[StreamMode], ["tasks", "values", *sorted(asked)])

    @property
    def in_parts(self) -> bool:
        """For the protocol of thread streams."""
        return MESSAGE_PARTS in self._modes

    @property
    def version(self) -> Literal["v1", "v2"]:
        """Of LangGraph's chunks: only the newer ones have messages in parts."""
        return "v2" if self.in_parts else "v1"

    def told(self, namespace: Sequence[str], mode: str, value: Any) -> Iterator[Told]:
        """The events of one chunk, for whoever watches."""
        if mode == "messages":
            yield from self._of_message(namespace, *value)
        elif mode == "checkpoints" and _REFERENCES in self._modes:
            yield self._name(mode, namespace), _reference(value)
        elif mode in self._modes or (self.in_parts and mode.startswith(NAMED)):
            yield self._name(mode, namespace), _public(mode, value)

    def of_event(self, event: Mapping[str, Any]) -> Told:
        """One of LangChain's own events."""
        return "events", {**event, "metadata": _plain(event.get("metadata") or {})}

    def _of_message(self, namespace: Sequence[str], message: Any, metadata: Mapping[str, Any]) -> Iterator[Told]:
        metadata = _plain(metadata)
        if self.in_parts:
            if isinstance(message, dict):  # Whole messages are in `values`.
                yield self._name("messages", namespace), message
        elif "messages-tuple" in self._modes:
            yield self._name("messages", namespace), [message, metadata]
        elif isinstance(message, BaseMessage):
            known = self._messages.get(message.id)
            self._messages[message.id] = message if known is None else known + message
            if known is None:
                yield "messages/metadata", {message.id: {"metadata": metadata}}
            whole = message_chunk_to_message(self._messages[message.id])
            yield "messages/partial" if isinstance(message, BaseMessageChunk) else "messages/complete", [whole]

    def _name(self, mode: str, namespace: Sequence[str]) -> str:
        return "|".join([mode, *namespace]) if self._subgraphs else mode


def without_interrupts(values: Any) -> Any:
    """What a chunk of mode `values` says of the state alone."""
    if isinstance(values, dict) and _INTERRUPT in values:
        return {key: value for key, value in values.items() if key != _INTERRUPT}
    return values


def final(values: Any, interrupts: Sequence[Mapping[str, Any]]) -> Any:
    """What a run came to, as `wait` and `join` answer it."""
    if not interrupts:
        return {} if values is None else values
    shown = [_shown(interrupt) for interrupt in interrupts]
    return {**values, _INTERRUPT: shown} if isinstance(values, dict) else {_INTERRUPT: shown}


def _public(mode: str, value: Any) -> Any:
    if mode == "debug":
        return {
            **value,
            "payload": _public("checkpoints" if value["type"] == "checkpoint" else "tasks", value["payload"]),
        }
    if mode == "checkpoints":
        return _of_checkpoint(value)
    if mode == "tasks":
        told = {**value, "metadata": _plain(value["metadata"])} if "metadata" in value else dict(value)
        return told | {"interrupts": [_shown(i) for i in told["interrupts"]]} if "interrupts" in told else told
    if mode in ("values", "updates") and isinstance(value, dict) and _INTERRUPT in value:
        return {**value, _INTERRUPT: [_shown(interrupt) for interrupt in value[_INTERRUPT]]}
    return value


def _of_checkpoint(payload: Mapping[str, Any]) -> dict[str, Any]:
    config, parent = checkpoint_of(payload["config"]), checkpoint_of(payload.get("parent_config"))
    return {
        **payload,
        "config": {"configurable": config} if config else None,
        "parent_config": {"configurable": parent} if parent else None,
        "checkpoint": config,
        "parent_checkpoint": parent,
        "metadata": _plain(payload.get("metadata") or {}),
        "tasks": [_of_task(task) for task in payload["tasks"]],
    }


def _reference(payload: Mapping[str, Any]) -> dict[str, Any]:
    metadata = payload.get("metadata") or {}
    config, parent = checkpoint_of(payload["config"]), checkpoint_of(payload.get("parent_config"))
    reference = {"id": config and config["checkpoint_id"], "step": metadata.get("step")}
    return reference | {"source": metadata.get("source")} | ({"parent_id": parent["checkpoint_id"]} if parent else {})


def _of_task(task: Mapping[str, Any]) -> dict[str, Any]:
    state = task.get("state")
    told = {**task, "interrupts": [_shown(i) for i in task.get("interrupts", ())]}
    if isinstance(state, dict) and state.get("configurable"):
        del told["state"]
        told["checkpoint"] = _plain(state["configurable"])
    return told


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Without LangGraph's own machinery."""
    return {key: value for key, value in metadata.items() if not key.startswith("__pregel")}


def _shown(interrupt: Interrupt | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(interrupt, Interrupt):
        return interrupt_of(interrupt)
    shown = {"id": interrupt["id"], "value": interrupt["value"]}
    schema = interrupt.get("response_schema")
    return shown if schema is None else shown | {"response_schema": schema}
