"""Runs that are told to stop: asked for in one transaction, done at once or by the worker that drives them.

Once asked for it is certain: no worker can end such a run in any other way. A run that nobody drives is stopped by
whoever asks; one that is driven, by its worker, whose job is aborted. `rollback` removes the run with what it wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db.errors import Conflict
from db.journal import CHANNEL, Event
from db.queue import Queue
from db.runs import Multitask, run_event
from db.webhooks import NOTE

Action = Literal["interrupt", "rollback"]


@dataclass(frozen=True, slots=True)
class Stop:
    """Which runs of a thread; `run_ids` None: all that are under way."""

    tenant_id: str
    thread_id: UUID
    action: Action
    run_ids: Sequence[UUID] | None = None


async def ask(conn: AsyncConnection[Any], queue: Queue, stop: Stop) -> list[Event] | None:
    """In the caller's transaction: the last words of the runs that are stopped with it, which watchers hear of when it
    is committed. The others stop soon. None: there is nothing to stop.

    Raises Conflict if money may have moved: then the case has to come to its end.
    """
    cur = await conn.execute(
        """
        UPDATE runs SET cancel = %(action)s, status = CASE status WHEN 'running' THEN status ELSE 'cancelled' END,
                        ended_at = CASE status WHEN 'running' THEN ended_at ELSE now() END
        WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s
          AND (%(run_ids)s::uuid[] IS NULL OR run_id = ANY(%(run_ids)s))
          AND status IN ('pending', 'running', 'waiting')
        RETURNING run_id, status
        """,
        {
            "action": stop.action,
            "thread_id": stop.thread_id,
            "tenant_id": stop.tenant_id,
            "run_ids": None if stop.run_ids is None else list(stop.run_ids),
        },
    )
    asked = await cur.fetchall()
    if not asked:
        return None
    await _refuse_after_effects(conn, stop.thread_id)
    await queue.withdraw(conn, stop.thread_id, [run["run_id"] for run in asked])
    stopped = [run["run_id"] for run in asked if run["status"] == "cancelled"]
    events = await _settle(conn, stop, stopped) if stopped else []
    if events:
        await announce(conn, events)
    return events


async def carry_out(conn: AsyncConnection[Any], run_id: UUID, values: str | None = None) -> list[Event]:
    """For the worker, in a transaction: the run's last word if it was asked to stop, else nothing. `values`, as JSON,
    are what it had come to, for its webhook.

    It gets another epoch, so that what still runs in its name writes nothing any more.
    """
    cur = await conn.execute(
        """
        UPDATE runs SET status = 'cancelled', epoch = epoch + 1, ended_at = now()
        WHERE run_id = %(run_id)s AND status = 'running' AND cancel IS NOT NULL
        RETURNING tenant_id, thread_id, cancel
        """,
        {"run_id": run_id},
    )
    run = await cur.fetchone()
    if run is None:
        return []
    return await _settle(conn, Stop(run["tenant_id"], run["thread_id"], run["cancel"]), [run_id], values)


async def announce(conn: AsyncConnection[Any], events: Sequence[Event]) -> None:
    """Has all processes look at these runs' events when the caller's transaction is committed."""
    news = orjson.dumps([[str(event.run_id), event.seq] for event in events]).decode()
    await conn.execute("SELECT pg_notify(%(channel)s, %(news)s)", {"channel": CHANNEL, "news": news})


def action_of(multitask: Multitask) -> Action:
    """What becomes of the runs that are in the way."""
    return "rollback" if multitask == "rollback" else "interrupt"


async def erase(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID, run_ids: Sequence[UUID]) -> None:
    """Removes runs that are over, with their tasks, events and checkpoints: the thread is as it was before them."""
    saved_as = {"thread": f"{tenant_id}:{thread_id}", "runs": [str(run_id) for run_id in run_ids]}
    for statement in _UNSAVE:
        await conn.execute(statement, saved_as)
    await remove(conn, run_ids)


async def remove(conn: AsyncConnection[Any], run_ids: Sequence[UUID]) -> None:
    """Runs that are over, with their tasks and events; what they made of their thread's state stays."""
    for table in ("tasks", "run_events", "runs"):
        await conn.execute(f"DELETE FROM {table} WHERE run_id = ANY(%(run_ids)s)", {"run_ids": list(run_ids)})


async def _refuse_after_effects(conn: AsyncConnection[Any], thread_id: UUID) -> None:
    cur = await conn.execute(
        "SELECT key, status FROM effects WHERE thread_id = %(thread_id)s AND status <> 'failed'",
        {"thread_id": thread_id},
    )
    effect = await cur.fetchone()
    if effect is not None:
        raise Conflict(f"effect {effect['key']} is {effect['status']}: the case must come to its end")


