"""What happens and what is read is the same with the stock saver and with ours: each scenario is played on both.

Everything observable is compared: answers, errors, which nodes ran how often, `get_state`, the history and all stored
tuples, the ids in them replaced by numbers. Only the one difference that `db.checkpoints` names is made up for.
"""

import json
import operator
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import WRITES_IDX_MAP, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.errors import EmptyInputError
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Durability, Send, StateSnapshot, interrupt

from db.checkpoints import Checkpoints
from db.journal import Journal
from db.pool import Pool, open_pool
from db.serde import CompressingSerializer
from tests.db.begun import begun

NO_TASK = "00000000-0000-0000-0000-000000000000"


class State(TypedDict, total=False):
    amount: int
    note: str
    items: list[str]
    path: Annotated[list[str], operator.add]


@dataclass
class Play:
    """A scenario's stage: a saver, a thread, and what was seen so far."""

    saver: AsyncPostgresSaver
    pool: Pool
    durability: Durability
    has_delta_channel: bool = False
    seen: list[Any] = field(default_factory=list)
    visits: list[str] = field(default_factory=list)
    config: RunnableConfig = field(default_factory=lambda: RunnableConfig(configurable={"thread_id": str(uuid4())}))

    def node(self, name: str, *, fails: int = 0, asks: bool = False, **update: Any) -> Any:
        """A node that fails so many times, may ask, and then leaves its name on the path."""
        left = [fails]

        async def run(state: Any) -> Any:
            self.visits.append(name)
            if left[0] > 0:
                left[0] -= 1
                raise ValueError(f"{name} failed")
            answer = f"{name}={interrupt({'question': name})}" if asks else name
            return {"path": [answer]} | update

        return run

    async def drive(self, graph: Any, given: Any, config: RunnableConfig | None = None, **options: Any) -> None:
        """One run, and all there is to see after it."""
        async with self._as_a_run():
            try:
                self.seen.append(
                    await graph.ainvoke(given, config or self.config, durability=self.durability, **options)
                )
            except (ValueError, RuntimeError, EmptyInputError) as exc:
                self.seen.append(repr(exc))
        await self.look(graph)

    async def look(self, graph: Any) -> None:
        tuples = [found async for found in self.saver.alist(self.config)]
        kept = isinstance(self.saver, Checkpoints) or self.has_delta_channel
        ran_through = {} if kept else _ran_through(tuples)
        self.seen.append([_blanked(found, ran_through) for found in tuples])
        self.seen.append(await self.saver.aget_tuple(self.config))
        self.seen.append(await graph.aget_state(self.config, subgraphs=True))
        async for snapshot in graph.aget_state_history(self.config):
            self.seen.append(_without_results(snapshot, ran_through))
        self.seen.append(list(self.visits))

    async def history(self, graph: Any, **options: Any) -> list[StateSnapshot]:
        return [snapshot async for snapshot in graph.aget_state_history(self.config, **options)]

    async def past(self, graph: Any, steps: int) -> RunnableConfig:
        """So many checkpoints back, or the oldest."""
        return (await self.history(graph))[: steps + 1][-1].config

    @asynccontextmanager
    async def _as_a_run(self) -> AsyncIterator[None]:
        if isinstance(self.saver, Checkpoints):
            (fence,) = await begun(self.pool, 1)
            async with self.saver.writing_as(fence):
                yield
        else:
            yield


Scenario = Callable[[Play], Awaitable[None]]


async def one_after_another(play: Play) -> None:
    graph = linear(play).compile(checkpointer=play.saver)

    await play.drive(graph, {"amount": 1, "path": ["first"]})
    await play.drive(graph, {"amount": 2, "path": ["second"]})

    for options in ({"limit": 2}, {"filter": {"source": "input"}}, {"limit": 3, "filter": {"step": 1}}):
        play.seen.append([(s.values, s.next, s.metadata) for s in await play.history(graph, **options)])
    third = await play.past(graph, 2)
    play.seen.append([(s.values, s.next) for s in await play.history(graph, before=third)])


async def a_parallel_branch_that_fails_is_resumed(play: Play) -> None:
    graph = parallel(play, right=play.node("right", fails=1)).compile(checkpointer=play.saver)

    await play.drive(graph, {"amount": 1})
    await play.drive(graph, None)


async def two_questions_are_answered_one_by_one(play: Play) -> None:
    builder = parallel(play, left=play.node("left", asks=True), right=play.node("right", asks=True))
    builder.add_node("middle", play.node("middle"))
    builder.add_edge("start", "middle").add_edge("middle", "end")
    graph = builder.compile(checkpointer=play.saver)

    await play.drive(graph, {"amount": 1})
    for _ in range(2):
        state = await graph.aget_state(play.config)
        await play.drive(graph, Command(resume={state.interrupts[0].id: "yes"}))


