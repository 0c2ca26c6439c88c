"""LangGraph's PostgreSQL saver, writing through the journal: durable at each step without a commit for each.

It keeps to the stock saver's tables, so that either can go on where the other stopped, given the same serializer.
Inside `writing_as` a step's writes wait for the checkpoint made of them. If the step ran through in one go that
checkpoint supersedes them, and they are never stored: they serve to go on from a step that stopped halfway. All writes
of a step are stored as the stock saver would if it paused, failed, was answered or resumed, if its channels are rebuilt
from writes (DeltaChannel), and if a task finished well before its neighbours.

The one difference: at a checkpoint whose step ran through in one go `pending_writes` is empty, so in the history its
tasks have no `result`, and to clear it (`update_state(None, as_node=END)`) drops what they did. Nothing that goes on
from a checkpoint, forks or travels in time reads them.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from db.checkpoint_tables import BLOBS, CHECKPOINTS, WRITES
from db.flush import Row, Rows
from db.journal import Fence, Journal
from db.pool import Pool
from db.serde import CompressingSerializer

WAIT_S = 0.5
"""How long the writes of a finished task may wait for its neighbours."""

_ON_THE_RUN = frozenset(("assistant_id", "graph_id", "user_id", "run_attempt", "langgraph_auth_user_id"))
"""What LangGraph copies from a run's config into each checkpoint. A checkpoint names its run, whose row has them."""
_STRICTLY = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
_NO_TASK = str(UUID(int=0))
_PROMPT = frozenset((*WRITES_IDX_MAP, "__return__"))
"""Channels whose writes mean that a step stops, goes on, or calls a function whose result it must not lose."""


