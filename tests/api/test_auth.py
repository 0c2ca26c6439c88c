"""Who may do what: keys, roles, and cases that are somebody else's."""

import hashlib
import json
import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.api.refusals import APPLICATION, START, assert_refused, nothing_stored
from tests.service import BOOTSTRAP_KEY, Service, follow, open_review, start_case

pytestmark = pytest.mark.usefixtures("no_traceback")

OPEN_TO_ALL = {"/ok", "/health", "/info", "/bank/events"}
"""The last wants the bank's signature instead."""


@pytest.fixture(scope="module")
def case(countersign: Service) -> tuple[httpx.Client, str]:
    """A client and a case of theirs that waits for their answer."""
    client = countersign.client("client")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)
    return client, thread_id


def ways_into(case: tuple[httpx.Client, str]) -> list[str]:
    """Every path by which this case, or something of it, can be read."""
    client, thread_id = case
    parts = ("", "/state", "/events", "/runs", "/tasks", "/reviews", "/letters")
    paths = [f"/threads/{thread_id}{part}" for part in parts]
    letter = client.get(f"/threads/{thread_id}/letters").json()[0]
    paths.append(f"/threads/{thread_id}/letters/{letter['letter_id']}.pdf")
    paths.append(f"/reviews/{open_review(client, thread_id)['review_id']}")
    paths.append(f"/agent/tasks/{client.get(f'/threads/{thread_id}/tasks').json()[0]['task_id']}")
    number = client.get(f"/threads/{thread_id}/state").json()["values"]["application"]["application_id"]
    return [*paths, f"/loan/applications/{number}"]


def key_of(served: Service, tenant: str, person: str, *roles: str) -> str:
    """A key made past the API, as the command line makes them."""
    key = f"test_{uuid4().hex}"
    with psycopg.connect(served.database_url, autocommit=True) as conn:
        conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s) ON CONFLICT DO NOTHING", (tenant,))
        conn.execute(
            "INSERT INTO api_keys (key_id, tenant_id, person, roles, prefix, sha256)"
            " VALUES (%s, %s, %s, %s, 'test', %s)",
            (uuid4(), tenant, person, list(roles), hashlib.sha256(key.encode()).digest()),
        )
    return key


def get(served: Service, path: str, **headers: Any) -> httpx.Response:
    return httpx.get(f"{served.url}{path}", headers=headers, timeout=60)


def test_every_route_but_health_wants_a_key(countersign: Service) -> None:
    document = get(countersign, "/openapi.json").json()
    with nothing_stored(countersign), httpx.Client(base_url=countersign.url) as nobody:
        for path, operations in document["paths"].items():
            for method in operations if path not in OPEN_TO_ALL else ():
                answer = nobody.request(method, re.sub(r"\{\w+\}", str(uuid4()), path))

                assert_refused(answer, 401)
                assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": ""},
        {"x-api-key": "csk_wrong"},
        {"x-api-key": b"\xff\xfe"},
        {"x-api-key": "x" * 50_000},
        {"x-api-key": f"{BOOTSTRAP_KEY} "[:-2]},
        {"x-api-key": BOOTSTRAP_KEY.upper()},
        {"x-api-key": "' OR true --"},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer csk_wrong"},
        {"Authorization": "Bearer кот".encode()},
        {"Authorization": f"Basic {BOOTSTRAP_KEY}"},
        {"Authorization": BOOTSTRAP_KEY},
        {"Authorization": "Bearer csk_wrong", "x-api-key": BOOTSTRAP_KEY},
        {"Authorization": f"Basic {BOOTSTRAP_KEY}", "x-api-key": BOOTSTRAP_KEY},
    ],
)
def test_key_that_is_none_is_a_401(countersign: Service, headers: dict[str, Any]) -> None:
    assert_refused(get(countersign, "/threads", **headers), 401)


@pytest.mark.parametrize("header", ["Authorization", "authorization", "x-api-key", "X-Api-Key"])
def test_key_is_taken_as_bearer_and_as_x_api_key(countersign: Service, header: str) -> None:
    value = BOOTSTRAP_KEY if "key" in header.lower() else f"Bearer {BOOTSTRAP_KEY}"

    assert get(countersign, "/threads", **{header: value}).status_code == 200


def test_revoked_key_is_refused_from_then_on(countersign: Service) -> None:
    admin = countersign.admin()
    made = admin.post("/keys", json={"person": "leaver", "roles": ["client"]}).json()
    key = {"x-api-key": made["key"]}
    assert get(countersign, "/threads", **key).status_code == 200
    [listed] = [key for key in admin.get("/keys").json() if key["person"] == "leaver"]

    revoked = admin.delete(f"/keys/{listed['key_id']}")

    assert revoked.status_code == 204
    assert_refused(get(countersign, "/threads", **key), 401)
    with nothing_stored(countersign):
        headers = {**key, "Idempotency-Key": "x"}
        assert_refused(httpx.post(f"{countersign.url}{START}", json=APPLICATION, headers=headers), 401)
    assert_refused(admin.delete(f"/keys/{uuid4()}"), 404)
    assert_refused(admin.delete("/keys/leaver"), 422, "key_id")


