"""The worker is killed around each order of a rebalance; the bank takes each once, and the case ends all the same."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.crash_deployment import Deployment, deployment, until
from tests.crash_paths import assert_killed
from tests.fork_server import ForkServer
from tests.many_portfolios import seed_portfolios
from tests.service import answer, follow, open_review
from tests.test_path_of_a_rebalance import NOTE, rebalanced, registered
from tests.transfer_judge import assert_reconciled

QUICK = "order.after_effect"
FAILPOINTS = (
    QUICK,
    "order.before_effect",
    "sell.before_checkpoint",
    "sell.after_checkpoint",
    "buy.before_checkpoint",
    "recheck.after_checkpoint",
    "look_at_sells.before_checkpoint",
    "confirm.before_checkpoint",
)


@pytest.fixture(scope="module")
def module_deployment(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer
) -> Iterator[Deployment]:
    fast = {"COUNTERSIGN_SANDBOX_SETTLEMENT_S": "0.05"}
    with deployment(module_database_url, tmp_path_factory.mktemp("home"), forks, **fast) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def accounts(module_deployment: Deployment) -> Iterator[str]:
    return iter(seed_portfolios(module_deployment.service.database_url, len(FAILPOINTS), "crs"))


@pytest.mark.parametrize(
    "failpoint", [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAILPOINTS]
)
def test_killed_around_an_order_the_bank_has_taken_each_once(
    deployed: Deployment, accounts: Iterator[str], failpoint: str
) -> None:
    account = next(accounts)
    maker, adviser = deployed.service.client("adviser"), deployed.service.client("adviser")
    with deployed.working():
        registered(maker, f"client-{account}")
        thread_id = rebalanced(maker, f"client-{account}")
        review = open_review(adviser, thread_id)

    killed = deployed.worker(f"rebalance.{failpoint}")
    answer(adviser, review, {"verdict": "approve", "note": NOTE}).raise_for_status()
    assert_killed(killed)
    with deployed.working():
        until(lambda: outcome(maker, thread_id), "the case is over", 90)
        assert_reconciled(deployed)

    assert outcome(maker, thread_id) == "rebalanced"
    wanted = [(one["side"], one["instrument_id"], float(one["quantity"])) for one in review["payload"]["orders"]]
    trades = deployed.bank.get(f"/custody-accounts/{account}/trades", params={"since": review["created_at"]}).json()
    made = [(one["side"], one["instrument_id"], float(one["quantity"])) for one in trades["trades"]]
    assert sorted(made) == sorted(wanted)
    effects = deployed.service.client("auditor").get(f"/threads/{thread_id}/effects").json()
    assert [one["key"] for one in effects] == [f"{thread_id}:order:{n}" for n in range(1, len(wanted) + 1)]
    assert {one["status"] for one in effects} == {"done"}
    assert len(maker.get(f"/threads/{thread_id}/letters").json()) == 1


def outcome(client: httpx.Client, thread_id: str) -> Any:
    follow(client, thread_id)
    return client.get(f"/threads/{thread_id}").json()["outcome"]
