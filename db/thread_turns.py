"""A thread's runs in the order in which they were taken up, and one count over all their events.

An event's number on its thread is its run's `begins` and its own `seq` and one. A run begins at the microsecond of the
database's clock at which it was first taken up, or stopped before anybody took it up, in eighths: only one run of a
thread is driven at a time, so that none tells more events than fit before the next begins. The numbers go up in the
order in which the thread's events are told, stay the same whoever asks, and are exact in JavaScript until 2060.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from db.runs import ACTIVE, Status

PER_US = 8
_START = datetime(2025, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """A run that was taken up, or stopped before. `at`: when."""

    run_id: UUID
    status: Status
    thread_id: UUID
    workflow: str
    at: datetime
    begins: int

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    def number(self, seq: int) -> int:
        return self.begins + seq + 1


@dataclass(frozen=True, slots=True)
class Edit:
    """A state written by hand."""

    checkpoint_id: str
    number: int


def number_at(moment: datetime) -> int:
    """All runs that were taken up before have smaller numbers."""
    return (moment - _START) // _US * PER_US


async def of_thread(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID, after: int = 0) -> Sequence[Turn]:
    """In order, from the run that the event of this number is of."""
    cur = await conn.execute(
        """
        WITH turns AS (
            SELECT run_id, status, workflow, created_at, coalesce(started_at, ended_at) AS at FROM runs
            WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s
              AND coalesce(started_at, ended_at) IS NOT NULL
        )
        SELECT run_id, status, workflow, at FROM turns
        WHERE at >= coalesce((SELECT max(at) FROM turns WHERE at <= %(seen_at)s), '-infinity')
        ORDER BY at, created_at, run_id
        """,
        {"thread_id": thread_id, "tenant_id": tenant_id, "seen_at": _START + after // PER_US * _US},
    )
    turns: list[Turn] = []
    for row in await cur.fetchall():
        # Runs that were stopped together have one time.
        begins = max(number_at(row["at"]), turns[-1].begins + PER_US if turns else 0)
        turns.append(Turn(thread_id=thread_id, begins=begins, **row))
    return turns


async def edits(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID, after: str) -> Sequence[Edit]:
    """The states written by hand after this checkpoint, in order."""
    cur = await conn.execute(
        """
        SELECT checkpoint_id FROM checkpoints
        WHERE thread_id = %(saved_as)s AND checkpoint_ns = '' AND metadata ->> 'source' = 'update'
          AND checkpoint_id > %(after)s
        ORDER BY checkpoint_id
        """,
        {"saved_as": f"{tenant_id}:{thread_id}", "after": after},
    )
    ids = [row["checkpoint_id"] for row in await cur.fetchall()]
    return [Edit(one, number_at(_made_at(UUID(one)))) for one in ids]


_GREGORIAN = datetime(1582, 10, 15, tzinfo=UTC)


def _made_at(checkpoint_id: UUID) -> datetime:
    """LangGraph's are UUIDs of version 6: they begin with their time, in tenths of a microsecond."""
    number = checkpoint_id.int
    return _GREGORIAN + timedelta(microseconds=((number >> 80 << 12) | (number >> 64 & 0xFFF)) // 10)


def checkpoint_before(number: int) -> str:
    """Sorts before every checkpoint made when the event of this number was possible, and behind those before."""
    tenths = (_START + number // PER_US * _US - _GREGORIAN) // _US * 10 + 10
    return str(UUID(int=(tenths >> 12 << 80) | (6 << 76) | ((tenths & 0xFFF) << 64)))
