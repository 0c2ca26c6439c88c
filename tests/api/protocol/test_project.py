"""A project in the style of the public templates is served as it is: layout, imports, environment, agents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Sdk = Callable[..., Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""


@pytest.fixture(scope="module")
def own_graphs() -> Path:
    return Path(__file__).parents[2] / "own_graphs" / "project" / "langgraph.json"


def said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def test_react_agent_uses_its_tool_with_its_context(sdk: Sdk) -> None:
    client = sdk("client")
    assistant = await sdk("operator").assistants.create("react", context={"max_search_results": 2})
    thread_id = (await client.threads.create())["thread_id"]

    values = await client.runs.wait(thread_id, assistant["assistant_id"], input=said("cats"))

    assert [message["type"] for message in values["messages"]] == ["human", "ai", "tool", "ai"]
    assert values["messages"][-1]["content"] == 'You are a helpful assistant. ["cats 0", "cats 1"]'


async def test_environment_file_is_read(sdk: Sdk) -> None:
    values = await sdk("client").runs.wait(None, "react", input=said("please greet me"))

    assert values["messages"][-1]["content"] == "hello from the environment"


async def test_agent_asks_before_it_uses_a_tool_and_does_as_it_is_answered(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    asked = await client.runs.wait(thread_id, "approval", input=said("write to ada"))
    values = await client.runs.wait(thread_id, "approval", command={"resume": {"type": "edit", "to": "bob"}})

    assert asked["__interrupt__"][0]["value"]["action_request"] == {"action": "send_mail", "args": {"to": "ada"}}
    assert values["messages"][-1]["content"] == "sent to bob"


async def test_subgraphs_of_one_project_work_together_and_are_streamed(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    parts = [
        part
        async for part in client.runs.stream(
            thread_id, "supervisor", input=said("cats"), stream_mode="updates", stream_subgraphs=True
        )
    ]

    within = [part.event.partition("|")[2].partition(":")[0] for part in parts if "|" in part.event]
    assert within == ["researcher"] * 3 + ["writer"]
    values = (await client.threads.get_state(thread_id))["values"]
    assert values["messages"][-1]["content"] == "in short: 4 messages"
