"""A profile that ends is told to its client, and an adviser sees to it: once before it ends and once after."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.api.refusals import assert_refused
from tests.service import Service, answer, follow
from tests.test_path_of_a_client_profile import ANSWERS, outcome, registered, started

TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def adviser(countersign: Service) -> httpx.Client:
    return countersign.client("adviser")


def profiled(served: Service, adviser: httpx.Client, ends_on: date) -> str:
    """A client whose profile was assessed a year before this day, as far as the database can tell."""
    client_id = registered(adviser)
    thread_id = started(adviser, client_id)
    assert outcome(adviser, thread_id) == "assessed"
    with psycopg.connect(served.database_url) as conn:
        conn.execute("ALTER TABLE suitability_profiles DISABLE TRIGGER suitability_profiles_append_only")
        conn.execute(
            "UPDATE suitability_profiles SET assessed_on = %(ends)s::date - 365, valid_until = %(ends)s"
            " WHERE client_id = %(id)s AND version = 2",
            {"ends": ends_on, "id": client_id},
        )
        conn.execute("ALTER TABLE suitability_profiles ENABLE TRIGGER suitability_profiles_append_only")
    return client_id


def day(client: httpx.Client, **request: Any) -> dict[str, Any]:
    path = "/workflows/profile_renewals/threads"
    made = client.post(path, json=request, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 202, made.text
    follow(client, made.json()["thread_id"])
    state: dict[str, Any] = client.get(f"/threads/{made.json()['thread_id']}/state").json()["values"]
    assert state["outcome"] == "begun"
    return dict(state["day"])


def cases(served: Service, client_id: str) -> list[tuple[str, str]]:
    """Stage and thread of each renewal."""
    with psycopg.connect(served.database_url) as conn:
        found = conn.execute(
            "SELECT record -> 'request' ->> 'stage', thread_id::text FROM audit WHERE action = 'thread.started'"
            " AND record -> 'request' ->> 'client_id' = %s AND record -> 'request' ? 'stage' ORDER BY audit_id",
            (client_id,),
        ).fetchall()
    return [(str(stage), str(thread_id)) for stage, thread_id in found]


def test_profile_is_followed_up_once_before_it_ends_and_once_after(countersign: Service, adviser: httpx.Client) -> None:
    client_id = profiled(countersign, adviser, TODAY + timedelta(days=20))
    far = profiled(countersign, adviser, TODAY + timedelta(days=40))

    begun = [day(adviser)["begun"] for _ in range(2)]
    (_, soon), *more = cases(countersign, client_id)
    follow(adviser, soon)
    with psycopg.connect(countersign.database_url) as conn:
        conn.execute("ALTER TABLE suitability_profiles DISABLE TRIGGER suitability_profiles_append_only")
        conn.execute(
            "UPDATE suitability_profiles SET valid_until = %s WHERE client_id = %s AND version = 2",
            (TODAY - timedelta(days=1), client_id),
        )
        conn.execute("ALTER TABLE suitability_profiles ENABLE TRIGGER suitability_profiles_append_only")
    ended = [day(adviser)["begun"] for _ in range(2)]

    assert (begun, more, cases(countersign, far)) == ([1, 0], [], [])
    assert ended == [1, 0]
    assert [stage for stage, _ in cases(countersign, client_id)] == ["expiring", "expired"]
    (letter,) = adviser.get(f"/threads/{soon}/letters").json()
    assert letter["kind"] == "profile_expiry" and "valid until" in letter["body"]
    expired = cases(countersign, client_id)[1][1]
    follow(adviser, expired)
    (review,) = [one for one in adviser.get("/reviews").json() if one["thread_id"] == expired]
    assert answer(adviser, review, {"verdict": "contacted", "note": "will answer on Monday"}).status_code == 202
    follow(adviser, expired)
    assert outcome(adviser, expired) == "contacted"


def test_client_who_was_assessed_again_needs_no_more_asking(countersign: Service, adviser: httpx.Client) -> None:
    client_id = profiled(countersign, adviser, TODAY - timedelta(days=3))
    day(adviser)
    ((stage, thread_id),) = cases(countersign, client_id)
    follow(adviser, thread_id)

    started(adviser, client_id, **ANSWERS)
    (review,) = [one for one in adviser.get("/reviews").json() if one["thread_id"] == thread_id]
    answer(adviser, review, {"verdict": "not_reached", "note": "no answer"}).raise_for_status()
    follow(adviser, thread_id)

    assert (stage, outcome(adviser, thread_id)) == ("expired", "renewed")
    assert day(adviser)["begun"] == 0
    letters = {one["kind"] for one in adviser.get(f"/threads/{thread_id}/letters").json()}
    assert letters == {"profile_expiry"}


def test_day_that_has_not_come_is_refused(adviser: httpx.Client) -> None:
    later = {"on": (TODAY + timedelta(days=1)).isoformat()}
    path = "/workflows/profile_renewals/threads"

    assert_refused(adviser.post(path, json=later, headers={"Idempotency-Key": uuid4().hex}), 422, "on")
    assert_refused(
        adviser.post(path, json={"within_days": -1}, headers={"Idempotency-Key": uuid4().hex}), 422, "within_days"
    )
