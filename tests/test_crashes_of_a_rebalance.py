"""The worker is killed around each order of a rebalance, in the day's reading of custody and in renewals of profiles:
each thing happens once, and the case ends all the same."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.crash_deployment import Deployment, deployment, until
from tests.crash_paths import assert_killed
from tests.fork_server import ForkServer
from tests.many_portfolios import seed_portfolios
from tests.service import answer, follow, open_review
from tests.test_path_of_a_rebalance import NOTE, rebalanced, registered
from tests.transfer_judge import assert_reconciled
from tools.client_holdings import ACCOUNTS_AT_ONCE

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
RENEWALS = (
    "profile_renewals.page.after_chunk",
    "profile_renewals.page.before_checkpoint",
    "profile_renewal.tell.before_checkpoint",
    "profile_renewal.tell.after_checkpoint",
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
    return iter(seed_portfolios(module_deployment.service.database_url, len(FAILPOINTS) + 6, "crs"))


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


@pytest.mark.slow
@pytest.mark.parametrize("failpoint", ["page.before_checkpoint", "page.after_checkpoint"])
def test_killed_in_a_refresh_what_clients_hold_is_read_to_the_end_and_told_once(
    deployed: Deployment, accounts: Iterator[str], failpoint: str
) -> None:
    """Killed after the first page of two; the client's account is in the second."""
    seed_portfolios(deployed.service.database_url, ACCOUNTS_AT_ONCE, f"aaa{failpoint[5]}")
    account, maker = next(accounts), deployed.service.client("adviser")
    registered(maker, f"client-{account}", assessed=False)
    deployed.rows(
        "INSERT INTO client_holdings (tenant_id, client_id, custody_account_id, instrument_id, currency, asset_class,"
        " quantity, value_minor, as_of) VALUES ('demo', %s, %s, 'SOLD', 'USD', 'equities', 1, 1, '2020-01-01Z')",
        f"client-{account}",
        account,
    )

    killed = deployed.worker(f"holdings_refresh.{failpoint}")
    thread_id = begun(maker, "holdings_refresh")
    assert_killed(killed)
    with deployed.working():
        until(lambda: outcome(maker, thread_id), "custody is read", 90)

    lots = deployed.bank.get(f"/custody-accounts/{account}/holdings").json()["lots"]
    held = deployed.rows("SELECT instrument_id FROM client_holdings WHERE custody_account_id = %s", account)
    assert {row["instrument_id"] for row in held} == {lot["instrument_id"] for lot in lots}
    deeds = "SELECT action FROM audit WHERE thread_id = %s AND action = 'holdings.refreshed'"
    assert len(deployed.rows(deeds, UUID(thread_id))) == 1
    assert len(deployed.rows("SELECT 1 FROM holdings_refreshes WHERE thread_id = %s", UUID(thread_id))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("failpoint", RENEWALS)
def test_killed_in_renewals_each_profile_has_one_case_one_letter_and_one_review(
    deployed: Deployment, accounts: Iterator[str], failpoint: str
) -> None:
    client_id, maker = f"client-{next(accounts)}", deployed.service.client("adviser")
    with deployed.working():
        registered(maker, client_id)
    deployed.rows(
        "SET session_replication_role = replica; UPDATE suitability_profiles SET assessed_on = assessed_on - 360,"
        " valid_until = valid_until - 360 WHERE valid_until IS NOT NULL AND person <> ''"
    )

    killed = deployed.worker(failpoint)
    thread_id = begun(maker, "profile_renewals")
    assert_killed(killed)
    with deployed.working():
        until(lambda: outcome(maker, thread_id), "the day has begun", 90)
        until(lambda: renewals(deployed, client_id, "reviews"), "an adviser is asked", 90)

    assert renewals(deployed, client_id, "reviews") == renewals(deployed, client_id, "letters") == 1


def renewals(deployed: Deployment, client_id: str, table: str) -> int:
    """How many there are of all cases that are about this client's profile."""
    query = (
        f"SELECT count(*)::integer AS n FROM {table} WHERE thread_id IN (SELECT thread_id FROM audit"
        " WHERE action = 'thread.started' AND record -> 'request' ? 'stage' AND record #>> '{request,client_id}' = %s)"
    )
    return int(deployed.rows(query, client_id)[0]["n"])


def begun(client: httpx.Client, workflow: str) -> str:
    made = client.post(f"/workflows/{workflow}/threads", json={}, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 202, made.text
    return str(made.json()["thread_id"])


def outcome(client: httpx.Client, thread_id: str) -> Any:
    follow(client, thread_id)
    return client.get(f"/threads/{thread_id}").json()["outcome"]
