"""Threads through LangGraph's own client: made, found, changed, deleted."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, PermissionDeniedError, UnprocessableEntityError

from tests.service import Service, follow, start_case
from tests.test_path_of_a_loan import APPLICATION

Sdk = Callable[..., LangGraphClient]


def steps(*updates: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One superstep for each node and what it would have returned."""
    return [{"updates": [{"values": values, "as_node": node}]} for node, values in updates]


async def answered(client: LangGraphClient, question: str, **more: Any) -> str:
    """A thread of `echo` that ran to its end, without a run."""
    history = steps(
        ("__start__", {"question": question}),
        ("think", {"answer": f"plain: {question}", "trail": ["think"]}),
        ("publish", {"trail": ["publish"]}),
    )
    made = await client.threads.create(graph_id="echo", supersteps=history, **more)
    return made["thread_id"]


def expired(countersign: Service, thread_id: str) -> list[tuple[str]]:
    """Who let the thread expire, once somebody has."""
    query = "SELECT person FROM audit WHERE thread_id = %s AND action = 'thread.expired'"
    with psycopg.connect(countersign.database_url) as conn:
        return conn.execute(query, (thread_id,)).fetchall()


def until(look: Callable[[], list[tuple[str]]]) -> list[tuple[str]]:
    """What `look` finds as soon as it finds something; the test's own timeout ends it."""
    while not (found := look()):
        time.sleep(0.1)
    return found


async def test_thread_is_made_with_an_id_and_metadata_of_ones_own(sdk: Sdk) -> None:
    client, thread_id = sdk("client"), str(uuid4())

    made = await client.threads.create(thread_id=thread_id, metadata={"team": "blue"})

    assert made == await client.threads.get(thread_id)
    assert (made["thread_id"], made["status"], made["values"], made["interrupts"]) == (thread_id, "idle", None, {})
    assert made["metadata"] == {"team": "blue"}


async def test_thread_made_twice_is_a_conflict_unless_that_is_wanted(sdk: Sdk) -> None:
    client = sdk("client")
    first = await client.threads.create(metadata={"n": 1})

    with pytest.raises(ConflictError):
        await client.threads.create(thread_id=first["thread_id"])
    again = await client.threads.create(thread_id=first["thread_id"], if_exists="do_nothing", metadata={"n": 2})

    assert again == first


async def test_somebody_elses_thread_cannot_be_had_by_making_it(sdk: Sdk) -> None:
    theirs = await sdk("client").threads.create()

    with pytest.raises(ConflictError):
        await sdk("client").threads.create(thread_id=theirs["thread_id"], if_exists="do_nothing")


async def test_client_sees_only_threads_they_started_and_staff_all(sdk: Sdk) -> None:
    owner, tag = sdk("client"), uuid4().hex
    made = await owner.threads.create(metadata={"tag": tag})

    found = {
        "owner": await owner.threads.count(metadata={"tag": tag}),
        "other": await sdk("client").threads.count(metadata={"tag": tag}),
        "staff": await sdk("operator").threads.count(metadata={"tag": tag}),
    }

    assert found == {"owner": 1, "other": 0, "staff": 1}
    with pytest.raises(NotFoundError):
        await sdk("client").threads.get(made["thread_id"])


@pytest.mark.parametrize("wrong", ["nonsense", "00000000"])
async def test_id_that_is_no_uuid_is_refused(sdk: Sdk, wrong: str) -> None:
    with pytest.raises(UnprocessableEntityError):
        await sdk("client").threads.get(wrong)


async def test_unknown_thread_is_not_found_whatever_is_wanted_of_it(sdk: Sdk) -> None:
    client, unknown = sdk("operator"), str(uuid4())

    for wanted in (
        client.threads.get(unknown),
        client.threads.get_state(unknown),
        client.threads.get_history(unknown),
        client.threads.update(unknown, metadata={}),
        client.threads.update_state(unknown, {}),
        client.threads.copy(unknown),
        client.threads.delete(unknown),
    ):
        with pytest.raises(NotFoundError):
            await wanted


async def test_threads_are_found_by_metadata_status_ids_and_graph(sdk: Sdk) -> None:
    client, tag = sdk("operator"), uuid4().hex
    plain = (await client.threads.create(metadata={"tag": tag, "n": 1}))["thread_id"]
    done = await answered(client, "why", metadata={"tag": tag, "n": 2})

    async def found(**wanted: Any) -> list[str]:
        threads = await client.threads.search(sort_by="created_at", sort_order="asc", **wanted)
        return [thread["thread_id"] for thread in threads]

    assert await found(metadata={"tag": tag}) == [plain, done]
    assert await found(metadata={"tag": tag, "n": 2}) == [done]
    assert await found(metadata={"tag": tag, "graph_id": "echo"}) == [done]
    assert await found(metadata={"tag": tag}, status="busy") == []
    assert await found(ids=[plain, str(uuid4())]) == [plain]


