"""Many interrupted threads without the hours to run them: one real one, copied in SQL under new ids.

Each copy is a second older than the one before. It has all rows of the original but those of the audit: thread, run,
tasks, events, checkpoints with their blobs and writes, reviews. What is told inside these rows (ids in a checkpoint's
metadata or an event's data) is the original's, and a checkpoint's id is the same in all, as it is after
`POST /threads/{id}/copy`.
"""

from collections.abc import Collection, Mapping
from typing import Any

import psycopg
from psycopg import sql

COPIED = {
    "threads": {"thread_id": "c.thread_id", "created_at": "o.created_at - c.age", "updated_at": "o.updated_at - c.age"},
    "runs": {"thread_id": "c.thread_id", "run_id": "c.run_id"},
    "tasks": {"thread_id": "c.thread_id", "run_id": "c.run_id"},
    "reviews": {
        "thread_id": "c.thread_id", "run_id": "c.run_id", "review_id": "uuidv7()", "due_at": "o.due_at - c.age / 10",
    },
    "run_events": {"run_id": "c.run_id"},
    "checkpoints": {"thread_id": "'demo:' || c.thread_id"},
    "checkpoint_blobs": {"thread_id": "'demo:' || c.thread_id"},
    "checkpoint_writes": {"thread_id": "'demo:' || c.thread_id"},
}  # fmt: skip
"""Tables in the order of their references, and the columns in which a copy differs."""


def copy_thread(
    conn: psycopg.Connection[Any], thread_id: str, number: int, tables: Collection[str] = COPIED.keys()
) -> list[str]:
    """Makes so many copies of a thread whose one run has ended, of their rows in these tables; their ids."""
    conn.execute("DROP TABLE IF EXISTS copies")
    conn.execute(
        "CREATE TEMP TABLE copies AS SELECT uuidv7() AS thread_id, uuidv7() AS run_id, n * interval '1 s' AS age"
        " FROM generate_series(1, %s::integer) AS n",
        (number,),
    )
    for table in (table for table in COPIED if table in tables):
        copied = _copy(conn, table, COPIED[table])
        conn.execute(copied, {"thread_id": thread_id, "saved_as": f"demo:{thread_id}"})
    return [str(row[0]) for row in conn.execute("SELECT thread_id FROM copies")]


def _copy(conn: psycopg.Connection[Any], table: str, differs: Mapping[str, str]) -> sql.Composed:
    found = conn.execute(f"SELECT * FROM {table} LIMIT 0".encode()).description
    assert found is not None
    names = [column.name for column in found]
    values = [sql.SQL(differs[name]) if name in differs else sql.Identifier("o", name) for name in names]
    if table == "run_events":
        its_own = "o.run_id = (SELECT run_id FROM runs WHERE thread_id = %(thread_id)s)"
    else:
        its_own = "o.thread_id = %(saved_as)s" if table.startswith("checkpoint") else "o.thread_id = %(thread_id)s"
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} o CROSS JOIN copies c WHERE {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(values),
        sql.Identifier(table),
        sql.SQL(its_own),
    )
