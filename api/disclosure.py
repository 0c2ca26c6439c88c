"""What whoever started a case is shown of it: what its workflow opens to them. All else is for staff.

Stored rows stay whole; every way out of them to a client or an agent goes through here. A workflow that opens nothing
is staff's alone: to others its cases do not exist (`db.actor.SEEN`), but for the questions that they are asked.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from langgraph.types import Interrupt, StateSnapshot

from api.protocol.state import encoded
from db.actor import Actor
from db.journal import Event
from db.reviews import REQUESTER
from db.tasks import Task
from graphs import WORKFLOWS

INTERNAL = "internal"
_INTERRUPT = "__interrupt__"
_ASKED = {
    "kind": INTERNAL,
    "role": INTERNAL,
    "question": "This case waits for an answer that is not yours to give.",
}
_UNTOLD = ("facts", "payload", "payload_sha256", "form", "due_at", "on_due", "answer", "answered_by", "answered_at")
WITHHELD = {**_ASKED, **dict.fromkeys(_UNTOLD)}
"""In place of a review's own words. Its kind would name a suspicion, and its deadline tell one kind from another."""
_FAULT = {"type": "Error", "detail": "this case met a fault; staff see which"}
_AWAY = frozenset({"Unavailable", "BankUnavailable", "DatabaseUnavailable"})
"""Errors that say nothing of a case."""

_Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sight:
    """Of the cases of one workflow: the names that it shows as a tree, with None for what is shown whole."""

    tree: _Tree
    converses: bool = False

    def values(self, values: Any) -> dict[str, Any]:
        """Of a state, or of what a node returned; its questions as `interrupt` has them."""
        if not isinstance(values, Mapping):
            return {}
        kept: dict[str, Any] = _part(values, self.tree)
        if _INTERRUPT in values:
            kept[_INTERRUPT] = [self.interrupt(asked) for asked in values[_INTERRUPT]]
        return kept

    def interrupt(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return asked if _is_theirs(asked["value"]) else {"id": asked["id"], "value": _ASKED}

    def snapshot(self, whole: StateSnapshot) -> StateSnapshot:
        tasks = (
            task._replace(
                error=task.error and _FAULT["detail"],  # type: ignore[arg-type]  # told as its text
                interrupts=_interrupts(task.interrupts),
                result=None if task.result is None else self.values(task.result),
                state=None,
            )
            for task in whole.tasks
            if task.name in self.tree
        )
        return whole._replace(
            values=self.values(whole.values),
            next=tuple(self._shown(whole.next)),
            tasks=tuple(tasks),
            interrupts=_interrupts(whole.interrupts),
        )

    def event(self, event: Event) -> Event | None:
        """None: nothing of it is shown. An event of a kind that nobody thought of is not."""
        if self.converses and event.event.partition("/")[0] == "messages":
            # Said to them, in a talk of their own.
            return event
        tell = _TELL.get(event.event)
        told = None if tell is None else tell(self, orjson.loads(event.data))
        return None if told is None else event._replace(data=encoded(told).decode())

    def task(self, task: Task) -> Task | None:
        if task.name not in self.tree:
            return None
        result = None if task.result is None else self.values(task.result)
        return replace(task, input=self.values(task.input), result=result, error=task.error and _FAULT["detail"])

    def run(self, view: dict[str, Any], person: str) -> dict[str, Any]:
        """As `run_view` has it. Of another person's run, what they sent and who they are is not shown."""
        seen = view | {"error": fault(view["error"])}
        if view["started_by"] == person:
            return seen
        ids = {name: value for name, value in view["metadata"].items() if name in ("assistant_id", "graph_id")}
        return seen | {"started_by": INTERNAL, "metadata": ids, "kwargs": {}}

    def updates(self, told: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {node: self.values(update) for node, update in told.items() if node in self.tree}
        if _INTERRUPT in told:
            shown[_INTERRUPT] = [self.interrupt(asked) for asked in told[_INTERRUPT]]
        return shown

    def node(self, told: dict[str, Any]) -> dict[str, Any] | None:
        """One node's work, as our events and LangGraph's tell its begin and its end."""
        if told["name"] not in self.tree:
            return None
        shown = told | {part: self.values(told[part]) for part in ("input", "result") if told.get(part) is not None}
        if told.get("error"):
            shown["error"] = _FAULT["detail"]
        if told.get("interrupts"):
            shown["interrupts"] = [self.interrupt(asked) for asked in told["interrupts"]]
        return shown

    def checkpoint(self, told: dict[str, Any]) -> dict[str, Any]:
        """Whole, or the reference to one, which is its id alone."""
        if "values" not in told:
            return told
        tasks = [shown for task in told["tasks"] if (shown := self.node(task)) is not None]
        return told | {"values": self.values(told["values"]), "next": self._shown(told["next"]), "tasks": tasks}

    def debug(self, told: dict[str, Any]) -> dict[str, Any] | None:
        payload = self.checkpoint(told["payload"]) if told["type"] == "checkpoint" else self.node(told["payload"])
        return None if payload is None else told | {"payload": payload}

    def status(self, told: dict[str, Any]) -> dict[str, Any]:
        """A run's own news."""
        shown = told | ({"error": fault(told["error"])} if "error" in told else {})
        if "reviews" in told:
            asked = ("kind", "role")
            shown["reviews"] = [
                review if review["role"] == REQUESTER else review | {name: _ASKED[name] for name in asked}
                for review in told["reviews"]
            ]
        return shown

    def _shown(self, nodes: Iterable[str]) -> list[str]:
        return [node for node in nodes if node in self.tree]


def sight_of(actor: Actor, workflow: str | None) -> Sight | None:
    """None: everything is shown, for the actor is staff, or the graph is a team's own and no case of ours."""
    return None if actor.sees_whole_tenant else SIGHTS.get(workflow or "")


def fault(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """A run's error without what it says of the case."""
    return error if error is None or error.get("type") in _AWAY else error | _FAULT


def _is_theirs(question: Any) -> bool:
    """A case is seen by nobody but staff and whoever started it: what asks its requester asks this actor."""
    return isinstance(question, Mapping) and question.get("role") == REQUESTER


def _interrupts(asked: Iterable[Interrupt]) -> tuple[Interrupt, ...]:
    return tuple(one if _is_theirs(one.value) else Interrupt(value=_ASKED, id=one.id) for one in asked)


def _part(value: Any, tree: _Tree | None) -> Any:
    if tree is None:
        return value
    if isinstance(value, Mapping):
        return {name: _part(inner, tree[name]) for name, inner in value.items() if name in tree}
    return [_part(inner, tree) for inner in value] if isinstance(value, list | tuple) else None


def _tree(names: Iterable[str]) -> _Tree:
    """`decision.terms` shows that part of `decision` alone."""
    tree: dict[str, Any] = {}
    for name in sorted(names):
        head, _, rest = name.partition(".")
        if not rest:
            tree[head] = None
        elif head not in tree or tree[head] is not None:
            tree.setdefault(head, []).append(rest)
    return {head: rest if rest is None else _tree(rest) for head, rest in tree.items()}


_TELL: Mapping[str, Callable[[Sight, Any], Any]] = {
    "run": Sight.status,
    "task": Sight.node,
    "values": Sight.values,
    "updates": Sight.updates,
    "tasks": Sight.node,
    "checkpoints": Sight.checkpoint,
    "debug": Sight.debug,
}
SIGHTS: Mapping[str, Sight] = {
    workflow.name: Sight(_tree(workflow.shown), workflow.converses) for workflow in WORKFLOWS
}
STAFFS_ALONE = frozenset(workflow.name for workflow in WORKFLOWS if not workflow.shown)
