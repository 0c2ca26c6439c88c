"""What LangGraph's SDK sends to start a run. What a newer SDK adds is let through and has no effect; what is known and
not served here is refused, or said to be ignored."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.protocol.json_values import Json, JsonObject, Text
from api.protocol.streams import SdkMode
from api.serving import RunOptions
from api.webhooks.destinations import WebhookUrl
from db.errors import InvalidInput
from db.runs import Multitask

MAX_DELAY_S = 366 * 24 * 3600
NOT_SERVED = {
    "feedback_keys": "feedback keys are a service of LangSmith, and not served",
}
IGNORED = {"langsmith_tracer": "tracing to LangSmith is set by the server's environment, not by a run"}

Nodes = Literal["*"] | Annotated[list[Text], Field(max_length=1000)]
Modes = SdkMode | Annotated[list[SdkMode], Field(max_length=20)]


class SentCheckpoint(BaseModel):
    """`thread_id` is the path's, whatever it says here."""

    checkpoint_id: UUID | None = None
    checkpoint_ns: Text | None = None
    checkpoint_map: dict[Text, UUID] | None = None


class SentTarget(BaseModel):
    node: Text
    input: Json = None


class SentCommand(BaseModel):
    """`resume` answers the thread's question, or by interrupt id several. `update` and `goto` are for operators."""

    resume: Json = None
    update: JsonObject | list[tuple[Text, Json]] | None = None
    goto: Text | SentTarget | list[Text | SentTarget] | None = None

    @field_validator("goto")
    @classmethod
    def _nowhere(cls, goto: Any) -> Any:
        """`RemoteGraph` sends an empty list with every command."""
        return goto or None


class SentConfig(BaseModel):
    model_config = ConfigDict(extra="ignore")

    tags: list[Text] | None = None
    recursion_limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    configurable: JsonObject | None = None
    metadata: JsonObject | None = None


class StatelessRunBody(BaseModel):
    """A run on a thread of its own, which is deleted soon after it unless `on_completion` is `keep`."""

    assistant_id: Annotated[Text, Field(min_length=1, max_length=200, description="its id, or its graph's name")]
    input: Json = None
    command: SentCommand | None = None
    metadata: JsonObject | None = None
    config: SentConfig | None = None
    context: JsonObject | None = None
    stream_mode: Modes = "values"
    stream_subgraphs: bool = False
    stream_resumable: bool = Field(False, description="every stream is: events are kept until their run is pruned")
    interrupt_before: Nodes | None = None
    interrupt_after: Nodes | None = None
    on_disconnect: Literal["cancel", "continue"] = "continue"
    on_completion: Literal["delete", "keep"] = "delete"
    after_seconds: Annotated[float, Field(ge=0, le=MAX_DELAY_S)] | None = None
    durability: Literal["sync", "async", "exit"] | None = None
    checkpoint_during: bool | None = Field(None, deprecated=True)
    if_not_exists: Literal["create", "reject"] = "reject"
    webhook: WebhookUrl | None = Field(None, description="told of the run's end, by a signed POST")
    feedback_keys: Any = None
    langsmith_tracer: Any = None

    def modes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.stream_mode if isinstance(self.stream_mode, list) else [self.stream_mode]))

    def refuse_not_served(self) -> None:
        """Raises InvalidInput for an option that nobody would act on."""
        for option, reason in NOT_SERVED.items():
            if getattr(self, option) not in (None, [], {}):
                raise InvalidInput(option, reason)

    def ignored(self) -> dict[str, str] | None:
        """Options that are taken, since clients of LangGraph's own server send them, and not acted on: why."""
        return {option: reason for option, reason in IGNORED.items() if getattr(self, option)} or None


class RunBody(StatelessRunBody):
    """A run on a thread. `multitask_strategy` is what to do if the thread is busy."""

    checkpoint: SentCheckpoint | None = None
    checkpoint_id: UUID | None = None
    multitask_strategy: Multitask = "enqueue"
    strict_resume: bool | None = None

    def forked_from(self) -> dict[str, Any] | None:
        """The checkpoint that the run starts from, as LangGraph names it; None: the thread's latest state."""
        named = self.checkpoint.model_dump(mode="json", exclude_none=True) if self.checkpoint else {}
        if self.checkpoint_id is not None:
            named["checkpoint_id"] = str(self.checkpoint_id)
        return {"checkpoint_ns": "", **named} if named.get("checkpoint_id") else None


class BatchRunBody(RunBody):
    thread_id: UUID | None = None


class CancelBody(BaseModel):
    """Either some runs of a thread, or all of a status that one may see."""

    thread_id: UUID | None = None
    run_ids: Annotated[list[UUID], Field(max_length=1000)] | None = None
    status: Literal["pending", "running", "all"] | None = None


Batch = Annotated[list[BatchRunBody], Field(min_length=1, max_length=100)]


def options_of(body: StatelessRunBody) -> RunOptions:
    """How a run of a team's own graph is driven; its assistant's config and context are added as it is accepted."""
    stateful = body if isinstance(body, RunBody) else None
    config = {} if body.config is None else body.config.model_dump(exclude_none=True)
    given = config.get("configurable", {})
    configurable = {k: v for k, v in given.items() if not k.startswith(_MACHINERY)}
    if given.get(_RESUMING) is True:
        configurable[_RESUMING] = True
    if stateful is not None and stateful.strict_resume:
        configurable["__pregel_strict_resume"] = True
    return RunOptions(
        stream_modes=body.modes(),
        stream_subgraphs=body.stream_subgraphs,
        durability=body.durability or "sync",
        interrupt_before=body.interrupt_before,
        interrupt_after=body.interrupt_after,
        config={key: value for key, value in (config | {"configurable": configurable}).items() if value} or None,
        context=body.context,
        command=None if body.command is None else body.command.model_dump(exclude_unset=True),
        checkpoint=None if stateful is None else stateful.forked_from(),
        webhook=body.webhook,
    )


_MACHINERY = ("__", "checkpoint_", "thread_id")
"""Beginnings of the names in `configurable` that are the server's alone."""
_RESUMING = "__pregel_resuming"
"""But this, of a `RemoteGraph` whose caller is resumed: it goes on, and does not begin again with its input."""
