"""Factories of graphs: functions, coroutines and context managers that make one each time it is opened.

They take nothing, LangGraph's config, its `ServerRuntime`, or both, as its own server hands them.
"""

import inspect
import typing
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph_sdk.runtime import ServerRuntime, _ExecutionRuntime, _ReadRuntime

from api.serving import Graph, Opening
from db.errors import CountersignError

Arguments = Callable[[RunnableConfig, Any], dict[str, Any]]
"""What a factory is called with, from a config and a runtime."""


@dataclass(frozen=True, slots=True)
class Backing:
    """What every graph served here stores its states and memories in."""

    saver: BaseCheckpointSaver[Any]
    store: BaseStore | None = None


@dataclass(frozen=True, slots=True)
class User(Mapping[str, Any]):
    """The person on whose behalf a graph is opened, as LangGraph's `BaseUser`."""

    identity: str
    is_authenticated: bool = True
    permissions: tuple[str, ...] = ()

    @property
    def display_name(self) -> str:
        return self.identity

    def __getitem__(self, key: str) -> Any:
        if key not in ("identity", "is_authenticated", "permissions", "display_name"):
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> typing.Iterator[str]:
        return iter(("identity", "is_authenticated", "permissions", "display_name"))

    def __len__(self) -> int:
        return 4


def with_backing(name: str, graph: Any, backing: Backing) -> Graph:
    """A copy of the graph, or of what its builder compiles to, that stores here. Raises CountersignError if it is
    none."""
    compiled = graph.compile() if isinstance(graph, StateGraph) else graph
    if not isinstance(compiled, Pregel):
        raise CountersignError(f"the factory of graph {name} made a {type(graph).__name__}, which is no graph")
    given = name if compiled.name == "LangGraph" else compiled.name
    return compiled.copy({"checkpointer": backing.saver, "store": backing.store, "name": given})


@asynccontextmanager
async def made(
    name: str, factory: Any, arguments: Arguments, backing: Backing, opening: Opening
) -> AsyncIterator[Graph]:
    """What the factory makes for this opening; a context manager ends with it."""
    configurable = {**opening.config.get("configurable", {})}
    config: RunnableConfig = {**opening.config, "configurable": configurable}
    product = factory(**arguments(config, _runtime(opening, backing)))
    if inspect.isawaitable(product):
        product = await product
    if hasattr(product, "__aenter__"):
        async with product as graph:
            yield with_backing(name, graph, backing)
    elif hasattr(product, "__enter__"):
        with product as graph:
            yield with_backing(name, graph, backing)
    else:
        yield with_backing(name, product, backing)


def arguments_of(factory: Callable[..., Any]) -> Arguments:
    """Raises TypeError if it wants what no server of LangGraph hands a factory."""
    parameters = list(inspect.signature(factory).parameters.values())
    names = [parameter.name for parameter in parameters]
    hints = _hints(factory)
    runtimes = [p.name for p in parameters if _is_runtime(hints.get(p.name, p.annotation))]
    configs = [name for name in names if name not in runtimes]
    if len(runtimes) > 1 or len(configs) > 1:
        raise TypeError(f"a factory takes a config, a ServerRuntime, both or nothing; this one takes {names}")
    return lambda config, runtime: dict.fromkeys(configs, config) | dict.fromkeys(runtimes, runtime)


def _runtime(opening: Opening, backing: Backing) -> Any:
    given: dict[str, Any] = {
        "access_context": opening.access,
        "user": User(opening.person) if opening.person else None,
        "store": backing.store,
    }
    if opening.access == "threads.create_run":
        return _ExecutionRuntime(**given, context=opening.context)
    return _ReadRuntime(**given)


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    """Annotations written as text, also of names that are imported for type checkers only."""
    known = {"ServerRuntime": ServerRuntime, "RunnableConfig": RunnableConfig}
    try:
        return typing.get_type_hints(factory, localns=known)
    except (NameError, TypeError):
        return {}


def _is_runtime(annotation: Any) -> bool:
    """`ServerRuntime`, one with a parameter, one of its two classes, or `Annotated` of these."""
    if isinstance(annotation, type):
        return issubclass(annotation, (_ExecutionRuntime, _ReadRuntime))
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is ServerRuntime or origin is ServerRuntime:
        return True
    return origin is typing.Annotated and _is_runtime(args[0])
