"""Webhooks of runs, asked for with LangGraph's own client and received by a server of the test's own."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import psycopg
import pytest
from langgraph_sdk.client import LangGraphClient
from psycopg.rows import dict_row
from standardwebhooks import Webhook, WebhookVerificationError

from db import keys
from db.keys import NewKey
from tests.crash_deployment import until
from tests.receiver import Receiver, receiver
from tests.service import Service, service
from tests.test_path_of_a_loan import APPLICATION

Sdk = Callable[..., LangGraphClient]


@pytest.fixture(scope="module")
def countersign(
    module_database_url: str, own_graphs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """May call this module's receivers, though they are not public."""
    allowed = {"COUNTERSIGN_CONFIG": str(own_graphs), "COUNTERSIGN_WEBHOOK_ALLOW": "127.0.0.2"}
    with service(module_database_url, tmp_path_factory.mktemp("home"), **allowed) as served:
        yield served


@pytest.fixture(scope="module")
def hooks() -> Iterator[Receiver]:
    with receiver() as got:
        yield got


@pytest.fixture(scope="module")
def secret(countersign: Service) -> str:
    return str(countersign.admin().get("/webhook-secret").json()[0]["secret"])


@pytest.fixture
def hook(hooks: Receiver) -> str:
    """A path of the test's own."""
    return f"/{uuid4().hex}"


