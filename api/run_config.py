"""What the nodes of a run are told of it: LangGraph's config and context, as its own server hands them."""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel

from api.graph_factory import User
from api.protocol.streams import MESSAGE_PARTS
from api.serving import Graph, RunOptions, Served
from db.runs import Begun


def config_of(run: Begun, served: Served, options: RunOptions) -> RunnableConfig:
    """The nodes of a case are told its thread and run; those of a team's own graph what its client sent, besides."""
    given = options.merged_config()
    own: dict[str, Any] = {"thread_id": str(run.thread_id)}
    metadata: dict[str, Any] = {"run_id": str(run.run_id)}
    if served.workflow is None:
        own = {**_defaults(run, given["configurable"]), **_told_by_the_server(run, served), **own}
        metadata = {**given.get("metadata", {}), **run.metadata, **metadata, "run_attempt": run.attempts}
    configurable = {**given["configurable"], **own}
    if MESSAGE_PARTS in options.stream_modes:
        configurable["__pregel_stream_messages_v2"] = True
    return cast(RunnableConfig, {**given, "configurable": configurable, "metadata": metadata, "run_id": run.run_id})


def context_of(graph: Graph, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The schema's defaults for what is not given, and nothing that it does not name."""
    if graph.context_schema is None:
        return dict(given) if given else None
    names = _names(graph.context_schema)
    return {key: value for key, value in (given or {}).items() if not names or key in names}


def _told_by_the_server(run: Begun, served: Served) -> dict[str, Any]:
    """`langgraph_auth_user` also makes the runtime's `server_info.user`."""
    return {
        "run_id": str(run.run_id),
        "assistant_id": str(run.assistant_id),
        "graph_id": served.name,
        "langgraph_auth_user": User(run.started_by),
        "langgraph_auth_user_id": run.started_by,
        "langgraph_auth_permissions": [],
    }


def _defaults(run: Begun, given: Mapping[str, Any]) -> dict[str, Any]:
    """What its client may say otherwise."""
    return {"user_id": given.get("user_id") or run.started_by}


def _names(schema: Any) -> Collection[str]:
    if is_dataclass(schema):
        return {field.name for field in fields(schema)}
    if issubclass(schema, BaseModel):
        return {field.alias or name for name, field in schema.model_fields.items()}
    return getattr(schema, "__annotations__", {})