async def a_question_is_answered_without_its_id_and_with_an_update(play: Play) -> None:
    graph = linear(play, middle=play.node("middle", asks=True)).compile(checkpointer=play.saver)

    await play.drive(graph, {"amount": 1})
    await play.drive(graph, Command(resume="yes", update={"note": "by hand"}))
    await play.drive(graph, Command(goto="middle", update={"note": "again"}))
    await play.drive(graph, Command(resume="no"))


async def a_subgraph_asks(play: Play) -> None:
    inner = linear(play, middle=play.node("middle", asks=True)).compile()
    outer = parallel(play, left=inner).compile(checkpointer=play.saver)

    await play.drive(outer, {"amount": 1})
    await play.drive(outer, Command(resume="yes"))
    play.seen.append([s.values for s in await play.history(outer)])


async def a_subgraph_keeps_its_own_memory(play: Play) -> None:
    inner = linear(play, middle=play.node("middle", asks=True)).compile(checkpointer=True)
    builder = StateGraph(State).add_node("inner", inner).add_node("end", play.node("end"))
    graph = builder.add_edge(START, "inner").add_edge("inner", "end").compile(checkpointer=play.saver)

    for _ in range(2):
        await play.drive(graph, {"amount": 1})
        await play.drive(graph, Command(resume="yes"))


async def work_is_sent_out_and_one_piece_fails(play: Play) -> None:
    fails = [True]

    async def piece(state: State) -> State:
        play.visits.append(state["note"])
        if state["note"] == "b" and fails.pop():
            raise ValueError("b failed")
        return {"path": [state["note"]]}

    builder = StateGraph(State).add_node("start", play.node("start")).add_node("piece", piece)
    builder.add_node("end", play.node("end")).add_edge(START, "start").add_edge("piece", "end")
    builder.add_conditional_edges("start", lambda _: [Send("piece", {"note": n}) for n in "abc"], ["piece"])
    graph = builder.compile(checkpointer=play.saver)

    await play.drive(graph, {"amount": 1})
    fails.append(False)
    await play.drive(graph, None)


async def state_is_edited_and_forked(play: Play) -> None:
    graph = linear(play).compile(checkpointer=play.saver)
    await play.drive(graph, {"amount": 1})
    past = await play.past(graph, 2)

    forked = await graph.aupdate_state(past, {"note": "edited"}, as_node="start")
    await play.drive(graph, None, forked)
    await play.drive(graph, None, past)
    await play.drive(graph, Command(goto="end", update={"note": "sent"}))
    await play.drive(graph, None, await play.past(graph, 1))
    await graph.aupdate_state(play.config, {"note": "latest"}, as_node="end")
    await play.look(graph)
    await graph.aupdate_state(play.config, None, as_node=END)
    await play.look(graph)


async def time_travel_to_before_and_after_a_question(play: Play) -> None:
    graph = linear(play, middle=play.node("middle", asks=True)).compile(checkpointer=play.saver)
    await play.drive(graph, {"amount": 1})
    asked = (await graph.aget_state(play.config)).config
    await play.drive(graph, Command(resume="first"))

    await play.drive(graph, Command(resume="second"), asked)
    await play.drive(graph, None, asked)
    await play.drive(graph, Command(resume="third"))
    await play.drive(graph, None, await play.past(graph, 100))


async def two_answered_questions_are_answered_again_in_the_past(play: Play) -> None:
    builder = parallel(play, left=play.node("left", asks=True), right=play.node("right", asks=True))
    graph = builder.compile(checkpointer=play.saver)
    await play.drive(graph, {"amount": 1})
    asked = await graph.aget_state(play.config)
    await play.drive(graph, Command(resume={i.id: "yes" for i in asked.interrupts}))

    await play.drive(graph, Command(resume="both"), asked.config)


async def breakpoints_before_and_after(play: Play) -> None:
    graph = linear(play).compile(checkpointer=play.saver)

    await play.drive(graph, {"amount": 1}, interrupt_before=["middle"])
    await play.drive(graph, None, interrupt_after=["middle"])
    await play.drive(graph, None)


async def functions_are_resumed_with_what_they_had(play: Play) -> None:
    @task
    async def step(n: int) -> int:
        play.visits.append(f"step {n}")
        return n * n

    @entrypoint(checkpointer=play.saver)
    async def flow(n: int) -> dict[str, Any]:
        squares = [await step(i) for i in range(n)]
        return {"squares": squares, "answer": interrupt("sure?")}

    await play.drive(flow, 3)
    await play.drive(flow, Command(resume="yes"))


async def a_channel_rebuilt_from_writes(play: Play) -> None:
    await logged(play, snapshot_frequency=1000)


async def a_channel_rebuilt_from_frequent_snapshots(play: Play) -> None:
    await logged(play, snapshot_frequency=1)


