"""Small things in which servers of LangGraph's protocol differ, and this one does as LangGraph's own does."""

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from tests.service import Service

Sdk = Callable[..., Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""


WHY = {"question": "why?"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/threads/search", {"select": ["thread_id", "status"]}),
        ("POST", "/assistants/search", {"select": ["name"]}),
        ("POST", "/runs/crons/search", {"select": ["cron_id"]}),
        ("GET", "/threads/{thread_id}/runs", {"select": "run_id"}),
    ],
)
async def test_selected_fields_are_what_the_schema_says(
    sdk: Sdk, countersign: Service, method: str, path: str, body: dict[str, Any]
) -> None:
    client = sdk("operator")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "echo", input=WHY)
    await client.crons.create("echo", schedule="0 0 1 1 *", input={})
    http = countersign.client("operator")
    document = http.get("/openapi.json").json()
    content = document["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]

    given: Any = {"json": body} if method == "POST" else {"params": body}
    found = http.request(method, path.format(thread_id=thread_id), **given).raise_for_status().json()

    assert found and all(len(one) == len([body["select"]] if method == "GET" else body["select"]) for one in found)
    jsonschema.validate(found, {**content["schema"], "components": document["components"]})


async def test_history_is_the_latest_state_unless_more_are_asked_for(sdk: Sdk, countersign: Service) -> None:
    client, http = sdk("client", "ada"), countersign.client("client", "ada")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "echo", input=WHY)

    assert len(http.get(f"/threads/{thread_id}/history").json()) == 1
    assert len(http.post(f"/threads/{thread_id}/history", json={}).json()) == 1
    assert len(await client.threads.get_history(thread_id)) == 4


async def test_failed_thread_says_with_what(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    await client.runs.wait(thread_id, "failing", input=WHY, raise_error=False)
    failed = await client.threads.get(thread_id)
    await client.runs.wait(thread_id, "echo", input=WHY)

    assert failed["error"] == {"error": "ValueError", "message": "this graph always fails"}
    assert (await client.threads.get(thread_id))["error"] is None


async def test_run_that_is_over_cannot_be_cancelled(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread_id, "echo", input=WHY)
    await client.runs.join(thread_id, run["run_id"])

    with pytest.raises(NotFoundError):
        await client.runs.cancel(thread_id, run["run_id"])
    with pytest.raises(NotFoundError):
        await client.runs.cancel_many(thread_id=thread_id, run_ids=[run["run_id"]])

    assert (await client.runs.get(thread_id, run["run_id"]))["status"] == "success"


async def test_run_says_which_graph_and_assistant_it_is_of(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    run = await client.runs.create(thread_id, "echo", input=WHY, metadata={"mine": 1})
    await client.runs.join(thread_id, run["run_id"])

    known = {"graph_id": "echo", "assistant_id": run["assistant_id"], "mine": 1}
    assert run["metadata"] == (await client.runs.get(thread_id, run["run_id"]))["metadata"] == known


async def test_what_only_langsmith_serves_is_refused_or_said_to_be_ignored(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    run = await client.runs.create(thread_id, "echo", input=WHY, langsmith_tracing={"project_name": "mine"})
    parts = [part async for part in client.runs.stream(thread_id, "echo", input=WHY, feedback_keys=[])]

    assert parts[-1].event == "end"
    assert list(run["kwargs"]["ignored"]) == ["langsmith_tracer"]
    with pytest.raises(UnprocessableEntityError):
        _ = [part async for part in client.runs.stream(thread_id, "echo", input=WHY, feedback_keys=["score"])]


async def test_assistant_is_deleted_with_its_threads(sdk: Sdk) -> None:
    client = sdk("operator")
    assistant = (await client.assistants.create("echo"))["assistant_id"]
    mine, other = (await client.threads.create())["thread_id"], (await client.threads.create())["thread_id"]
    await client.runs.wait(mine, assistant, input=WHY)
    await client.runs.wait(other, "echo", input=WHY)

    await client.assistants.delete(assistant, delete_threads=True)

    with pytest.raises(NotFoundError):
        await client.threads.get(mine)
    with pytest.raises(NotFoundError):
        await client.assistants.get(assistant)
    assert (await client.threads.get(other))["status"] == "idle"


async def test_assistant_stays_while_one_of_its_threads_is_busy_or_a_case(sdk: Sdk, countersign: Service) -> None:
    client = sdk("operator")
    assistant = (await client.assistants.create("sleeping"))["assistant_id"]
    idle, busy = (await client.threads.create())["thread_id"], (await client.threads.create())["thread_id"]
    await client.runs.wait(idle, assistant, input={"seconds": 0})
    await client.runs.create(busy, assistant, input={"seconds": 60})
    of_cases = (await client.assistants.create("loan_origination"))["assistant_id"]
    case = (await client.threads.create(graph_id="loan_origination"))["thread_id"]
    await client.threads.update(case, metadata={"assistant_id": of_cases})

    with pytest.raises(ConflictError, match="busy"):
        await client.assistants.delete(assistant, delete_threads=True)
    with pytest.raises(ConflictError, match="is a case"):
        await client.assistants.delete(of_cases, delete_threads=True)

    assert (await client.threads.get(idle))["status"] == "idle"
    assert (await client.assistants.get(assistant))["graph_id"] == "sleeping"
    assert (await client.threads.get(case))["workflow"] == "loan_origination"
