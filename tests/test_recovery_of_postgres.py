"""PostgreSQL is killed and restarted under work: nothing is lost, and everything that lives finds it again."""

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from db import embedded
from db.embedded import Server
from tests.crash_deployment import Deployment, answers, deployment, environment, until
from tests.crash_judge import assert_right
from tests.crash_paths import ACCEPT, PATHS, Case, begin
from tests.fork_server import ForkServer
from tests.mortal_postgres import home_of_postgres, kill_postgres, unless_up
from tests.service import Service

LISTENING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN \"procrastinate%'"
ALIVE = "SELECT 1 FROM procrastinate_workers WHERE last_heartbeat > now() - interval '0.5 s'"


def test_postgres_killed_while_the_bank_pays_the_api_answers_503_and_then_goes_on(
    mortal: Server, forks: ForkServer, tmp_path: Path
) -> None:
    with deployment(mortal.url, tmp_path, forks) as deployed, deployed.working():
        case = brought_to_payment(deployed)
        kill_postgres(mortal.url)
        away = until(lambda: unless_up(deployed), "the API says that its database is away")

        mortal.revive()
        case.finish()

        assert away.headers["Retry-After"]
        assert away.headers["content-type"] == "application/problem+json"
        assert away.json()["type"] == "urn:countersign:DatabaseUnavailable"
        assert_right(case)


@pytest.mark.slow
def test_worker_that_outlived_postgres_listens_and_shows_that_it_lives_again(
    mortal: Server, forks: ForkServer, tmp_path: Path
) -> None:
    """Or it would find work by polling alone, and its runs would go to others for ever."""
    with deployment(mortal.url, tmp_path, forks) as deployed, deployed.working():
        until(lambda: deployed.rows(LISTENING), "the worker listens")
        kill_postgres(mortal.url)
        until(lambda: unless_up(deployed), "the API says that its database is away")

        mortal.revive()

        until(lambda: deployed.rows(LISTENING), "the worker listens again")
        until(lambda: deployed.rows(ALIVE), "the worker shows that it lives")


@pytest.mark.slow
def test_worker_ends_when_told_to_although_postgres_is_away(mortal: Server, forks: ForkServer, tmp_path: Path) -> None:
    with deployment(mortal.url, tmp_path, forks) as deployed:
        worker = deployed.worker()
        until(lambda: deployed.rows(LISTENING), "the worker listens")
        kill_postgres(mortal.url)

        assert worker.terminate() == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_postgres_restarted_again_and_again_under_work_loses_nothing(
    mortal: Server, forks: ForkServer, tmp_path: Path, how: signal.Signals
) -> None:
    with deployment(mortal.url, tmp_path, forks) as deployed, deployed.working(), deployed.working():
        cases: list[Case] = []
        for _ in range(3):
            cases += [begin(deployed, path) for path in PATHS.values()]
            until(lambda: deployed.rows("SELECT 1 FROM runs WHERE status = 'running'"), "a worker is at work")
            kill_postgres(mortal.url, how)
            mortal.revive()
            until(lambda: unless_up(deployed) is None, "the API is back")
        for case in cases:
            case.finish()

        for case in cases:
            assert_right(case)


@pytest.mark.slow
def test_up_brings_its_embedded_postgres_back_to_life_and_finishes_what_was_under_way(forks: ForkServer) -> None:
    with home_of_postgres() as home, ExitStack() as clients:
        settings = environment(None, home)
        up = forks.start(["up"], settings, home / "up.log")
        url = f"http://127.0.0.1:{settings['PORT']}"
        until(lambda: answers(f"{url}/ok"), "it is up")
        server = embedded.start(home)
        deployed = Deployment(Service(url, server.url, home, settings, clients), forks)
        case = brought_to_payment(deployed)

        kill_postgres(server.url)
        until(lambda: unless_up(deployed) is None, "it is up again")
        case.finish()

        assert_right(case)
        assert up.terminate() == 0
        server.stop()


def brought_to_payment(deployed: Deployment) -> Case:
    """A case whose loan the bank has been told to pay out, and takes its time. A worker is at work."""
    case = begin(deployed, ACCEPT)
    case.come_to(0)
    deployed.misbehave("slow", "POST /loan-accounts", times=1, delay_s=2)
    case.give_answer()
    until(
        lambda: deployed.rows("SELECT 1 FROM effects WHERE thread_id = %s", case.thread_id), "the bank is told to pay"
    )
    return case
