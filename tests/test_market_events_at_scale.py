"""Follow-ups of an event with many clients: begun in chunks, once each whoever is killed, and shared by workers."""

import os
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.crash_deployment import Deployment, until
from tests.crash_paths import assert_killed
from tests.service import Service, follow
from tests.test_path_of_a_market_event import SHOCK, awaited, holders, outcome, states

TEN_THOUSAND, WITHIN_S = 10_000, 10.0
BEGUN = """
    SELECT count(*) AS n FROM market_event_clients m JOIN threads t USING (thread_id)
    WHERE m.event_id = %s
"""


def start(client: httpx.Client, event_id: str, instrument_id: str) -> str:
    body = {"event_id": event_id, "event": SHOCK | {"instrument_id": instrument_id}, "headline": "ACME falls by 18 %"}
    made = client.post("/workflows/market_event/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 202, made.text
    return str(made.json()["thread_id"])


def assert_once_each(rows: Callable[..., Any], count: int) -> None:
    """Thread, run, event, audit row and job for each client, and the most exposed first in the queue."""
    (found,) = rows(
        """
        SELECT count(*) AS runs, count(DISTINCT r.thread_id) AS threads, count(DISTINCT m.client_id) AS clients,
               count(a.audit_id) AS noted
        FROM runs r JOIN market_event_clients m ON m.thread_id = r.thread_id
        LEFT JOIN audit a ON a.run_id = r.run_id AND a.action = 'thread.started'
        WHERE r.workflow = 'client_follow_up'
        """
    )
    assert set(found.values()) == {count}
    wrong = rows(
        """
        SELECT m.client_id, j.priority, m.exposure_bps FROM market_event_clients m
        JOIN procrastinate_jobs j ON j.lock = m.thread_id::text
        WHERE j.priority <> CASE WHEN m.exposure_bps >= 5000 THEN -2 WHEN m.exposure_bps >= 2000 THEN -3
                                 WHEN m.exposure_bps >= 500 THEN -4 ELSE -5 END
        """
    )
    assert wrong == []


def test_event_killed_between_chunks_goes_on_and_two_workers_work_it_off(deployed: Deployment) -> None:
    adviser = deployed.service.client("adviser")
    holders(deployed.service, 500, "HUSA", "many-")

    killed = deployed.worker("market_event.queue.after_chunk", COUNTERSIGN_WORKER_CONCURRENCY="1")
    case = start(deployed.operator, "crash", "HUSA")
    assert_killed(killed)
    (left,) = deployed.rows(BEGUN, "crash")
    seen = adviser.get("/market-events/crash").json()
    with deployed.working(), deployed.working():
        follow(deployed.operator, case)
        until(lambda: states(adviser, "crash") == {"client_follow_up": 500}, "all are worked off", within_s=100)

    assert (left["n"], seen["found"], seen["begun"]) == (250, 500, 250)
    assert outcome(deployed.operator, case) == "queued"
    assert_once_each(deployed.rows, 500)
    (asked,) = deployed.rows("SELECT count(*) AS n, count(DISTINCT thread_id) AS threads FROM reviews")
    assert (asked["n"], asked["threads"]) == (500, 500)


@pytest.fixture
def idle_enough() -> bool:
    """Whether nobody else was at work here when the test began: else its time says nothing."""
    return os.getloadavg()[0] < 2 * (os.cpu_count() or 1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_clients_are_queued_within_ten_seconds(countersign: Service, idle_enough: bool) -> None:
    operator, adviser = countersign.client("operator"), countersign.client("adviser")
    holders(countersign, TEN_THOUSAND, "HEMK", "large-")
    with psycopg.connect(countersign.database_url, autocommit=True) as conn:
        conn.execute("ANALYZE")

        began = time.monotonic()
        case = start(operator, "large", "HEMK")
        awaited(lambda: conn.execute(BEGUN.encode(), ("large",)).fetchone() == (TEN_THOUSAND,), 200)
        took_s = time.monotonic() - began

    follow(operator, case)
    assert adviser.get("/market-events/large").json()["begun"] == TEN_THOUSAND
    print(f"{TEN_THOUSAND} follow-ups queued in {took_s:.1f} s, load {os.getloadavg()[0]:.1f}")
    assert took_s <= WITHIN_S or not idle_enough
