"""The store: what graphs and people remember beyond a thread, through LangGraph's client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from psycopg.rows import dict_row

from db import keys
from db.keys import NewKey
from tests.service import Service

REMEMBERING = '''
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime


class State(TypedDict, total=False):
    place: str
    fact: str
    known: list[str]


async def remember(state: State, runtime: Runtime) -> State:
    await runtime.store.aput((state["place"],), state["fact"], {"said": state["fact"]})
    return {}


def recall(state: State, runtime: Runtime) -> State:
    """No coroutine: it is called in a thread."""
    return {"known": sorted(item.key for item in runtime.store.search((state["place"],)))}


def remembering() -> StateGraph:
    graph = StateGraph(State)
    graph.add_node("remember", remember)
    graph.add_node("recall", recall)
    graph.add_edge(START, "remember")
    graph.add_edge("remember", "recall")
    graph.add_edge("recall", END)
    return graph


compiled = remembering().compile()
'''
LANGGRAPH_JSON = """
{
  "dependencies": ["."],
  "graphs": {"compiled": "./remembering.py:compiled", "made": "./remembering.py:remembering"}
}
"""
Sdk = Callable[..., LangGraphClient]
LONG = "x" * 1001


@pytest.fixture(scope="module")
def own_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graphs that remember."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "remembering.py").write_text(REMEMBERING)
    (folder / "langgraph.json").write_text(LANGGRAPH_JSON)
    return folder / "langgraph.json"


@pytest.fixture
def place() -> str:
    """A first label of the test's own."""
    return f"test-{uuid4().hex[:8]}"


@pytest.fixture
async def stranger(countersign: Service) -> AsyncIterator[LangGraphClient]:
    """An admin of another tenant."""
    async with await psycopg.AsyncConnection.connect(
        countersign.database_url, autocommit=True, row_factory=dict_row
    ) as conn:
        key = await keys.create(conn, NewKey("globex", "eve", ["admin"]))
    async with get_client(url=countersign.url, api_key=key) as client:
        yield client


async def test_an_item_is_put_read_changed_and_deleted(sdk: Sdk, place: str) -> None:
    store = sdk("operator").store

    await store.put_item([place, "ada"], "colour", {"likes": "blue", "n": 2**60, "text": "å€𝄞"})
    first = await store.get_item([place, "ada"], "colour")
    await store.put_item([place, "ada"], "colour", {"likes": "red"})
    second = await store.get_item([place, "ada"], "colour")
    await store.delete_item([place, "ada"], "colour")
    await store.delete_item([place, "ada"], "colour")

    assert first["namespace"] == [place, "ada"] and first["key"] == "colour"
    assert first["value"] == {"likes": "blue", "n": 2**60, "text": "å€𝄞"}
    assert second["value"] == {"likes": "red"}
    assert second["created_at"] == first["created_at"] < second["updated_at"]
    assert await store.get_item([place, "ada"], "colour") is None


async def test_search_goes_below_its_prefix_with_filter_and_pages(sdk: Sdk, place: str) -> None:
    store = sdk("agent").store
    for n in range(5):
        await store.put_item([place, "notes", f"n{n}"], "note", {"n": n, "kind": "even" if n % 2 == 0 else "odd"})
    await store.put_item([place, "notes2"], "other", {"n": 9, "kind": "odd"})

    below = await store.search_items([place, "notes"])
    even = await store.search_items([place], filter={"kind": "even"})
    large = await store.search_items([place], filter={"n": {"$gte": 3}, "kind": {"$ne": "even"}})
    pages = [await store.search_items([place, "notes"], limit=2, offset=o, query="ignored") for o in (0, 2, 4)]

    assert [item["value"]["n"] for item in below["items"]] == [4, 3, 2, 1, 0]
    assert {item["value"]["n"] for item in even["items"]} == {0, 2, 4}
    assert {item["value"]["n"] for item in large["items"]} == {3, 9}
    assert [[item["value"]["n"] for item in page["items"]] for page in pages] == [[4, 3], [2, 1], [0]]
    assert below["items"][0]["namespace"] == [place, "notes", "n4"] and below["items"][0]["score"] is None


