"""What a transfer stands on is killed under it: the API while its client waits, PostgreSQL while the bank is told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from db.embedded import Server
from tests.crash_deployment import Deployment, answers, until
from tests.crash_transfers import REFUSED, REVIEWED, STRAIGHT, Payment, People, Way, new_payment, payments_deployment
from tests.fork_server import ForkServer
from tests.mortal_postgres import kill_postgres, unless_up
from tests.service import free_port
from tests.transfer_judge import assert_came_out_right, assert_ledger_and_trail, assert_reconciled

ROUTES = {"hold": "POST /holds", "capture": "POST /holds/{hold_id}/capture", "void": "POST /holds/{hold_id}/void"}
INTENDED = "SELECT 1 FROM effects WHERE kind = %s AND status = 'intended'"


@pytest.fixture(scope="module")
def module_deployment(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer
) -> Iterator[Deployment]:
    """Clients wait long at the counter."""
    home = tmp_path_factory.mktemp("home")
    with payments_deployment(module_database_url, home, forks, COUNTERSIGN_DECISION_WAIT_S="60") as deployed:
        yield deployed


@pytest.mark.parametrize("under_way", ["nothing", "hold", "capture"])
def test_api_killed_under_a_waiting_client_who_asks_again_pays_once(deployed: Deployment, under_way: str) -> None:
    payment = new_payment(deployed, STRAIGHT)
    with ThreadPoolExecutor(1) as pool, People(deployed) as people:
        waiting = pool.submit(payment.asked)
        if under_way == "nothing":
            until(lambda: ordered(payment), "the transfer is accepted")
        else:
            deployed.misbehave("slow", ROUTES[under_way], 1, 1.0)
            deployed.worker()
            effect = {"hold": "hold", "capture": "hold_capture"}[under_way]
            until(lambda: deployed.rows(INTENDED, effect), "the bank is being told")
        deployed.processes["api"].kill()
        with pytest.raises(httpx.TransportError):
            waiting.result()
        deployed.revive_api()
        with deployed.working():
            payment.order()
            people.finish([payment])

            told = payment.asked()
            assert_reconciled(deployed)

    assert told.json()["result"]["status"] == "submitted"
    assert_came_out_right(deployed, [payment])
    assert_ledger_and_trail(deployed)


def test_same_task_asked_for_at_two_apis_at_once_is_paid_once(deployed: Deployment) -> None:
    payment = new_payment(deployed, STRAIGHT)
    port = str(free_port())
    second = deployed.start("api", PORT=port)
    elsewhere = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=deployed.client.headers, timeout=60)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/ok"), "the second API is up")
        with deployed.working(), ThreadPoolExecutor(8) as pool, elsewhere, People(deployed) as people:
            asked = [pool.submit(payment.asked, client) for client in [deployed.client, elsewhere] * 4]
            told = [one.result() for one in asked]
            payment.order()
            people.finish([payment])
    finally:
        second.kill()

    assert {one.status_code for one in told} == {200}
    assert len({one.json()["result"]["transfer_id"] for one in told}) == 1
    assert len(deployed.rows("SELECT 1 FROM transfers WHERE source_account = %s", payment.payer)) == 1
    assert_came_out_right(deployed, [payment])


@pytest.mark.parametrize(
    ("way", "step", "kind"),
    [
        pytest.param(REVIEWED, "hold", "hold", marks=pytest.mark.slow),
        (REVIEWED, "capture", "hold_capture"),
        pytest.param(REFUSED, "void", "hold_void", marks=pytest.mark.slow),
    ],
)
def test_postgres_killed_while_the_bank_is_told_the_transfer_goes_on_and_moves_once(
    mortal: Server, forks: ForkServer, tmp_path: Path, way: Way, step: str, kind: str
) -> None:
    """The sandbox bank's books are in the same server: it, too, forgets what it had not committed."""
    with payments_deployment(mortal.url, tmp_path, forks) as deployed, deployed.working():
        payment = new_payment(deployed, way)
        deployed.misbehave("slow", ROUTES[step], 1, 1.0)
        with People(deployed) as people:
            payment.order()
            until(lambda: bool(people.see_to([payment])) and deployed.rows(INTENDED, kind), "the bank is being told")
        kill_postgres(mortal.url)
        until(lambda: unless_up(deployed), "the API says that its database is away")

        mortal.revive()
        until(lambda: unless_up(deployed) is None, "the API is back")
        with People(deployed) as people:
            people.finish([payment])

        assert_came_out_right(deployed, [payment])
        assert_ledger_and_trail(deployed)
        assert_reconciled(deployed)


def ordered(payment: Payment) -> bool:
    return bool(payment.deployed.rows("SELECT 1 FROM transfers WHERE task_id = %s", payment.task_id))
