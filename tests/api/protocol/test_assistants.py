"""Assistants through LangGraph's own client: one for each graph served here, and those that operators make."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, PermissionDeniedError, UnprocessableEntityError

from graphs import WORKFLOWS
from tests.service import Service

Sdk = Callable[..., LangGraphClient]

NAMESPACE = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")


def properties(schema: dict[str, Any] | None) -> set[str]:
    """Of the type that a schema is of, wherever it is defined."""
    assert schema is not None
    defined = schema["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return set(defined["properties"])


async def test_every_graph_is_an_assistant_under_the_id_it_has_everywhere(sdk: Sdk) -> None:
    client = sdk("client")

    found = await client.assistants.search(metadata={"created_by": "system"}, limit=100)

    assert {a["graph_id"]: a["assistant_id"] for a in found} == {
        name: str(uuid5(NAMESPACE, name))
        for name in (*(w.name for w in WORKFLOWS), "echo", "asking", "sleeping", "failing", "nested", "opened")
    }
    assert next(a["description"] for a in found if a["graph_id"] == "asking") == "Asks before it publishes."


async def test_assistant_is_had_by_its_id_or_its_graphs_name(sdk: Sdk) -> None:
    client = sdk("client")

    by_name = await client.assistants.get("echo")

    assert by_name == await client.assistants.get(str(uuid5(NAMESPACE, "echo")))
    assert (by_name["name"], by_name["version"], by_name["config"]) == ("echo", 1, {})
    with pytest.raises(NotFoundError):
        await client.assistants.get(str(uuid4()))
    with pytest.raises(UnprocessableEntityError):
        await client.assistants.get("nobody")


async def test_search_filters_sorts_and_pages(sdk: Sdk) -> None:
    client, tag = sdk("operator"), uuid4().hex
    for name in ("beta", "alpha", "gamma"):
        await client.assistants.create("echo", name=f"{name} {tag}", metadata={"tag": tag})
    await client.assistants.create("asking", metadata={"tag": tag})

    page: Any = await client.assistants.search(
        metadata={"tag": tag}, graph_id="echo", sort_by="name", sort_order="asc", limit=2, response_format="object"
    )
    named: Any = await client.assistants.search(name=f"BETA {tag}", select=["name"])

    assert [a["name"].split()[0] for a in page["assistants"]] == ["alpha", "beta"]
    assert page["next"] == "2"
    assert named == [{"name": f"beta {tag}"}]
    assert await client.assistants.count(metadata={"tag": tag}) == 4
    with pytest.raises(NotFoundError):
        await client.assistants.search(graph_id="nobody")


async def test_assistant_is_made_changed_and_taken_back(sdk: Sdk) -> None:
    client = sdk("operator")
    made = await client.assistants.create("echo", context={"tone": "warm"}, metadata={"a": 1}, name="Warm echo")
    assistant_id = made["assistant_id"]

    changed = await client.assistants.update(assistant_id, context={"tone": "cold"}, metadata={"b": 2})
    versions = await client.assistants.get_versions(assistant_id)
    back = await client.assistants.set_latest(assistant_id, 1)

    assert made["config"] == {"configurable": {"tone": "warm"}}
    assert (changed["version"], changed["context"], changed["metadata"]) == (2, {"tone": "cold"}, {"a": 1, "b": 2})
    assert [(v["version"], v["context"]["tone"]) for v in versions] == [(2, "cold"), (1, "warm")]  # type: ignore[index]
    assert (back["version"], back["context"], back["name"]) == (1, {"tone": "warm"}, "Warm echo")
    with pytest.raises(NotFoundError):
        await client.assistants.set_latest(assistant_id, 9)


async def test_assistant_made_twice_is_a_conflict_unless_that_is_wanted(sdk: Sdk) -> None:
    client, assistant_id = sdk("operator"), str(uuid4())
    made = await client.assistants.create("echo", assistant_id=assistant_id, name="first")

    with pytest.raises(ConflictError):
        await client.assistants.create("echo", assistant_id=assistant_id)
    again = await client.assistants.create("echo", assistant_id=assistant_id, if_exists="do_nothing", name="second")

    assert again == made


async def test_parameters_are_given_in_one_way(sdk: Sdk) -> None:
    with pytest.raises(UnprocessableEntityError):
        await sdk("operator").assistants.create(
            "echo", config={"configurable": {"tone": "warm"}}, context={"tone": "cold"}
        )
    with pytest.raises(NotFoundError):
        await sdk("operator").assistants.create("nobody")


async def test_deleted_assistant_is_gone_and_a_graphs_own_stays(sdk: Sdk) -> None:
    client = sdk("operator")
    made = await client.assistants.create("echo")

    await client.assistants.delete(made["assistant_id"])

    with pytest.raises(NotFoundError):
        await client.assistants.get(made["assistant_id"])
    with pytest.raises(ConflictError):
        await client.assistants.delete("echo")


async def test_everybody_reads_and_only_operators_write(countersign: Service, sdk: Sdk) -> None:
    client = sdk("client")
    made = await sdk("operator", "op").assistants.create("echo", metadata={"why": "audit"})

    for refused in (
        client.assistants.create("echo"),
        client.assistants.update("echo", name="mine"),
        client.assistants.set_latest("echo", 1),
        client.assistants.delete(made["assistant_id"]),
    ):
        with pytest.raises(PermissionDeniedError):
            await refused
    assert (await client.assistants.get(made["assistant_id"])) == made


async def test_run_is_driven_with_its_assistants_parameters(sdk: Sdk) -> None:
    client = sdk("operator")
    made = await client.assistants.create("echo", context={"tone": "warm"})
    thread = await client.threads.create()

    result: Any = await client.runs.wait(thread["thread_id"], made["assistant_id"], input={"question": "why"})

    assert result["answer"] == "warm: why"
    told = await client.threads.get(thread["thread_id"])
    assert (told["metadata"] or {})["assistant_id"] == made["assistant_id"]


@pytest.mark.parametrize("config", [{"configurable": "warm"}, {"recursion_limit": "many"}, {"tags": 3}])
async def test_config_that_langgraph_could_not_read_is_refused(sdk: Sdk, config: Any) -> None:
    with pytest.raises(UnprocessableEntityError):
        await sdk("operator").assistants.create("echo", config=config)


async def test_schemas_say_what_a_graph_takes_and_gives(sdk: Sdk) -> None:
    client = sdk("client")

    own = await client.assistants.get_schemas("echo")
    ours = await client.assistants.get_schemas("loan_origination")

    assert own["graph_id"] == "echo"
    for schema in (own["input_schema"], own["output_schema"], own["state_schema"]):
        assert properties(schema) == {"question", "answer", "trail"}
    assert properties(own["context_schema"]) == {"tone"}
    assert "outcome" in properties(ours["output_schema"])


@pytest.mark.parametrize("assistant_id", ["echo", "opened", "nested", "loan_origination"])
async def test_graph_can_be_drawn(sdk: Sdk, assistant_id: str) -> None:
    drawn = await sdk("client").assistants.get_graph(assistant_id)

    assert {"__start__", "__end__"} <= {node["id"] for node in drawn["nodes"]}
    assert all(edge["source"] and edge["target"] for edge in drawn["edges"])


async def test_xray_and_subgraphs_show_what_is_within(sdk: Sdk) -> None:
    client = sdk("client")

    flat = await client.assistants.get_graph("nested")
    deep = await client.assistants.get_graph("nested", xray=1)
    within = await client.assistants.get_subgraphs("nested")
    named = await client.assistants.get_subgraphs("nested", "inner", recurse=True)

    assert "inner" in {node["id"] for node in flat["nodes"]}
    assert "inner:ask" in {node["id"] for node in deep["nodes"]}
    assert list(within) == list(named) == ["inner"]
    assert "question" in properties(within["inner"]["input_schema"])
    with pytest.raises(NotFoundError):
        await client.assistants.get_subgraphs("nested", "nobody")
    with pytest.raises(UnprocessableEntityError):
        await client.assistants.get_graph("nested", xray=-1)


async def test_info_names_the_server_and_what_it_can(countersign: Service) -> None:
    info = countersign.client("client").get("/info").json()

    assert info["flags"]["assistants"] is True
    assert info["langgraph_py_version"].startswith("1.")
