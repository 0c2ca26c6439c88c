"""Workers that die, stall, leave or share the work, and a bank that is away: cases wait, say so, and go on."""

import signal
from datetime import datetime
from itertools import pairwise
from typing import Any

import psutil
import pytest

from api.settings import Settings
from db.runs import MAX_ATTEMPTS
from tests.crash_deployment import Deployment, until
from tests.crash_judge import assert_right
from tests.crash_paths import ACCEPT, DECLINE, PATHS, Case, assert_killed, begin
from tests.fork_server import Forked
from tests.service import follow

PAY = "POST /loan-accounts"
BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
LONGER_THAN_WE_WAIT_S = 30
DOING = {"status": "doing"}
STALLED = "SELECT 1 FROM procrastinate_workers WHERE last_heartbeat < now() - interval '1 s'"


def test_two_workers_share_the_work_and_never_one_case(deployed: Deployment) -> None:
    cases = [begin(deployed, path) for path in [*PATHS.values()] * 3]

    one_at_a_time = {"COUNTERSIGN_WORKER_CONCURRENCY": "1"}
    with deployed.working(**one_at_a_time), deployed.working(**one_at_a_time):
        for case in cases:
            case.finish()

    runs = [run for case in cases for run in case.runs()]
    assert any(first["ended_at"] > second["started_at"] for first, second in pairwise(by_start(runs)))
    for case in cases:
        assert all(first["ended_at"] <= second["started_at"] for first, second in pairwise(by_start(case.runs())))
        assert [run["epoch"] for run in case.runs()] == [1] * len(case.path.runs)
        assert_right(case)


def test_worker_told_to_end_puts_its_run_back_at_the_steps_end_and_another_finishes_it(deployed: Deployment) -> None:
    case = begin(deployed, DECLINE)
    with deployed.holding_up("fraud", case.thread_id):
        leaving = deployed.worker()
        until(lambda: deployed.rows(BLOCKED), "the fraud agent has come to its row")
        told_before = deployed.log("worker").count("stopping")
        leaving.send_signal(signal.SIGTERM)
        until(lambda: deployed.log("worker").count("stopping") > told_before, "the worker heard")
        assert leaving.poll() is None
    assert leaving.wait() == 0
    (left,) = case.runs()
    done = {task["name"] for task in case.tasks() if task["status"] == "done"}

    with deployed.working():
        case.finish()

    assert (left["status"], left["attempts"], left["epoch"]) == ("pending", 0, 1)
    assert done == {"intake", "scorecard_agent", "affordability_agent", "fraud_agent"}
    (run,) = case.runs()
    assert (run["attempts"], run["epoch"]) == (1, 2)
    assert {task["attempts"] for task in case.tasks()} == {1}
    assert_right(case)


@pytest.mark.slow
def test_run_that_kills_its_worker_each_time_is_given_up_and_goes_on_when_an_operator_restarts_it(
    deployed: Deployment,
) -> None:
    case = begin(deployed, ACCEPT)
    for _ in range(MAX_ATTEMPTS):
        assert_killed(deployed.worker("loan_origination.policy.before_checkpoint"))

    with deployed.working():
        gave_up = until(case.rests, "the run is given up")
        (shown,) = runs_over_http(case)
        case.restart()
        case.finish()

    assert gave_up == "error"
    assert (shown["status"], shown["error"]["now"]) == ("error", "failed")
    assert f"given up after {MAX_ATTEMPTS} attempts" in shown["error"]["detail"]
    assert_right(case)


@pytest.mark.parametrize(
    "stopped_at",
    [
        "disburse.before_effect",
        pytest.param("disburse.after_effect", marks=pytest.mark.slow),
        pytest.param("book.before_checkpoint", marks=pytest.mark.slow),
    ],
)
def test_worker_that_stalls_until_another_has_finished_writes_nothing_more(
    deployed: Deployment, stopped_at: str
) -> None:
    case = begin(deployed, ACCEPT)
    with deployed.working():
        case.come_to(0)
    stalled = deployed.worker(FAILPOINTS=f"loan_origination.{stopped_at}=stop")
    case.give_answer()
    until(lambda: psutil.Process(stalled.pid).status() == psutil.STATUS_STOPPED, "the worker stalls")

    with deployed.working():
        case.finish()
    written = everything_about(case)
    stale_before = deployed.log("worker").count("driven by another worker")
    stalled.send_signal(signal.SIGCONT)
    until(lambda: deployed.log("worker").count("driven by another worker") > stale_before, "the worker notices")

    assert everything_about(case) == written
    assert_right(case)
    assert_works(deployed, stalled)


@pytest.mark.slow
def test_stalled_worker_that_wakes_while_another_drives_its_run_leaves_that_one_alone(deployed: Deployment) -> None:
    case = begin(deployed, DECLINE)
    stalled = deployed.worker(FAILPOINTS="loan_origination.intake.before_checkpoint=stop")
    until(lambda: psutil.Process(stalled.pid).status() == psutil.STATUS_STOPPED, "the worker stalls")

    stale_before = deployed.log("worker").count("driven by another worker")
    with deployed.holding_up("fraud", case.thread_id):
        other = deployed.worker()
        until(lambda: deployed.rows(BLOCKED), "another worker has come further with the run")
        stalled.send_signal(signal.SIGCONT)
        until(lambda: deployed.log("worker").count("driven by another worker") > stale_before, "the worker notices")
        assert stalled.terminate() == 0
        assert deployed.rows("SELECT status FROM procrastinate_jobs WHERE lock = %s", case.thread_id) == [DOING]
    case.finish()

    assert {run["epoch"] for run in case.runs()} == {2}
    assert_right(case)
    assert other.terminate() == 0