def test_key_is_shown_once_and_kept_as_a_hash(countersign: Service) -> None:
    admin = countersign.admin()
    key = admin.post("/keys", json={"person": "hashed", "roles": ["client"]}).json()["key"]

    listed = admin.get("/keys").text

    assert key not in listed
    with psycopg.connect(countersign.database_url) as conn:
        for table in ("api_keys", "audit"):
            rows = conn.execute(f"SELECT t::text FROM {table} t").fetchall()
            assert key not in str(rows)


@pytest.mark.parametrize("role", ["underwriter", "analyst", "adviser", "auditor"])
def test_role_that_may_not_apply_is_refused(countersign: Service, role: str) -> None:
    client, headers = countersign.client(role), {"Idempotency-Key": uuid4().hex}
    with nothing_stored(countersign):
        for path in (START, "/loan/applications"):
            body = APPLICATION if path == START else {k: APPLICATION[k] for k in list(APPLICATION)[:4]}
            assert_refused(client.post(path, json=body, headers=headers), 403)
        assert_refused(client.post("/loan/applications/1/decision"), 403)


@pytest.mark.parametrize("role", ["client", "agent", "operator", "underwriter", "auditor"])
def test_only_admins_see_to_keys(countersign: Service, role: str) -> None:
    client = countersign.client(role)
    with nothing_stored(countersign):
        assert_refused(client.get("/keys"), 403)
        assert_refused(client.post("/keys", json={"person": "me", "roles": ["admin"]}), 403)
        assert_refused(client.delete(f"/keys/{uuid4()}"), 403)


def test_only_staff_see_effects_and_audit_and_only_operators_restart(
    countersign: Service, case: tuple[httpx.Client, str]
) -> None:
    client, thread_id = case
    auditor, operator = countersign.client("auditor"), countersign.client("operator")
    restart = f"/threads/{thread_id}/runs/{client.get(f'/threads/{thread_id}/runs').json()[0]['run_id']}/restart"

    for part in ("effects", "audit"):
        assert_refused(client.get(f"/threads/{thread_id}/{part}"), 403)
        assert auditor.get(f"/threads/{thread_id}/{part}").status_code == 200
    with nothing_stored(countersign):
        assert_refused(client.post(restart), 403)
        assert_refused(auditor.post(restart), 403)
        assert_refused(operator.post(restart), 409)


def test_run_is_restarted_by_its_own_case_only(countersign: Service, case: tuple[httpx.Client, str]) -> None:
    client, thread_id = case
    operator = countersign.client("operator")
    other = start_case(client, APPLICATION)
    follow(client, other)
    run_id = UUID(client.get(f"/threads/{other}/runs").json()[0]["run_id"])
    with psycopg.connect(countersign.database_url, autocommit=True) as conn:
        conn.execute("UPDATE runs SET status = 'error' WHERE run_id = %s", (run_id,))
        conn.execute("UPDATE threads SET status = 'error' WHERE thread_id = %s", (other,))

    with nothing_stored(countersign):
        assert_refused(operator.post(f"/threads/{thread_id}/runs/{run_id}/restart"), 404)
        assert_refused(operator.post(f"/threads/{other}/runs/{uuid4()}/restart"), 404)
        assert_refused(operator.post(f"/threads/{uuid4()}/runs/{run_id}/restart"), 404)
    assert operator.post(f"/threads/{other}/runs/{run_id}/restart").status_code == 202
    follow(client, other)


def test_case_of_another_client_does_not_exist(countersign: Service, case: tuple[httpx.Client, str]) -> None:
    for role in ("client", "agent"):
        other = countersign.client(role)

        for path in ways_into(case):
            assert_refused(other.get(path), 404)
        assert case[1] not in other.get("/threads").text
        assert other.get("/reviews").json() == []


def test_case_of_another_tenant_does_not_exist_even_for_its_admin(
    countersign: Service, case: tuple[httpx.Client, str]
) -> None:
    person = case[0].get(f"/threads/{case[1]}").json()["started_by"]
    for roles in (("admin",), ("auditor", "operator", "underwriter"), ("client",)):
        headers = {"x-api-key": key_of(countersign, "elsewhere", person, *roles)}

        with httpx.Client(base_url=countersign.url, headers=headers, timeout=60) as stranger:
            for path in ways_into(case):
                assert_refused(stranger.get(path), 404)
            assert stranger.get("/threads").json() == []
            assert stranger.get("/reviews").json() == []


def test_staff_see_the_cases_of_their_tenant(countersign: Service, case: tuple[httpx.Client, str]) -> None:
    for role in ("auditor", "underwriter", "admin"):
        staff = countersign.client(role)

        for path in ways_into(case):
            assert staff.get(path).status_code == 200, path


def test_what_is_done_with_keys_is_in_the_audit_trail(countersign: Service) -> None:
    admin = countersign.admin()
    admin.post("/keys", json={"person": "trail", "roles": ["client", "agent"]})

    with psycopg.connect(countersign.database_url) as conn:
        rows = conn.execute("SELECT person, record::text FROM audit WHERE action = 'key.created'").fetchall()

    assert ("admin@demo", {"person": "trail", "roles": ["client", "agent"]}) in [(p, json.loads(r)) for p, r in rows]
