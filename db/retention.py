"""Threads that end before their time is history: deleted, copied, or kept with their latest state only.

Records are not for this: a case of a workflow of ours stays whole. Its callers see to that; they know the workflows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.threads import COLUMNS, Thread

_OF_THE_SAVER = ("checkpoint_writes", "checkpoint_blobs", "checkpoints")


async def delete(conn: AsyncConnection[Any], thread: Thread) -> None:
    """The thread and all that its runs left, in the caller's transaction, in which it is locked.

    A run under way is gone with it: its worker finds that at its next step, and writes nothing more.
    """
    names = {"thread_id": thread.thread_id}
    # Whoever still writes for one of these runs has locked it, and is waited for; what it wrote is deleted below.
    await conn.execute("SELECT run_id FROM runs WHERE thread_id = %(thread_id)s ORDER BY run_id FOR UPDATE", names)
    await conn.execute(
        "DELETE FROM run_events WHERE run_id IN (SELECT run_id FROM runs WHERE thread_id = %(thread_id)s)", names
    )
    await conn.execute("DELETE FROM tasks WHERE thread_id = %(thread_id)s", names)
    await conn.execute("DELETE FROM runs WHERE thread_id = %(thread_id)s", names)
    for table in _OF_THE_SAVER:
        await conn.execute(f"DELETE FROM {table} WHERE thread_id = %(id)s", {"id": _saver_id(thread, thread.thread_id)})
    await conn.execute("DELETE FROM threads WHERE thread_id = %(thread_id)s", names)


async def copy_states(conn: AsyncConnection[Any], thread: Thread, copy_id: UUID) -> None:
    """All of the thread's checkpoints for another thread of the tenant, which has none yet."""
    names = {"original": _saver_id(thread, thread.thread_id), "copy": _saver_id(thread, copy_id)}
    await conn.execute(
        """
        INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint,
                                 metadata)
        SELECT %(copy)s, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata
        FROM checkpoints WHERE thread_id = %(original)s
        """,
        names,
    )
    await conn.execute(
        """
        INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
        SELECT %(copy)s, checkpoint_ns, channel, version, type, blob
        FROM checkpoint_blobs WHERE thread_id = %(original)s
        """,
        names,
    )
    await conn.execute(
        """
        INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob,
                                       task_path)
        SELECT %(copy)s, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path
        FROM checkpoint_writes WHERE thread_id = %(original)s
        """,
        names,
    )


async def due(conn: AsyncConnection[Any], graphs: Sequence[str], now: datetime, most: int = 100) -> list[Thread]:
    """Threads of these graphs, or of none yet, whose time to live is over, locked until the caller's transaction ends.
    None is busy; one that changed since is given its time again instead."""
    names = {"graphs": list(graphs), "now": now, "most": most}
    await conn.execute(
        """
        UPDATE threads SET expires_at = updated_at + ttl_minutes * interval '1 minute'
        WHERE expires_at <= %(now)s AND updated_at + ttl_minutes * interval '1 minute' > %(now)s
        """,
        names,
    )
    async with conn.cursor(row_factory=class_row(Thread)) as cur:
        await cur.execute(
            f"""
            SELECT {COLUMNS} FROM threads t
            WHERE t.expires_at <= %(now)s AND t.status <> 'busy'
              AND (t.workflow IS NULL OR t.workflow = ANY(%(graphs)s))
            ORDER BY t.expires_at LIMIT %(most)s FOR UPDATE OF t SKIP LOCKED
            """,
            names,
        )
        return await cur.fetchall()


async def forget_expiry(conn: AsyncConnection[Any], thread_id: UUID) -> None:
    """After its states were pruned, until its time to live is set again."""
    await conn.execute("UPDATE threads SET expires_at = NULL WHERE thread_id = %(id)s", {"id": thread_id})


def _saver_id(thread: Thread, thread_id: UUID) -> str:
    return f"{thread.tenant_id}:{thread_id}"
