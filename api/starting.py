"""Starting a workflow on behalf of a case that runs."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection

from api.serving import Served
from db import audit, mass_start, runs, threads
from db.actor import SYSTEM
from db.audit import Deed
from db.errors import CountersignError
from db.mass_start import NewCase, Origin
from db.pool import Pool
from db.runs import Begun, NewRun
from db.threads import NewThread


async def start_beside(
    pool: Pool, served: Served | None, run: Begun, thread_id: UUID, request: Mapping[str, Any]
) -> None:
    """A case of its own on this thread, started by whoever started the run's; nothing, if the thread is there already.

    Thread, run, job and audit row are one transaction. Raises CountersignError for a workflow that is not served.
    """
    if served is None or served.workflow is None or served.workflow.converses:
        raise CountersignError(f"the case of thread {run.thread_id} starts a workflow that is not served here")
    wanted = served.workflow.input.model_validate(request).model_dump(mode="json")
    async with pool.connection() as conn, conn.transaction():
        person = await started_by(conn, run)
        if not await threads.create(conn, NewThread(thread_id, run.tenant_id, served.name, served.version, person)):
            return
        new = NewRun(uuids.uuid7(), run.tenant_id, thread_id, person, input={"request": wanted})
        await runs.accept(conn, new)
        record = {"request": wanted, "by_thread": str(run.thread_id)}
        await audit.record(conn, Deed(run.tenant_id, SYSTEM, "thread.started", record, thread_id, new.run_id))


async def start_each_beside(pool: Pool, served: Served | None, run: Begun, starts: Sequence[NewCase]) -> int:
    """Cases of their own, a chunk in one transaction: the system's, for no person proposed any of them. How many were
    not there yet.

    Raises CountersignError for a workflow that is not served.
    """
    if served is None or served.workflow is None or served.workflow.converses:
        raise CountersignError(f"the case of thread {run.thread_id} starts a workflow that is not served here")
    for one in starts:
        served.workflow.input.model_validate(one.request)
    async with pool.connection() as conn:
        origin = Origin(run.tenant_id, SYSTEM, served.name, served.version, by_thread=run.thread_id)
        return await mass_start.start_each(conn, origin, starts)


async def started_by(conn: AsyncConnection[Any], run: Begun) -> str:
    """Not the person of this run, who may have answered a review."""
    cur = await conn.execute(
        "SELECT started_by FROM threads WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s",
        {"thread_id": run.thread_id, "tenant_id": run.tenant_id},
    )
    row = await cur.fetchone()
    assert row is not None
    return str(row["started_by"])