async def _settle(
    conn: AsyncConnection[Any], stop: Stop, run_ids: Sequence[UUID], values: str | None = None
) -> list[Event]:
    cur = await conn.execute(_TELL, {"run_ids": list(run_ids), "action": stop.action, "values": values})
    events = [
        Event(
            row["run_id"],
            row["seq"],
            stop.tenant_id,
            "run",
            run_event(row["run_id"], "cancelled", {"cancel": stop.action}),
        )
        for row in await cur.fetchall()
    ]
    if stop.action == "rollback":
        await erase(conn, stop.tenant_id, stop.thread_id, run_ids)
    for event in events:
        # Of a run that is removed, too: whoever watches it must hear that it is over.
        await conn.execute(
            "INSERT INTO run_events (run_id, seq, tenant_id, event, data) VALUES (%s, %s, %s, %s, %s)", tuple(event)
        )
    await _release(conn, stop, len(run_ids))
    return events


async def _release(conn: AsyncConnection[Any], stop: Stop, stopped: int) -> None:
    """The thread rests unless other runs are under way on it: at its question, if its last state asks one."""
    await conn.execute(
        """
        UPDATE threads t SET active_runs = active_runs - %(stopped)s, updated_at = now(),
            status = CASE WHEN active_runs > %(stopped)s THEN 'busy' WHEN EXISTS (
                SELECT 1 FROM checkpoint_writes w
                WHERE w.thread_id = %(saved_as)s AND w.checkpoint_ns = '' AND w.channel = '__interrupt__'
                  AND w.checkpoint_id = (SELECT max(c.checkpoint_id) FROM checkpoints c
                                         WHERE c.thread_id = %(saved_as)s AND c.checkpoint_ns = '')
            ) THEN 'interrupted' ELSE 'idle' END
        WHERE t.thread_id = %(thread_id)s
        """,
        {
            "stopped": stopped,
            "saved_as": f"{stop.tenant_id}:{stop.thread_id}",
            "thread_id": stop.thread_id,
        },
    )


# A run that is rolled back is gone, and its webhook hears nothing.
_TELL = (
    """
    WITH ended AS (
        SELECT to_jsonb(r) AS run, %(values)s::text AS run_values FROM runs r
        WHERE r.run_id = ANY(%(run_ids)s) AND %(action)s <> 'rollback' AND r.options ->> 'webhook' IS NOT NULL
    ), noted AS ("""
    + NOTE
    + """
    )
    SELECT r.run_id, (SELECT coalesce(max(e.seq), -1) + 1 FROM run_events e WHERE e.run_id = r.run_id) AS seq
    FROM unnest(%(run_ids)s::uuid[]) AS r (run_id)
    """
)
_UNSAVE = (
    # An answer that such a run took to an earlier run's question, and what the task did with it.
    """
    DELETE FROM checkpoint_writes w USING checkpoints c
    WHERE w.thread_id = %(thread)s AND c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
      AND c.checkpoint_id = w.checkpoint_id AND NOT coalesce(c.metadata ->> 'run_id' = ANY(%(runs)s), false)
      AND w.channel <> '__interrupt__'
      AND (w.task_id = '00000000-0000-0000-0000-000000000000' OR EXISTS (
          SELECT 1 FROM checkpoint_writes i
          WHERE i.thread_id = w.thread_id AND i.checkpoint_ns = w.checkpoint_ns
            AND i.checkpoint_id = w.checkpoint_id AND i.task_id = w.task_id AND i.channel = '__interrupt__'
      ))
      AND w.checkpoint_id = (SELECT max(l.checkpoint_id) FROM checkpoints l
                             WHERE l.thread_id = w.thread_id AND l.checkpoint_ns = w.checkpoint_ns
                               AND NOT coalesce(l.metadata ->> 'run_id' = ANY(%(runs)s), false))
    """,
    """
    DELETE FROM checkpoint_writes w USING checkpoints c
    WHERE w.thread_id = %(thread)s AND c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
      AND c.checkpoint_id = w.checkpoint_id AND c.metadata ->> 'run_id' = ANY(%(runs)s)
    """,
    "DELETE FROM checkpoints WHERE thread_id = %(thread)s AND metadata ->> 'run_id' = ANY(%(runs)s)",
    """
    DELETE FROM checkpoint_blobs b
    WHERE b.thread_id = %(thread)s AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
          AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
    )
    """,
)
