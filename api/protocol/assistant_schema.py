"""What LangGraph's SDK sends about assistants, and what it is told."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.protocol.json_values import JsonObject, Text
from api.protocol.schema import IfExists, Limit, Offset, SortOrder, nothing_required
from db.assistants import SortBy

Name = Annotated[Text, Field(max_length=255)]
AssistantField = Literal[
    "assistant_id", "graph_id", "name", "description", "config", "context", "created_at", "updated_at", "metadata",
    "version",
]  # fmt: skip


class ConfigBody(BaseModel):
    """What else LangGraph's config may hold is let through."""

    model_config = ConfigDict(extra="allow")

    tags: list[Text] | None = None
    recursion_limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    configurable: JsonObject | None = None


def _config(given: dict[str, Any]) -> dict[str, Any]:
    """As it was given; but what LangGraph reads in it must be what LangGraph expects."""
    ConfigBody.model_validate(given)
    return given


class _Parameters(BaseModel):
    config: Annotated[JsonObject, AfterValidator(_config)] | None = None
    context: JsonObject | None = None
    metadata: JsonObject | None = None
    name: Name | None = None
    description: Annotated[Text, Field(max_length=4000)] | None = None


class NewAssistantBody(_Parameters):
    graph_id: Name
    assistant_id: UUID | None = None
    if_exists: IfExists | None = None


class AssistantPatchBody(_Parameters):
    graph_id: Name | None = None


class AssistantFilterBody(BaseModel):
    metadata: JsonObject | None = None
    graph_id: Name | None = None
    name: Name | None = None


class AssistantSearchBody(AssistantFilterBody):
    limit: Limit = 10
    offset: Offset = 0
    sort_by: SortBy | None = None
    sort_order: SortOrder | None = None
    select: list[AssistantField] | None = None


class VersionsBody(BaseModel):
    metadata: JsonObject | None = None
    limit: Limit = 10
    offset: Offset = 0


class LatestBody(BaseModel):
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class AssistantVersionView(BaseModel):
    assistant_id: UUID
    version: int
    graph_id: str
    name: str
    description: str | None
    config: dict[str, Any]
    context: dict[str, Any]
    metadata: dict[str, Any]
    created_at: datetime


class AssistantView(AssistantVersionView):
    updated_at: datetime


class FoundAssistant(AssistantView):
    """An assistant, of which `select` may have named only some fields."""

    model_config = ConfigDict(json_schema_extra=nothing_required)
