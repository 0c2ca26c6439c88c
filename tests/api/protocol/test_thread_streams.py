"""A thread followed over all its runs with LangGraph's own client, and taken up again where a connection broke."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import NotFoundError
from langgraph_sdk.schema import StreamPart

from tests.service import Service, free_port

Sdk = Callable[..., Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""
INPUT: dict[str, Any] = {"question": "why?"}
WAIT_S = 20.0


async def new_thread(client: Any) -> str:
    return str((await client.threads.create())["thread_id"])


async def heard(client: Any, thread_id: str, until: Callable[[list[StreamPart]], bool], **how: Any) -> list[StreamPart]:
    """What the thread's stream tells until then."""
    parts: list[StreamPart] = []
    async with asyncio.timeout(WAIT_S):
        async for part in await client.threads.join_stream(thread_id, **how):
            parts.append(part)
            if until(parts):
                return parts
    raise AssertionError(f"the stream ended itself after {parts}")


def over(runs: int) -> Callable[[list[StreamPart]], bool]:
    return lambda parts: sum(is_end(part) for part in parts) == runs


def is_end(part: StreamPart) -> bool:
    return part.event == "metadata" and part.data.get("status") == "run_done"


async def several_runs(client: Any, thread_id: str) -> list[str]:
    """Of a run that succeeds, one that fails, one that asks and one that answers: all that the thread tells."""
    for graph, options in (
        ("echo", {"input": INPUT, "stream_mode": ["values", "custom"]}),
        ("failing", {"input": INPUT, "stream_mode": "updates"}),
        ("asking", {"input": INPUT, "stream_mode": "updates", "stream_subgraphs": True}),
        ("asking", {"command": {"resume": "yes"}, "stream_mode": "updates"}),
    ):
        run = await client.runs.create(thread_id, graph, **options)
        await client.runs.join(thread_id, run["run_id"])
    return [run["run_id"] for run in reversed(await client.runs.list(thread_id))]


async def test_thread_is_followed_over_the_run_under_way_and_those_to_come(sdk: Sdk) -> None:
    client, joined = sdk("client"), asyncio.Event()
    thread_id = await new_thread(client)

    def until(parts: list[StreamPart]) -> bool:
        joined.set()
        return over(3)(parts)

    await client.runs.wait(thread_id, "echo", input=INPUT)
    first = await client.runs.create(thread_id, "sleeping", input={"seconds": 60}, stream_mode="values")
    second = await client.runs.create(thread_id, "echo", input=INPUT, stream_mode="custom")
    async with asyncio.TaskGroup() as group:
        following = group.create_task(heard(client, thread_id, until))
        await joined.wait()
        await client.runs.cancel(thread_id, first["run_id"])
        await client.runs.join(thread_id, second["run_id"])
        third = await client.runs.create(thread_id, "echo", input=INPUT, stream_mode="updates")

    runs = [part.data["run_id"] for part in following.result() if part.event == "metadata"]
    assert runs == [run["run_id"] for run in (first, second, third) for _ in ("begin", "end")]
    told = [part.event for part in following.result() if part.event != "metadata"]
    assert told == ["values", "error", "custom", "updates", "updates"]


