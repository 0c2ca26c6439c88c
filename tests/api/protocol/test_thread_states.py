"""A thread's states through LangGraph's own client: read now and then, written by operators, never against a record."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import (
    ConflictError,
    LangGraphError,
    NotFoundError,
    PermissionDeniedError,
    UnprocessableEntityError,
)

from tests.service import Service, answer, follow, open_review, start_case
from tests.test_path_of_a_loan import APPLICATION

Sdk = Callable[..., LangGraphClient]


async def begun(client: LangGraphClient) -> str:
    """A thread that stands before its second node, as if its first had run."""
    thread_id = (await client.threads.create(graph_id="asking"))["thread_id"]
    await client.threads.update_state(thread_id, {"question": "why"}, as_node="__start__")
    await client.threads.update_state(thread_id, {"answer": "because", "trail": ["think"]}, as_node="think")
    return thread_id


async def test_thread_without_a_graph_has_an_empty_state(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = (await client.threads.create())["thread_id"]

    state: Any = await client.threads.get_state(thread_id)

    assert (state["values"], state["next"], state["tasks"], state["checkpoint"]) == ({}, [], [], None)
    assert await client.threads.get_history(thread_id) == []
    with pytest.raises(ConflictError):
        await client.threads.update_state(thread_id, {"question": "why"})


async def test_state_says_what_comes_next(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await begun(client)

    state: Any = await client.threads.get_state(thread_id)

    assert state["values"] == {"question": "why", "answer": "because", "trail": ["think"]}
    assert (state["next"], [task["name"] for task in state["tasks"]]) == (["ask"], ["ask"])
    assert (await client.threads.get(thread_id))["status"] == "interrupted"


async def test_tenant_never_shows_in_what_the_client_is_told(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = (await client.threads.create(graph_id="nested"))["thread_id"]
    await client.threads.update_state(thread_id, {"question": "why"}, as_node="__start__")

    told = [
        await client.threads.get_state(thread_id, subgraphs=True),
        *await client.threads.get_history(thread_id),
        await client.threads.update_state(thread_id, {"trail": ["more"]}, as_node="__start__"),
    ]

    assert "demo:" not in str(told)
    assert {state["checkpoint"]["thread_id"] for state in told} == {thread_id}


async def test_state_at_a_checkpoint_is_what_it_was_then(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await begun(client)
    latest: Any = await client.threads.get_state(thread_id)

    by_id = await client.threads.get_state(thread_id, checkpoint_id=latest["parent_checkpoint"]["checkpoint_id"])
    by_checkpoint = await client.threads.get_state(thread_id, checkpoint=latest["parent_checkpoint"])

    assert by_id == by_checkpoint
    assert by_id["values"] == {"question": "why", "trail": []}
    assert by_id["next"] == ["think"]


async def test_checkpoint_that_is_none_is_not_found(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await begun(client)

    with pytest.raises(NotFoundError):
        await client.threads.get_state(thread_id, checkpoint_id=str(uuid4()))
    with pytest.raises(UnprocessableEntityError):
        await client.threads.get_state(thread_id, checkpoint_id="nonsense")


async def test_history_is_the_newest_first_and_can_be_cut(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await begun(client)

    whole: Any = await client.threads.get_history(thread_id)
    first = await client.threads.get_history(thread_id, limit=1)
    rest = await client.threads.get_history(thread_id, before=whole[0]["checkpoint"])
    same_rest = await client.threads.get_history(thread_id, before=whole[0]["checkpoint"]["checkpoint_id"])
    by_step = await client.threads.get_history(thread_id, metadata={"step": whole[1]["metadata"]["step"]})

    assert [state["next"] for state in whole] == [["ask"], ["think"]]
    assert (first, rest, same_rest, by_step) == (whole[:1], whole[1:], whole[1:], whole[1:])


async def test_state_is_forked_from_an_earlier_checkpoint(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await begun(client)
    latest: Any = await client.threads.get_state(thread_id)

    forked = await client.threads.update_state(
        thread_id, {"answer": "otherwise"}, as_node="think", checkpoint=latest["parent_checkpoint"]
    )

    state: Any = await client.threads.get_state(thread_id)
    assert state["checkpoint"]["checkpoint_id"] == forked["checkpoint"]["checkpoint_id"]
    assert state["parent_checkpoint"] == latest["parent_checkpoint"]
    assert state["values"] == {"question": "why", "answer": "otherwise", "trail": []}


async def test_thread_is_idle_once_nothing_comes_next(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await begun(client)

    await client.threads.update_state(thread_id, {"trail": ["publish"]}, as_node="publish")

    assert (await client.threads.get(thread_id))["status"] == "idle"
    assert (await client.threads.get_state(thread_id))["next"] == []


@pytest.mark.parametrize(
    ("values", "as_node"), [({"answer": "x"}, "nobody"), ({"trail": "no list"}, "think"), ([{"answer": "x"}], "think")]
)
async def test_what_the_graph_does_not_take_is_refused_and_changes_nothing(sdk: Sdk, values: Any, as_node: str) -> None:
    client = sdk("operator")
    thread_id = await begun(client)
    before = await client.threads.get_state(thread_id)

    with pytest.raises(UnprocessableEntityError):
        await client.threads.update_state(thread_id, values, as_node=as_node)

    assert await client.threads.get_state(thread_id) == before


async def test_writing_a_state_is_for_operators_and_audited(countersign: Service, sdk: Sdk) -> None:
    client = sdk("client", "ada")
    thread_id = (await client.threads.create(graph_id="echo"))["thread_id"]

    with pytest.raises(PermissionDeniedError):
        await client.threads.update_state(thread_id, {"question": "mine"})
    await sdk("operator", "op").threads.update_state(thread_id, {"question": "theirs"}, as_node="__start__")

    trail = countersign.client("auditor").get(f"/threads/{thread_id}/audit").json()
    assert [(row["person"], row["action"]) for row in trail] == [("op", "state.updated")]
    assert trail[0]["record"]["values"] == {"question": "theirs"}


async def test_history_may_be_made_up_by_operators_and_for_own_graphs_only(sdk: Sdk) -> None:
    superstep: Any = [{"updates": [{"values": {"question": "why"}, "as_node": "__start__"}]}]

    with pytest.raises(PermissionDeniedError):
        await sdk("client").threads.create(graph_id="echo", supersteps=superstep)
    with pytest.raises(ConflictError):
        await sdk("admin").threads.create(graph_id="loan_origination", supersteps=superstep)
    with pytest.raises(LangGraphError):
        await sdk("operator").threads.create(supersteps=superstep)


async def test_superstep_may_command_where_to_go(sdk: Sdk) -> None:
    client = sdk("operator")
    command = {"update": {"answer": "given"}, "goto": "publish"}

    made = await client.threads.create(
        graph_id="asking",
        supersteps=[
            {"updates": [{"values": {"question": "why"}, "as_node": "__start__"}]},
            {"updates": [{"values": None, "command": command, "as_node": "think"}]},
        ],
    )

    state = await client.threads.get_state(made["thread_id"])
    assert "publish" in state["next"]
    assert state["values"]["answer"] == "given"  # type: ignore[call-overload]


async def test_state_of_a_case_is_not_written_against_its_question_or_its_effects(
    countersign: Service, sdk: Sdk
) -> None:
    client, operator = countersign.client("client"), sdk("operator")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)

    with pytest.raises(ConflictError, match="review"):
        await operator.threads.update_state(thread_id, {"outcome": "disbursed"}, as_node="book")
    answer(client, open_review(client, thread_id), {"accepted": True})
    follow(client, thread_id)
    with pytest.raises(ConflictError, match="closed"):
        await operator.threads.update_state(thread_id, {"outcome": "withdrawn"}, as_node="book")

    assert client.get(f"/threads/{thread_id}").json()["outcome"] == "disbursed"


async def test_state_of_a_case_names_its_question(countersign: Service, sdk: Sdk) -> None:
    client = countersign.client("client", "ada")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)

    state: Any = await sdk("client", "ada").threads.get_state(thread_id)

    [task] = state["tasks"]
    assert (state["next"], task["name"]) == ([task["name"]], task["name"])
    assert state["interrupts"] == task["interrupts"]
    assert state["interrupts"][0]["value"]["kind"] == "acceptance"