def rows(countersign: Service, query: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(countersign.database_url, autocommit=True, row_factory=dict_row) as conn:
        cur = conn.execute(query.encode(), values)
        return cur.fetchall() if cur.description else []


def deliveries(countersign: Service, url: str) -> list[dict[str, Any]]:
    """Those that go to this URL: one, or none until its run has ended."""
    listed = countersign.client("operator").get("/webhook-deliveries").json()
    return [one for one in listed if one["url"] == url]


def delivery(countersign: Service, url: str) -> dict[str, Any]:
    (found,) = deliveries(countersign, url)
    return found


def ended(countersign: Service, url: str, state: str) -> dict[str, Any]:
    """The delivery, once it is in this state."""
    return until(lambda: [d for d in deliveries(countersign, url) if d["state"] == state], f"it is {state}")[0]


async def new_thread(client: LangGraphClient) -> str:
    return str((await client.threads.create())["thread_id"])


async def test_end_of_a_run_is_told_at_once_signed_and_as_langgraph_tells_it(
    sdk: Sdk, hooks: Receiver, hook: str, secret: str, countersign: Service
) -> None:
    client = sdk("client")
    thread_id = await new_thread(client)

    run: Any = await client.runs.create(
        thread_id, "echo", input={"question": "why?"}, metadata={"order": 7}, webhook=hooks.url + hook
    )
    (got,) = await asyncio.to_thread(hooks.awaited, hook)
    told = got.verified(secret)

    assert told["values"] == {"question": "why?", "answer": "plain: why?", "trail": ["think", "publish"]}
    shown: Any = await client.runs.get(thread_id, run["run_id"])
    for name in ("run_id", "thread_id", "assistant_id", "status", "metadata", "kwargs", "multitask_strategy"):
        assert told[name] == shown[name]
    assert (told["status"], told["error"]) == ("success", None)
    times = [datetime.fromisoformat(told[name]) for name in ("run_started_at", "run_ended_at", "webhook_sent_at")]
    assert times == sorted(times)
    assert got.at - datetime.fromisoformat(shown["ended_at"]).timestamp() < 1
    taken = ended(countersign, hooks.url + hook, "delivered")
    assert got.headers["webhook-id"] == taken["delivery_id"]
    assert (taken["attempts"], taken["last_status"], taken["last_error"]) == (1, 204, None)
    assert set(got.headers) == {
        "Host", "Content-Type", "Content-Length", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature",
    }  # fmt: skip


async def test_every_way_to_start_a_run_takes_a_webhook(sdk: Sdk, hooks: Receiver, hook: str, secret: str) -> None:
    client = sdk("client")
    thread_id, url, asked = await new_thread(client), hooks.url + hook, {"question": "why?"}

    await client.runs.wait(thread_id, "echo", input=asked, webhook=url)
    async for _ in client.runs.stream(thread_id, "echo", input=asked, webhook=url):
        pass
    await client.runs.wait(None, "echo", input=asked, webhook=url)
    async for _ in client.runs.stream(None, "echo", input=asked, webhook=url):
        pass
    await client.runs.create(None, "echo", input=asked, webhook=url)
    batch: Any = [{"assistant_id": "echo", "input": asked, "webhook": url}] * 2
    await client.runs.create_batch(batch)

    told = [got.verified(secret) for got in await asyncio.to_thread(hooks.awaited, hook, 7)]
    assert len({one["run_id"] for one in told}) == 7
    assert {(one["status"], one["values"]["answer"]) for one in told} == {("success", "plain: why?")}


async def test_run_without_a_webhook_leaves_no_delivery(sdk: Sdk, countersign: Service) -> None:
    run: Any = await sdk("client").runs.create(None, "echo", input={"question": "why?"})
    until(
        lambda: rows(countersign, "SELECT 1 FROM runs WHERE run_id = %s AND ended_at IS NOT NULL", run["run_id"]),
        "the run ended",
    )

    assert rows(countersign, "SELECT 1 FROM webhook_deliveries WHERE run_id = %s", run["run_id"]) == []


async def test_failed_run_tells_what_went_wrong_and_how_far_it_came(
    sdk: Sdk, hooks: Receiver, hook: str, secret: str
) -> None:
    await sdk("client").runs.create(None, "failing", input={"question": "why?"}, webhook=hooks.url + hook)
    (got,) = await asyncio.to_thread(hooks.awaited, hook)

    told = got.verified(secret)

    assert told["status"] == "error"
    assert told["error"] == {"error": "ValueError", "message": "this graph always fails"}
    assert told["values"]["trail"] == ["think"]


async def test_cancelled_runs_are_told_as_interrupted_and_rolled_back_ones_are_not(
    sdk: Sdk, hooks: Receiver, hook: str, secret: str, countersign: Service
) -> None:
    client = sdk("client")
    thread_id, url = await new_thread(client), hooks.url + hook
    runs: list[Any] = [
        await client.runs.create(thread_id, "sleeping", input={"seconds": 60}, stream_mode="tasks", webhook=url)
        for _ in range(3)
    ]
    async for part in client.runs.join_stream(thread_id, runs[0]["run_id"]):
        if part.event == "tasks":
            break

    await client.runs.cancel(thread_id, runs[1]["run_id"], action="rollback")
    await client.runs.cancel(thread_id, runs[2]["run_id"])
    await client.runs.cancel(thread_id, runs[0]["run_id"], wait=True)
    got = await asyncio.to_thread(hooks.awaited, hook, 2)

    told = {one["run_id"]: one for one in (request.verified(secret) for request in got)}
    assert set(told) == {runs[0]["run_id"], runs[2]["run_id"]}
    assert {(one["status"], one["error"]["error"]) for one in told.values()} == {("interrupted", "UserInterrupt")}
    assert told[runs[0]["run_id"]]["values"] == {"seconds": 60, "trail": []}
    assert told[runs[2]["run_id"]]["values"] is None
    noted = rows(countersign, "SELECT run_id FROM webhook_deliveries WHERE url = %s", url)
    assert {str(one["run_id"]) for one in noted} == set(told)


async def test_case_of_ours_tells_its_question_and_the_answers_run_its_own_end(
    sdk: Sdk, hooks: Receiver, hook: str, secret: str, countersign: Service
) -> None:
    person = uuid4().hex
    client = sdk("client", person)
    thread_id = await new_thread(client)

    await client.runs.create(thread_id, "loan_origination", input=APPLICATION, webhook=hooks.url + hook)
    (got,) = await asyncio.to_thread(hooks.awaited, hook)
    told = got.verified(secret)
    (question,) = told["values"]["__interrupt__"]
    (review,) = [
        one for one in countersign.client("client", person).get("/reviews").json() if one["thread_id"] == thread_id
    ]
    resume = {"payload_sha256": review["payload_sha256"], "answer": {"accepted": False}}
    await client.runs.create(thread_id, "loan_origination", command={"resume": resume}, webhook=f"{hooks.url}{hook}/2")
    (answered,) = await asyncio.to_thread(hooks.awaited, f"{hook}/2")

    assert told["status"] == "success"
    assert question["value"]["kind"] == "acceptance" and told["thread_id"] == thread_id
    assert answered.verified(secret)["values"]["outcome"] == "withdrawn"
    assert len(hooks.at(hook)) == 1


async def test_crons_runs_tell_their_ends(
    sdk: Sdk, hooks: Receiver, hook: str, secret: str, countersign: Service
) -> None:
    crons = sdk("operator").crons
    never_soon, url = "0 0 29 2 *", hooks.url + hook
    made: list[Any] = [
        await crons.create("echo", schedule=never_soon, input={"question": "why?"}, webhook=url),
        await crons.create("loan_origination", schedule=never_soon, input=APPLICATION, webhook=url),
    ]
    for cron in made:
        rows(countersign, "UPDATE crons SET next_run_date = now() WHERE cron_id = %s", cron["cron_id"])

    got = await asyncio.to_thread(hooks.awaited, hook, 2)

    told = [one.verified(secret) for one in got]
    assert {one["metadata"]["cron_id"] for one in told} == {cron["cron_id"] for cron in made}


async def test_receiver_that_fails_is_tried_again_with_the_same_id(
    sdk: Sdk, hooks: Receiver, hook: str, secret: str, countersign: Service
) -> None:
    hooks.answers[hook] = [(500, {}), (429, {"Retry-After": "1"})]

    await sdk("client").runs.create(None, "echo", input={"question": "why?"}, webhook=hooks.url + hook)
    first, second = await asyncio.to_thread(hooks.awaited, hook, 2)
    between = until(lambda: (d := delivery(countersign, hooks.url + hook))["last_status"] == 429 and d, "it is noted")
    rows(countersign, "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE url = %s", hooks.url + hook)
    third = (await asyncio.to_thread(hooks.awaited, hook, 3))[2]

    assert (between["state"], between["attempts"]) == ("pending", 2)
    assert between["last_error"] == "answered 429: the receiver did not take it"
    assert len({one.headers["webhook-id"] for one in (first, second, third)}) == 1
    assert second.at - first.at >= 0.8
    told = [one.verified(secret) for one in (first, second, third)]
    assert len({one["webhook_sent_at"] for one in told}) == 3
    assert ended(countersign, hooks.url + hook, "delivered")["attempts"] == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((410, {}), "answered 410: the receiver did not take it"),
        ((307, {"Location": "/elsewhere"}), "answered 307: redirects are not followed"),
    ],
)
async def test_refusal_or_redirect_is_final_until_an_operator_has_it_tried_again(
    sdk: Sdk, hooks: Receiver, hook: str, countersign: Service, answer: Any, said: str
) -> None:
    hooks.answers[hook] = [answer]
    await sdk("client").runs.create(None, "echo", input={"question": "why?"}, webhook=hooks.url + hook)
    failed = ended(countersign, hooks.url + hook, "failed")
    path = f"/webhook-deliveries/{failed['delivery_id']}/retry"

    assert countersign.client("auditor").post(path).status_code == 403
    retried = countersign.client("operator", "olga").post(path)
    taken = ended(countersign, hooks.url + hook, "delivered")

    assert (failed["last_error"], failed["attempts"], failed["next_attempt_at"]) == (said, 1, None)
    assert retried.status_code == 202 and retried.json()["state"] == "pending"
    assert len(hooks.at(hook)) == 2 and hooks.at("/elsewhere") == []
    assert countersign.client("operator").post(path).status_code == 409
    trail = rows(
        countersign,
        "SELECT person FROM audit WHERE action = 'webhook.retried' AND record ->> 'delivery_id' = %s",
        taken["delivery_id"],
    )
    assert trail == [{"person": "olga"}]


