"""A team's own graphs: `langgraph.json` read, its faults named, and what it names opened as LangGraph's server does."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_sdk.client import LangGraphClient

from api.catalogue import all_served
from api.graph_factory import Backing
from api.graph_file import load
from api.serving import Access, Opening
from db.errors import CountersignError, InvalidInput

Sdk = Callable[..., LangGraphClient]

GRAPHS = """
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph

from words import GREETING

if TYPE_CHECKING:
    from langgraph_sdk.runtime import ServerRuntime

told: list[Any] = []


class State(TypedDict, total=False):
    who: str
    greeting: str


def greet(state: State) -> State:
    return {"greeting": f"{GREETING} {state['who']}"}


def built() -> StateGraph:
    graph = StateGraph(State)
    graph.add_node("greet", greet)
    graph.add_edge(START, "greet")
    graph.add_edge("greet", END)
    return graph


compiled = built().compile()
builder = built()


async def coroutine():
    return built()


def of_config(config: RunnableConfig):
    told.append(config["configurable"]["tone"])
    return compiled


async def of_runtime(runtime: "ServerRuntime[dict]"):
    execution = runtime.execution_runtime
    told.append((runtime.access_context, runtime.ensure_user().identity, execution and execution.context))
    return compiled


@asynccontextmanager
async def of_both(runtime: "ServerRuntime", config: RunnableConfig):
    told.append("entered")
    yield compiled
    told.append("left")


@contextmanager
def synchronous():
    yield compiled


def too_much(one, two, three):
    return compiled


def no_graph():
    return 42


