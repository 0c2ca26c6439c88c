"""The saver of many tenants: LangGraph and its nodes know a thread by its own id, the tables by its tenant's and it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)

from db.checkpoints import Checkpoints
from db.tenancy import tenant


class TenantCheckpoints(Checkpoints):
    """Reads and writes inside `acting_for` only. Threads as a whole are named as they are saved (`saved_as`)."""

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return _shown(await super().aput(_saved(config), checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await super().aput_writes(_saved(config), writes, task_id, task_path)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await super().aget_tuple(_saved(config))
        return None if found is None else _with_shown(found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Of one thread: all threads are all tenants'."""
        assert config is not None
        async for found in super().alist(_saved(config), filter=filter, before=before, limit=limit):
            yield _with_shown(found)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return await super().aget_delta_channel_history(config=_saved(config), channels=channels)


def saved_as(tenant_id: str, thread_id: UUID | str) -> str:
    return f"{tenant_id}:{thread_id}"


def _saved(config: RunnableConfig) -> RunnableConfig:
    thread_id = str(config["configurable"]["thread_id"])
    if ":" in thread_id:  # The stock saver asks itself, with what it was given.
        assert thread_id.startswith(f"{tenant()}:")
        return config
    return _naming(config, saved_as(tenant(), thread_id))


def _shown(config: RunnableConfig) -> RunnableConfig:
    return _naming(config, config["configurable"]["thread_id"].rpartition(":")[2])


def _naming(config: RunnableConfig, thread_id: str) -> RunnableConfig:
    return {**config, "configurable": {**config["configurable"], "thread_id": thread_id}}


def _with_shown(found: CheckpointTuple) -> CheckpointTuple:
    parent = found.parent_config
    return found._replace(config=_shown(found.config), parent_config=None if parent is None else _shown(parent))
