"""What is kept for a time only: threads with a time to live, texts of models, drafts of intakes.

Threads are deleted, or cut back to their latest state. Cases of our workflows never are.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from api.serving import Served
from db import audit, retention
from db.actor import SYSTEM
from db.audit import Deed
from db.checkpoints import Checkpoints
from db.pool import Pool
from db.tenant_checkpoints import saved_as
from db.threads import Thread
from tools import intake_drafts, model_calls

AT_ONCE = 1000
EVERY = timedelta(hours=1)


class Expiry:
    def __init__(self, pool: Pool, saver: Checkpoints, served: Mapping[str, Served]) -> None:
        self._pool = pool
        self._saver = saver
        self._own = [name for name, graph in served.items() if graph.workflow is None]

    async def sweep(self, now: datetime) -> int:
        """How many were due. Of graphs that are not served here none is: what they are, others know."""
        async with self._pool.connection() as conn, conn.transaction():
            due = await retention.due(conn, self._own, now)
            for thread in due:
                if thread.ttl_strategy == "delete":
                    await retention.delete(conn, thread)
                else:
                    await self._keep_latest(thread)
                    await retention.forget_expiry(conn, thread.thread_id)
                record = {"ttl_minutes": thread.ttl_minutes, "strategy": thread.ttl_strategy}
                await audit.record(conn, Deed(thread.tenant_id, SYSTEM, "thread.expired", record, thread.thread_id))
        return len(due)

    async def _keep_latest(self, thread: Thread) -> None:
        try:
            await self._saver.aprune([saved_as(thread.tenant_id, thread.thread_id)], strategy="keep_latest")
        except NotImplementedError:
            return  # States that need their predecessors, so they are all kept.


class Texts:
    """Each process looks once an hour, and at once again while there is more."""

    def __init__(self, pool: Pool, model_days: int, draft_days: int) -> None:
        self._pool = pool
        self._model_age = timedelta(days=model_days)
        self._draft_age = timedelta(days=draft_days)
        self._due = datetime.min.replace(tzinfo=UTC)

    async def sweep(self, now: datetime) -> int:
        """How many are gone."""
        if now < self._due:
            return 0
        async with self._pool.connection() as conn:
            calls = await model_calls.forget_texts(conn, now - self._model_age, AT_ONCE)
            drafts = await intake_drafts.forget(conn, now - self._draft_age, AT_ONCE)
        if max(calls, drafts) < AT_ONCE:
            self._due = now + EVERY
        return calls + drafts
