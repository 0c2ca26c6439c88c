"""The store that graphs see as `runtime.store`: each tenant's own, kept for its time and no longer."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypedDict

import psycopg
import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db import store as store_module
from db.pool import Pool, open_pool
from db.store import Store, sweep
from db.tenancy import acting_for


class State(TypedDict, total=False):
    fact: str
    known: list[str]


async def remember(state: State, runtime: Runtime) -> State:
    assert runtime.store is not None
    await runtime.store.aput(("facts",), state["fact"], {"said": state["fact"]})
    return {}


def recall(state: State, runtime: Runtime) -> State:
    """No coroutine: LangGraph calls it in a thread."""
    assert runtime.store is not None
    return {"known": sorted(item.key for item in runtime.store.search(("facts",)))}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=4) as opened:
        yield opened


async def test_one_graph_keeps_each_tenants_memories_apart(pool: Pool) -> None:
    store = Store(pool)
    builder = StateGraph(State)
    builder.add_node("remember", remember)
    builder.add_node("recall", recall)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", "recall")
    builder.add_edge("recall", END)
    graph = builder.compile(store=store)

    known = {}
    for tenant, fact in (("acme", "sky is blue"), ("globex", "grass is green"), ("acme", "water is wet")):
        with acting_for(tenant):
            known[tenant] = (await graph.ainvoke({"fact": fact}))["known"]

    assert known == {"acme": ["sky is blue", "water is wet"], "globex": ["grass is green"]}


async def test_the_store_is_nobodys_outside_a_tenant(pool: Pool) -> None:
    store = Store(pool)

    with pytest.raises(LookupError):
        await store.aput(("facts",), "a", {})


async def test_a_tenant_whose_name_begins_anothers_sees_nothing_of_it(pool: Pool) -> None:
    store = Store(pool)
    with acting_for("acme2"):
        await store.aput(("a",), "key", {"n": 1})

    with acting_for("acme"):
        assert await store.asearch(()) == []
        assert await store.alist_namespaces() == []


async def test_a_suffix_does_not_reach_the_tenants_label(pool: Pool) -> None:
    store = Store(pool)
    with acting_for("acme"):
        await store.aput(("users",), "a", {})
        await store.aput(("acme", "users"), "b", {})
        await store.aput(("acme", "users", "deep"), "c", {})

        named = await store.alist_namespaces(suffix=("acme", "users"))
        starred = await store.alist_namespaces(suffix=("*", "users"))
        shallow = await store.alist_namespaces(max_depth=1)

    assert named == starred == [("acme", "users")]
    assert shallow == [("acme",), ("users",)]


async def test_numbers_are_compared_as_numbers(pool: Pool) -> None:
    store = Store(pool)
    with acting_for("acme"):
        for n in (9, 10, 100):
            await store.aput(("numbers",), str(n), {"n": n})
        await store.aput(("numbers",), "text", {"n": "many"})

        above = await store.asearch(("numbers",), filter={"n": {"$gt": 9, "$lte": 100}})

    assert sorted(item.key for item in above) == ["10", "100"]


async def test_what_expired_is_not_read_and_is_swept_in_bounded_steps(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SWEPT_AT_ONCE", 2)
    store = Store(pool)
    with acting_for("acme"):
        for n in range(3):
            await store.aput(("t",), str(n), {}, ttl=5)
        await store.aput(("t",), "kept", {}, ttl=5)
        await store.aput(("t",), "for ever", {})
    with psycopg.connect(database_url) as conn:
        conn.execute("UPDATE store SET expires_at = now() - interval '1 s' WHERE length(key) = 1")

    with acting_for("acme"):
        seen = sorted(item.key for item in await store.asearch(("t",)))
        gone = await store.aget(("t",), "0")
    async with pool.connection() as conn:
        swept = [await sweep(conn) for _ in range(3)]

    assert (seen, gone, swept) == (["for ever", "kept"], None, [2, 1, 0])


async def test_one_callers_mistake_does_not_fail_anothers_call(pool: Pool) -> None:
    store = Store(pool)

    async def wrong() -> None:
        with acting_for("acme"):
            await store.asearch((), filter={"a": {"$no": 1}})

    async def right() -> None:
        with acting_for("globex"):
            await store.aput(("a",), "b", {})

    failed, done = await asyncio.gather(wrong(), right(), return_exceptions=True)

    assert isinstance(failed, ValueError) and done is None