@pytest.mark.slow
def test_stalled_worker_that_nobody_stood_in_for_goes_on_with_its_run(deployed: Deployment) -> None:
    case = begin(deployed, ACCEPT)
    stalled = deployed.worker(FAILPOINTS="loan_origination.policy.before_checkpoint=stop")
    until(lambda: psutil.Process(stalled.pid).status() == psutil.STATUS_STOPPED, "the worker stalls")
    until(lambda: deployed.rows(STALLED), "its heartbeat is late")

    stalled.send_signal(signal.SIGCONT)
    case.finish()

    assert {run["epoch"] for run in case.runs()} == {1}
    assert_right(case)
    assert stalled.terminate() == 0


@pytest.mark.slow
def test_killed_workers_run_goes_again_within_15_s_as_it_is_set_by_default(deployed: Deployment) -> None:
    default = {"COUNTERSIGN_STALLED_AFTER_S": str(Settings.model_fields["stalled_after_s"].default)}
    doomed = deployed.worker("loan_origination.policy.before_checkpoint", **default)
    case = begin(deployed, DECLINE)
    assert_killed(doomed)
    died_at = deployed.rows("SELECT now() AS at")[0]["at"]

    with deployed.working(**default):
        case.finish()

    (again,) = (task for task in case.tasks() if task["name"] == "policy")
    assert (datetime.fromisoformat(again["started_at"]) - died_at).total_seconds() < 15
    assert_right(case)


@pytest.mark.parametrize("mode", ["500", pytest.param("slow", marks=pytest.mark.slow)])
def test_bank_away_the_run_waits_says_why_and_until_when_and_goes_on_when_it_is_back(
    deployed: Deployment, mode: str
) -> None:
    case = begin(deployed, ACCEPT)
    deployed.misbehave(mode, delay_s=LONGER_THAN_WE_WAIT_S)

    with deployed.working():
        (waiting,) = until(
            lambda: [r for r in runs_over_http(case) if (r["error"] or {}).get("now") == "waiting"], "it waits"
        )
        deployed.misbehave("none")
        events = follow(deployed.client, case.thread_id)
        case.finish()

    told = [e["data"] for e in events if e["event"] == "run" and e["data"]["status"] == "waiting"]
    assert "the bank is away" in waiting["error"]["detail"]
    assert waiting["error"]["type"] == "BankUnavailable"
    assert datetime.fromisoformat(waiting["error"]["until"]) > datetime.fromisoformat(waiting["started_at"])
    assert told[0]["error"] == waiting["error"]
    assert case.runs()[0]["attempts"] == 1
    assert_right(case)


@pytest.mark.slow
def test_bank_that_paid_but_did_not_answer_is_asked_and_not_paid_again(deployed: Deployment) -> None:
    """Three tries of one call: after the third the run waits, and comes again with the effect's intent only."""
    case = begin(deployed, ACCEPT)
    with deployed.working():
        case.come_to(0)
        deployed.misbehave("timeout_after_commit", PAY, times=3)
        case.finish()

    (effect,) = deployed.rows("SELECT attempts FROM effects WHERE thread_id = %s", case.thread_id)
    assert effect["attempts"] == 2
    assert_right(case)


def test_disbursement_that_the_bank_refuses_ends_the_case_without_money(deployed: Deployment) -> None:
    case = begin(deployed, ACCEPT)
    with deployed.working():
        case.come_to(0)
        deployed.misbehave("refuse", PAY, times=1)
        case.finish()

    assert case.thread()["outcome"] == "disbursement_refused"
    (effect,) = deployed.rows("SELECT status, response FROM effects WHERE thread_id = %s", case.thread_id)
    assert (effect["status"], effect["response"]["code"]) == ("failed", "refused_by_switch")
    assert deployed.rows("SELECT 1 FROM loans WHERE thread_id = %s", case.thread_id) == []
    assert [run["status"] for run in case.runs()] == ["success", "success"]


def by_start(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(runs, key=lambda run: run["started_at"])


def runs_over_http(case: Case) -> list[dict[str, Any]]:
    return list(case.deployment.operator.get(f"/threads/{case.thread_id}/runs").raise_for_status().json())


def everything_about(case: Case) -> dict[str, list[Any]]:
    """All rows that a run of this case writes."""
    of_thread = ("runs", "tasks", "effects", "reviews", "loans", "letters", "audit", "credit_decisions")
    found = {
        table: case.deployment.rows(f"SELECT * FROM {table} WHERE thread_id = %s", case.thread_id)
        for table in of_thread
    }
    saved = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
    saved_as = f"demo:{case.thread_id}"
    found |= {table: case.deployment.rows(f"SELECT * FROM {table} WHERE thread_id = %s", saved_as) for table in saved}
    found["run_events"] = case.deployment.rows(
        "SELECT e.* FROM run_events e JOIN runs USING (run_id) WHERE thread_id = %s", case.thread_id
    )
    return {table: sorted(map(str, rows)) for table, rows in found.items()}


def assert_works(deployed: Deployment, worker: Forked) -> None:
    """The only worker there is drives a case to its end, and then ends itself when told to."""
    case = begin(deployed, DECLINE)
    case.finish()
    assert_right(case)
    assert worker.terminate() == 0