number = 42
"""

KINDS = ("compiled", "builder", "built", "coroutine", "of_config", "of_runtime", "of_both", "synchronous")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "graphs.py").write_text(GRAPHS)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "words.py").write_text('GREETING = "Hello"')
    return tmp_path


def written(folder: Path, graphs: Any, **more: Any) -> Path:
    file = folder / "langgraph.json"
    file.write_text(json.dumps({"graphs": graphs, "dependencies": ["./lib"]} | more))
    return file


def opening(access: Access = "threads.create_run") -> Opening:
    return Opening(access, {"configurable": {"tone": "warm", "thread_id": "1"}}, {"key": "value"}, "ada")


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_graph_runs_with_our_saver(folder: Path, kind: str) -> None:
    saver = InMemorySaver()
    served = all_served(written(folder, {"mine": f"./graphs.py:{kind}"}), Backing(saver))["mine"]

    async with served.opened(opening()) as graph:
        result = await graph.ainvoke({"who": "Ada"}, opening().config)

    assert result["greeting"] == "Hello Ada"
    assert (graph.name, graph.checkpointer) == ("mine", saver)


async def test_the_teams_own_object_stays_as_it_is(folder: Path) -> None:
    file = written(folder, {"mine": "./graphs.py:compiled"})
    [own] = load(file)

    all_served(file, Backing(InMemorySaver()))

    assert not isinstance(own.source, Callable)  # type: ignore[arg-type]
    assert own.source.checkpointer is None  # type: ignore[union-attr]


async def test_factory_is_told_why_for_whom_and_with_what(folder: Path) -> None:
    graphs = {kind: f"./graphs.py:{kind}" for kind in ("of_config", "of_runtime", "of_both")}
    served = all_served(written(folder, graphs), Backing(InMemorySaver()))
    [told] = [m.told for name, m in sys.modules.items() if name.endswith("graphs") and hasattr(m, "told")]

    for name in graphs:
        async with served[name].opened(opening()):
            pass
    async with served["of_runtime"].opened(opening("assistants.read")):
        pass

    run = ("threads.create_run", "ada", {"key": "value"})
    assert told == ["warm", run, "entered", "left", ("assistants.read", "ada", None)]


async def test_factory_that_makes_no_graph_says_so(folder: Path) -> None:
    served = all_served(written(folder, {"mine": "./graphs.py:no_graph"}), Backing(InMemorySaver()))

    with pytest.raises(CountersignError, match="mine made a int"):
        async with served["mine"].opened(opening()):
            pass


@pytest.mark.parametrize(
    ("graphs", "fault"),
    [
        ({}, r"graphs: must name at least one graph"),
        ({"mine": 1}, r"graphs\.mine: must be"),
        ({"mine": "./graphs.py"}, r"graphs\.mine: './graphs.py' names no graph"),
        ({"mine": "./gone.py:graph"}, r"graphs\.mine: there is no file .*gone\.py"),
        ({"mine": "gone.module:graph"}, r"graphs\.mine: gone\.module cannot be imported"),
        ({"mine": "./broken.py:graph"}, r"graphs\.mine: \./broken\.py cannot be imported"),
        ({"mine": "./graphs.py:compilde"}, r"has no `compilde`; did you mean `compiled`\?"),
        ({"mine": "./graphs.py:number"}, r"`number` of \./graphs\.py is a int, not a graph"),
        ({"mine": "./graphs.py:too_much"}, r"a factory takes a config, a ServerRuntime, both or nothing"),
        ({"loan_origination": "./graphs.py:compiled"}, r"graphs\.loan_origination: a workflow of ours has this name"),
    ],
)
def test_fault_is_named_with_its_file_and_key(folder: Path, graphs: Any, fault: str) -> None:
    (folder / "broken.py").write_text("import what_nobody_has")

    with pytest.raises(InvalidInput, match=r"langgraph\.json: .*" + fault.removeprefix("^")):
        all_served(written(folder, graphs), Backing(InMemorySaver()))


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"dependencies": ["./gone"]}, "dependencies: there is no folder"),
        ({"dependencies": "."}, "dependencies: must be a list"),
        ({"env": "gone.env"}, "env: there is no file"),
        ({"env": 3}, "env: must be a file's name"),
    ],
)
def test_fault_beside_the_graphs_is_named_too(folder: Path, more: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault):
        load(written(folder, {"mine": "./graphs.py:compiled"}, **more))


def test_file_that_is_not_json_is_refused_with_line_and_column(folder: Path) -> None:
    (folder / "langgraph.json").write_text('{\n  "graphs": {,}\n}')

    with pytest.raises(InvalidInput, match=r"langgraph\.json:2:14: this is not JSON"):
        load(folder / "langgraph.json")


@pytest.mark.parametrize("in_file", [True, False])
def test_environment_is_set_unless_it_is_already(folder: Path, monkeypatch: pytest.MonkeyPatch, in_file: bool) -> None:
    monkeypatch.setenv("OWN_GRAPHS_SET", "from outside")
    monkeypatch.delenv("OWN_GRAPHS_NEW", raising=False)
    env = {"OWN_GRAPHS_SET": "from the file", "OWN_GRAPHS_NEW": "new"}
    (folder / "own.env").write_text("\n".join(f"{name}={value}" for name, value in env.items()))

    load(written(folder, {"mine": "./graphs.py:compiled"}, env="own.env" if in_file else env))

    assert (os.environ["OWN_GRAPHS_SET"], os.environ.pop("OWN_GRAPHS_NEW")) == ("from outside", "new")


def test_command_line_says_the_fault_and_starts_nothing(folder: Path) -> None:
    file = written(folder, {"mine": "./graphs.py:gone"})

    ended = subprocess.run(
        [sys.executable, "-m", "api.cli", "up", "--config", str(file)],
        env=os.environ | {"COUNTERSIGN_HOME": str(folder / "home"), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert f"countersign: {file}: graphs.mine: ./graphs.py has no `gone`" in ended.stderr
    assert not (folder / "home").exists()


@pytest.mark.parametrize("graph", ["echo", "opened"])
async def test_own_graph_runs_to_its_end(sdk: Sdk, graph: str) -> None:
    client = sdk("client")
    thread = await client.threads.create()

    result = await client.runs.wait(thread["thread_id"], graph, input={"question": "why"}, context={"tone": "warm"})

    assert result == {"question": "why", "answer": "warm: why", "trail": ["think", "publish"]}
    after: Any = await client.threads.get(thread["thread_id"])
    assert (after["status"], after["values"], after["metadata"]["graph_id"]) == ("idle", result, graph)
