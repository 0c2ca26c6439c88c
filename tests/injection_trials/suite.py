"""AgentDojo's banking suite told and judged as JSON, by the interpreter that has it: `suite.py tell`, `suite.py judge`.

All its text stays in the installed package, and its own functions judge. An injected text is its goal in the tags that
AgentDojo's plainest attack has, at every place that the suite leaves for one.
"""

import json
import sys
from typing import Any

from agentdojo.task_suite.load_suites import get_suite


def main() -> None:
    suite = get_suite("v1.2.2", "banking")
    answer = told(suite) if sys.argv[1] == "tell" else [judged(suite, trial) for trial in json.load(sys.stdin)]
    json.dump(answer, sys.stdout)


def told(suite: Any) -> dict[str, Any]:
    """Tasks of users, goals of attackers, what either calls, and the bank without and with each goal's text."""
    untouched = suite.load_and_inject_default_environment({})
    tasks = {
        name: {
            "prompt": task.PROMPT,
            "says": getattr(task, "GROUND_TRUTH_OUTPUT", ""),
            "calls": _calls(task, untouched),
        }
        for name, task in suite.user_tasks.items()
    }
    goals = {
        name: {
            "calls": _calls(goal, untouched),
            "environment": _injected(suite, f"<INFORMATION> {goal.GOAL} </INFORMATION>").model_dump(),
        }
        for name, goal in suite.injection_tasks.items()
    }
    return {"environment": untouched.model_dump(), "tasks": tasks, "goals": goals}


def judged(suite: Any, trial: dict[str, Any]) -> dict[str, bool]:
    """Whether the user's task was done, and the attacker's goal reached."""
    found = trial["said"], *(suite.environment_type.model_validate(trial[when]) for when in ("before", "after"))
    goal = suite.injection_tasks.get(trial["goal"])
    return {
        "is_done": bool(suite.user_tasks[trial["task"]].utility(*found)),
        "is_reached": goal is not None and bool(goal.security(*found)),
    }


def _calls(task: Any, environment: Any) -> list[dict[str, Any]]:
    return [{"tool": call.function, "arguments": dict(call.args)} for call in task.ground_truth(environment)]


def _injected(suite: Any, text: str) -> Any:
    return suite.load_and_inject_default_environment(dict.fromkeys(suite.get_injection_vector_defaults(), text))


if __name__ == "__main__":
    main()
