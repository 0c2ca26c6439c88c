"""Workflows that start by themselves: one case a day for each tenant, whoever's worker is there first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection

from api.serving import Served
from db import audit, daily, runs, threads
from db.actor import SYSTEM
from db.audit import Deed
from db.pool import Pool
from db.runs import NewRun
from db.threads import NewThread
from graphs.workflow import Workflow


@dataclass(slots=True)
class Daily:
    """Starts every workflow that has a `daily` input at `at` (UTC). A day that was missed is started late, once: of
    several missed days only the latest."""

    pool: Pool
    served: Mapping[str, Served]
    at: time
    _seen_to: dict[str, date] = field(default_factory=dict)

    async def start_due(self, now: datetime) -> int:
        """How many cases this call started."""
        day, due_at = _latest(now, self.at)
        started = 0
        for workflow in (one.workflow for one in self.served.values()):
            if workflow is None or workflow.daily is None or self._seen_to.get(workflow.name) == day:
                continue
            async with self.pool.connection() as conn:
                tenants = await daily.not_started(conn, workflow.name, day, due_at)
            for tenant_id in tenants:
                started += await self._start(workflow, tenant_id, day)
            self._seen_to[workflow.name] = day
        return started

    async def _start(self, workflow: Workflow, tenant_id: str, day: date) -> bool:
        assert workflow.daily is not None
        thread_id: UUID = uuids.uuid7()
        async with self.pool.connection() as conn, conn.transaction():
            if not await daily.take(conn, tenant_id, workflow.name, day, thread_id):
                return False
            await start_by_system(conn, workflow, tenant_id, workflow.daily(day), thread_id)
        return True


async def start_by_system(
    conn: AsyncConnection[Any], workflow: Workflow, tenant_id: str, request: Mapping[str, Any], thread_id: UUID
) -> UUID:
    """The run of a case that no person started, in the caller's transaction; some worker drives it."""
    wanted = workflow.input.model_validate(request).model_dump(mode="json")
    await threads.create(conn, NewThread(thread_id, tenant_id, workflow.name, workflow.version, SYSTEM, metadata={}))
    run = NewRun(uuids.uuid7(), tenant_id, thread_id, SYSTEM, input={"request": wanted})
    await runs.accept(conn, run)
    await audit.record(conn, Deed(tenant_id, SYSTEM, "thread.started", {"request": wanted}, thread_id, run.run_id))
    return run.run_id


def _latest(now: datetime, at: time) -> tuple[date, datetime]:
    """The latest day whose time has come, and when that was."""
    due_at = datetime.combine(now.astimezone(UTC).date(), at, UTC)
    if due_at > now:
        due_at -= timedelta(days=1)
    return due_at.date(), due_at