async def test_name_that_leads_inside_by_now_is_not_connected_to(
    sdk: Sdk, hooks: Receiver, hook: str, countersign: Service
) -> None:
    """What a name means may change after it was accepted; here, the name does."""
    hooks.answers[hook] = [(400, {})]
    await sdk("client").runs.create(None, "echo", input={"question": "why?"}, webhook=hooks.url + hook)
    failed = ended(countersign, hooks.url + hook, "failed")
    with receiver("127.0.0.1") as inside:
        url = inside.url.replace("127.0.0.1", "localhost") + hook
        rows(countersign, "UPDATE webhook_deliveries SET url = %s WHERE delivery_id = %s", url, failed["delivery_id"])

        countersign.client("operator").post(f"/webhook-deliveries/{failed['delivery_id']}/retry").raise_for_status()
        refused = until(lambda: (d := delivery(countersign, url))["attempts"] and d["ended_at"] and d, "it is refused")

    assert refused["state"] == "failed" and refused["attempts"] == 1
    assert "which is not public" in refused["last_error"] and inside.got == []


@pytest.mark.parametrize(
    ("webhook", "said"),
    [
        ("/internal/hook", "absolute"),
        ("example.org/hook", "absolute"),
        ("ftp://example.org/hook", "absolute"),
        ("https://", "absolute"),
        ("https://ada:secret@example.org/", "credentials"),
        ("https://example.org/" + "x" * 2048, "2048"),
        ("https://example.org:99999/", "port"),
        ("http://127.0.0.1/", "not public"),
        ("http://0x7f.1/", "not public"),
        ("http://localhost:8000/", "not a public host"),
        ("http://LocalHost.:8000/", "not a public host"),
        ("http://169.254.169.254/latest/meta-data", "not public"),
        ("http://[::1]/", "not public"),
        ("http://[::ffff:10.0.0.1]/", "not public"),
        ("http://example.org\r\nX-Evil: 1/", "URL"),
        ("http://" + "a" * 64 + ".org/", "no host name"),
        (7, "string"),
        ({"url": "https://example.org"}, "string"),
    ],
)
def test_webhook_that_may_not_be_called_is_refused_by_name(countersign: Service, webhook: Any, said: str) -> None:
    operator = countersign.client("operator")
    run = {"assistant_id": "echo", "input": {"question": "why?"}, "webhook": webhook}

    for path, body in (("/runs", run), ("/runs/wait", run), ("/runs/crons", run | {"schedule": "0 0 29 2 *"})):
        refused = operator.post(path, json=body)

        assert refused.status_code == 422, refused.text
        (error,) = refused.json()["errors"]
        assert error["field"] == "webhook" and said in error["reason"], error