@pytest.mark.parametrize(
    ("values", "matches"),
    [
        ({"question": "why"}, True),
        ({"question": "how"}, False),
        ({"trail": ["publish"]}, True),
        ({"question": "why", "trail": ["nobody"]}, False),
    ],
)
async def test_threads_are_found_by_the_values_of_their_state(sdk: Sdk, values: dict[str, Any], matches: bool) -> None:
    client, tag = sdk("operator"), uuid4().hex
    thread_id = await answered(client, "why", metadata={"tag": tag})

    found = await client.threads.search(metadata={"tag": tag}, values=values)

    assert [thread["thread_id"] for thread in found] == ([thread_id] if matches else [])
    assert await client.threads.count(metadata={"tag": tag}, values=values) == int(matches)


async def test_pages_follow_each_other_in_the_order_asked_for(sdk: Sdk) -> None:
    client, tag = sdk("client"), uuid4().hex
    made = [(await client.threads.create(metadata={"tag": tag}))["thread_id"] for _ in range(5)]

    pages = [
        await client.threads.search(
            metadata={"tag": tag}, limit=2, offset=offset, sort_by="created_at", sort_order="asc"
        )
        for offset in (0, 2, 4)
    ]

    assert [[thread["thread_id"] for thread in page] for page in pages] == [made[:2], made[2:4], made[4:]]


async def test_search_gives_only_the_fields_and_values_asked_for(sdk: Sdk) -> None:
    client, tag = sdk("operator"), uuid4().hex
    thread_id = await answered(client, "why", metadata={"tag": tag})

    found: Any = await client.threads.search(
        metadata={"tag": tag},
        select=["thread_id", "status"],
        extract={"last": "values.trail[-1]", "none": "values.x.y"},
    )

    assert found == [{"thread_id": thread_id, "status": "idle", "extracted": {"last": "publish", "none": None}}]


async def test_metadata_is_merged_key_by_key(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create(metadata={"kept": 1, "changed": 1}))["thread_id"]

    told: Any = await client.threads.update(thread_id, metadata={"changed": 2, "new": 3})
    minimal: Any = await client.threads.update(thread_id, metadata={"new": 4}, return_minimal=bool(told))

    assert told["metadata"] == {"kept": 1, "changed": 2, "new": 3}
    assert minimal is None
    after: Any = await client.threads.get(thread_id)
    assert after["metadata"]["new"] == 4


async def test_time_to_live_is_told_when_asked_for(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create(ttl=30))["thread_id"]

    told = await client.threads.get(thread_id, include=["ttl"])

    assert (told["ttl"]["ttl_minutes"], told["ttl"]["strategy"]) == (30, "delete")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(("strategy", "left"), [("delete", None), ("keep_latest", 1)])
async def test_thread_ends_with_its_time_to_live(
    countersign: Service, sdk: Sdk, strategy: str, left: int | None
) -> None:
    client = sdk("operator")
    thread_id = await answered(client, "why", ttl={"ttl": 0.01, "strategy": strategy})

    trail = until(lambda: expired(countersign, thread_id))

    assert [row[0] for row in trail] == ["system"]
    if left is None:
        with pytest.raises(NotFoundError):
            await client.threads.get(thread_id)
    else:
        assert len(await client.threads.get_history(thread_id)) == left