async def test_client_that_was_cut_off_anywhere_misses_and_repeats_nothing(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = await new_thread(client)
    await several_runs(client, thread_id)
    whole = await heard(client, thread_id, over(4), last_event_id="-")

    for cut in range(1, len(whole) - 1):
        rest = await heard(client, thread_id, over(sum(map(is_end, whole[cut:]))), last_event_id=whole[cut - 1].id)
        assert [(part.id, part.event, part.data) for part in rest] == [
            (part.id, part.event, part.data) for part in whole[cut:]
        ]


async def test_ids_go_up_over_all_runs(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = await new_thread(client)
    runs = await several_runs(client, thread_id)

    whole = await heard(client, thread_id, over(4), last_event_id="-")

    ids = [int(part.id or -1) for part in whole]
    assert ids == sorted(set(ids))
    assert max(ids) < 2**53
    assert [part.data["run_id"] for part in whole if is_end(part)] == runs


async def test_client_goes_on_at_another_process(sdk: Sdk, countersign: Service) -> None:
    client = sdk("client")
    thread_id = await new_thread(client)
    await client.runs.wait(thread_id, "echo", input=INPUT)
    run = await client.runs.create(thread_id, "sleeping", input={"seconds": 2.0}, stream_mode="values")
    (seen,) = await heard(client, thread_id, lambda parts: len(parts) == 1)
    port = free_port()
    process = countersign.start("api", PORT=str(port))
    try:
        key = client.http.client.headers["x-api-key"]
        other = get_client(url=f"http://127.0.0.1:{port}", api_key=key)
        transport = httpx.AsyncHTTPTransport()
        async with asyncio.timeout(WAIT_S), httpx.AsyncClient(transport=transport) as asking:
            while process.poll() is None:
                try:
                    await asking.get(f"http://127.0.0.1:{port}/ok")
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
                else:
                    break

        rest = await heard(other, thread_id, over(1), last_event_id=seen.id)
        await other.aclose()
    finally:
        process.terminate()
        process.wait(timeout=30)

    assert seen.data == {"run_id": run["run_id"], "attempt": 1}
    assert [part.event for part in rest] == ["values", "values", "metadata"]


async def test_lifecycle_tells_begins_and_ends_alone(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = await new_thread(client)
    runs = await several_runs(client, thread_id)

    parts = await heard(client, thread_id, over(4), last_event_id="-", stream_mode="lifecycle")

    assert [(part.event, part.data["run_id"]) for part in parts] == [("metadata", run) for run in runs for _ in (0, 1)]


async def test_state_written_by_hand_is_told_between_the_runs(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await new_thread(client)
    await client.runs.wait(thread_id, "echo", input=INPUT)
    modes = ["lifecycle", "state_update"]
    before = (await heard(client, thread_id, over(1), last_event_id="-"))[-1].id
    how = {"last_event_id": before, "stream_mode": "state_update"}
    async with asyncio.TaskGroup() as group:
        alone = group.create_task(heard(client, thread_id, lambda parts: True, **how))
        await client.threads.update_state(thread_id, {"trail": ["by hand"]})
    await client.runs.wait(thread_id, "echo", input=INPUT)

    whole = await heard(client, thread_id, over(2), last_event_id="-", stream_mode=modes)

    assert [part.event for part in whole] == ["metadata", "metadata", "state_update", "metadata", "metadata"]
    (edit,) = alone.result()
    assert edit.data["thread_id"] == thread_id
    assert edit.data["state"]["values"]["trail"] == ["think", "publish", "by hand"]
    assert whole[2].data == edit.data
    rest = await heard(client, thread_id, over(1), last_event_id=edit.id, stream_mode=modes)
    assert [part.id for part in rest] == [part.id for part in whole[3:]]


async def test_run_that_was_stopped_before_it_began_is_told(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = await new_thread(client)
    first = await client.runs.create(thread_id, "sleeping", input={"seconds": 60}, stream_mode="values")
    second = await client.runs.create(thread_id, "echo", input=INPUT)
    following = asyncio.create_task(heard(client, thread_id, over(2), last_event_id="-"))
    await client.runs.cancel(thread_id, second["run_id"], wait=True)
    await client.runs.cancel(thread_id, first["run_id"], wait=True)

    parts = await following

    assert [part.data["run_id"] for part in parts if is_end(part)] == [first["run_id"], second["run_id"]]
    assert [part.data["error"] for part in parts if part.event == "error"] == ["UserInterrupt"] * 2


async def test_run_that_was_rolled_back_leaves_nothing_and_hides_nothing(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = await new_thread(client)
    await client.runs.wait(thread_id, "echo", input=INPUT)
    undone = await client.runs.create(thread_id, "sleeping", input={"seconds": 60}, stream_mode="values")
    seen = await heard(client, thread_id, lambda parts: parts[-1].event == "values")
    await client.runs.cancel(thread_id, undone["run_id"], action="rollback", wait=True)
    last = await client.runs.create(thread_id, "echo", input=INPUT)

    rest = await heard(client, thread_id, over(1), last_event_id=seen[-1].id)

    assert {part.data["run_id"] for part in rest if part.event == "metadata"} == {last["run_id"]}


async def test_stream_ends_with_its_thread(sdk: Sdk) -> None:
    client, joined = sdk("client"), asyncio.Event()
    thread_id = await new_thread(client)
    await client.runs.wait(thread_id, "echo", input=INPUT)

    def never(parts: list[StreamPart]) -> bool:
        joined.set()
        return False

    ended = asyncio.create_task(heard(client, thread_id, never, last_event_id="-"))
    await joined.wait()

    await client.threads.delete(thread_id)

    with pytest.raises(AssertionError, match="ended itself"):
        await ended


async def test_thread_of_somebody_else_is_no_thread(sdk: Sdk) -> None:
    thread_id = await new_thread(sdk("client", "ada"))
    for unseen in (thread_id, str(uuid4())):
        with pytest.raises(NotFoundError):
            await heard(sdk("client", "ben"), unseen, over(1))


@pytest.mark.parametrize("last_event_id", ["yesterday", "0-0", "-2", str(2**60)])
async def test_id_of_another_stream_is_refused(countersign: Service, last_event_id: str) -> None:
    client = countersign.client("client")
    thread_id = client.post("/threads", json={}).json()["thread_id"]

    refused = client.get(f"/threads/{thread_id}/stream", headers={"Last-Event-ID": last_event_id})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "Last-Event-ID"
