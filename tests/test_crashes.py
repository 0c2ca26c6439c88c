"""The worker is killed, with SIGKILL and at the worst moments; nothing is lost and nothing happens twice."""

import random
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
from _pytest.mark import ParameterSet

from tests import crash_tutorial
from tests.crash_deployment import Deployment, until
from tests.crash_judge import assert_right, payouts
from tests.crash_paths import ACCEPT, PATHS, WITHDRAW, Case, Path, assert_killed, begin, play_with_kill
from tests.fork_server import Forked
from tests.hostile_model import hostile_model, stalls
from tests.test_path_of_a_model import explained

AROUND = ("before_checkpoint", "after_checkpoint")
QUICK = {
    ("accept", "intake.before_checkpoint"),
    ("accept", "acceptance.answer_read"),
    ("accept", "disburse.before_effect"),
    ("accept", "disburse.after_effect"),
    ("refer", "underwriter_review.after_checkpoint"),
    ("decline", "adverse_action.before_checkpoint"),
}

FORGET_CHECKPOINT = """
    DELETE FROM checkpoints c WHERE thread_id LIKE %s
    AND checkpoint_id = (SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = c.thread_id)
"""
MODEL_CALLS = """
    SELECT scope, status, input_tokens + output_tokens AS tokens FROM model_calls WHERE thread_id = %s ORDER BY call_id
"""
ANSWERED = "SELECT 1 FROM checkpoint_writes WHERE thread_id LIKE %s AND channel = 'acceptance'"


def boundaries() -> Iterator[ParameterSet]:
    """Before and after the checkpoint of each node that each run of each path comes to, and what lies inside a node."""
    seen: set[tuple[tuple[str, ...], str]] = set()
    for name, path in PATHS.items():
        for run, nodes in enumerate(path.runs):
            inside = [f"{nodes[0]}.answer_read"] if run else []
            inside += ["disburse.before_effect", "disburse.after_effect"] if "disburse" in nodes else []
            for failpoint in [*inside, *(f"{node}.{when}" for node in nodes for when in AROUND)]:
                if (nodes, failpoint) not in seen:
                    seen.add((nodes, failpoint))
                    marks = () if (name, failpoint) in QUICK else pytest.mark.slow
                    yield pytest.param(path, run, failpoint, marks=marks, id=f"{name}-{run}-{failpoint}")


@pytest.mark.parametrize(("path", "run", "failpoint"), list(boundaries()))
def test_killed_at_a_boundary_the_case_comes_out_as_if_nothing_had_been(
    deployed: Deployment, path: Path, run: int, failpoint: str
) -> None:
    case = play_with_kill(deployed, path, run, failpoint)

    assert_right(case)


@pytest.mark.parametrize("path", [ACCEPT, WITHDRAW])
def test_killed_with_a_steps_work_stored_and_its_checkpoint_not_the_case_goes_on(
    deployed: Deployment, path: Path
) -> None:
    case = begin(deployed, path)
    with deployed.working():
        case.come_to(0)
    armed = deployed.worker("loan_origination.acceptance.after_checkpoint")
    case.give_answer()
    assert_killed(armed)
    # As it would be, had the server stored one and not yet the other.
    deployed.rows(FORGET_CHECKPOINT, f"%{case.thread_id}")
    assert deployed.rows(ANSWERED, f"%{case.thread_id}")

    with deployed.working():
        case.finish()

    assert_right(case)


def test_answer_given_while_no_worker_lives_is_kept_for_the_next(deployed: Deployment) -> None:
    case = begin(deployed, ACCEPT)
    with deployed.working():
        case.come_to(0)

    assert case.give_answer().status_code == 202
    with deployed.working():
        case.finish()

    assert_right(case)


