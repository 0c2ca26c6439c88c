"""What every refusal looks like, and what it leaves behind: nothing."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from tests.service import Service

APPLICATION: dict[str, Any] = {
    "applicant_id": "cust_2002",
    "amount": "12000.00",
    "term_months": 36,
    "income": "6500.00",
    "purpose": "home_improvement",
    "employment": {"status": "employed", "since": "2018-03-01"},
    "housing": {"status": "rent", "monthly_cost": "1100.00"},
}
START = "/workflows/loan_origination/threads"
TABLES = (
    *("tenants", "api_keys", "idempotency_keys", "threads", "runs", "tasks", "run_events", "effects", "reviews"),
    *("audit", "loan_applications", "risk_assessments", "credit_decisions", "loans", "letters"),
    *("clients", "suitability_profiles", "client_tasks", "client_holdings", "holdings_refreshes", "market_events"),
    *("market_event_clients", "interactions", "interaction_follow_ups", "portfolio_reviews", "portfolio_reports"),
    *("checkpoints", "checkpoint_blobs", "checkpoint_writes"),
)


def assert_refused(answer: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    """The answer is problem JSON of this status, naming this field; returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance", "errors"}
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]], problem
        assert all(error["reason"] for error in problem["errors"])
    return problem


def post_raw(client: httpx.Client, path: str, raw: Any, **headers: Any) -> httpx.Response:
    """Bytes, text or an iterator of bytes as they are, said to be JSON; under a fresh key unless one is given."""
    said = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
    return client.post(path, content=raw, headers={**said, **{k.replace("_", "-"): v for k, v in headers.items()}})


def with_raw(body: Mapping[str, Any], field: str, raw: str) -> str:
    """The body as JSON, but for one field (`employment.since`), which is this text."""
    *way, last = field.split(".")
    changed = json.loads(json.dumps(body))
    inside = changed
    for step in way:
        inside = inside[step]
    inside[last] = "@raw@"
    return json.dumps(changed).replace('"@raw@"', raw)


@contextmanager
def nothing_stored(served: Service) -> Iterator[None]:
    """Fails if any table has another number of rows when the block is left."""
    with psycopg.connect(served.database_url, autocommit=True) as conn:
        before = _row_counts(conn)
        yield
        assert _row_counts(conn) == before


def _row_counts(conn: psycopg.Connection[Any]) -> dict[str, int]:
    counts = [f"SELECT '{table}', count(*) FROM {table}" for table in TABLES]
    waiting_jobs = "SELECT 'jobs', count(*) FROM procrastinate_jobs WHERE status = 'todo'"
    return dict(conn.execute(" UNION ALL ".join([*counts, waiting_jobs])).fetchall())
