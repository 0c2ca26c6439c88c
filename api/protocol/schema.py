"""What LangGraph's SDK sends about threads and assistants. What a newer SDK adds is let through and has no effect."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.protocol.extract import checked
from api.protocol.json_values import Json, JsonObject, Text
from db.threads import SortBy, Ttl

MAX_TTL_MINUTES = 10 * 366 * 24 * 60
MAX_SUPERSTEPS = 100

Limit = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=2**31 - 1)]
ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
IfExists = Literal["raise", "do_nothing"]
SortOrder = Literal["asc", "desc", "ASC", "DESC"]
ThreadField = Literal[
    "thread_id", "created_at", "updated_at", "state_updated_at", "metadata", "config", "status", "values", "interrupts",
    "error", "workflow", "workflow_version", "outcome", "started_by",
]  # fmt: skip


class TtlBody(BaseModel):
    ttl: Annotated[float, Field(gt=0, le=MAX_TTL_MINUTES)]
    strategy: Literal["delete", "keep_latest"] = "delete"

    def value(self) -> Ttl:
        return Ttl(self.ttl, self.strategy)


class CheckpointBody(BaseModel):
    """`thread_id` is the path's, whatever it says here."""

    checkpoint_id: UUID | None = None
    checkpoint_ns: Text | None = None
    checkpoint_map: dict[Text, UUID] | None = None

    def named(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class CommandBody(BaseModel):
    """`goto` is a node's name, or a node with its input, or several of these."""

    update: Json = None
    goto: Json = None


class UpdateBody(BaseModel):
    values: Json = None
    command: CommandBody | None = None
    as_node: Text


class SuperstepBody(BaseModel):
    updates: Annotated[list[UpdateBody], Field(min_length=1, max_length=MAX_SUPERSTEPS)]


class NewThreadBody(BaseModel):
    """`metadata.graph_id` says which graph the thread is for; else its first run does."""

    thread_id: UUID | None = None
    metadata: JsonObject | None = None
    if_exists: IfExists | None = None
    ttl: TtlBody | None = None
    supersteps: Annotated[list[SuperstepBody], Field(max_length=MAX_SUPERSTEPS)] | None = None


class ThreadPatchBody(BaseModel):
    metadata: JsonObject | None = None
    ttl: TtlBody | None = None


class ThreadFilterBody(BaseModel):
    metadata: JsonObject | None = None
    values: JsonObject | None = None
    status: ThreadStatus | None = None


class ThreadSearchBody(ThreadFilterBody):
    ids: Annotated[list[UUID], Field(max_length=1000)] | None = None
    limit: Limit = 10
    offset: Offset = 0
    sort_by: SortBy | None = None
    sort_order: SortOrder | None = None
    select: list[ThreadField] | None = None
    extract: Annotated[dict[Text, Text], AfterValidator(checked)] | None = None


class PruneBody(BaseModel):
    thread_ids: Annotated[list[UUID], Field(max_length=1000)]
    strategy: Literal["delete", "keep_latest"] = "delete"


class StateAtBody(BaseModel):
    checkpoint: CheckpointBody
    subgraphs: bool = False


class StateUpdateBody(BaseModel):
    values: dict[str, Any] | list[dict[str, Any]] | None = None
    as_node: Text | None = None
    checkpoint: CheckpointBody | None = None
    checkpoint_id: UUID | None = None


class BeforeBody(CheckpointBody):
    """A checkpoint, or a config that names one."""

    configurable: CheckpointBody | None = None


class HistoryBody(BaseModel):
    limit: Limit = 1
    before: UUID | BeforeBody | None = None
    metadata: JsonObject | None = None
    checkpoint: CheckpointBody | None = None

    def before_id(self) -> str | None:
        if isinstance(self.before, BeforeBody):
            inner = self.before.configurable or self.before
            return str(inner.checkpoint_id) if inner.checkpoint_id else None
        return str(self.before) if self.before else None


def nothing_required(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


class ErrorView(BaseModel):
    """What the last run failed with."""

    error: str
    message: str


class InterruptView(BaseModel):
    id: str
    value: Any
    response_schema: dict[str, Any] | None = None


class ThreadView(BaseModel):
    """A thread. `status` speaks of its runs; the case of a workflow of ours is over when, and only when, it has an
    `outcome`. `values` and `interrupts` are its state's."""

    model_config = ConfigDict(extra="allow")

    thread_id: UUID
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime
    metadata: dict[str, Any]
    config: dict[str, Any]
    status: ThreadStatus
    values: dict[str, Any] | None
    interrupts: dict[str, list[InterruptView]]
    workflow: str | None
    workflow_version: str | None
    outcome: str | None
    started_by: str
    error: ErrorView | None


class FoundThread(ThreadView):
    """A thread, of which `select` may have named only some fields."""

    model_config = ConfigDict(extra="allow", json_schema_extra=nothing_required)


class CheckpointView(BaseModel):
    model_config = ConfigDict(extra="allow")

    thread_id: UUID
    checkpoint_ns: str = ""
    checkpoint_id: str
    checkpoint_map: dict[str, Any] | None = None


class ThreadStateView(BaseModel):
    """The graph's values, which nodes come next, and their tasks with what they ask."""

    values: Any
    next: list[str]
    tasks: list[dict[str, Any]]
    metadata: dict[str, Any] | None
    created_at: str | None
    checkpoint: CheckpointView | None
    parent_checkpoint: CheckpointView | None
    interrupts: list[InterruptView]
    checkpoint_id: str | None
    parent_checkpoint_id: str | None


class StateUpdated(BaseModel):
    checkpoint: CheckpointView
    configurable: dict[str, Any]
    checkpoint_id: str


class Pruned(BaseModel):
    pruned_count: int
