"""Transfers of all kinds, workers killed at random, a bank that misbehaves at random: nothing is ever paid twice."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.crash_deployment import Deployment
from tests.crash_transfers import People, payments_deployment
from tests.fork_server import ForkServer
from tests.random_kills import NAME_WORKERS, Clients, Killer, Trouble, undisturbed_s
from tests.transfer_judge import assert_came_out_right, assert_ledger_and_trail, assert_reconciled

FEWEST_PER_KILL = 0.1
"""Payments, or the kills would all have hit the same few."""

SLOW = [pytest.mark.slow, pytest.mark.timeout(1_800)]


@pytest.fixture
def deployed(database_url: str, tmp_path: Path, forks: ForkServer) -> Iterator[Deployment]:
    with payments_deployment(database_url, tmp_path, forks, COUNTERSIGN_RETURN_WINDOW_S="4") as deployed:
        deployed.rows(NAME_WORKERS)
        yield deployed
        deployed.clear()


@pytest.mark.parametrize(
    ("kills", "part", "within_s"),
    [
        pytest.param(12, 0, 100, id="12"),
        *(pytest.param(250, part, 1_500, marks=SLOW, id=f"250 of 1000, {part}") for part in range(1, 5)),
    ],
)
def test_workers_killed_at_random_never_pay_twice_and_leave_the_books_in_agreement(
    deployed: Deployment, seed: int, kills: int, part: int, within_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{kills} kills from --seed {seed}, part {part}", flush=True)
    began = time.monotonic()
    with People(deployed) as people, psycopg.connect(deployed.service.database_url, autocommit=True) as conn:
        killer = Killer(deployed, random.Random(f"{seed} {part} kills"), conn, undisturbed_s(deployed, people))
        trouble = Trouble(deployed, random.Random(f"{seed} {part} trouble"))
        clients = Clients(deployed, people, random.Random(f"{seed} {part} clients"))

        with clients.at_work():
            while killer.kills.total() < kills:
                assert time.monotonic() - began < within_s, killer.kills
                clients.check()
                killer.look()
                trouble.look()
                time.sleep(0.01)
        killer.stop()
        killed_s = time.monotonic() - began
        deployed.misbehave("none")
        with deployed.working(), deployed.working():
            clients.finish(within_s=100)
            assert_reconciled(deployed)

    with capsys.disabled():
        print(
            f"{killer.kills.total()} kills of workers that drove payments ({killer.kills['whenever']} at no particular"
            f" moment, {killer.kills.total() - killer.kills['whenever']} at a failpoint; {killer.runs_hit} runs hit;"
            f" {killer.idle_deaths} deaths of idle workers not counted), {trouble.switched} troubles of the bank,"
            f" {people.restarts} restarts by an operator, {len(clients.ordered)} payments in {killed_s:.0f} s,"
            f" {time.monotonic() - began:.0f} s in all: {dict(Counter(one.way.name for one in clients.ordered))}"
        )
    assert len(clients.ordered) >= kills * FEWEST_PER_KILL
    assert_came_out_right(deployed, clients.ordered)
    assert_ledger_and_trail(deployed)
