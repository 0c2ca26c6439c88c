"""All graphs of a process by their names: the workflows, and those of a team's `langgraph.json`."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langgraph.graph import StateGraph

from api import graph_file
from api.graph_factory import Backing, made, with_backing
from api.graph_file import OwnGraph
from api.serving import Served, always
from graphs import WORKFLOWS
from graphs.workflow import Workflow
from tools.context import Context

Uncompiled = StateGraph[Any, Context, Any, Any]

OWN_VERSION = "1"
"""Of every own graph: its threads are not pinned to its source, which its team may change under them."""


def all_served(file: Path | None, backing: Backing) -> dict[str, Served]:
    """Raises InvalidInput if the file, or what it names, is not to be served."""
    served = {workflow.name: _workflow(workflow, backing) for workflow in WORKFLOWS}
    for own in own_graphs(file):
        served[own.name] = _own(own, backing)
    return served


def own_graphs(file: Path | None) -> tuple[OwnGraph, ...]:
    """What the file names, imported once in a process."""
    return () if file is None else graph_file.load(file.absolute(), frozenset(w.name for w in WORKFLOWS))


def _workflow(workflow: Workflow, backing: Backing) -> Served:
    graph = _built(workflow.build).compile(checkpointer=backing.saver, store=backing.store, name=workflow.name)
    return Served(workflow.name, workflow.version, always(graph), workflow, workflow.summary)


@functools.cache
def _built(build: Callable[[], Uncompiled]) -> Uncompiled:
    """Once in a process: each engine compiles the same for a store of its own."""
    return build()


def _own(own: OwnGraph, backing: Backing) -> Served:
    if own.arguments is None:
        opened = always(with_backing(own.name, own.source, backing))
    else:
        opened = functools.partial(made, own.name, own.source, own.arguments, backing)
    return Served(own.name, OWN_VERSION, opened, description=own.description)