def test_tutorials_own_pattern_killed_after_the_bank_paid_pays_again(deployed: Deployment) -> None:
    """The baseline: this harness sees a double payment where there is one."""
    deployed.rows(crash_tutorial.SCHEMA)
    task_id = f"tutorial-{uuid4().hex}"

    assert_killed(pay_as_the_tutorial_does(deployed, task_id, FAILPOINTS=f"{crash_tutorial.FAILPOINT}=kill"))
    known_after_the_crash = deployed.rows("SELECT status, result FROM agent_tasks WHERE task_id = %s", task_id)
    assert pay_as_the_tutorial_does(deployed, task_id).wait() == 0

    assert known_after_the_crash == [{"status": "processing", "result": None}]
    assert len(payouts(deployed, "cust_2002", task_id)) == 2


def pay_as_the_tutorial_does(deployed: Deployment, task_id: str, **environment: str) -> Forked:
    bank = {
        "BANKING_API_BASE_URL": str(deployed.bank.base_url),
        "BANKING_API_KEY": deployed.bank.headers["Authorization"].removeprefix("Bearer "),
    }
    return deployed.start(
        "tutorial", task_id, "cust_2002", "ACC002", target="tests.crash_tutorial:pay", **bank | environment
    )


@pytest.mark.slow
@pytest.mark.parametrize("most_calls", ["12", "1"])
def test_killed_while_a_model_is_asked_the_case_goes_on_and_what_was_reserved_stays_spent(
    deployed: Deployment, most_calls: str
) -> None:
    """Where the lost call was the last that the run may make, the next worker asks no more, and the template speaks."""
    with hostile_model() as model:
        environment = {"COUNTERSIGN_MODEL_LETTERS": "true", "COUNTERSIGN_MODEL_RUN_CALLS": most_calls}
        environment |= model.environment()
        model.behave(stalls(60))
        armed = deployed.worker(**environment)
        case = begin(deployed, ACCEPT)
        until(lambda: model.asked, "the model is asked")
        armed.kill()
        (lost,) = deployed.rows(MODEL_CALLS, case.thread_id)
        model.behave(explained)
        with deployed.working(**environment):
            case.finish()
        sent = len(model.asked)

    reserved, *more = deployed.rows(MODEL_CALLS, case.thread_id)
    (budget,) = deployed.rows("SELECT calls, tokens FROM model_budgets WHERE scope = %s", lost["scope"])
    assert_right(case)
    assert reserved == lost and lost["status"] == "reserved" and lost["tokens"] > 2000
    assert [call["scope"] for call in more] == [lost["scope"]]
    assert [call["status"] for call in more] == (["taken"] if most_calls == "12" else ["refused"])
    assert budget["calls"] == sent == min(2, int(most_calls))
    assert budget["tokens"] == lost["tokens"] + more[0]["tokens"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_again_and_again_every_case_comes_out_right(
    deployed: Deployment, workers: int, seed: int
) -> None:
    chance = random.Random(seed)
    alive = [deployed.worker() for _ in range(workers)]
    cases: list[Case] = []

    for _ in range(15):
        cases += [begin(deployed, path) for path in chance.choices([*PATHS.values()], k=2)]
        until(lambda: deployed.rows("SELECT 1 FROM runs WHERE status = 'running'"), "a worker is at work")
        with suppress(TimeoutError):
            alive[0].wait(chance.uniform(0, 0.2))
        alive.pop(0).kill()
        alive.append(deployed.worker())
        for case in cases:
            step_on(case)
    for case in cases:
        while until(case.rests, f"thread {case.thread_id} rests") in ("answer", "error"):
            step_on(case)

    begun_again = sum(run["epoch"] > 1 for case in cases for run in case.runs())
    assert begun_again >= 5, "hardly anything was under way when its worker was killed"
    for case in cases:
        assert_right(case)


def step_on(case: Case) -> None:
    """What people do while workers die: they answer what they are asked, and restart what was given up."""
    match case.rests():
        case "answer":
            assert case.give_answer().status_code == 202
        case "error":
            case.restart()