async def test_namespaces_are_listed_by_prefix_suffix_and_depth_in_pages(sdk: Sdk, place: str) -> None:
    store = sdk("operator").store
    for path in (["a", "x"], ["a", "y"], ["b", "x", "deep"], ["b", "x"]):
        await store.put_item([place, *path], "key", {})

    async def listed(**wanted: object) -> list[str]:
        found = await store.list_namespaces(prefix=[place], **wanted)  # type: ignore[arg-type]  # as given
        return ["/".join(namespace[1:]) for namespace in found["namespaces"]]

    assert await listed() == ["a/x", "a/y", "b/x", "b/x/deep"]
    assert await listed(suffix=["x"]) == ["a/x", "b/x"]
    assert await listed(suffix=["*", "deep"]) == ["b/x/deep"]
    assert await listed(max_depth=2) == ["a", "b"]
    assert await listed(limit=2, offset=1) == ["a/y", "b/x"]


async def test_another_tenant_sees_reads_and_deletes_nothing_of_it(
    sdk: Sdk, stranger: LangGraphClient, place: str
) -> None:
    ours = sdk("operator").store
    await ours.put_item([place], "secret", {"n": 1})

    await stranger.store.delete_item([place], "secret")
    seen = [
        await stranger.store.get_item([place], "secret"),
        (await stranger.store.search_items([]))["items"],
        (await stranger.store.search_items(["demo"]))["items"],
        (await stranger.store.list_namespaces())["namespaces"],
        (await stranger.store.list_namespaces(prefix=["demo"]))["namespaces"],
        (await stranger.store.list_namespaces(suffix=[place]))["namespaces"],
    ]
    await stranger.store.put_item([place], "secret", {"n": 2})

    assert seen == [None, [], [], [], [], []]
    item = await ours.get_item([place], "secret")
    assert item["value"] == {"n": 1}


@pytest.mark.parametrize("graph", ["compiled", "made"])
async def test_graphs_remember_beyond_their_threads_each_tenant_for_itself(
    sdk: Sdk, stranger: LangGraphClient, place: str, graph: str
) -> None:
    operator = sdk("operator")

    runs: list[Any] = [
        await client.runs.wait(None, graph, input={"place": place, "fact": fact})
        for client, fact in ((operator, "the sky is blue"), (stranger, "grass is green"), (operator, "water is wet"))
    ]

    assert [run["known"] for run in runs] == [
        ["the sky is blue"],
        ["grass is green"],
        ["the sky is blue", "water is wet"],
    ]
    item = await operator.store.get_item([place], "water is wet")
    assert item["value"] == {"said": "water is wet"}


async def test_an_items_time_starts_again_when_it_is_read_unless_told_not_to(
    sdk: Sdk, countersign: Service, place: str
) -> None:
    store = sdk("operator").store
    for key in ("read", "searched", "peeked", "unread"):
        await store.put_item([place, key], key, {}, ttl=10)
    with psycopg.connect(countersign.database_url) as conn:
        conn.execute(
            "UPDATE store SET expires_at = now() + interval '1 minute' WHERE prefix LIKE %s", (f"demo.{place}.%",)
        )

    await store.get_item([place, "read"], "read")
    await store.search_items([place, "searched"])
    await store.get_item([place, "peeked"], "peeked", refresh_ttl=False)
    await store.search_items([place, "peeked"], refresh_ttl=False)

    with psycopg.connect(countersign.database_url) as conn:
        lasting = conn.execute(
            "SELECT key FROM store WHERE prefix LIKE %s AND expires_at > now() + interval '9 minutes'",
            (f"demo.{place}.%",),
        ).fetchall()
    assert {row[0] for row in lasting} == {"read", "searched"}


