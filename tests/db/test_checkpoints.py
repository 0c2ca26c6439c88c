"""Our saver: what it acknowledged is in the database, a stale run writes nothing, and runs share their commits."""

import asyncio
import operator
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import psycopg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from db.checkpoints import WAIT_S, Checkpoints
from db.errors import StaleRun
from db.journal import Fence, Journal
from db.pool import Pool, open_pool
from db.serde import CompressingSerializer
from tests.db.begun import begun, start_again

REPOSITORY = Path(__file__).resolve().parents[2]


class State(TypedDict, total=False):
    note: str
    path: Annotated[list[str], operator.add]


Node = Callable[[State], Awaitable[State]]


@dataclass(frozen=True, slots=True)
class Engine:
    """Our saver, and a stock one that knows only what is in the database."""

    pool: Pool
    journal: Journal
    saver: Checkpoints
    stock: AsyncPostgresSaver

    def graph(self, **steps: Node | list[Node]) -> "CompiledStateGraph[State]":
        """Steps in a row; the nodes of a list run in parallel."""
        return chained(steps).compile(checkpointer=self.saver)

    async def run(self, graph: Any, fence: Fence, given: Any, first_end: asyncio.Event | None = None) -> Any:
        async with self.saver.writing_as(fence):
            return await self.stream(graph, fence, given, first_end)

    async def stream(self, graph: Any, fence: Fence, given: Any, first_end: asyncio.Event | None = None) -> Any:
        """The last state; `first_end` is set as soon as a task has ended."""
        state = None
        modes = ["updates", "values"]
        async for mode, chunk in graph.astream(given, on(fence), stream_mode=modes, durability="sync"):
            if mode == "values":
                state = chunk
            elif first_end is not None:
                first_end.set()
        return state

    async def stored(self, fence: Fence) -> CheckpointTuple:
        found = await self.stock.aget_tuple(on(fence))
        assert found is not None
        return found

    async def stored_writes(self, fence: Fence) -> set[tuple[str, Any]]:
        return {(channel, str(value)) for _, channel, value in (await self.stored(fence)).pending_writes or ()}


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    async with open_pool(database_url, max_size=8) as pool, Journal(pool) as journal:
        stock = AsyncPostgresSaver(pool, serde=CompressingSerializer(allowed_msgpack_modules=None))
        yield Engine(pool, journal, Checkpoints(pool, journal), stock)


async def test_what_a_node_starts_from_is_already_stored(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)
    stored: list[Any] = []

    async def look(state: State) -> State:
        found = await engine.stored(fence)
        stored.append((found.metadata["step"], found.checkpoint["channel_values"].get("path"), state["path"]))
        return {"path": ["looked"]}

    await engine.run(engine.graph(first=look, second=look, third=look), fence, {"path": ["begin"]})

    path = ["begin", "looked", "looked", "looked"]
    assert stored == [(step, path[: step + 1], path[: step + 1]) for step in range(3)]
    assert (await engine.stored(fence)).checkpoint["channel_values"]["path"] == path


async def test_a_step_that_runs_through_stores_no_writes_and_each_channel_once(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)

    await engine.run(engine.graph(first=says("1"), second=[says("2"), says("3")]), fence, {"path": [], "note": "n"})

    rows = await counted(engine.pool)
    assert rows == {"checkpoints": 4, "checkpoint_writes": 0, "checkpoint_blobs": 4}


async def test_killed_in_a_node_only_that_node_runs_again(engine: Engine, database_url: str, tmp_path: Path) -> None:
    (fence,) = await begun(engine.pool, 1)
    visits = tmp_path / "visits"
    program = [sys.executable, "-c", KILLED, database_url, str(fence.run_id), str(visits)]
    killed = await asyncio.to_thread(subprocess.run, program, cwd=REPOSITORY, check=False)
    assert killed.returncode == -9

    async def end(state: State) -> State:
        return {"path": ["end"]}

    graph = engine.graph(first=end, second=end, third=end)
    answer = await engine.run(graph, await start_again(engine.pool, fence), None)

    assert visits.read_text().split() == ["first", "second"]
    assert answer["path"] == ["first", "end", "end"]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from uuid import UUID
from db.checkpoints import Checkpoints
from db.journal import Fence, Journal
from db.pool import open_pool
from tests.db.test_checkpoints import chained, on

url, run_id, visits = sys.argv[1:]

def node(name):
    async def run(state):
        with Path(visits).open("a") as file:
            file.write(name + " ")
        if name == "second":
            os.kill(os.getpid(), signal.SIGKILL)
        return {"path": [name]}
    return run

async def main():
    fence = Fence(UUID(run_id), 1)
    async with open_pool(url, max_size=2) as pool, Journal(pool) as journal:
        saver = Checkpoints(pool, journal)
        graph = chained({name: node(name) for name in ("first", "second", "third")}).compile(checkpointer=saver)
        async with saver.writing_as(fence):
            await graph.ainvoke({"path": []}, on(fence), durability="sync")