async def test_replaced_secret_signs_beside_the_new_one_for_a_day(
    sdk: Sdk, hooks: Receiver, hook: str, countersign: Service
) -> None:
    admin, client = countersign.admin(), sdk("client")
    (before,) = admin.get("/webhook-secret").json()

    rotated = admin.post("/webhook-secret/rotate").json()
    await client.runs.create(None, "echo", input={"question": "why?"}, webhook=hooks.url + hook)
    (got,) = await asyncio.to_thread(hooks.awaited, hook)
    rows(countersign, "UPDATE webhook_secrets SET expires_at = now() WHERE secret = %s", before["secret"])
    await client.runs.create(None, "echo", input={"question": "why?"}, webhook=f"{hooks.url}{hook}/later")
    (later,) = await asyncio.to_thread(hooks.awaited, f"{hook}/later")

    assert rotated[0]["secret"] != before["secret"] == rotated[1]["secret"]
    left = datetime.fromisoformat(rotated[1]["expires_at"]) - datetime.fromisoformat(rotated[0]["created_at"])
    assert left.total_seconds() == 24 * 3600
    assert got.verified(before["secret"]) == got.verified(rotated[0]["secret"])
    assert later.verified(rotated[0]["secret"])
    with pytest.raises(WebhookVerificationError):
        later.verified(before["secret"])
    with pytest.raises(WebhookVerificationError):
        Webhook(rotated[0]["secret"]).verify(later.body.replace(b"why?", b"how?"), later.headers)
    assert len(admin.get("/webhook-secret").json()) == 1
    actions = rows(countersign, "SELECT action FROM audit WHERE action LIKE 'webhook_secret.%%'")
    assert {"action": "webhook_secret.read"} in actions and {"action": "webhook_secret.rotated"} in actions


