"""LangGraph's `RemoteGraph` against us: the same results, questions and states as of the graph itself."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.types import Command
from langgraph_sdk import get_client, get_sync_client

from tests.api.protocol.conftest import OWN_GRAPHS
from tests.service import Service

QUESTION: dict[str, Any] = {"question": "why?"}
Remote = Callable[..., RemoteGraph]


@pytest.fixture(scope="module")
def own_graphs(own_graphs: Path) -> Path:
    shutil.copy(Path(__file__).with_name("chat_graphs.py"), own_graphs.parent)
    file = orjson.loads(own_graphs.read_bytes())
    file["graphs"]["chatting"] = "./chat_graphs.py:chatting"
    own_graphs.write_bytes(orjson.dumps(file))
    return own_graphs


@pytest.fixture
async def remote(countersign: Service) -> AsyncIterator[Remote]:
    """`remote("asking", "operator")`: with a fresh key of that role."""
    async with AsyncExitStack() as stack:

        def graph(name: str, role: str = "client") -> RemoteGraph:
            key = countersign.client(role).headers["x-api-key"]
            client = get_client(url=countersign.url, api_key=key)
            stack.push_async_callback(client.aclose)
            sync_client = stack.enter_context(get_sync_client(url=countersign.url, api_key=key))
            return RemoteGraph(name, client=client, sync_client=sync_client)

        yield graph


def module() -> dict[str, Any]:
    """The graphs' own, in this process."""
    names: dict[str, Any] = {"__name__": "own_graphs"}
    exec(OWN_GRAPHS, names)
    return names


def local(name: str) -> Any:
    """The same graph, in this process."""
    return module()[name]().compile(checkpointer=InMemorySaver())


def new_thread() -> RunnableConfig:
    return {"configurable": {"thread_id": str(uuid4())}}


async def test_result_is_the_graphs_own(remote: Remote) -> None:
    expected = await local("echo").ainvoke(QUESTION, new_thread())

    assert await remote("echo").ainvoke(QUESTION, new_thread()) == expected
    assert await remote("echo").ainvoke(QUESTION) == expected
    assert await asyncio.to_thread(remote("echo").invoke, QUESTION) == expected


@pytest.mark.parametrize("mode", ["values", "updates", "custom", "tasks"])
@pytest.mark.parametrize("graph", ["asking", "nested"])
async def test_stream_is_the_graphs_own(remote: Remote, graph: str, mode: Any) -> None:
    theirs = [part async for part in remote(graph).astream(QUESTION, new_thread(), stream_mode=mode, subgraphs=True)]
    ours = [part async for part in local(graph).astream(QUESTION, new_thread(), stream_mode=mode, subgraphs=True)]

    assert [_outline(*part) for part in theirs] == [_outline(*part) for part in ours]


def _outline(namespace: tuple[str, ...], data: dict[str, Any]) -> Any:
    """Without ids, which differ from run to run."""
    keep = {key: value for key, value in data.items() if key not in ("id", "__interrupt__", "metadata", "interrupts")}
    plain = orjson.loads(orjson.dumps(keep))
    return [segment.partition(":")[0] for segment in namespace], "__interrupt__" in data, plain


async def test_messages_are_streamed_with_their_metadata(remote: Remote) -> None:
    given = {"messages": [{"role": "user", "content": "so it is"}]}

    parts: list[Any] = [p async for p in remote("chatting").astream(given, new_thread(), stream_mode="messages")]

    assert "".join(message["content"] for message, _ in parts) == "so it is "
    assert {metadata["langgraph_node"] for _, metadata in parts} == {"talk"}


async def test_question_is_answered_by_command(remote: Remote) -> None:
    graph, thread = remote("asking"), new_thread()

    asked = await graph.ainvoke(QUESTION, thread)
    state = await graph.aget_state(thread)
    answered = await graph.ainvoke(Command(resume="yes"), thread)

    assert asked["__interrupt__"][0]["value"] == {"may I publish?": "plain: why?"}
    assert (state.next, state.interrupts[0].value) == (("ask",), {"may I publish?": "plain: why?"})
    assert answered["trail"] == ["think", "ask", "publish"]


