"""What graphs remember beyond a thread, as LangGraph's SDK reads and writes it.

All of a tenant's people and agents share its store, auditors by reading only. Clients have no part in it: what is in
there may be about others. There is no vector index: `query` and `index` are taken and change nothing.
"""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from langgraph.store.base import Item
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.auth import Caller, TheEngine, require
from api.errors import responses
from api.protocol.json_values import JsonObject, Text
from api.strict import StrictBodyRoute
from db.actor import STAFF, Actor, Role
from db.store import COMPARISONS
from db.tenancy import acting_for

MAX_NAME_BYTES = 1000
"""Of a key and of a namespace: together they must fit into one entry of an index."""
MAX_VALUE_BYTES = 128 * 1024
MAX_TTL_MINUTES = 10 * 366 * 24 * 60

READERS = tuple(STAFF | {Role.AGENT})
WRITERS = tuple(STAFF - {Role.AUDITOR} | {Role.AGENT})


def _namespace(labels: list[str]) -> list[str]:
    if any("." in label for label in labels):
        raise ValueError("a label cannot contain a period")
    if len(".".join(labels).encode()) > MAX_NAME_BYTES:
        raise ValueError(f"labels together are at most {MAX_NAME_BYTES} bytes long")
    return labels


def _not_langgraphs(labels: list[str]) -> list[str]:
    if labels[0] == "langgraph":
        raise ValueError("the first label `langgraph` is LangGraph's own")
    return labels


def _key(key: str) -> str:
    if len(key.encode()) > MAX_NAME_BYTES:
        raise ValueError(f"a key is at most {MAX_NAME_BYTES} bytes long")
    return key


def _value(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value, ensure_ascii=False).encode()) > MAX_VALUE_BYTES:
        raise ValueError(f"a value is at most {MAX_VALUE_BYTES} bytes of JSON long")
    return value


def _filter(wanted: dict[str, Any]) -> dict[str, Any]:
    """Each field with its operators, which are the store's and no others."""
    conditions = {field: given if isinstance(given, dict) else {"$eq": given} for field, given in wanted.items()}
    for field, condition in conditions.items():
        if not condition or condition.keys() - COMPARISONS.keys() - {"$eq", "$ne"}:
            raise ValueError(f"{field} is compared by $eq, $ne, {', '.join(COMPARISONS)}")
        for operator in condition.keys() & COMPARISONS.keys():
            if isinstance(condition[operator], bool) or not isinstance(condition[operator], str | int | float):
                raise ValueError(f"{field} {operator} compares with a number or a text")
    return conditions


def _labels(dotted: str) -> str:
    if not all(dotted.split(".")):
        raise ValueError("a label cannot be empty")
    _namespace(dotted.split("."))
    return dotted


Label = Annotated[Text, Field(min_length=1)]
Path = Annotated[list[Label], AfterValidator(_namespace)]
Namespace = Annotated[Path, Field(min_length=1)]
Key = Annotated[Text, Field(min_length=1), AfterValidator(_key)]
Limit = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=2**31 - 1)]


class PutBody(BaseModel):
    """`ttl` is in minutes from now, and again from each read that refreshes it; None: for ever."""

    namespace: Annotated[Namespace, AfterValidator(_not_langgraphs)]
    key: Key
    value: Annotated[JsonObject, AfterValidator(_value)]
    index: Literal[False] | list[str] | None = None
    ttl: Annotated[int, Field(ge=1, le=MAX_TTL_MINUTES)] | None = None


class DeleteBody(BaseModel):
    namespace: Namespace
    key: Key


class Place(BaseModel):
    """An item's key, and its namespace's labels joined by periods."""

    namespace: Annotated[Text, AfterValidator(_labels)]
    key: Key
    refresh_ttl: bool | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.namespace.split("."))


class SearchBody(BaseModel):
    namespace_prefix: Path
    filter: Annotated[JsonObject, AfterValidator(_filter)] | None = None
    limit: Limit = 10
    offset: Offset = 0
    query: Text | None = None
    refresh_ttl: bool | None = None


class NamespacesBody(BaseModel):
    """A `*` in `prefix` or `suffix` stands for any one label."""

    prefix: Path | None = None
    suffix: Path | None = None
    max_depth: Annotated[int, Field(ge=1, le=MAX_NAME_BYTES)] | None = None
    limit: Limit = 100
    offset: Offset = 0


class ItemView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    namespace: list[str]
    key: str
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class FoundItemView(ItemView):
    score: float | None = None


class Items(BaseModel):
    items: list[FoundItemView]


class Namespaces(BaseModel):
    namespaces: list[list[str]]


async def reader(actor: Caller) -> Actor:
    require(actor, *READERS)
    return actor


async def writer(actor: Caller) -> Actor:
    require(actor, *WRITERS)
    return actor


Reader = Annotated[Actor, Depends(reader)]
Writer = Annotated[Actor, Depends(writer)]


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/store", tags=["store"], responses=responses(400, 401, 403, 413, 422, 503), route_class=StrictBodyRoute
    )

    @routes.put("/items", status_code=204)
    async def put_item(body: PutBody, actor: Writer, engine: TheEngine) -> None:
        with acting_for(actor.tenant_id):
            await engine.store.aput(tuple(body.namespace), body.key, body.value, ttl=body.ttl)

    @routes.get("/items")
    async def get_item(place: Annotated[Place, Query()], actor: Reader, engine: TheEngine) -> ItemView | None:
        """The item, or `null` if there is none."""
        with acting_for(actor.tenant_id):
            item: Item | None = await engine.store.aget(place.labels, place.key, refresh_ttl=place.refresh_ttl)
        return None if item is None else ItemView.model_validate(item)

    @routes.delete("/items", status_code=204)
    async def delete_item(body: DeleteBody, actor: Writer, engine: TheEngine) -> Response:
        """Also if there is none."""
        with acting_for(actor.tenant_id):
            await engine.store.adelete(tuple(body.namespace), body.key)
        return Response(status_code=204)

    @routes.post("/items/search")
    async def search_items(body: SearchBody, actor: Reader, engine: TheEngine) -> Items:
        """Items in the namespace and below it, the last changed first."""
        with acting_for(actor.tenant_id):
            found = await engine.store.asearch(
                tuple(body.namespace_prefix),
                filter=body.filter,
                limit=body.limit,
                offset=body.offset,
                refresh_ttl=body.refresh_ttl,
            )
        return Items(items=[FoundItemView.model_validate(item) for item in found])

    @routes.post("/namespaces")
    async def list_namespaces(body: NamespacesBody, actor: Reader, engine: TheEngine) -> Namespaces:
        with acting_for(actor.tenant_id):
            found = await engine.store.alist_namespaces(
                prefix=tuple(body.prefix or ()),
                suffix=tuple(body.suffix or ()),
                max_depth=body.max_depth,
                limit=body.limit,
                offset=body.offset,
            )
        return Namespaces(namespaces=[list(namespace) for namespace in found])

    return routes
