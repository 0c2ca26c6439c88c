"""Who an operation is called by, put together from a process's engine."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api.bootstrap import Engine
from api.protocol.snapshots import snapshot_of
from db import threads
from db.actor import Actor
from tools.operation import Caller


def caller_of(engine: Engine, actor: Actor) -> Caller:
    async def state_of(thread_id: UUID) -> Mapping[str, Any]:
        async with engine.pool.connection() as conn:
            thread = await threads.get(conn, actor, thread_id)
        snapshot = await snapshot_of(engine, actor, thread)
        values: Mapping[str, Any] = {} if snapshot is None else snapshot.values
        return values

    return Caller(actor, engine.pool, engine.bank, lambda: datetime.now(UTC), engine.settings.tenant, state_of)
