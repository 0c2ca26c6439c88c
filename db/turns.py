"""A run's turn with a worker: taken up under a new epoch, put back or ended under the same; many in one statement.

Rows are locked in the order of their runs, as the journal locks them, so that no two such statements wait for each
other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from db.arrays import array
from db.errors import StaleRun
from db.journal import Event
from db.packed import unpacked
from db.queue import Queue
from db.runs import Begun, Ending, run_event
from db.webhooks import NOTE


class Last(NamedTuple):
    """A run's last word: how it ended and which reviews it opened, as the event of this number.

    `values` is JSON for the run's webhook; None: it has none.
    """

    run: Begun
    ending: Ending
    seq: int
    reviews: Sequence[Mapping[str, Any]] = ()
    values: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a run is put back (None: its worker is shutting down) and when it goes on (None: at once)."""

    reason: Mapping[str, Any] | None
    until: datetime | None
    counts_as_attempt: bool


async def begin(conn: AsyncConnection[Any], run_ids: Sequence[UUID]) -> list[Begun | None]:
    """Takes the runs up under new epochs, which shut out whoever drove them before. None: there is nothing to do.

    Waits for the disk: were an epoch lost with a server that crashed, the next to take the run up would get the same
    number, and whoever drove it before might live and pass for them.
    """
    async with conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(_BEGIN, {"run_ids": list(run_ids)})
        begun = {row["run_id"]: Begun(**{**row, "input": unpacked(row["input"])}) for row in await cur.fetchall()}
    return [begun.get(run_id) for run_id in run_ids]


async def put_back(conn: AsyncConnection[Any], queue: Queue, run: Begun, seq: int, pause: Pause) -> Event:
    """The run waits and is driven again at `pause.until`; in the caller's transaction. Raises StaleRun."""
    cur = await conn.execute(
        """
        UPDATE runs SET status = %(status)s, error = %(error)s,
                        waits = waits + %(waited)s, attempts = CASE WHEN %(counts)s THEN attempts ELSE 0 END
        WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' AND cancel IS NULL RETURNING run_id
        """,
        {
            "status": "pending" if pause.reason is None else "waiting",
            "error": None if pause.reason is None else Jsonb(pause.reason),
            "waited": int(pause.reason is not None and not pause.counts_as_attempt),
            "counts": pause.counts_as_attempt,
            "run_id": run.run_id,
            "epoch": run.epoch,
        },
    )
    if await cur.fetchone() is None:
        raise StaleRun(run.run_id)
    await queue.enqueue(conn, run.thread_id, run.run_id, pause.until)
    data = {"error": pause.reason, "until": pause.until, "attempt": run.attempts + 1}
    return await _tell(conn, run, seq, run_event(run.run_id, "waiting" if pause.reason else "pending", data))


async def end(conn: AsyncConnection[Any], last: Last) -> Event:
    """In the caller's transaction. Raises StaleRun if another worker took the run over, or if it is to be cancelled."""
    (told,) = await end_each(conn, [last])
    if told is None:
        raise StaleRun(last.run.run_id)
    return told


async def end_each(conn: AsyncConnection[Any], lasts: Sequence[Last]) -> list[Event | None]:
    """Each run's last word, its job is done, and its thread rests unless other runs are under way on it.

    None: another worker took the run over, or it is to be cancelled; nothing is written of it.
    """
    data = [_told(last) for last in lasts]
    cur = await conn.execute(
        _END if all(last.values is None for last in lasts) else _END_NOTING,
        {
            "run_ids": array("uuid", [last.run.run_id for last in lasts]),
            "epochs": array("integer", [last.run.epoch for last in lasts]),
            "statuses": array("text", [last.ending.run_status for last in lasts]),
            "errors": array("jsonb", [e and orjson.dumps(e).decode() for e in (last.ending.error for last in lasts)]),
            "seqs": array("integer", [last.seq for last in lasts]),
            "data": array("text", data),
            "thread_statuses": array("text", [last.ending.thread_status for last in lasts]),
            "outcomes": array("text", [last.ending.outcome for last in lasts]),
            "values": array("text", [last.values for last in lasts]),
        },
    )
    ended = {row["run_id"] for row in await cur.fetchall()}
    return [
        Event(last.run.run_id, last.seq, last.run.tenant_id, "run", told) if last.run.run_id in ended else None
        for last, told in zip(lasts, data, strict=True)
    ]


