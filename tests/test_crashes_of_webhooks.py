"""The worker is killed when it should tell of a run's end: another one tells it, and says so if it was told before."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.crash_deployment import Deployment, deployment, until
from tests.crash_paths import assert_killed
from tests.fork_server import ForkServer
from tests.receiver import Receiver, receiver
from tests.test_path_of_a_loan import APPLICATION


@pytest.fixture(scope="module")
def hooks() -> Iterator[Receiver]:
    with receiver() as got:
        yield got


@pytest.fixture(scope="module")
def module_deployment(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer
) -> Iterator[Deployment]:
    home, allowed = tmp_path_factory.mktemp("home"), {"COUNTERSIGN_WEBHOOK_ALLOW": "127.0.0.2"}
    with deployment(module_database_url, home, forks, **allowed) as deployed:
        yield deployed


def start(deployed: Deployment, webhook: str) -> str:
    """A case that will come to a question; its run."""
    body = {"assistant_id": "loan_origination", "input": APPLICATION, "webhook": webhook, "if_not_exists": "create"}
    run = deployed.client.post(f"/threads/{uuid4()}/runs", json=body)
    assert run.status_code == 200, run.text
    return str(run.json()["run_id"])


def state(deployed: Deployment, run_id: str) -> str:
    (delivery,) = deployed.rows("SELECT state FROM webhook_deliveries WHERE run_id = %s", run_id)
    return str(delivery["state"])


def test_killed_between_a_runs_end_and_its_webhook_another_worker_tells_it(
    deployed: Deployment, hooks: Receiver
) -> None:
    path = f"/{uuid4()}"
    run_id = start(deployed, hooks.url + path)
    assert_killed(deployed.worker("webhook.due"))
    before = (state(deployed, run_id), len(hooks.at(path)))

    with deployed.working():
        (got,) = hooks.awaited(path)
        until(lambda: state(deployed, run_id) == "delivered", "it is delivered")

    assert before == ("pending", 0)
    assert run_id in got.body.decode()
    assert len(hooks.at(path)) == 1


def test_killed_after_it_told_a_runs_end_it_is_told_again_under_the_same_id_once_its_claim_lapsed(
    deployed: Deployment, hooks: Receiver
) -> None:
    path = f"/{uuid4()}"
    run_id = start(deployed, hooks.url + path)
    assert_killed(deployed.worker("webhook.sent"))
    with deployed.working():
        claimed = deployed.rows(
            "SELECT next_attempt_at > now() + interval '10 s' AS held FROM webhook_deliveries WHERE run_id = %s", run_id
        )
        deployed.rows("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE run_id = %s", run_id)
        first, second = hooks.awaited(path, 2)
        until(lambda: state(deployed, run_id) == "delivered", "it is delivered")

    assert claimed == [{"held": True}]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_many_workers_send_each_webhook_once(deployed: Deployment, hooks: Receiver) -> None:
    path = f"/{uuid4()}"
    for _ in range(10):
        start(deployed, hooks.url + path)

    with deployed.working(), deployed.working(), deployed.working():
        hooks.awaited(path, 10)
        until(
            lambda: not deployed.rows("SELECT 1 FROM webhook_deliveries WHERE state = 'pending'"), "all are delivered"
        )

    assert len({got.headers["webhook-id"] for got in hooks.at(path)}) == len(hooks.at(path)) == 10
