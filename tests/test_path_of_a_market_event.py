"""A market event becomes one follow-up for each client it concerns; the next agent goes on from what was said."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.settings import Settings
from tests.api.refusals import assert_refused
from tests.service import Service, answer, follow

TENANT = Settings().tenant
SHOCK = {"kind": "price_shock", "instrument_id": "HUSA", "move_bps": -1800}


@pytest.fixture(scope="module")
def operator(countersign: Service) -> httpx.Client:
    return countersign.client("operator")


@pytest.fixture(scope="module")
def adviser(countersign: Service) -> httpx.Client:
    return countersign.client("adviser")


def holders(served: Service, count: int, instrument_id: str, prefix: str) -> None:
    """Clients who hold of it, each a little more, and of something else, as custody has just said."""
    with psycopg.connect(served.database_url) as conn:
        conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s) ON CONFLICT DO NOTHING", (TENANT,))
        conn.execute(
            """
            WITH thread AS (
                INSERT INTO threads (thread_id, tenant_id, workflow, workflow_version, started_by)
                VALUES (gen_random_uuid(), %(tenant)s, 'holdings_refresh', '1', 'system') RETURNING thread_id
            )
            INSERT INTO holdings_refreshes (thread_id, tenant_id, as_of, accounts, positions, unvalued)
            SELECT thread_id, %(tenant)s, now(), %(count)s, 2 * %(count)s, 0 FROM thread
            """,
            {"tenant": TENANT, "count": count},
        )
        conn.execute(
            """
            INSERT INTO clients (tenant_id, client_id, full_name, created_by)
            SELECT %(tenant)s, %(prefix)s || n, 'Client ' || n, 'import' FROM generate_series(1, %(count)s) n
            """,
            {"tenant": TENANT, "prefix": prefix, "count": count},
        )
        conn.execute(
            """
            INSERT INTO suitability_profiles (tenant_id, client_id, version, source, risk_profile, person)
            SELECT %(tenant)s, %(prefix)s || n, 1, 'self_declared', 'moderate', 'import'
            FROM generate_series(1, %(count)s) n
            """,
            {"tenant": TENANT, "prefix": prefix, "count": count},
        )
        conn.execute(
            """
            INSERT INTO client_holdings (tenant_id, client_id, custody_account_id, instrument_id, currency, asset_class,
                                         quantity, value_minor, as_of)
            SELECT %(tenant)s, %(prefix)s || n, 'cu-' || n, i.id, 'USD', i.class, 10,
                   CASE i.id WHEN 'BD-OTHER' THEN 100000 ELSE n * 100 END, now()
            FROM generate_series(1, %(count)s) n,
                 (VALUES (%(instrument)s, 'equities'), ('BD-OTHER', 'real_assets')) AS i (id, class)
            """,
            {"tenant": TENANT, "prefix": prefix, "count": count, "instrument": instrument_id},
        )


def begun(client: httpx.Client, event_id: str, event: dict[str, Any], **more: Any) -> str:
    body = {"event_id": event_id, "event": event, "headline": "ACME falls by 18 %"} | more
    made = client.post("/workflows/market_event/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 202, made.text
    thread_id = str(made.json()["thread_id"])
    follow(client, thread_id)
    return thread_id


def outcome(client: httpx.Client, thread_id: str) -> Any:
    return client.get(f"/threads/{thread_id}").json()["outcome"]


def awaited(look: Callable[[], Any], deadline_s: float = 120) -> Any:
    deadline = time.monotonic() + deadline_s
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return seen


def states(client: httpx.Client, event_id: str) -> dict[str, int]:
    return dict(client.get(f"/market-events/{event_id}").raise_for_status().json()["states"])


def test_each_client_concerned_gets_one_follow_up_and_the_same_event_again_starts_none(
    countersign: Service, operator: httpx.Client, adviser: httpx.Client
) -> None:
    holders(countersign, 60, "HUSA", "acme-")

    first = begun(operator, "acme", SHOCK)
    again = begun(operator, "acme", SHOCK)
    other = begun(operator, "acme", SHOCK | {"move_bps": -1})
    awaited(lambda: states(adviser, "acme") == {"client_follow_up": 60})

    told = [outcome(operator, thread) for thread in (first, again, other)]
    assert told == ["queued", "known", "contradicted"]
    seen = adviser.get("/market-events/acme").json()
    assert (seen["found"], seen["begun"]) == (60, 60)
    with psycopg.connect(countersign.database_url) as conn:
        rows = conn.execute("SELECT count(*), count(DISTINCT thread_id) FROM market_event_clients").fetchone()
        ordered = conn.execute(
            "SELECT client_id FROM market_event_clients WHERE event_id = 'acme' ORDER BY place LIMIT 2"
        ).fetchall()
    assert rows == (60, 60)
    assert ordered == [("acme-60",), ("acme-59",)]
    assert len(adviser.get("/reviews", params={"group": "acme", "limit": 1000}).json()) == 60
    assert adviser.get("/reviews", params={"group": "another"}).json() == []


def test_agent_drafts_what_an_adviser_decides_and_the_next_agent_goes_on_from_it(
    countersign: Service, operator: httpx.Client, adviser: httpx.Client
) -> None:
    holders(countersign, 1, "HWLD", "solo-")
    agent = countersign.client("agent")
    begun(operator, "solo", SHOCK | {"instrument_id": "HWLD"}, draft_by="drafting_agent")
    awaited(lambda: states(adviser, "solo") == {"draft": 1})

    task = agent.post("/tasks/claim", json={"agent_name": "drafting_agent"}).json()
    assert task["payload"]["about"]["client_id"] == "solo-1"
    result = f"/tasks/{task['task_id']}/result"
    token = {"lease_token": task["lease_token"]}
    assert_refused(agent.post(result, json={"result": {"words": "?"}} | token), 422, "result.words")
    assert_refused(agent.post(result, json={"result": {"text": "mine"}}), 409)
    given = [agent.post(result, json={"result": {"text": "Stay calm"}} | token) for _ in range(2)]
    (review,) = awaited(lambda: adviser.get("/reviews", params={"group": "solo"}).json())
    verdict = {"verdict": "contacted", "note": "wants to keep ACME; promised a comparison"}
    assert answer(adviser, review, verdict).status_code == 202
    awaited(lambda: states(adviser, "solo") == {"contacted": 1})

    assert [one.status_code for one in given] == [200, 200]
    assert review["facts"]["untrusted"]["draft"] == "Stay calm"
    (said,) = agent.get("/clients/solo-1/interactions", params={"q": "comparison"}).json()
    assert said["person"].startswith("adviser-") and "keep ACME" in said["summary"]


def test_rate_change_concerns_holders_of_bonds_in_its_currency_alone(
    countersign: Service, operator: httpx.Client
) -> None:
    change = {"kind": "rate_change", "currency": "USD", "move_bps": 50}
    holders(countersign, 1, "HREI", "none-")
    assert outcome(operator, begun(operator, "fed-0", change)) == "nobody_concerned"
    with psycopg.connect(countersign.database_url) as conn:
        conn.execute("UPDATE client_holdings SET asset_class = 'bonds' WHERE client_id = 'none-1'")

    assert outcome(operator, begun(operator, "fed-1", change)) == "queued"
    assert outcome(operator, begun(operator, "ecb-1", change | {"currency": "EUR"})) == "nobody_concerned"


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"kind": "price_shock", "instrument_id": "A", "move_bps": 1.5}, "event.price_shock.move_bps"),
        ({"kind": "downgrade", "instrument_id": "A", "rating": "ZZ"}, "event.downgrade.rating"),
        ({"kind": "flood"}, "event"),
    ],
)
def test_bad_events_are_refused(operator: httpx.Client, event: dict[str, Any], field: str) -> None:
    body = {"event_id": "bad", "event": event, "headline": "x"}
    refused = operator.post("/workflows/market_event/threads", json=body, headers={"Idempotency-Key": uuid4().hex})

    assert_refused(refused, 422, field)
    assert_refused(operator.get("/market-events/bad"), 404)


def test_draft_that_nobody_wrote_in_time_is_withdrawn_with_its_review(
    countersign: Service, operator: httpx.Client, adviser: httpx.Client
) -> None:
    holders(countersign, 1, "HDIV", "late-")
    agent = countersign.client("agent")
    begun(operator, "late", SHOCK | {"instrument_id": "HDIV"}, draft_by="slow_agent")
    awaited(lambda: states(adviser, "late") == {"draft": 1})
    task = agent.post("/tasks/claim", json={"agent_name": "slow_agent"}).json()
    with psycopg.connect(countersign.database_url) as conn:
        conn.execute("UPDATE reviews SET due_at = now() WHERE payload ->> 'task_id' = %s", (task["task_id"],))

    awaited(lambda: states(adviser, "late") == {"client_follow_up": 1})

    token = {"lease_token": task["lease_token"]}
    assert agent.get(f"/tasks/{task['task_id']}").json()["status"] == "withdrawn"
    assert_refused(agent.post(f"/tasks/{task['task_id']}/lease", json=token), 409)
    assert_refused(agent.post(f"/tasks/{task['task_id']}/result", json={"result": {"text": "late"}} | token), 409)
    assert agent.post("/tasks/claim", json={"agent_name": "slow_agent"}).status_code == 204