@dataclass(slots=True)
class _Step:
    """What the tasks that start from one checkpoint wrote, as long as it may be superseded."""

    rows: list[Row] = field(default_factory=list)
    stored: bool = False
    timer: asyncio.TimerHandle | None = None

    def take(self) -> list[Row]:
        """To be stored; and then what follows is, too, so that a step is stored whole or not at all."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        rows, self.rows, self.stored = self.rows, [], True
        return rows


_Place = tuple[str, str, str | None]  # thread, namespace and id of a checkpoint

_writer: ContextVar[Fence | None] = ContextVar("writer", default=None)


class Checkpoints(AsyncPostgresSaver):
    """One per process, beside its journal. Revives only types on LangGraph's list, unless `serde` says otherwise;
    with LANGGRAPH_STRICT_MSGPACK in the environment, each graph adds the types of its own state."""

    def __init__(self, pool: Pool, journal: Journal, serde: SerializerProtocol | None = None) -> None:
        super().__init__(pool, serde=serde or CompressingSerializer(allowed_msgpack_modules=None))
        # The pool already sees to it that a connection serves one at a time.
        self.lock = nullcontext()  # type: ignore[assignment]
        self._journal = journal
        self._steps: dict[Fence | None, dict[_Place, _Step]] = {}
        self._new: set[str | None] = set()

    @asynccontextmanager
    async def writing_as(self, fence: Fence, new_thread_id: str | None = None) -> AsyncIterator[None]:
        """Round the driving of a graph: what is written inside is the run's, and committed when this is left. On a new
        thread no checkpoint is looked for until the run makes one.

        Raises what `Journal.commit` does, and LangGraph does so at the step concerned.
        """
        self._steps[fence] = {}
        self._new |= {new_thread_id} - {None}
        token = _writer.set(fence)
        try:
            yield
        finally:
            _writer.reset(token)
            self._new.discard(new_thread_id)
            for step in self._steps.pop(fence).values():
                self._journal.add(fence, {WRITES: step.take()})
            await self._journal.drain(fence)

    def get_next_version(self, current: str | None, channel: None) -> str:
        """A number and 40 random bits, `+0007.GASIDqX`: a checkpoint holds each version twice, and each blob its own.

        The stock saver goes on from it with 32 digits, which it orders behind any of ours, as `+` is less than `0`; so
        do we, on a thread where it did and beyond 9,999.
        """
        number = 1 + (0 if current is None else int(str(current).split(".")[0]))
        is_short = number < 10_000 and (current is None or str(current).startswith("+"))
        return f"{f'+{number:04}' if is_short else f'{number:032}'}.{secrets.token_urlsafe(5)}"

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Returns when the checkpoint is committed; one of a run's input, which its row has, rides with the next."""
        thread_id, checkpoint_ns, parent_id = parent = _place(config)
        inline, values = _divided(checkpoint["channel_values"])
        changed = {channel: version for channel, version in new_versions.items() if channel in values}
        blobs = self._dump_blobs(thread_id, checkpoint_ns, values, changed)
        state = _json({**checkpoint, "channel_values": inline})
        told = get_serializable_checkpoint_metadata(config, metadata)
        description = _json({key: value for key, value in told.items() if key not in _ON_THE_RUN})
        row = (thread_id, checkpoint_ns, checkpoint["id"], parent_id, state, description)
        fence, writes = _writer.get(), []
        self._new.discard(thread_id)
        if step := self._steps.get(fence, {}).pop(parent, None):
            waiting = step.take()
            writes = [] if _supersedes(checkpoint, metadata) else waiting
        rows: Rows = {CHECKPOINTS: [row], BLOBS: blobs, WRITES: writes}
        if fence is not None and fence in self._steps and metadata.get("source") == "input":
            self._journal.add(fence, rows)
        else:
            await self._journal.commit(fence, rows)
        place = {"thread_id": thread_id, "checkpoint_ns": checkpoint_ns, "checkpoint_id": checkpoint["id"]}
        return {"configurable": place}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Returns when the writes are committed, or wait for the checkpoint that may supersede them."""
        place, fence = _place(config), _writer.get()
        rows = self._rows(place, writes, task_id, task_path)
        steps = self._steps.get(fence)
        if steps is None:
            await self._journal.commit(fence, {WRITES: rows})
            return
        step = steps.setdefault(place, _Step())
        step.rows += rows
        if step.stored or task_id == _NO_TASK or any(channel in _PROMPT for channel, _ in writes):
            await self._journal.commit(fence, {WRITES: step.take()})
        elif step.timer is None and fence is not None:
            step.timer = asyncio.get_running_loop().call_later(WAIT_S, self._store, fence, step)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        if config["configurable"]["thread_id"] in self._new and _writer.get() in self._steps:
            return None
        await self._catch_up(**config["configurable"])
        found = await super().aget_tuple(config)
        if found is not None and found.pending_writes and (fence := _writer.get()) in self._steps:
            # The run may go on from here. A step that is stored in part is stored whole.
            self._steps[fence].setdefault(_place(found.config), _Step()).stored = True
        return found

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        await self._catch_up(**config["configurable"] if config else {})
        async for found in super().alist(config, filter=filter, before=before, limit=limit):
            yield found

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        await self._catch_up(**config["configurable"])
        return await super().aget_delta_channel_history(config=config, channels=channels)

    async def adelete_thread(self, thread_id: str) -> None:
        await self._catch_up(thread_id)
        await super().adelete_thread(thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        for thread_id in thread_ids:
            await self._catch_up(thread_id)
        await super().aprune(thread_ids, strategy=strategy)

    async def _catch_up(self, thread_id: str | None = None, checkpoint_ns: str | None = None, **_: object) -> None:
        """Stores what still waits of a thread, so that a reader in this process sees all that LangGraph wrote."""
        waits = False
        for fence, steps in self._steps.items():
            for place, step in steps.items():
                if fence and thread_id in (None, place[0]) and checkpoint_ns in (None, place[1]):
                    self._store(fence, step)
                    waits = True
        if waits:
            await self._journal.commit(None, {})

    def _store(self, fence: Fence, step: _Step) -> None:
        self._journal.add(fence, {WRITES: step.take()})

    def _rows(self, place: _Place, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str) -> list[Row]:
        replaces = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        rows = []
        for n, (channel, value) in enumerate(writes):
            key = (*place, task_id, WRITES_IDX_MAP.get(channel, n))
            rows.append((*key, task_path, channel, *self.serde.dumps_typed(value), replaces))
        return rows


def _place(config: RunnableConfig) -> _Place:
    configurable = config["configurable"]
    return configurable["thread_id"], configurable.get("checkpoint_ns", ""), configurable.get("checkpoint_id")


def _divided(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a checkpoint holds itself, and what is stored as blobs; a delta channel's snapshot leaves a mark."""
    inline: dict[str, Any] = {}
    blobs: dict[str, Any] = {}
    for channel, value in values.items():
        if isinstance(value, _DeltaSnapshot):
            inline[channel], blobs[channel] = True, value
        elif value is None or isinstance(value, (str, int, float, bool)):
            inline[channel] = value
        else:
            blobs[channel] = value
    return inline, blobs


def _json(value: Any) -> str:
    """As the stock saver's `json.dumps`, and faster; orjson would write NaN as `null`, which PostgreSQL must refuse."""
    with suppress(TypeError):
        written = orjson.dumps(value, option=_STRICTLY)
        if b"null" not in written:
            return written.decode()
    return json.dumps(value)


def _supersedes(checkpoint: Checkpoint, metadata: CheckpointMetadata) -> bool:
    """Whether it holds all that its parent's tasks wrote: it was made of that, with no channel rebuilt from writes."""
    return (
        metadata.get("source") == "loop"
        and "counters_since_delta_snapshot" not in metadata
        and not any(isinstance(value, _DeltaSnapshot) for value in checkpoint["channel_values"].values())
    )
