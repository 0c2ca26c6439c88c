"""A graph to look at: its nodes and edges, and the JSON schemas of what it takes, holds and gives."""

from collections.abc import Callable, Mapping
from typing import Any, get_type_hints, is_typeddict

from langgraph.channels.base import BaseChannel
from pydantic import TypeAdapter, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from api.serving import Graph
from db.errors import NotFound

_NO_SCHEMA = (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError, TypeError, NameError)
"""What Pydantic raises for a type that has no JSON schema."""


async def drawing(graph: Graph, xray: bool | int) -> dict[str, Any]:
    """As LangGraph's own server has it: without the ids of the Python objects behind the nodes."""
    drawn = (await graph.aget_graph(xray=xray)).to_json()
    for node in drawn["nodes"]:
        if isinstance(node.get("data"), dict):
            node["data"].pop("id", None)
    return drawn


def schemas(graph: Graph) -> dict[str, dict[str, Any] | None]:
    """None where a type has no JSON schema. `config_schema` is for clients that say `configurable` for context."""
    builder = getattr(graph, "builder", None)
    context = _schema(graph.get_context_jsonschema, graph.context_schema)
    return {
        "input_schema": _schema(graph.get_input_jsonschema, getattr(builder, "input_schema", None)),
        "output_schema": _schema(graph.get_output_jsonschema, getattr(builder, "output_schema", None)),
        "state_schema": _of_fields(graph.get_name("State"), _channel_types(graph)),
        "config_schema": context or {},
        "context_schema": context,
    }


async def subgraph_schemas(graph: Graph, namespace: str | None, *, recurse: bool) -> dict[str, dict[str, Any]]:
    """Raises NotFound if there is no graph of this namespace."""
    found = {ns: schemas(inner) async for ns, inner in graph.aget_subgraphs(namespace=namespace, recurse=recurse)}  # type: ignore[arg-type]  # a subgraph is a Pregel
    if namespace is not None and not found:
        raise NotFound("subgraph", namespace)
    return found


def _schema(make: Callable[[], dict[str, Any] | None], kind: Any = None) -> dict[str, Any] | None:
    """Pydantic takes no `typing.TypedDict` before Python 3.12: then the schema is made of the dictionary's fields."""
    try:
        return make()
    except _NO_SCHEMA:
        return _of_fields(kind.__name__, get_type_hints(kind)) if is_typeddict(kind) else None


def _of_fields(name: str, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Of each field its type, or `Any` for one that has no schema."""
    fields: dict[str, Any] = {}
    for field, kind in kinds.items():
        fields[field] = (kind if _has_schema(kind) else Any, None)
    return dict(create_model(name, **fields).model_json_schema())


def _has_schema(kind: Any) -> bool:
    try:
        TypeAdapter(kind).json_schema()
    except _NO_SCHEMA:
        return False
    return True


def _channel_types(graph: Graph) -> dict[str, Any]:
    channels = {name: graph.channels[name] for name in graph.stream_channels_list}
    return {name: channel.UpdateType for name, channel in channels.items() if isinstance(channel, BaseChannel)}