async def test_deleted_thread_is_gone_with_its_states(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await answered(client, "why")

    await client.threads.delete(thread_id)

    with pytest.raises(NotFoundError):
        await client.threads.get(thread_id)
    again = await client.threads.create(thread_id=thread_id, graph_id="echo")
    assert again["values"] is None


async def test_thread_deleted_while_it_is_busy_leaves_its_worker_free(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.create(thread_id, "sleeping", input={"seconds": 0.5})

    await client.threads.delete(thread_id)

    with pytest.raises(NotFoundError):
        await client.threads.get(thread_id)
    again = await client.threads.create(thread_id=thread_id)
    result: Any = await client.runs.wait(again["thread_id"], "sleeping", input={"seconds": 0})
    assert result["trail"] == ["slept"]


async def test_only_its_starter_and_operators_change_a_thread(sdk: Sdk) -> None:
    thread_id = (await sdk("client").threads.create())["thread_id"]

    with pytest.raises(PermissionDeniedError):
        await sdk("underwriter").threads.delete(thread_id)
    with pytest.raises(PermissionDeniedError):
        await sdk("auditor").threads.create()
    await sdk("operator").threads.delete(thread_id)


async def test_copy_goes_its_own_way(sdk: Sdk) -> None:
    client = sdk("operator")
    thread_id = await answered(client, "why")

    copied: Any = await client.http.post(f"/threads/{thread_id}/copy", json=None)
    await client.threads.update_state(copied["thread_id"], {"answer": "another"}, as_node="think")

    assert copied["thread_id"] != thread_id
    assert copied["values"]["trail"] == ["think", "publish"]
    original: Any = await client.threads.get(thread_id)
    changed: Any = await client.threads.get(copied["thread_id"])
    assert (original["values"]["answer"], changed["values"]["answer"]) == ("plain: why", "another")
    assert len(await client.threads.get_history(copied["thread_id"])) == 4


async def test_copy_of_an_interrupted_thread_is_answered_for_itself(countersign: Service, sdk: Sdk) -> None:
    """Its tasks have the original's ids, which LangGraph makes of the checkpoint's."""
    client, own = sdk("client", "edsger"), countersign.client("client", "edsger")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "asking", input={"question": "why"})
    copied: Any = await client.http.post(f"/threads/{thread_id}/copy", json=None)

    for asked, answer in ((thread_id, "yes"), (copied["thread_id"], "no")):
        state: Any = await client.runs.wait(asked, "asking", command={"resume": answer})
        assert state["answer"] == answer

    for asked in (thread_id, copied["thread_id"]):
        ended = {task["name"]: task for task in own.get(f"/threads/{asked}/tasks").json()}
        runs = {run["run_id"] for run in await client.runs.list(asked)}
        assert (ended["ask"]["status"], ended["ask"]["run_id"] in runs) == ("done", True)


async def test_prune_deletes_threads_or_all_but_their_latest_state(sdk: Sdk) -> None:
    client = sdk("operator")
    kept, gone = await answered(client, "why"), await answered(client, "how")

    latest = await client.threads.prune([kept], strategy="keep_latest")
    deleted = await client.threads.prune([gone, str(uuid4())])

    assert (latest, deleted) == ({"pruned_count": 1}, {"pruned_count": 1})
    [state] = await client.threads.get_history(kept)
    assert state["values"]["answer"] == "plain: why"  # type: ignore[call-overload]
    with pytest.raises(NotFoundError):
        await client.threads.get(gone)


async def test_case_of_a_workflow_is_a_record(countersign: Service, sdk: Sdk) -> None:
    """Nobody deletes it, and a copy of it could pay a second time."""
    client, operator = countersign.client("client", "ada"), sdk("operator")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)

    for refused in (
        operator.threads.delete(thread_id),
        operator.threads.copy(thread_id),
        operator.threads.prune([thread_id]),
        operator.threads.prune([thread_id], strategy="keep_latest"),
        operator.threads.update(thread_id, metadata={}, ttl=1),
        operator.threads.create(graph_id="loan_origination", ttl=1),
    ):
        with pytest.raises(ConflictError):
            await refused
    assert (await operator.threads.get(thread_id))["status"] == "interrupted"


async def test_case_tells_its_question_and_what_is_ours_beside_it(countersign: Service, sdk: Sdk) -> None:
    client = countersign.client("client", "grace")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)

    told: Any = await sdk("client", "grace").threads.get(thread_id)

    [[interrupt]] = told["interrupts"].values()
    assert interrupt["value"]["kind"] == "acceptance"
    assert "accepted" in interrupt["response_schema"]["properties"]
    assert told["metadata"]["graph_id"] == told["workflow"] == "loan_origination"
    assert (told["started_by"], told["outcome"]) == ("grace", None)
    assert told["values"]["decision"]["outcome"] == "approve"


async def test_deletion_and_change_are_in_the_audit_trail(countersign: Service, sdk: Sdk) -> None:
    client = sdk("operator", "op")
    thread_id = (await client.threads.create())["thread_id"]

    await client.threads.update(thread_id, metadata={"why": "test"})

    trail = countersign.client("auditor").get(f"/threads/{thread_id}/audit").json()
    assert [(row["person"], row["action"]) for row in trail] == [("op", "thread.edited")]