async def test_the_janitor_sweeps_what_expired(sdk: Sdk, countersign: Service, place: str) -> None:
    store = sdk("operator").store
    await store.put_item([place], "short", {}, ttl=1)
    await store.put_item([place], "long", {}, ttl=1)
    with psycopg.connect(countersign.database_url, autocommit=True) as conn:
        conn.execute("UPDATE store SET expires_at = now() WHERE key = 'short' AND prefix = %s", (f"demo.{place}",))

        assert await store.get_item([place], "short") is None
        async with asyncio.timeout(20):
            while rows := conn.execute("SELECT key FROM store WHERE prefix = %s", (f"demo.{place}",)).fetchall():
                if rows == [("long",)]:
                    break
                # The janitor comes round every few seconds; this is a pause between two looks.
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"namespace": []}, "namespace"),
        ({"namespace": ["a", ""]}, "namespace.1"),
        ({"namespace": ["a.b"]}, "namespace"),
        ({"namespace": ["a", 7]}, "namespace.1"),
        ({"namespace": ["a\x00"]}, "namespace.0"),
        ({"namespace": ["langgraph", "a"]}, "namespace"),
        ({"namespace": [LONG]}, "namespace"),
        ({"namespace": "a"}, "namespace"),
        ({"key": ""}, "key"),
        ({"key": 7}, "key"),
        ({"key": "a\x00"}, "key"),
        ({"key": LONG}, "key"),
        ({"value": [1]}, "value"),
        ({"value": None}, "value"),
        ({"value": {"a": ["b\x00"]}}, "value"),
        ({"value": {"a\x00": 1}}, "value"),
        ({"value": {"a": "x" * 131_072}}, "value"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": 10**9}, "ttl"),
        ({"ttl": "soon"}, "ttl"),
    ],
)
def test_an_item_that_cannot_be_kept_is_refused_by_field(
    countersign: Service, body: dict[str, object], field: str
) -> None:
    item: dict[str, object] = {"namespace": ["a"], "key": "b", "value": {}}

    refused = countersign.client("operator").put("/store/items", json=item | body)

    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["errors"][0]["field"].startswith(field)


@pytest.mark.parametrize("value", ["NaN", "1e999", '"\\ud800"', "[" * 120 + "]" * 120])
def test_json_that_postgresql_cannot_keep_is_refused(countersign: Service, value: str) -> None:
    body = f'{{"namespace": ["a"], "key": "b", "value": {{"a": {value}}}}}'

    headers = {"Content-Type": "application/json"}
    refused = countersign.client("operator").put("/store/items", content=body, headers=headers)

    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"].startswith("value")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/store/items/search", {"namespace_prefix": ["a", ""]}),
        ("/store/items/search", {"namespace_prefix": [], "limit": 0}),
        ("/store/items/search", {"namespace_prefix": [], "limit": 1001}),
        ("/store/items/search", {"namespace_prefix": [], "offset": -1}),
        ("/store/items/search", {"namespace_prefix": [], "filter": {"a": {"$regex": "b"}}}),
        ("/store/items/search", {"namespace_prefix": [], "filter": {"a": {}}}),
        ("/store/items/search", {"namespace_prefix": [], "filter": {"a": {"$gt": [1]}}}),
        ("/store/items/search", {"namespace_prefix": [], "filter": {"a\x00": 1}}),
        ("/store/namespaces", {"prefix": ["a.b"]}),
        ("/store/namespaces", {"suffix": [""]}),
        ("/store/namespaces", {"max_depth": 0}),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(countersign: Service, path: str, body: dict[str, object]) -> None:
    assert countersign.client("operator").post(path, json=body).status_code == 422


@pytest.mark.parametrize("query", ["key=a", "namespace=a", "namespace=a..b&key=a", "namespace=a%00&key=a"])
def test_an_item_that_has_no_place_is_refused(countersign: Service, query: str) -> None:
    assert countersign.client("operator").get(f"/store/items?{query}").status_code == 422


def test_clients_have_no_part_in_the_store_and_auditors_only_read(countersign: Service) -> None:
    item = {"namespace": ["roles"], "key": "b", "value": {}}
    search: dict[str, object] = {"namespace_prefix": []}
    place = {"namespace": "roles", "key": "b"}
    statuses = {}

    for role in ("client", "auditor", "agent"):
        key = countersign.client(role)
        statuses[role] = [
            key.put("/store/items", json=item).status_code,
            key.get("/store/items", params=place).status_code,
            key.post("/store/items/search", json=search).status_code,
            key.post("/store/namespaces", json={}).status_code,
            key.request("DELETE", "/store/items", json=item).status_code,
        ]

    assert statuses == {
        "client": [403, 403, 403, 403, 403],
        "auditor": [403, 200, 200, 200, 403],
        "agent": [204, 200, 200, 200, 204],
    }
