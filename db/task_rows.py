"""Task rows as the journal writes them: one when a node starts, one when it ends, or both at once."""

from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from db.flush import Table

TaskStatus = Literal["running", "done", "failed", "interrupted"]


class TaskRow(NamedTuple):
    """One node's work; `input` and `result` are JSON.

    `attempts` is 1 in the row that starts it, 0 in the one that ends it.
    """

    task_id: UUID
    tenant_id: str
    thread_id: UUID
    run_id: UUID
    name: str
    agent_name: str
    input: str | None
    started_at: datetime
    status: TaskStatus = "running"
    result: str | None = None
    error: str | None = None
    attempts: int = 1
    ended_at: datetime | None = None


TASKS = Table(
    rows="new_tasks",
    columns={
        "task_id": "uuid", "tenant_id": "text", "thread_id": "uuid", "run_id": "uuid", "name": "text",
        "agent_name": "text", "input": "jsonb", "started_at": "timestamptz", "status": "text", "result": "jsonb",
        "error": "text", "attempts": "integer", "ended_at": "timestamptz",
    },
    key=1,
    merge=lambda earlier, later: later._replace(attempts=earlier.attempts + later.attempts),
    statements=(
        """
        INSERT INTO tasks (task_id, tenant_id, thread_id, run_id, name, agent_name, input, started_at, status,
                           result, error, attempts, ended_at)
        SELECT task_id, tenant_id, thread_id, run_id, name, agent_name, input, started_at, status,
               result, error, attempts, ended_at
        FROM new_tasks
        ON CONFLICT (task_id, thread_id) DO UPDATE SET
            run_id = EXCLUDED.run_id, started_at = EXCLUDED.started_at, status = EXCLUDED.status,
            result = EXCLUDED.result, error = EXCLUDED.error, attempts = tasks.attempts + EXCLUDED.attempts,
            ended_at = EXCLUDED.ended_at
        """,
    ),
)  # fmt: skip
