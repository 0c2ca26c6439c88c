"""Variables that make LangChain report every run elsewhere do nothing here, unless somebody allows it."""

import os
import sys
from pathlib import Path
from typing import Any, TypedDict

import pytest

from api.tracing import SWITCHES, keep_to_ourselves
from tests.fork_server import ForkServer
from tests.receiver import receiver


class Case(TypedDict):
    payee: str


def run_a_graph() -> None:
    """A process that starts as ours do, runs a graph, and reports it if it is to. Argument: whether that is allowed."""
    from langchain_core.tracers.langchain import wait_for_all_tracers
    from langgraph.graph import END, START, StateGraph

    keep_to_ourselves(allowed=sys.argv[1] == "allowed")
    graph: Any = StateGraph(Case).add_node("pay", lambda state: {}).add_edge(START, "pay").add_edge("pay", END)
    graph.compile().invoke({"payee": "Ada Moor"})
    wait_for_all_tracers()


@pytest.mark.parametrize("allowed", ["refused", "allowed"])
def test_runs_are_traced_elsewhere_only_if_that_is_allowed(forks: ForkServer, tmp_path: Path, allowed: str) -> None:
    log = tmp_path / "log"
    with receiver("127.0.0.1") as service:
        switched = dict.fromkeys(SWITCHES[:3], "true") | {"LANGSMITH_ENDPOINT": service.url, "LANGSMITH_API_KEY": "k"}
        process = forks.start([allowed], os.environ | switched, log, f"{__name__}:run_a_graph")
        code = process.wait()

        sent = [one for one in service.got if b"Ada Moor" in one.body]

    assert code == 0, log.read_text()
    assert bool(sent) == (allowed == "allowed"), log.read_text()
    assert ("COUNTERSIGN_ALLOW_TRACING" in log.read_text()) == (allowed == "refused")