@pytest.mark.parametrize("role", ["client", "agent", "operator", "underwriter", "auditor"])
def test_only_admins_see_the_secret_and_only_operators_and_auditors_the_deliveries(
    countersign: Service, role: str
) -> None:
    theirs = countersign.client(role)

    assert theirs.get("/webhook-secret").status_code == 403
    assert theirs.post("/webhook-secret/rotate").status_code == 403
    listed = theirs.get("/webhook-deliveries").status_code
    assert listed == (200 if role in ("operator", "auditor") else 403)


async def test_another_tenant_has_another_secret_and_sees_no_delivery_of_ours(
    sdk: Sdk, hooks: Receiver, hook: str, secret: str, countersign: Service
) -> None:
    hooks.answers[hook] = [(400, {})]
    await sdk("client").runs.create(None, "echo", input={"question": "why?"}, webhook=hooks.url + hook)
    failed = ended(countersign, hooks.url + hook, "failed")
    async with await psycopg.AsyncConnection.connect(countersign.database_url, autocommit=True) as conn:
        key = await keys.create(conn, NewKey(f"globex-{uuid4().hex[:8]}", "eve", ["admin"]))

    async with httpx.AsyncClient(base_url=countersign.url, headers={"x-api-key": key}, timeout=60) as eve:
        assert (await eve.get("/webhook-deliveries")).json() == []
        assert (await eve.post(f"/webhook-deliveries/{failed['delivery_id']}/retry")).status_code == 404
        assert (await eve.get("/webhook-secret")).json()[0]["secret"] != secret


async def test_delivery_that_ended_long_ago_is_swept_with_its_like(
    sdk: Sdk, hooks: Receiver, hook: str, countersign: Service
) -> None:
    client, url = sdk("client"), hooks.url + hook
    for path in ("/old", "/young"):
        await client.runs.create(None, "echo", input={"question": "why?"}, webhook=url + path)
        ended(countersign, url + path, "delivered")
    for path, days in (("/old", 31), ("/young", 29)):
        rows(
            countersign,
            "UPDATE webhook_deliveries SET ended_at = now() - %s * interval '1 day' WHERE url = %s RETURNING 1",
            *(days, url + path),
        )

    until(lambda: not rows(countersign, "SELECT 1 FROM webhook_deliveries WHERE url = %s", f"{url}/old"), "it is swept")

    assert rows(countersign, "SELECT run, run_values FROM webhook_deliveries WHERE url = %s", f"{url}/young") == [
        {"run": None, "run_values": None}
    ]


async def test_receiver_that_answers_nothing_holds_nobody_else_up(
    sdk: Sdk, hooks: Receiver, hook: str, countersign: Service
) -> None:
    """Of one that does not, there is more to be told than is sent at one time in all."""
    client = sdk("client")
    with socket.create_server(("127.0.0.2", 0), backlog=128) as silent:
        port = silent.getsockname()[1]
        batch: Any = [
            {"assistant_id": "echo", "input": {"question": "why?"}, "webhook": f"http://127.0.0.2:{port}/{n}"}
            for n in range(80)
        ]
        await client.runs.create_batch(batch)
        until(
            lambda: rows(countersign, "SELECT count(*) AS n FROM webhook_deliveries WHERE split_part(url, '/', 3) = %s",
                         f"127.0.0.2:{port}")[0]["n"] == 80,
            "all have ended",
        )  # fmt: skip

        await client.runs.create(None, "echo", input={"question": "why?"}, webhook=hooks.url + hook)
        (got,) = await asyncio.to_thread(hooks.awaited, hook)

        ended_at = datetime.fromisoformat(orjson.loads(got.body)["run_ended_at"])
        assert got.at - ended_at.timestamp() < 3
        rows(countersign, "DELETE FROM webhook_deliveries WHERE split_part(url, '/', 3) = %s", f"127.0.0.2:{port}")
