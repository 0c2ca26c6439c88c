"""A run's events as LangGraph's own client receives them, in every mode, and again after the line was cut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.schema import StreamPart

Sdk = Callable[[str], Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""
INPUT: dict[str, Any] = {"question": "why?"}

TALKING = """
import dataclasses
import datetime
import uuid
from typing import Any, TypedDict

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel


async def talk(state: MessagesState) -> Any:
    model = GenericFakeChatModel(messages=iter([AIMessage("because it is so", id="said")]))
    return {"messages": [await model.ainvoke(state["messages"])]}


talking = StateGraph(MessagesState).add_node("talk", talk).add_edge(START, "talk").add_edge("talk", END).compile()


class Named(BaseModel):
    name: str


@dataclasses.dataclass
class Pair:
    left: int


class Odd(TypedDict, total=False):
    values: Any


async def gather(state: Odd) -> Odd:
    moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    found = [Named(name="ada"), Pair(1), {3}, b"raw", uuid.UUID(int=1), moment]
    return {"values": {"found": found, 7: "seven", "nul": "\\x00", "half": "\\ud800"}}


odd = StateGraph(Odd).add_node("gather", gather).add_edge(START, "gather").add_edge("gather", END).compile()
"""


@pytest.fixture(scope="module")
def own_graphs(tmp_path_factory: pytest.TempPathFactory, own_graphs: Path) -> Path:
    """The usual ones, one that speaks, and one whose state is anything but JSON."""
    (own_graphs.parent / "talking.py").write_text(TALKING)
    own_graphs.write_text(
        own_graphs.read_text().replace(
            '"graphs": {', '"graphs": {"talking": "./talking.py:talking", "odd": "./talking.py:odd",', 1
        )
    )
    return own_graphs


async def streamed(client: Any, graph: str, given: dict[str, Any], **options: Any) -> list[StreamPart]:
    thread_id = (await client.threads.create())["thread_id"]
    return [part async for part in client.runs.stream(thread_id, graph, input=given, **options)]


async def test_stream_begins_with_metadata_and_ends_itself(sdk: Sdk) -> None:
    parts = await streamed(sdk("client"), "echo", INPUT)

    assert [part.event for part in parts] == ["metadata", "values", "values", "values", "end"]
    assert parts[0].data["attempt"] == 1
    assert parts[-2].data["trail"] == ["think", "publish"]
    ids = [int(part.id or -1) for part in parts[:-1]]
    assert ids == sorted(set(ids))


async def test_each_mode_tells_its_own(sdk: Sdk) -> None:
    modes = ["values", "updates", "custom", "tasks", "checkpoints", "debug"]

    parts = await streamed(sdk("client"), "echo", INPUT, stream_mode=modes)

    told = {mode: [part.data for part in parts if part.event == mode] for mode in modes}
    assert told["updates"] == [
        {"think": {"answer": "plain: why?", "trail": ["think"]}},
        {"publish": {"trail": ["publish"]}},
    ]
    assert told["custom"] == [{"thinking": "why?"}]
    assert [task["name"] for task in told["tasks"]] == ["think", "think", "publish", "publish"]
    assert told["checkpoints"][-1]["values"]["trail"] == ["think", "publish"]
    assert {debug["type"] for debug in told["debug"]} == {"checkpoint", "task", "task_result"}


async def test_mode_of_which_a_graph_streams_nothing_is_taken(sdk: Sdk) -> None:
    parts = await streamed(sdk("client"), "echo", INPUT, stream_mode=["lifecycle", "updates"])

    assert {part.event for part in parts} == {"metadata", "updates", "end"}


async def test_tenant_is_told_in_no_mode(sdk: Sdk) -> None:
    modes = ["values", "updates", "messages-tuple", "tasks", "checkpoints", "debug", "events"]

    parts = await streamed(sdk("client"), "talking", {"messages": ["why?"]}, stream_mode=modes)

    assert "demo:" not in str(parts)


async def test_events_of_the_graph_are_told(sdk: Sdk) -> None:
    parts = await streamed(sdk("client"), "echo", INPUT, stream_mode=["events", "updates"])

    names = [part.data["event"] for part in parts if part.event == "events"]
    assert {"on_chain_start", "on_chain_end"} <= set(names)
    assert [next(iter(part.data)) for part in parts if part.event == "updates"] == ["think", "publish"]


async def test_messages_are_told_as_they_are_spoken(sdk: Sdk) -> None:
    client = sdk("client")
    given = {"messages": [{"role": "user", "content": "why?"}]}

    tuples = [
        p.data for p in await streamed(client, "talking", given, stream_mode="messages-tuple") if p.event == "messages"
    ]
    parts = await streamed(client, "talking", given, stream_mode="messages")

    assert "".join(message["content"] for message, _ in tuples) == "because it is so"
    assert tuples[0][1]["langgraph_node"] == "talk"
    partial = [part.data[0]["content"] for part in parts if part.event == "messages/partial"]
    assert [part.event for part in parts].count("messages/metadata") >= 1
    assert partial[-1] == "because it is so"
    assert len(partial) > 1


async def test_subgraphs_are_told_by_their_namespace(sdk: Sdk) -> None:
    parts = await streamed(sdk("client"), "nested", INPUT, stream_mode="updates", stream_subgraphs=True)

    inner = [part for part in parts if part.event.startswith("updates|inner:")]
    assert next(iter(inner[0].data)) == "think"


async def test_question_is_told_with_its_id(sdk: Sdk) -> None:
    parts = await streamed(sdk("client"), "asking", INPUT, stream_mode=["updates", "values"])

    (asked,) = [
        part.data["__interrupt__"] for part in parts if part.event == "updates" and "__interrupt__" in part.data
    ]
    assert asked[0]["value"] == {"may I publish?": "plain: why?"}
    assert set(asked[0]) == {"id", "value"}


async def test_failure_is_told_and_ends_the_stream(sdk: Sdk) -> None:
    parts = await streamed(sdk("client"), "failing", INPUT, stream_mode="updates")

    assert [part.event for part in parts] == ["metadata", "updates", "error", "end"]
    assert parts[2].data == {"error": "ValueError", "message": "this graph always fails"}


async def test_reconnecting_client_misses_and_repeats_nothing(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread_id, "echo", input=INPUT, stream_mode=["values", "updates", "custom"])
    whole = [part async for part in client.runs.join_stream(thread_id, run["run_id"])]

    for cut in range(1, len(whole) - 1):
        last = whole[cut - 1].id
        rest = [part async for part in client.runs.join_stream(thread_id, run["run_id"], last_event_id=last)]
        assert [(part.event, part.data) for part in rest] == [(part.event, part.data) for part in whole[cut:]]


async def test_joined_stream_can_be_of_some_modes_only(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread_id, "echo", input=INPUT, stream_mode=["values", "updates"])

    parts = [part async for part in client.runs.join_stream(thread_id, run["run_id"], stream_mode=["updates"])]

    assert {part.event for part in parts} == {"metadata", "updates", "end"}


async def test_state_that_is_no_json_is_told_as_near_as_can_be(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    values: Any = await client.runs.wait(thread_id, "odd", input={})
    streamed_values = (await streamed(client, "odd", {}, stream_mode="values"))[-2].data

    named, pair, numbers, raw, number, moment = values["values"]["found"]
    assert (named, pair, numbers) == ({"name": "ada"}, {"left": 1}, [3])
    assert (raw, number, moment) == ("cmF3", "00000000-0000-0000-0000-000000000001", "2026-01-02T00:00:00+00:00")
    assert values["values"]["7"] == "seven"
    assert (values["values"]["nul"], values["values"]["half"]) == ("\x00", "?")
    assert streamed_values == values
