"""The wealth tutorial's calls answer as it promises, and the faults it has are gone: one test by the name of each."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.api.refusals import assert_refused, nothing_stored, post_raw, with_raw
from tests.service import Service
from tools.client_tasks import MOST_CLAIMS

pytestmark = pytest.mark.usefixtures("no_traceback")

CLIENT: dict[str, Any] = {"client_id": "client-001", "full_name": "Amina Patel", "risk_profile": "moderate"}
TASK: dict[str, Any] = {
    "task_id": "550e8400-e29b-41d4-a716-446655440000",
    "client_id": "client-001",
    "agent_name": "rebalancing_agent",
    "payload": {"objective": "review allocation"},
}
TARGET = {"target": {"equities": 60, "bonds": 30, "cash": 10}, "reason": "moderate"}


@pytest.fixture(scope="module")
def adviser(countersign: Service) -> httpx.Client:
    client = countersign.client("adviser")
    client.post("/clients", json=CLIENT).raise_for_status()
    return client


@pytest.fixture(scope="module")
def agent(countersign: Service) -> httpx.Client:
    return countersign.client("agent")


def made(client: httpx.Client, **changed: Any) -> str:
    """The id of a new task, of a kind of its own unless one is named."""
    wanted = TASK | {"task_id": str(uuid4()), "agent_name": f"kind-{uuid4().hex}"} | changed
    return str(client.post("/tasks", json=wanted).raise_for_status().json()["task_id"])


def completed(client: httpx.Client, task_id: str, token: str | None = None, **result: Any) -> httpx.Response:
    body = {"result": TARGET | result} | ({} if token is None else {"lease_token": token})
    return client.post(f"/tasks/{task_id}/result", json=body)


def claimed(client: httpx.Client, kind: str, lease_s: int = 60) -> dict[str, Any]:
    found = client.post("/tasks/claim", json={"agent_name": kind, "lease_s": lease_s})
    assert found.status_code == 200, found.text
    return dict(found.json())


def let_lease_run_out(served: Service, task_id: str) -> None:
    with psycopg.connect(served.database_url) as conn:
        conn.execute("UPDATE client_tasks SET lease_until = now() - interval '1 second' WHERE task_id = %s", (task_id,))


def test_tutorials_own_calls_answer_what_it_promises(countersign: Service) -> None:
    agent = countersign.client("agent")
    other = CLIENT | {"client_id": "client-007"}

    registered = agent.post("/clients", json=other)
    updated = agent.post("/clients", json=other | {"full_name": "Amina P. Patel", "risk_profile": "aggressive"})
    task = agent.post("/tasks", json=TASK | {"client_id": "client-007"})
    done = completed(agent, TASK["task_id"])

    assert (registered.status_code, registered.json()) == (200, other)
    assert updated.json() == agent.get("/clients/client-007").json()
    assert updated.json()["full_name"] == "Amina P. Patel"
    assert (task.status_code, task.json()) == (200, {"task_id": TASK["task_id"], "status": "pending"})
    assert (done.status_code, done.json()["status"], done.json()["result"]) == (200, "completed", TARGET)
    for unknown in ("/clients/client-999", f"/tasks/{uuid4()}"):
        assert_refused(agent.get(unknown), 404)
    assert_refused(completed(agent, str(uuid4())), 404)


def test_profile_that_a_client_states_is_kept_as_their_own_word(adviser: httpx.Client) -> None:
    stated = CLIENT | {"client_id": "client-008"}
    for risk_profile in ("moderate", "moderate", "conservative"):
        adviser.post("/clients", json=stated | {"risk_profile": risk_profile}).raise_for_status()

    versions = adviser.get("/clients/client-008/profiles").json()

    assert [(one["version"], one["risk_profile"]) for one in versions] == [(2, "conservative"), (1, "moderate")]
    assert {one["source"] for one in versions} == {"self_declared"}
    assert {one["valid_until"] for one in versions} == {None}


def test_completing_one_task_of_an_agent_leaves_its_others_alone(adviser: httpx.Client, agent: httpx.Client) -> None:
    first, second = made(agent, agent_name="twin"), made(agent, agent_name="twin")

    completed(agent, first).raise_for_status()

    assert [agent.get(f"/tasks/{task}").json()["status"] for task in (first, second)] == ["completed", "pending"]
    assert agent.get(f"/tasks/{second}").json()["result"] is None


def test_repeated_task_restarts_nothing_and_another_under_its_id_is_refused(
    countersign: Service, adviser: httpx.Client, agent: httpx.Client
) -> None:
    wanted = TASK | {"task_id": str(uuid4())}
    made(agent, **wanted)
    first = completed(agent, wanted["task_id"])

    again = agent.post("/tasks", json=wanted)
    same = completed(agent, wanted["task_id"])

    assert again.json() == {"task_id": wanted["task_id"], "status": "completed"}
    assert same.json() == first.json()
    assert_refused(completed(agent, wanted["task_id"], reason="another"), 409)
    assert_refused(agent.post("/tasks", json=wanted | {"payload": {}}), 409)
    assert_refused(countersign.client("agent").post("/tasks", json=wanted), 409)


def test_two_results_of_one_task_race_to_one(adviser: httpx.Client, agent: httpx.Client) -> None:
    task = made(agent)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: completed(agent, task, reason=str(n)), range(10)))

    assert sorted(given.status_code for given in answers) == [200] + [409] * 9


def test_ten_workers_claim_ten_tasks_once_each(countersign: Service, adviser: httpx.Client) -> None:
    tasks = {made(adviser, agent_name="ten") for _ in range(10)}
    workers = [countersign.client("agent") for _ in range(5)]

    with ThreadPoolExecutor(10) as pool:
        got = list(pool.map(lambda n: claimed(workers[n % 5], "ten"), range(10)))

    assert {task["task_id"] for task in got} == tasks
    assert workers[0].post("/tasks/claim", json={"agent_name": "ten"}).status_code == 204
    assert all(completed(workers[n % 5], t["task_id"], t["lease_token"]).is_success for n, t in enumerate(got))


def test_lease_that_runs_out_returns_the_task_and_its_old_worker_is_refused(
    countersign: Service, adviser: httpx.Client, agent: httpx.Client
) -> None:
    task, other = made(adviser, agent_name="lost"), countersign.client("agent")
    first = claimed(agent, "lost")
    let_lease_run_out(countersign, task)
    late = completed(agent, task, first["lease_token"])
    returned = adviser.get(f"/tasks/{task}").json()
    second = claimed(other, "lost")
    stale = [
        completed(agent, task, first["lease_token"]),
        completed(agent, task),
        agent.post(f"/tasks/{task}/lease", json={"lease_token": first["lease_token"]}),
    ]

    assert (second["task_id"], second["claims"], returned["status"]) == (task, 2, "pending")
    assert late.status_code == 409
    assert {answer.status_code for answer in stale} <= {404, 409}
    assert completed(other, task, second["lease_token"]).json()["completed_by"] == second["claimed_by"]


def test_heartbeat_keeps_the_lease_and_zero_gives_the_task_back(adviser: httpx.Client, agent: httpx.Client) -> None:
    task = made(adviser, agent_name="kept")
    held = claimed(agent, "kept", 30)

    beat = agent.post(f"/tasks/{task}/lease", json={"lease_token": held["lease_token"], "lease_s": 600}).json()
    none = agent.post("/tasks/claim", json={"agent_name": "kept"})
    agent.post(f"/tasks/{task}/lease", json={"lease_token": held["lease_token"], "lease_s": 0}).raise_for_status()

    assert datetime.fromisoformat(beat["lease_until"]) > datetime.fromisoformat(held["lease_until"])
    assert none.status_code == 204
    assert claimed(agent, "kept")["task_id"] == task


def test_bad_clients_and_tasks_are_refused_and_leave_nothing(
    countersign: Service, adviser: httpx.Client, agent: httpx.Client
) -> None:
    task = made(agent)
    with nothing_stored(countersign):
        for body, field in (
            ({"risk_profile": "bold"}, "risk_profile"),
            ({"full_name": ""}, "full_name"),
            ({"client_id": "a b"}, "client_id"),
            ({"nickname": "Al"}, "nickname"),
        ):
            assert_refused(adviser.post("/clients", json=CLIENT | body), 422, field)
        assert_refused(post_raw(agent, "/tasks", with_raw(TASK, "task_id", '"one"')), 422, "task_id")
        assert_refused(agent.post("/tasks", json=TASK | {"task_id": str(uuid4()), "client_id": "x"}), 422, "client_id")
        assert_refused(post_raw(agent, "/tasks", with_raw(TASK, "payload", '{"x": NaN}')), 422, "payload.x")
        for lease_s in (0, -1, 10**6, True, 1.5):
            assert_refused(agent.post("/tasks/claim", json={"agent_name": "x", "lease_s": lease_s}), 422, "lease_s")
        assert_refused(agent.post(f"/tasks/{task}/result", json={"result": [1]}), 422, "result")


def test_nobody_sees_or_changes_clients_and_tasks_of_others(countersign: Service, adviser: httpx.Client) -> None:
    stranger, auditor = countersign.client("client"), countersign.client("auditor")
    task = made(adviser)

    assert_refused(stranger.get("/clients/client-001"), 404)
    assert_refused(stranger.get("/clients/client-001/profiles"), 404)
    assert_refused(stranger.post("/clients", json=CLIENT), 409)
    assert_refused(countersign.client("agent").post("/clients", json=CLIENT), 409)
    assert_refused(stranger.get(f"/tasks/{task}"), 404)
    assert_refused(stranger.post("/tasks/claim", json={"agent_name": "x"}), 403)
    assert_refused(completed(auditor, task), 403)
    assert_refused(httpx.get(f"{countersign.url}/clients/client-001"), 401)
    assert stranger.get("/tasks").json() == []
    assert countersign.client("client", "client-001").get("/clients/client-001").status_code == 200


def test_what_was_done_and_by_whom_is_in_the_audit_trail(
    countersign: Service, adviser: httpx.Client, agent: httpx.Client
) -> None:
    task = made(adviser, agent_name="trail")
    held = claimed(agent, "trail")
    completed(agent, task, held["lease_token"]).raise_for_status()

    with psycopg.connect(countersign.database_url) as conn:
        rows = conn.execute(
            "SELECT action, person FROM audit WHERE record ->> 'task_id' = %s ORDER BY audit_id", (task,)
        ).fetchall()
        stored = conn.execute("SELECT count(*) FROM audit WHERE action = 'client.stored'").fetchone()

    assert [action for action, _ in rows] == ["task.created", "task.claimed", "task.completed"]
    assert rows[1][1] == rows[2][1] == held["claimed_by"] != rows[0][1]
    assert stored and stored[0] >= 1


def test_task_whose_lease_keeps_running_out_fails_until_an_operator_opens_it_again(
    countersign: Service, adviser: httpx.Client, agent: httpx.Client
) -> None:
    kind = f"kind-{uuid4().hex}"
    task = made(agent, agent_name=kind)
    operator = countersign.client("operator")
    given_back = claimed(agent, kind)
    agent.post(f"/tasks/{task}/lease", json={"lease_token": given_back["lease_token"], "lease_s": 0}).raise_for_status()
    for left in range(MOST_CLAIMS - 1, -1, -1):
        assert claimed(agent, kind)["claims_left"] == left
        let_lease_run_out(countersign, task)

    none = agent.post("/tasks/claim", json={"agent_name": kind})
    failed = [one["task_id"] for one in operator.get("/tasks", params={"status": "failed"}).json()]
    refused = agent.post(f"/tasks/{task}/reopen")
    opened = operator.post(f"/tasks/{task}/reopen")

    assert (none.status_code, failed, refused.status_code) == (204, [task], 403)
    assert opened.json()["status"] == "pending"
    assert_refused(operator.post(f"/tasks/{task}/reopen"), 409)
    token = claimed(agent, kind)["lease_token"]
    assert completed(agent, task, token).json()["status"] == "completed"