async def _tell(conn: AsyncConnection[Any], run: Begun, seq: int, data: str) -> Event:
    await conn.execute(
        """
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        VALUES (%(run_id)s, %(seq)s, %(tenant_id)s, 'run', %(data)s)
        """,
        {"run_id": run.run_id, "seq": seq, "tenant_id": run.tenant_id, "data": data},
    )
    return Event(run_id=run.run_id, seq=seq, tenant_id=run.tenant_id, event="run", data=data)


def _told(last: Last) -> str:
    ending = last.ending
    more = {
        "thread_status": ending.thread_status,
        "outcome": ending.outcome,
        "error": ending.error,
        "reviews": last.reviews or None,
    }
    return run_event(last.run.run_id, ending.run_status, more)


_BEGIN = """
    WITH named AS (
        SELECT run_id FROM runs WHERE run_id = ANY(%(run_ids)s) AND status IN ('pending', 'running', 'waiting')
        ORDER BY run_id FOR UPDATE
    )
    UPDATE runs r SET epoch = r.epoch + 1, attempts = r.attempts + 1, status = 'running', error = NULL,
                      started_at = coalesce(r.started_at, now())
    FROM named WHERE r.run_id = named.run_id
    RETURNING r.run_id, r.tenant_id, r.thread_id, r.workflow, r.workflow_version, r.input, r.options,
        (SELECT v.interrupt_id FROM reviews v WHERE v.review_id = r.review_id) AS interrupt_id,
        (SELECT v.answer FROM reviews v WHERE v.review_id = r.review_id) AS answer,
        r.started_by, r.epoch, r.attempts, r.waits,
        (SELECT coalesce(max(e.seq), -1) + 1 FROM run_events e WHERE e.run_id = r.run_id) AS next_seq,
        r.cancel, r.assistant_id, r.metadata,
        CASE WHEN r.epoch > 1 THEN (
            SELECT e.data::jsonb FROM run_events e WHERE e.run_id = r.run_id AND e.event = 'asked' LIMIT 1
        ) END AS asked,
        NOT EXISTS (
            SELECT 1 FROM checkpoints c WHERE c.thread_id = r.tenant_id || ':' || r.thread_id
        ) AS new_thread
"""
_ENDED = """
    WITH last AS (
        SELECT l.*, r.tenant_id, r.thread_id
        FROM unnest(%(run_ids)s::uuid[], %(epochs)s::integer[], %(statuses)s::text[], %(errors)s::jsonb[],
                    %(seqs)s::integer[], %(data)s::text[], %(thread_statuses)s::text[], %(outcomes)s::text[],
                    %(values)s::text[])
             AS l (run_id, epoch, status, error, seq, data, thread_status, outcome, run_values)
        JOIN runs r ON r.run_id = l.run_id AND r.epoch = l.epoch AND r.status = 'running' AND r.cancel IS NULL
        ORDER BY r.run_id FOR UPDATE OF r
    ), ended AS (
        UPDATE runs r SET status = l.status, error = l.error, ended_at = now()
        FROM last l WHERE r.run_id = l.run_id
"""
_NOTED = (
    """
        RETURNING CASE WHEN l.run_values IS NOT NULL THEN to_jsonb(r) END AS run, l.run_values
    ), noted AS ("""
    + NOTE
)
_TOLD = """
    ), told AS (
        INSERT INTO run_events (run_id, seq, tenant_id, event, data)
        SELECT run_id, seq, tenant_id, 'run', data FROM last
    ), done AS (
        DELETE FROM procrastinate_jobs j USING last l
        WHERE j.lock = l.thread_id::text AND j.status = 'doing' AND j.args ->> 'run_id' = l.run_id::text
    )
    UPDATE threads t SET status = CASE WHEN t.active_runs > 1 THEN 'busy' ELSE l.thread_status END,
                         active_runs = t.active_runs - 1, outcome = coalesce(l.outcome, t.outcome), updated_at = now()
    FROM last l WHERE t.thread_id = l.thread_id RETURNING l.run_id
"""
_END = _ENDED + _TOLD
_END_NOTING = _ENDED + _NOTED + _TOLD
