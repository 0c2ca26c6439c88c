"""What LangGraph's SDK sends about crons, and what it is told."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.protocol.json_values import Json, JsonObject, Text
from api.protocol.run_schema import Modes, Nodes, RunBody, SentConfig
from api.protocol.schema import Limit, Offset, SortOrder, nothing_required
from api.webhooks.destinations import WebhookUrl
from db.crons import OnCompletion, SortBy
from db.runs import Multitask

Name = Annotated[Text, Field(min_length=1, max_length=200, description="a graph's name, or an assistant's id")]
CronField = Literal[
    "cron_id", "assistant_id", "thread_id", "on_run_completed", "end_time", "schedule", "timezone", "created_at",
    "updated_at", "user_id", "payload", "next_run_date", "metadata", "enabled",
]  # fmt: skip
OF_THE_RUN = (
    "input", "config", "context", "interrupt_before", "interrupt_after", "stream_mode", "stream_subgraphs",
    "stream_resumable", "durability", "multitask_strategy", "webhook",
)  # fmt: skip
"""What of a cron's body says how its runs are: their payload."""


class _Run(BaseModel):
    input: Json = None
    config: SentConfig | None = None
    context: JsonObject | None = None
    interrupt_before: Nodes | None = None
    interrupt_after: Nodes | None = None
    stream_mode: Modes | None = None
    stream_subgraphs: bool | None = None
    stream_resumable: bool | None = None
    durability: Literal["sync", "async", "exit"] | None = None
    multitask_strategy: Multitask | None = None
    webhook: WebhookUrl | None = None
    metadata: JsonObject | None = None
    timezone: Text | None = None
    end_time: AwareDatetime | None = None
    enabled: bool | None = None
    on_run_completed: OnCompletion | None = None

    def run_payload(self) -> dict[str, Any]:
        """Only what was given."""
        return self.model_dump(mode="json", include=set(OF_THE_RUN), exclude_none=True)


def run_of(payload: dict[str, Any], assistant_id: UUID) -> RunBody:
    """What a client would send to start such a run."""
    return RunBody.model_validate({"assistant_id": str(assistant_id), **payload})


class CronBody(_Run):
    """`schedule` has five fields, read in `timezone`, or in UTC. Without a thread, each run gets one of its own, and
    `on_run_completed` says whether it is deleted soon after (`delete`) or kept; cases of our workflows are kept."""

    assistant_id: Name
    schedule: Text


class CronPatchBody(_Run):
    """An `end_time` of null takes it away; what else is left out or null stays as it is."""

    schedule: Text | None = None


class CronFilterBody(BaseModel):
    assistant_id: Name | None = None
    thread_id: UUID | None = None
    metadata: JsonObject | None = None


class CronSearchBody(CronFilterBody):
    enabled: bool | None = None
    limit: Limit = 10
    offset: Offset = 0
    sort_by: SortBy = "created_at"
    sort_order: SortOrder = "desc"
    select: list[CronField] | None = None


class CronView(BaseModel):
    """`user_id` is the person who made it, in whose name its runs start."""

    model_config = ConfigDict(extra="allow")

    cron_id: UUID
    assistant_id: UUID
    thread_id: UUID | None
    on_run_completed: OnCompletion | None
    schedule: str
    timezone: str | None
    end_time: datetime | None
    enabled: bool
    next_run_date: datetime | None
    payload: dict[str, Any]
    metadata: dict[str, Any]
    user_id: str
    created_at: datetime
    updated_at: datetime


class FoundCron(CronView):
    """A cron, of which `select` may have named only some fields."""

    model_config = ConfigDict(extra="allow", json_schema_extra=nothing_required)