SCENARIOS: list[Scenario] = [
    one_after_another,
    a_parallel_branch_that_fails_is_resumed,
    two_questions_are_answered_one_by_one,
    a_question_is_answered_without_its_id_and_with_an_update,
    a_subgraph_asks,
    a_subgraph_keeps_its_own_memory,
    work_is_sent_out_and_one_piece_fails,
    state_is_edited_and_forked,
    time_travel_to_before_and_after_a_question,
    two_answered_questions_are_answered_again_in_the_past,
    breakpoints_before_and_after,
    functions_are_resumed_with_what_they_had,
    a_channel_rebuilt_from_writes,
    a_channel_rebuilt_from_frequent_snapshots,
]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_reads_and_goes_on_like_the_stock_saver(
    scenario: Scenario, durability: Durability, module_database_url: str
) -> None:
    serde = CompressingSerializer(allowed_msgpack_modules=None)
    async with open_pool(module_database_url, max_size=4) as pool, Journal(pool) as journal:
        stock = Play(AsyncPostgresSaver(pool, serde=serde), pool, durability)
        ours = Play(Checkpoints(pool, journal, serde), pool, durability)

        await scenario(stock)
        await scenario(ours)

    assert plain(ours.seen) == plain(stock.seen)


async def logged(play: Play, snapshot_frequency: int) -> None:
    def appended(log: list[str], more: Sequence[list[str]]) -> list[str]:
        return [*log, *(line for lines in more for line in lines)]

    class Log(TypedDict, total=False):
        path: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=snapshot_frequency)]

    builder = StateGraph(Log)
    for name in ("start", "middle", "end"):
        builder.add_node(name, play.node(name, asks=name == "middle"))
    builder.add_edge(START, "start").add_edge("start", "middle").add_edge("middle", "end")
    graph = builder.compile(checkpointer=play.saver)
    play.has_delta_channel = True

    await play.drive(graph, {"path": ["begin"]})
    await play.drive(graph, Command(resume="yes"))
    await play.drive(graph, {"path": ["more"]})
    past = await play.past(graph, 3)
    await play.drive(graph, None, past)
    await graph.aupdate_state(play.config, {"path": ["edited"]}, as_node="end")
    await play.look(graph)


def linear(play: Play, **nodes: Any) -> StateGraph[State]:
    builder = StateGraph(State)
    for name in ("start", "middle", "end"):
        builder.add_node(name, nodes.get(name, play.node(name, note=f"after {name}", items=[name])))
    return builder.add_edge(START, "start").add_edge("start", "middle").add_edge("middle", "end")


def parallel(play: Play, **nodes: Any) -> StateGraph[State]:
    builder = StateGraph(State)
    for name in ("start", "left", "right", "end"):
        builder.add_node(name, nodes.get(name, play.node(name)))
    builder.add_edge(START, "start").add_edge("start", "left").add_edge("start", "right")
    return builder.add_edge(["left", "right"], "end")


def plain(seen: list[Any]) -> list[str]:
    """Text, line by line, with numbers for ids, versions and times: the same number for the same one."""
    numbers: dict[str, str] = defaultdict(lambda: f"<{len(numbers)}>")
    text = json.dumps(seen, default=repr, sort_keys=True, indent=1)
    ids, versions = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}\b(?!\.)", r"(\d{32}|\+\d{4})\.[\w.-]+"
    volatile = rf"{ids}|{versions}|\d{{4}}-\d\d-\d\dT[\d:.+]+"
    return re.sub(volatile, lambda match: numbers[match[0]], text).splitlines()


def _ran_through(tuples: list[CheckpointTuple]) -> dict[str, bool]:
    """The checkpoints that `db.checkpoints` keeps no writes of: see there."""
    made = {_id(t.parent_config) for t in tuples if t.metadata.get("source") == "loop" and t.parent_config}
    return {
        _id(t.config): True for t in tuples if _id(t.config) in made and not any(map(_is_kept, t.pending_writes or ()))
    }


def _is_kept(write: tuple[str, str, Any]) -> bool:
    task_id, channel, _ = write
    return task_id == NO_TASK or channel in WRITES_IDX_MAP or channel == "__return__"


def _blanked(found: CheckpointTuple, ran_through: dict[str, bool]) -> CheckpointTuple:
    return found._replace(pending_writes=[]) if _id(found.config) in ran_through else found


def _without_results(snapshot: StateSnapshot, ran_through: dict[str, bool]) -> StateSnapshot:
    if _id(snapshot.config) not in ran_through:
        return snapshot
    return snapshot._replace(tasks=tuple(task._replace(result=None) for task in snapshot.tasks))


def _id(config: Any) -> str:
    return str(config["configurable"]["checkpoint_id"])
