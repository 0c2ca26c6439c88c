"""A team's own graphs on workers and APIs that are killed: no answer is given twice, nothing is missed or repeated."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from langgraph_sdk import get_sync_client

from tests.crash_deployment import Deployment, answers, deployment, until
from tests.fork_server import Forked, ForkServer
from tests.service import free_port

Sdk = Any
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""
TASKS_WITH_WRITES = "SELECT DISTINCT task_id FROM checkpoint_writes WHERE thread_id LIKE %s"
CONFIG = Path(__file__).parent / "own_graphs" / "recovering.json"


@pytest.fixture(scope="module")
def serving(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer
) -> Iterator[Deployment]:
    home = tmp_path_factory.mktemp("home")
    with deployment(module_database_url, home, forks, COUNTERSIGN_CONFIG=str(CONFIG)) as deployed:
        yield deployed


@pytest.fixture
def served(serving: Deployment) -> Iterator[Deployment]:
    yield serving
    serving.clear()


@pytest.fixture
def sdk(served: Deployment) -> Iterator[Sdk]:
    with client(served, served.service.url) as made:
        yield made


@contextmanager
def client(served: Deployment, url: str) -> Iterator[Sdk]:
    with get_sync_client(url=url, api_key=served.client.headers["x-api-key"]) as made:
        yield made


@pytest.mark.parametrize("graph", ["twice", "nested_twice"])
def test_answer_read_by_a_worker_that_is_killed_is_not_given_to_the_nodes_next_question(
    served: Deployment, sdk: Sdk, graph: str
) -> None:
    thread_id = sdk.threads.create()["thread_id"]
    with served.working():
        asked = sdk.runs.wait(thread_id, graph, input={})
    answered = sdk.runs.create(thread_id, graph, command={"resume": "yes"})
    with not_ending(served, thread_id):
        doomed = served.worker()
        until(lambda: taken_answers(served, thread_id), "the answer was taken and the next question is stored")
        doomed.kill()

    with served.working():
        now = sdk.runs.join(thread_id, answered["run_id"])
        done = sdk.runs.wait(thread_id, graph, command={"resume": "no"})

    assert questions(asked) == ["first?"]
    assert questions(now) == ["second?"]
    assert done["answers"] == ["yes", "no"]


def test_answer_that_no_worker_came_to_read_is_given_by_the_next(served: Deployment, sdk: Sdk) -> None:
    thread_id = sdk.threads.create()["thread_id"]
    with served.working():
        sdk.runs.wait(thread_id, "twice", input={})
    answered = sdk.runs.create(thread_id, "twice", command={"resume": "yes"})
    with served.holding_up_writes():
        doomed = served.worker()
        until(lambda: served.rows("SELECT 1 FROM runs WHERE run_id = %s AND epoch = 1", answered["run_id"]), "begun")
        doomed.kill()

    with served.working():
        now = sdk.runs.join(thread_id, answered["run_id"])

    assert questions(now) == ["second?"]


def test_repeated_answer_by_id_is_not_given_to_the_nodes_next_question(served: Deployment, sdk: Sdk) -> None:
    thread_id = sdk.threads.create()["thread_id"]
    with served.working():
        (first,) = sdk.runs.wait(thread_id, "twice", input={})["__interrupt__"]
        sdk.runs.wait(thread_id, "twice", command={"resume": {first["id"]: "yes"}})
        again = sdk.runs.wait(thread_id, "twice", command={"resume": {first["id"]: "yes"}})

    assert questions(again) == ["second?"]
    assert "answers" not in again or again["answers"] == []


def test_run_whose_worker_is_killed_ends_and_repeats_no_step_that_was_done(
    served: Deployment, sdk: Sdk, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    thread_id = sdk.threads.create()["thread_id"]
    doomed = served.worker("steps.two.after_checkpoint")
    run = sdk.runs.create(thread_id, "steps", input={"file": str(done)})
    assert doomed.wait() == -signal.SIGKILL

    with served.working():
        values = sdk.runs.join(thread_id, run["run_id"])

    assert values["answers"] == ["one", "two", "three", "four"]
    assert done.read_text().split() == ["one", "two", "three", "four"]
    assert sdk.runs.get(thread_id, run["run_id"])["status"] == "success"


def test_run_killed_with_one_of_three_branches_unfinished_runs_only_that_one_again(
    served: Deployment, sdk: Sdk, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    thread_id = sdk.threads.create()["thread_id"]
    doomed = served.worker()
    run = sdk.runs.create(thread_id, "branches", input={"file": str(done)})
    until(lambda: len(served.rows(TASKS_WITH_WRITES, f"%{thread_id}")) == 2, "two branches' work is stored")
    doomed.kill()

    with served.working():
        values = sdk.runs.join(thread_id, run["run_id"])

    assert sorted(values["answers"]) == ["left", "right", "slow"]
    assert sorted(done.read_text().split()) == ["left", "right", "slow", "slow"]


def test_two_workers_never_drive_one_thread_at_once(served: Deployment, sdk: Sdk, tmp_path: Path) -> None:
    """Each has work for one run at a time, so both work; on a thread one run begins when the one before it ended."""
    files = [tmp_path / "first", tmp_path / "second"]
    with (
        served.working(COUNTERSIGN_WORKER_CONCURRENCY="1") as one,
        served.working(COUNTERSIGN_WORKER_CONCURRENCY="1") as other,
    ):
        started = []
        for file in files:
            thread_id = sdk.threads.create()["thread_id"]
            given = {"file": str(file), "seconds": 0.05}
            started += [(thread_id, sdk.runs.create(thread_id, "alone", input=given)["run_id"]) for _ in range(8)]
        for thread_id, run_id in started:
            sdk.runs.join(thread_id, run_id)

    workers = set()
    for file in files:
        lines = [line.split() for line in file.read_text().splitlines()]
        assert [what for what, _ in lines] == ["begin", "end"] * 8
        assert all(begun == ended for (_, begun), (_, ended) in zip(lines[::2], lines[1::2], strict=True))
        workers |= {int(pid) for _, pid in lines}
    assert workers == {one.pid, other.pid}


@pytest.mark.slow
def test_client_whose_api_is_killed_goes_on_at_another_and_misses_and_repeats_nothing(
    served: Deployment, sdk: Sdk, tmp_path: Path
) -> None:
    port = str(free_port())
    doomed = served.start("api", PORT=port)
    url = f"http://127.0.0.1:{port}"
    until(lambda: answers(f"{url}/ok"), "the other API is up")
    thread_id = sdk.threads.create()["thread_id"]
    given = {"file": str(tmp_path / "done"), "seconds": 0.3}
    seen: list[Any] = []

    with served.working(), client(served, url) as there:
        with pytest.raises(httpx.TransportError):
            watch(there.runs.stream(thread_id, "steps", input=given, stream_mode=["updates", "values"]), seen, doomed)
        run_id = seen[0].data["run_id"]
        seen += sdk.runs.join_stream(thread_id, run_id, last_event_id=seen[-1].id)

    whole = list(sdk.runs.join_stream(thread_id, run_id))
    assert [(part.id, part.event, part.data) for part in seen] == [(part.id, part.event, part.data) for part in whole]
    assert [list(part.data) for part in whole if part.event == "updates"] == [["one"], ["two"], ["three"], ["four"]]


def watch(parts: Iterator[Any], seen: list[Any], doomed: Forked) -> None:
    """Until whoever sends them is killed in the middle."""
    for part in parts:
        seen.append(part)
        if len(seen) == 4:
            doomed.kill()


def questions(result: Any) -> list[str]:
    return [interrupt["value"] for interrupt in result["__interrupt__"]]


def taken_answers(served: Deployment, thread_id: str) -> list[Any]:
    """A task's answers are stored together with what it asks next."""
    return served.rows(
        "SELECT 1 FROM checkpoint_writes WHERE thread_id = %s AND channel = '__resume__'", f"demo:{thread_id}"
    )


@contextmanager
def not_ending(served: Deployment, thread_id: str) -> Iterator[None]:
    """Nobody can end a run on this thread meanwhile, nor afterwards who tried to."""
    with psycopg.connect(served.service.database_url) as conn:
        conn.execute("SELECT 1 FROM threads WHERE thread_id = %s FOR NO KEY UPDATE", (thread_id,))
        yield
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        conn.rollback()