asyncio.run(main())
"""


@pytest.mark.parametrize("question_first", [True, False])
async def test_a_question_and_its_finished_neighbour_are_stored_when_the_stream_ends(
    engine: Engine, question_first: bool
) -> None:
    (fence,) = await begun(engine.pool, 1)
    first_end = asyncio.Event()

    async def asks(state: State) -> State:
        if not question_first:
            await first_end.wait()
        return {"path": [interrupt("sure?")]}

    async def works(state: State) -> State:
        if question_first:
            await until_stored(engine, fence, "__interrupt__")
        return {"path": ["worked"]}

    graph = engine.graph(both=[asks, works])
    async with engine.saver.writing_as(fence):
        await engine.stream(graph, fence, {"path": []}, first_end)
        writes = await engine.stored_writes(fence)

    assert ("path", "['worked']") in writes
    assert any(channel == "__interrupt__" for channel, _ in writes)


async def test_a_failure_and_its_finished_neighbour_are_stored_when_the_run_raises(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)

    first_end = asyncio.Event()

    async def fails(state: State) -> State:
        await first_end.wait()
        raise ValueError("no")

    graph = engine.graph(both=[fails, says("worked")])
    async with engine.saver.writing_as(fence):
        with pytest.raises(ValueError, match="no"):
            await engine.stream(graph, fence, {"path": []}, first_end)
        writes = await engine.stored_writes(fence)

    assert {("path", "['worked']"), ("__error__", "ValueError('no')")} <= writes


async def test_a_finished_task_is_stored_before_its_slow_neighbour_ends(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)
    took: list[float] = []

    async def slow(state: State) -> State:
        started = asyncio.get_running_loop().time()
        await until_stored(engine, fence, "path")
        took.append(asyncio.get_running_loop().time() - started)
        return {"path": ["slow"]}

    answer = await engine.run(engine.graph(both=[slow, says("fast")]), fence, {"path": []})

    assert sorted(answer["path"]) == ["fast", "slow"]
    assert took[0] < 2 * WAIT_S


async def test_a_reader_in_this_process_sees_a_finished_task_at_once(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)
    first_end = asyncio.Event()
    seen: list[Any] = []

    async def slow(state: State) -> State:
        await first_end.wait()
        found = await engine.saver.aget_tuple(on(fence))
        assert found is not None
        seen.extend((channel, value) for _, channel, value in found.pending_writes or ())
        return {"path": ["slow"]}

    await engine.run(engine.graph(both=[slow, says("fast")]), fence, {"path": []}, first_end)

    assert ("path", ["fast"]) in seen


async def test_a_cancelled_run_leaves_its_finished_tasks(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)
    first_end = asyncio.Event()

    async def endless(state: State) -> State:
        await asyncio.Event().wait()
        return {}

    graph = engine.graph(both=[endless, says("fast")])
    run = asyncio.create_task(engine.run(graph, fence, {"path": []}, first_end))
    await first_end.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert ("path", "['fast']") in await engine.stored_writes(fence)


async def test_what_still_waits_is_stored_when_the_run_is_left(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)
    started = place()

    async with engine.saver.writing_as(fence):
        await engine.saver.aput_writes(started, [("path", ["worked"])], "task")

    assert await writes_at(engine, started) == [("task", "path", ["worked"])]


async def test_a_run_that_was_started_again_stops_at_its_next_step_and_stores_nothing_of_it(engine: Engine) -> None:
    stale, neighbour = await begun(engine.pool, 2)
    both = asyncio.Barrier(2)

    async def overtaken(state: State) -> State:
        await start_again(engine.pool, stale)
        await both.wait()
        return {"path": ["overtaken"]}

    async def undisturbed(state: State) -> State:
        await both.wait()
        return {"path": ["undisturbed"]}

    outcomes = await asyncio.gather(
        engine.run(engine.graph(only=overtaken, after=says("never")), stale, {"path": ["begin"]}),
        engine.run(engine.graph(only=undisturbed, after=says("after")), neighbour, {"path": ["begin"]}),
        return_exceptions=True,
    )

    assert isinstance(outcomes[0], StaleRun)
    assert (await engine.stored(stale)).checkpoint["channel_values"]["path"] == ["begin"]
    assert await engine.stored_writes(stale) == set()
    assert (await engine.stored(neighbour)).checkpoint["channel_values"]["path"] == ["begin", "undisturbed", "after"]


@pytest.mark.parametrize("unfit", ["\x00", float("nan")], ids=["NUL", "NaN"])
async def test_state_that_postgresql_refuses_fails_its_own_run_only(engine: Engine, unfit: Any) -> None:
    fences = await begun(engine.pool, 4)

    async def spoils(state: State) -> State:
        return {"note": unfit if state["note"] == "0" else "fine"}

    graph = engine.graph(only=spoils)
    runs = (engine.run(graph, fence, {"note": str(n)}) for n, fence in enumerate(fences))
    outcomes = await asyncio.gather(*runs, return_exceptions=True)

    assert isinstance(outcomes[0], psycopg.DataError)
    assert outcomes[1:] == [{"note": "fine", "path": []}] * 3


async def test_runs_under_way_together_share_their_commits(engine: Engine) -> None:
    fences = await begun(engine.pool, 32)
    graph = engine.graph(first=says("1"), second=[says("2"), says("3")], third=says("4"))

    answers = await asyncio.gather(*(engine.run(graph, fence, {"path": []}) for fence in fences))

    assert [answer["path"] for answer in answers] == [["1", "2", "3", "4"]] * 32
    # 5 checkpoints a run; the stock saver commits at least once for each, and once for each task's writes.
    assert engine.journal.flushes < 32 * 5 / 4


async def test_writes_that_meet_in_one_flush_are_stored_as_if_one_after_another(engine: Engine) -> None:
    kinds: list[list[tuple[str, Any]]] = [
        [("__interrupt__", "asked"), ("__resume__", ["a"])],
        [("__resume__", ["a", "b"]), ("path", ["done"])],
        [("__error__", "failed")],
        [("path", ["partly"]), ("__error__", "failed again")],
    ]
    for order in permutations(kinds):
        one_by_one, at_once = place(), place()
        for writes in order:
            await engine.stock.aput_writes(one_by_one, writes, "task", "path")

        await asyncio.gather(*(engine.saver.aput_writes(at_once, writes, "task", "path") for writes in order))

        assert await writes_at(engine, at_once) == await writes_at(engine, one_by_one)


async def test_a_thread_is_deleted_with_the_writes_that_wait(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)

    first_end = asyncio.Event()

    async def deletes(state: State) -> State:
        await first_end.wait()
        await engine.saver.adelete_thread(str(fence.run_id))
        assert await counted(engine.pool) == {"checkpoints": 0, "checkpoint_writes": 0, "checkpoint_blobs": 0}
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await engine.run(engine.graph(both=[deletes, says("fast")]), fence, {"path": []}, first_end)


async def test_stock_saver_goes_on_where_ours_stopped_and_ours_again(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)
    long = "x" * 10_000
    graph = engine.graph(first=says("1"), second=says("2"))
    stock = chained({"first": says("1"), "second": says("2")}).compile(checkpointer=engine.stock)

    await engine.run(graph, fence, {"path": [long]})
    by_stock = await stock.ainvoke({"path": ["stock"]}, on(fence), durability="sync")
    by_ours = await engine.run(graph, fence, {"path": ["ours"]})

    assert by_stock["path"] == [long, "1", "2", "stock", "1", "2"]
    assert by_ours["path"] == [long, "1", "2", "stock", "1", "2", "ours", "1", "2"]
    async with engine.pool.connection() as conn:
        cur = await conn.execute("SELECT max(length(blob)) AS longest FROM checkpoint_blobs")
        assert (await cur.fetchone() or {})["longest"] < len(long) / 10


async def test_pruning_keeps_the_state(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)
    graph = engine.graph(first=says("1"), second=says("2"))
    await engine.run(graph, fence, {"path": []})
    before = await graph.aget_state(on(fence))

    await engine.saver.aprune([str(fence.run_id)])

    assert (await counted(engine.pool))["checkpoints"] == 1
    assert (await graph.aget_state(on(fence))).values == before.values


async def test_no_class_is_revived_because_a_blob_names_it(engine: Engine) -> None:
    (fence,) = await begun(engine.pool, 1)
    graph = engine.graph(only=says("1"))

    await engine.run(graph, fence, {"path": [fence]})

    assert (await graph.aget_state(on(fence))).values["path"][0] == {"run_id": fence.run_id, "epoch": 1}


def chained(steps: dict[str, Any]) -> StateGraph[State]:
    builder = StateGraph(State)
    before: str | list[str] = START
    for name, step in steps.items():
        nodes = {f"{name}_{n}": node for n, node in enumerate(step)} if isinstance(step, list) else {name: step}
        for node_name, node in nodes.items():
            builder.add_node(node_name, node)
            builder.add_edge(before, node_name)
        before = list(nodes) if len(nodes) > 1 else name
    return builder


def on(fence: Fence) -> RunnableConfig:
    return {"configurable": {"thread_id": str(fence.run_id)}}


def says(word: str) -> Node:
    async def say(state: State) -> State:
        return {"path": [word]}

    return say


async def until_stored(engine: Engine, fence: Fence, channel: str) -> None:
    async with asyncio.timeout(5):
        while not any(found == channel for found, _ in await engine.stored_writes(fence)):
            pass


async def counted(pool: Pool) -> dict[str, int]:
    counts = {}
    async with pool.connection() as conn:
        for table in ("checkpoints", "checkpoint_writes", "checkpoint_blobs"):
            row = await (await conn.execute(f"SELECT count(*) AS n FROM {table}".encode())).fetchone()
            counts[table] = row["n"] if row else 0
    return counts


def place() -> RunnableConfig:
    return {"configurable": {"thread_id": str(uuid4()), "checkpoint_ns": "", "checkpoint_id": "1"}}


async def writes_at(engine: Engine, config: RunnableConfig) -> Any:
    at = {**config["configurable"], "checkpoint_id": None}
    await engine.stock.aput({"configurable": at}, {**empty_checkpoint(), "id": "1"}, {}, {})
    found = await engine.stock.aget_tuple(config)
    assert found is not None
    return found.pending_writes
