"""The demo's transfers: one that goes straight through, asked for twice, and one that a person releases."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.commands import answers, transfer_steps
from api.commands.client import Client
from api.commands.screen import Screen

AGENT = "risk-agent"
PATIENCE_S = 60.0
SMALL = {"agent_name": AGENT, "source_account": "ACC001", "destination_account": "ACC002", "amount": "125.50"}
LARGE = SMALL | {"amount": "3000.00", "reference": "Kitchen, second half"}
"""Above the amount from which policy 2026-01 asks a person."""


@dataclass(frozen=True, slots=True)
class Transfers:
    """`operator` sees what each step found, and releases."""

    screen: Screen
    client: Client
    operator: Client
    yes: bool

    def play(self) -> bool:
        """Whether both came out as they should."""
        self.screen.title("An agent has 125.50 USD paid from Eleanor Whitfield to Marcus Okafor")
        made = self._ask(SMALL)
        again = self._ask(SMALL | {"task_id": made.task_id})
        self.screen.say("  the same task once more: the same transfer, and nothing is paid again", "dim")
        self.screen.title("And 3,000.00 USD, which policy lets go only when a person has released it")
        waiting = self._ask(LARGE)
        released = self._release(waiting)
        stands = self.client.get(f"/agent/tasks/{waiting.task_id}")["status"]
        self.screen.say(f"  GET /agent/tasks/{waiting.task_id}", "dim")
        self.screen.say(f"  {stands}", "bold")
        paid_once = made.transfer_id is not None and made.transfer_id == again.transfer_id
        return paid_once and stands in _expected(released)

    def _ask(self, wanted: Mapping[str, Any]) -> "Asked":
        """The task's answer; of a task that is new, its steps are shown."""
        told = self.client.post("/agent/transfers", wanted)
        task = self.client.get(f"/agent/tasks/{told['task_id']}")
        asked = Asked(told["task_id"], task["payload"]["thread_id"], told["result"]["transfer_id"])
        self.screen.say("  POST /agent/transfers", "dim")
        if "task_id" not in wanted:
            self._watch(asked)
        self.screen.say(f"  {told['result']['status']}, {asked.transfer_id or 'nothing paid yet'}", "bold")
        return asked

    def _release(self, asked: "Asked") -> bool:
        (review,) = [one for one in self.operator.get("/reviews") if one["thread_id"] == asked.thread_id]
        self.screen.review(review)
        given = answers.by_itself(review) if self.yes else answers.asked(self.screen.console, review)
        self.screen.say(f"  {answers.told(review, given)}", "bold")
        self.operator.answer(review, given)
        self._watch(asked)
        return bool(given["verdict"] == "release")

    def _watch(self, asked: "Asked") -> None:
        """Shows what the case's steps found since last time, until it waits or is over."""
        with self.screen.watching(transfer_steps.described) as watch:
            for event in self.operator.events(asked.thread_id, asked.last_event_id, PATIENCE_S):
                asked.last_event_id = event.event_id
                watch.see(event)


@dataclass(slots=True)
class Asked:
    """A task that was asked for, and how far its case was shown."""

    task_id: str
    thread_id: str
    transfer_id: str | None
    last_event_id: str | None = None


def _expected(released: bool) -> tuple[str, ...]:
    return ("submitted", "settled") if released else ("refused",)
