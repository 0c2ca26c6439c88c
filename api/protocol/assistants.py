"""Assistants as LangGraph's SDK knows them: every graph served here is one, and operators make more of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query, Response
from psycopg import AsyncConnection

from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.protocol import thread_acts
from api.protocol.assistant_schema import (
    AssistantFilterBody,
    AssistantPatchBody,
    AssistantSearchBody,
    AssistantVersionView,
    AssistantView,
    FoundAssistant,
    LatestBody,
    NewAssistantBody,
    VersionsBody,
)
from api.protocol.graph_views import drawing, schemas, subgraph_schemas
from api.protocol.threads import json_response
from api.serving import Opening, Served
from api.strict import StrictBodyRoute
from db import assistants, audit
from db.actor import Actor, Role
from db.assistants import Assistant, Settings, Wanted
from db.audit import Deed
from db.errors import Conflict, InvalidInput, NotFound
from db.tenancy import acting_for

AssistantId = Annotated[str, Path(description="an assistant's id, or the name of a graph", max_length=255)]


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/assistants", tags=["assistants"], responses=responses(401, 403, 422, 503), route_class=StrictBodyRoute
    )
    _many(routes)
    _one(routes)
    _versions(routes)
    _graph(routes)
    return routes


def _many(routes: APIRouter) -> None:
    @routes.post("", response_model=AssistantView, responses=responses(400, 404, 409))
    async def create_assistant(body: NewAssistantBody, actor: Caller, engine: TheEngine) -> Response:
        """A graph with a configuration of its own. For operators."""
        require(actor, Role.OPERATOR)
        if body.graph_id not in engine.served:
            raise NotFound("graph", body.graph_id)
        config, context = _agreed(body.config, body.context)
        settings = Settings(
            body.graph_id, body.name or "Untitled", body.description, config or {}, context or {}, body.metadata or {}
        )
        assistant_id = body.assistant_id or uuid4()
        if _graph_of(engine, assistant_id) is not None and body.if_exists != "do_nothing":
            raise Conflict(f"assistant {assistant_id} exists already")
        async with engine.pool.connection() as conn, conn.transaction():
            if await assistants.create(conn, actor.tenant_id, assistant_id, settings):
                await _record(conn, actor, "assistant.created", assistant_id, body.model_dump(mode="json"))
            elif body.if_exists != "do_nothing":
                raise Conflict(f"assistant {assistant_id} exists already")
            assistant = await assistants.get(conn, actor.tenant_id, assistant_id)
        return json_response(assistant)

    @routes.post("/search", response_model=list[FoundAssistant], responses=responses(400, 404))
    async def search_assistants(body: AssistantSearchBody, actor: Caller, engine: TheEngine) -> Response:
        async with engine.pool.connection() as conn:
            await _add_own(conn, engine, actor.tenant_id)
            wanted = _wanted(engine, body)
            found = await assistants.search(conn, actor.tenant_id, wanted, body.limit + 1, body.offset)
        page, end = found[: body.limit], body.offset + body.limit
        more = len(found) > body.limit
        headers = {"X-Pagination-Total": str(end + 1 if more else body.offset + len(page))}
        if more:
            headers["X-Pagination-Next"] = str(end)
        fields: Sequence[str] = body.select or list(AssistantView.model_fields)
        return json_response([{key: getattr(a, key) for key in fields} for a in page], headers)

    @routes.post("/count", responses=responses(400, 404))
    async def count_assistants(body: AssistantFilterBody, actor: Caller, engine: TheEngine) -> int:
        async with engine.pool.connection() as conn:
            await _add_own(conn, engine, actor.tenant_id)
            return await assistants.count(conn, actor.tenant_id, _wanted(engine, body))


def _one(routes: APIRouter) -> None:
    @routes.get("/{assistant_id}", response_model=AssistantView, responses=responses(404))
    async def get_assistant(assistant_id: AssistantId, actor: Caller, engine: TheEngine) -> Response:
        async with engine.pool.connection() as conn:
            return json_response(await find(conn, engine, actor, assistant_id))

    @routes.patch("/{assistant_id}", response_model=AssistantView, responses=responses(400, 404, 409))
    async def update_assistant(
        assistant_id: AssistantId, body: AssistantPatchBody, actor: Caller, engine: TheEngine
    ) -> Response:
        """A new version with what is given; metadata is merged key by key. For operators."""
        require(actor, Role.OPERATOR)
        if body.graph_id is not None and body.graph_id not in engine.served:
            raise NotFound("graph", body.graph_id)
        config, context = _agreed(body.config, body.context)
        given: dict[str, Any] = {"config": config, "context": context} | body.model_dump(
            include={"graph_id", "name", "description"}
        )
        async with engine.pool.connection() as conn, conn.transaction():
            before = await find(conn, engine, actor, assistant_id, lock=True)
            if body.graph_id not in (None, before.graph_id) and _graph_of(engine, before.assistant_id) is not None:
                raise Conflict(f"assistant {before.assistant_id} stands for graph {before.graph_id}, and for no other")
            changed = {key: value for key, value in given.items() if value is not None}
            settings = replace(before.settings, **changed, metadata=before.metadata | (body.metadata or {}))
            await assistants.add_version(conn, actor.tenant_id, before.assistant_id, settings)
            await _record(conn, actor, "assistant.updated", before.assistant_id, body.model_dump(mode="json"))
            assistant = await assistants.get(conn, actor.tenant_id, before.assistant_id)
        return json_response(assistant)

    @routes.delete("/{assistant_id}", status_code=204, responses=responses(404, 409))
    async def delete_assistant(
        assistant_id: AssistantId,
        actor: Caller,
        engine: TheEngine,
        delete_threads: Annotated[bool, Query(description="also the threads it ran on last")] = False,
    ) -> None:
        """With its versions; not one that stands for a graph itself. For operators. With `delete_threads` all of its
        threads go, or nothing does: not if one is busy, or a case of a workflow of ours, which is a record."""
        require(actor, Role.OPERATOR)
        async with engine.pool.connection() as conn, conn.transaction():
            assistant = await find(conn, engine, actor, assistant_id, lock=True)
            if _graph_of(engine, assistant.assistant_id) is not None:
                raise Conflict(f"assistant {assistant.assistant_id} stands for graph {assistant.graph_id}, and stays")
            if delete_threads:
                await thread_acts.delete_of_assistant(conn, engine, actor, assistant.assistant_id)
            await assistants.delete(conn, actor.tenant_id, assistant.assistant_id)
            await _record(conn, actor, "assistant.deleted", assistant.assistant_id, {"threads": delete_threads})


def _versions(routes: APIRouter) -> None:
    @routes.post("/{assistant_id}/versions", response_model=list[AssistantVersionView], responses=responses(400, 404))
    async def list_versions(
        assistant_id: AssistantId, body: VersionsBody, actor: Caller, engine: TheEngine
    ) -> Response:
        """The newest first."""
        async with engine.pool.connection() as conn:
            assistant = await find(conn, engine, actor, assistant_id)
            found = await assistants.versions(conn, actor.tenant_id, assistant.assistant_id, body.metadata or {})
        return json_response(found[body.offset : body.offset + body.limit])

    @routes.post("/{assistant_id}/latest", response_model=AssistantView, responses=responses(400, 404))
    async def set_latest(assistant_id: AssistantId, body: LatestBody, actor: Caller, engine: TheEngine) -> Response:
        """Goes on with an earlier version. For operators."""
        require(actor, Role.OPERATOR)
        async with engine.pool.connection() as conn, conn.transaction():
            found = await find(conn, engine, actor, assistant_id, lock=True)
            await assistants.set_latest(conn, actor.tenant_id, found.assistant_id, body.version)
            await _record(conn, actor, "assistant.reverted", found.assistant_id, body.model_dump(mode="json"))
            assistant = await assistants.get(conn, actor.tenant_id, found.assistant_id)
        return json_response(assistant)


def _graph(routes: APIRouter) -> None:
    @routes.get("/{assistant_id}/graph", responses=responses(404))
    async def get_graph(
        assistant_id: AssistantId,
        actor: Caller,
        engine: TheEngine,
        xray: Annotated[
            bool | Annotated[int, Query(ge=1, le=100)], Query(description="subgraphs, too: all, or so deep")
        ] = False,
    ) -> dict[str, Any]:
        """Nodes and edges, to be drawn."""
        served, opening = await _to_be_shown(engine, actor, assistant_id)
        with acting_for(actor.tenant_id):
            async with served.opened(opening) as graph:
                return await drawing(graph, xray)

    @routes.get("/{assistant_id}/schemas", responses=responses(404))
    async def get_schemas(assistant_id: AssistantId, actor: Caller, engine: TheEngine) -> dict[str, Any]:
        """JSON schemas of what the graph takes, holds and gives; null where it has no JSON schema."""
        served, opening = await _to_be_shown(engine, actor, assistant_id)
        with acting_for(actor.tenant_id):
            async with served.opened(opening) as graph:
                return {"graph_id": served.name} | schemas(graph)

    async def get_subgraphs(
        assistant_id: AssistantId,
        actor: Caller,
        engine: TheEngine,
        namespace: str | None = None,
        recurse: bool = False,
    ) -> dict[str, dict[str, Any]]:
        """The schemas of the graphs within it, by namespace."""
        served, opening = await _to_be_shown(engine, actor, assistant_id)
        with acting_for(actor.tenant_id):
            async with served.opened(opening) as graph:
                return await subgraph_schemas(graph, namespace, recurse=recurse)

    for path in ("/{assistant_id}/subgraphs", "/{assistant_id}/subgraphs/{namespace}"):
        routes.add_api_route(path, get_subgraphs, methods=["GET"], responses=responses(404))


async def find(
    conn: AsyncConnection[Any], engine: Engine, actor: Actor, assistant_id: str, *, lock: bool = False
) -> Assistant:
    """The assistant of this id, or the one that stands for the graph of this name.

    Raises NotFound, also if its graph is not served here; InvalidInput for what is neither an id nor a graph's name.
    """
    if assistant_id in engine.served:
        known: UUID = assistants.own_id(assistant_id)
    else:
        try:
            known = UUID(assistant_id)
        except ValueError as exc:
            raise InvalidInput("assistant_id", f"{assistant_id!r} is no UUID, and no graph of this name") from exc
    served = _graph_of(engine, known)
    try:
        assistant = await assistants.get(conn, actor.tenant_id, known, lock=lock)
    except NotFound:
        if served is None:
            raise
        await assistants.create(conn, actor.tenant_id, known, _own_settings(served))
        assistant = await assistants.get(conn, actor.tenant_id, known, lock=lock)
    if assistant.graph_id not in engine.served:
        raise NotFound("assistant", assistant_id)
    return assistant


async def _to_be_shown(engine: Engine, actor: Actor, assistant_id: str) -> tuple[Served, Opening]:
    async with engine.pool.connection() as conn:
        assistant = await find(conn, engine, actor, assistant_id)
    config: Any = assistant.config
    return engine.served[assistant.graph_id], Opening("assistants.read", config, person=actor.person)


async def _add_own(conn: AsyncConnection[Any], engine: Engine, tenant_id: str) -> None:
    """The assistants that stand for graphs, which this tenant may not have rows of yet."""
    graphs = {assistants.own_id(name): served for name, served in engine.served.items()}
    for assistant_id in await assistants.missing(conn, tenant_id, list(graphs)):
        await assistants.create(conn, tenant_id, assistant_id, _own_settings(graphs[assistant_id]))


def _own_settings(served: Served) -> Settings:
    return Settings(served.name, served.name, served.description, metadata={"created_by": "system"})


def _graph_of(engine: Engine, assistant_id: UUID) -> Served | None:
    """The graph that this assistant stands for, if it is one of those."""
    return next((s for name, s in engine.served.items() if assistants.own_id(name) == assistant_id), None)


def _agreed(config: Mapping[str, Any] | None, context: Any) -> tuple[dict[str, Any] | None, Any]:
    """A graph's parameters in the old words and the new ones, of which the caller uses one."""
    if config and config.get("configurable") and context:
        raise InvalidInput("context", "parameters are given in config.configurable or in context, not in both")
    if config and config.get("configurable"):
        return dict(config), config["configurable"]
    if context:
        return {**(config or {}), "configurable": context}, context
    return (None if config is None else dict(config)), context


async def _record(
    conn: AsyncConnection[Any], actor: Actor, action: str, assistant_id: UUID, record: Mapping[str, Any]
) -> None:
    given = {key: value for key, value in record.items() if value is not None}
    deed = Deed(actor.tenant_id, actor.person, action, {"assistant_id": str(assistant_id)} | given)
    await audit.record(conn, deed)


def _wanted(engine: Engine, body: AssistantFilterBody) -> Wanted:
    if body.graph_id is not None and body.graph_id not in engine.served:
        raise NotFound("graph", body.graph_id)
    sort_by = sort_order = None
    if isinstance(body, AssistantSearchBody):
        sort_by, sort_order = body.sort_by, body.sort_order
    return Wanted(
        graph_ids=list(engine.served) if body.graph_id is None else [body.graph_id],
        name=body.name or None,
        metadata=body.metadata or {},
        sort_by=sort_by or "created_at",
        descending=(sort_order or "desc").lower() == "desc",
    )
