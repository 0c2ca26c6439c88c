"""A team's own graphs on workers and APIs that are killed: no answer is given twice, nothing is missed or repeated."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langgraph_sdk import get_sync_client

from tests.crash_deployment import Deployment, deployment, until
from tests.fork_server import ForkServer

Sdk = Any
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""
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
    with served.holding_up_checkpoints("checkpoint_writes"):
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