def test_question_is_answered_by_the_synchronous_client(remote: Remote) -> None:
    graph, thread = remote("asking"), new_thread()
    streamed: list[Any] = list(graph.stream(QUESTION, thread, stream_mode=["updates", "values"]))

    assert graph.get_state(thread).next == ("ask",)
    assert any("__interrupt__" in part.data for part in streamed)
    assert graph.invoke(Command(resume="yes"), thread)["answer"] == "yes"
    assert [state.values.get("trail") for state in graph.get_state_history(thread, limit=2)] == [
        ["think", "ask", "publish"], ["think", "ask"]
    ]  # fmt: skip


async def test_states_are_read_and_written(remote: Remote) -> None:
    graph, thread = remote("echo", "operator"), new_thread()
    await graph.ainvoke(QUESTION, thread)

    written = await graph.aupdate_state(thread, {"trail": ["by hand"]}, as_node="publish")
    latest = await graph.aget_state(thread)
    history = [state async for state in graph.aget_state_history(thread)]
    before = [state async for state in graph.aget_state_history(thread, before=history[1].config, limit=2)]
    then = await graph.aget_state(history[-1].config)

    assert latest.values["trail"] == ["think", "publish", "by hand"]
    assert written["configurable"]["checkpoint_id"] == latest.config["configurable"]["checkpoint_id"]
    assert [(state.metadata or {})["step"] for state in history] == [3, 2, 1, 0, -1]
    assert [(state.metadata or {})["step"] for state in before] == [1, 0]
    assert (then.next, then.created_at) == (("__start__",), history[-1].created_at)


async def test_run_starts_from_a_state_of_before(remote: Remote) -> None:
    graph, thread = remote("echo"), new_thread()
    await graph.ainvoke(QUESTION, thread)
    (after_think,) = [s async for s in graph.aget_state_history(thread) if s.next == ("publish",)]

    again = await graph.ainvoke(None, after_think.config)

    assert again["trail"] == ["think", "publish"]


async def test_graph_is_drawn_as_it_is(remote: Remote) -> None:
    drawn = await remote("nested").aget_graph(xray=True)

    assert set(drawn.nodes) == set(local("nested").get_graph(xray=True).nodes)


async def test_failure_is_raised(remote: Remote) -> None:
    with pytest.raises(RemoteException, match="this graph always fails"):
        await remote("failing").ainvoke(QUESTION, new_thread())


async def test_node_of_a_local_graph_asks_as_if_it_were_local(remote: Remote) -> None:
    """LangGraph gives a resumed `RemoteGraph` no answer; then it asks again, and does no work twice."""
    inner, thread = remote("asking"), new_thread()
    graph = StateGraph(module()["State"])
    graph.add_node("remote", inner)
    graph.add_edge(START, "remote")
    graph.add_edge("remote", END)
    outer = graph.compile(checkpointer=InMemorySaver())

    parts = [part async for part in outer.astream(QUESTION, thread, stream_mode="updates", subgraphs=True)]
    again = await outer.ainvoke(Command(resume="yes"), thread)

    assert [(namespace != (), next(iter(data))) for namespace, data in parts] == [
        (True, "think"), (True, "__interrupt__"), (False, "__interrupt__")
    ]  # fmt: skip
    assert again["__interrupt__"][0].value == {"may I publish?": "plain: why?"}
    assert (await inner.aget_state(thread)).values["trail"] == ["think"]


async def test_node_of_a_local_graph_goes_on_with_its_result(remote: Remote) -> None:
    own = module()
    graph = StateGraph(own["State"])
    graph.add_node("remote", remote("echo"))
    graph.add_node("publish", own["publish"])
    graph.add_edge(START, "remote")
    graph.add_edge("remote", "publish")
    graph.add_edge("publish", END)

    values = await graph.compile().ainvoke(QUESTION)

    assert (values["answer"], values["trail"]) == ("plain: why?", ["think", "publish", "publish"])


async def test_events_are_streamed_as_of_a_local_graph(remote: Remote) -> None:
    given = {"messages": [{"role": "user", "content": "so it is"}]}

    async with asyncio.timeout(20):
        async with await remote("chatting").astream_events(given, new_thread(), version="v3") as run:
            output = await run.output()
            interrupted = await run.interrupted()

    assert output["messages"][-1]["content"][0]["text"] == "so it is "
    assert not interrupted
