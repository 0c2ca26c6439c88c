"""Runs that are stopped, removed, or come upon a busy thread, through LangGraph's own client."""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError, PermissionDeniedError

from tests.test_path_of_a_loan import APPLICATION

Sdk = Callable[[str], Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""
LONG: dict[str, Any] = {"seconds": 60}
SHORT: dict[str, Any] = {"seconds": 0.3}


async def running(client: Any, thread_id: str, run_id: str) -> None:
    """Returns when a worker drives the run."""
    async for part in client.runs.join_stream(thread_id, run_id):
        if part.event == "tasks":
            return


async def long_run(client: Any) -> tuple[str, str]:
    thread_id = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread_id, "sleeping", input=LONG, stream_mode=["tasks"])
    await running(client, thread_id, run["run_id"])
    return thread_id, run["run_id"]


async def test_cancelled_run_stops_within_a_second_and_its_thread_is_usable(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id, run_id = await long_run(client)

    before = time.monotonic()
    await client.runs.cancel(thread_id, run_id, wait=True)

    assert time.monotonic() - before < 1
    assert (await client.runs.get(thread_id, run_id))["status"] == "interrupted"
    assert (await client.threads.get(thread_id))["status"] == "idle"
    assert (await client.runs.wait(thread_id, "sleeping", input={"seconds": 0}))["trail"] == ["slept"]


async def test_pending_run_that_is_cancelled_never_starts(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id, first = await long_run(client)
    second = await client.runs.create(thread_id, "echo", input={"question": "why?"})

    await client.runs.cancel(thread_id, second["run_id"])
    cancelled = await client.runs.get(thread_id, second["run_id"])
    busy = await client.threads.get(thread_id)
    await client.runs.cancel(thread_id, first, wait=True)

    assert (cancelled["status"], cancelled["attempts"]) == ("interrupted", 0)
    assert busy["status"] == "busy"
    assert (await client.threads.get(thread_id))["status"] == "idle"
    assert (await client.runs.get(thread_id, second["run_id"]))["status"] == "interrupted"


async def test_rolled_back_run_is_gone_with_what_it_wrote(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "sleeping", input={"seconds": 0})
    before = await client.threads.get_history(thread_id)
    run = await client.runs.create(thread_id, "sleeping", input=LONG, stream_mode=["tasks"])
    await running(client, thread_id, run["run_id"])

    await client.runs.cancel(thread_id, run["run_id"], wait=True, action="rollback")

    with pytest.raises(NotFoundError):
        await client.runs.get(thread_id, run["run_id"])
    assert await client.threads.get_history(thread_id) == before
    assert (await client.threads.get(thread_id))["status"] == "idle"


async def test_rolled_back_answer_leaves_its_question_open(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    asked = await client.runs.wait(thread_id, "asking", input={"question": "why?"})
    await client.runs.create(thread_id, "asking", command={"resume": "because"}, after_seconds=60)
    (run, _) = await client.runs.list(thread_id)

    await client.runs.cancel(thread_id, run["run_id"], action="rollback")
    thread = await client.threads.get(thread_id)

    assert thread["status"] == "interrupted"
    (interrupts,) = thread["interrupts"].values()
    assert interrupts == asked["__interrupt__"]


async def test_waiting_client_hears_that_its_run_was_cancelled(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id, run_id = await long_run(client)

    joining = asyncio.create_task(client.runs.join(thread_id, run_id))
    streaming = asyncio.create_task(_events(client, thread_id, run_id))
    await client.runs.cancel(thread_id, run_id, wait=True, action="rollback")

    assert (await joining)["__error__"]["error"] == "UserRollback"
    assert [part.event for part in await streaming][-2:] == ["error", "end"]


async def _events(client: Any, thread_id: str, run_id: str) -> list[Any]:
    return [part async for part in client.runs.join_stream(thread_id, run_id)]


async def test_all_running_runs_are_cancelled_at_once(sdk: Sdk) -> None:
    client = sdk("client")
    places = [await long_run(client), await long_run(client)]

    await client.runs.cancel_many(status="running")
    for thread_id, run_id in places:
        await client.runs.join(thread_id, run_id)

    assert {(await client.runs.get(*place))["status"] for place in places} == {"interrupted"}


async def test_rejected_run_leaves_the_running_one_alone(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id, run_id = await long_run(client)

    with pytest.raises(httpx.HTTPStatusError, match="409"):
        await client.runs.wait(thread_id, "echo", input={"question": "why?"}, multitask_strategy="reject")

    assert [run["status"] for run in await client.runs.list(thread_id)] == ["running"]
    await client.runs.cancel(thread_id, run_id, wait=True)


async def test_enqueued_runs_come_one_after_the_other(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    queued = [await client.runs.create(thread_id, "sleeping", input=SHORT) for _ in range(3)]
    statuses = [run["status"] for run in await client.runs.list(thread_id)]
    trails = [len((await client.runs.join(thread_id, run["run_id"]))["trail"]) for run in queued]

    assert statuses.count("running") <= 1
    assert len(trails) == 3
    runs = [await client.runs.get(thread_id, run["run_id"]) for run in queued]
    ended: list[Any] = [(run["started_at"], run["ended_at"]) for run in runs]
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(ended))
    assert len((await client.threads.get_state(thread_id))["values"]["trail"]) == 3


async def test_interrupting_run_takes_the_threads_place(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id, run_id = await long_run(client)

    values = await client.runs.wait(thread_id, "sleeping", input={"seconds": 0}, multitask_strategy="interrupt")

    assert values["trail"] == ["slept"]
    assert (await client.runs.get(thread_id, run_id))["status"] == "interrupted"


async def test_rolling_back_run_goes_on_from_before_the_other(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id, run_id = await long_run(client)

    values = await client.runs.wait(thread_id, "sleeping", input={"seconds": 0}, multitask_strategy="rollback")

    assert values["trail"] == ["slept"]
    with pytest.raises(NotFoundError):
        await client.runs.get(thread_id, run_id)


async def test_thread_takes_a_hundred_runs_and_no_more(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id, run_id = await long_run(client)
    body: Any = {"assistant_id": "echo", "thread_id": thread_id, "input": {"question": "why?"}}

    await client.runs.create_batch([body] * 99)
    with pytest.raises(ConflictError):
        await client.runs.create(thread_id, "echo", input={"question": "why?"})

    await client.runs.cancel_many(status="all")
    await client.runs.join(thread_id, run_id)
    assert (await client.threads.get(thread_id))["status"] == "idle"


async def test_client_that_leaves_cancels_its_run_if_it_said_so(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    stream = client.runs.stream(thread_id, "sleeping", input=LONG, stream_mode=["tasks"], on_disconnect="cancel")
    async for part in stream:
        if part.event == "tasks":
            break
    await stream.aclose()
    (run,) = await client.runs.list(thread_id)
    await client.runs.join(thread_id, run["run_id"])

    assert (await client.runs.get(thread_id, run["run_id"]))["status"] == "interrupted"


async def test_deleted_run_is_gone_and_the_state_stays(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "echo", input={"question": "why?"})
    (run,) = await client.runs.list(thread_id)

    await client.runs.delete(thread_id, run["run_id"])

    assert await client.runs.list(thread_id) == []
    assert (await client.threads.get_state(thread_id))["values"]["answer"] == "plain: why?"


async def test_cases_runs_are_a_record(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "loan_origination", input=APPLICATION)
    (run,) = await client.runs.list(thread_id)

    with pytest.raises(ConflictError):
        await client.runs.delete(thread_id, run["run_id"])
    with pytest.raises(ConflictError):
        await client.runs.cancel(thread_id, run["run_id"], action="rollback")


async def test_only_the_starter_or_an_operator_stops_a_run(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id, run_id = await long_run(client)

    with pytest.raises(PermissionDeniedError):
        await sdk("analyst").runs.cancel(thread_id, run_id)
    await sdk("operator").runs.cancel(thread_id, run_id, wait=True)

    assert (await client.runs.get(thread_id, run_id))["status"] == "interrupted"
