"""What the nodes and factories of a team's own graph are told: what LangGraph's own server tells them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service import Service

Sdk = Callable[..., Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""


@pytest.fixture(scope="module")
def own_graphs() -> Path:
    return Path(__file__).parents[2] / "own_graphs" / "told.json"


async def test_nodes_know_their_thread_run_assistant_graph_and_person(sdk: Sdk) -> None:
    client = sdk("client", "ada")
    thread_id = (await client.threads.create())["thread_id"]
    config = {"configurable": {"mine": 1}, "metadata": {"of_config": 2}}

    seen = await client.runs.wait(thread_id, "told", input={}, config=config, metadata={"of_run": 3})

    (run,) = await client.runs.list(thread_id)
    ids = {"thread_id": thread_id, "run_id": run["run_id"], "assistant_id": run["assistant_id"], "graph_id": "told"}
    assert ids.items() <= seen["known"].items()
    assert (seen["known"]["mine"], seen["known"]["user_id"]) == (1, "ada")
    assert ids.items() <= seen["described"].items()
    assert {"of_config": 2, "of_run": 3, "run_attempt": 1}.items() <= seen["described"].items()
    assert seen["server"] == {
        "assistant_id": run["assistant_id"],
        "graph_id": "told",
        "user": "ada",
        "thread_id": thread_id,
    }


async def test_client_cannot_pass_for_somebody_else(sdk: Sdk) -> None:
    client = sdk("client", "ada")
    thread_id = (await client.threads.create())["thread_id"]
    claimed = dict.fromkeys(("langgraph_auth_user", "langgraph_auth_user_id", "graph_id", "assistant_id"), "eve")

    seen = await client.runs.wait(thread_id, "told", input={}, config={"configurable": claimed})

    assert "eve" not in str({**seen, "context": None})


async def test_two_threads_of_one_graph_have_states_of_their_own(sdk: Sdk) -> None:
    """The saver keys them by tenant and thread, and the nodes see neither."""
    client = sdk("client")
    one, other = (await client.threads.create())["thread_id"], (await client.threads.create())["thread_id"]

    await client.runs.wait(one, "told", input={})

    assert (await client.threads.get_state(one))["values"]["known"]["thread_id"] == one
    assert (await client.threads.get_state(other))["values"] == {}


@pytest.mark.parametrize(
    ("given", "context"),
    [
        ({}, {"tone": "plain", "loud": False}),
        ({"context": {"tone": "warm"}}, {"tone": "warm", "loud": False}),
        ({"context": {"tone": "warm", "unknown": 1}}, {"tone": "warm", "loud": False}),
        ({"config": {"configurable": {"tone": "warm", "mine": 1}}}, {"tone": "warm", "loud": False}),
    ],
)
async def test_context_is_what_its_schema_names_with_its_defaults(
    sdk: Sdk, given: dict[str, Any], context: dict[str, Any]
) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    seen = await client.runs.wait(thread_id, "typed", input={}, **given)

    assert seen["context"] == context


async def test_factory_has_the_store_whatever_its_graph_is_opened_for(sdk: Sdk, countersign: Service) -> None:
    client = sdk("operator")
    thread_id = (await client.threads.create())["thread_id"]

    await client.runs.wait(thread_id, "made", input={})
    await client.threads.get_state(thread_id)
    await client.threads.get_history(thread_id)
    await client.threads.update_state(thread_id, {"context": "by hand"}, as_node="look")
    await client.assistants.get_graph("made")
    await client.assistants.get_schemas("made")
    await client.assistants.get_subgraphs("made")

    made = {item["key"]: item["value"]["times"] for item in (await client.store.search_items(("made",)))["items"]}
    assert set(made) == {"threads.create_run", "threads.read", "threads.update", "assistants.read"}
    assert made["assistants.read"] >= 3
