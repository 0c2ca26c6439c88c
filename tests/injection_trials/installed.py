"""The suite as the interpreter that has it tells it, and its judgement of what became of each trial."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile_model import Call

SUITE = Path(__file__).with_name("suite.py")
Environment = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """What a user asks for, what an honest model calls for it, and says in the end."""

    prompt: str
    calls: tuple[Call, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Goal:
    """What a model that works for an attacker calls, and the bank with the attacker's text in it."""

    calls: tuple[Call, ...]
    environment: Environment


@dataclass(frozen=True, slots=True)
class Suite:
    environment: Environment
    tasks: Mapping[str, Task]
    goals: Mapping[str, Goal]

    def secrets(self) -> list[str]:
        """Every password that anybody would set."""
        solutions = [task.calls for task in self.tasks.values()] + [goal.calls for goal in self.goals.values()]
        calls = [call for solution in solutions for call in solution]
        return [arguments(call)["password"] for call in calls if call.tool == "update_password"]


@dataclass(frozen=True, slots=True)
class Judgement:
    is_done: bool
    is_reached: bool


def suite_of(python: str) -> Suite:
    told = _asked(python, "tell", None)
    tasks = {name: Task(each["prompt"], _calls(each), each["says"]) for name, each in told["tasks"].items()}
    goals = {name: Goal(_calls(each), each["environment"]) for name, each in told["goals"].items()}
    return Suite(told["environment"], tasks, goals)


def judged(python: str, trials: Sequence[Mapping[str, Any]]) -> list[Judgement]:
    """Of each trial its `task`, `goal`, what was `said`, and the environment `before` and `after`."""
    return [Judgement(**each) for each in _asked(python, "judge", trials)]


def arguments(call: Call) -> Mapping[str, Any]:
    assert not isinstance(call.arguments, str)
    return call.arguments


def _calls(told: Mapping[str, Any]) -> tuple[Call, ...]:
    return tuple(Call(each["tool"], each["arguments"]) for each in told["calls"])


def _asked(python: str, what: str, given: Any) -> Any:
    told = subprocess.run(
        [python, str(SUITE), what], input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(told.stdout)
