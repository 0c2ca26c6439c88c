"""What is told of runs' ends to the addresses they named: noted as the run ends, claimed by one worker at a time.

A claim moves `next_attempt_at` to when it lapses, so that a dead worker's deliveries are another's soon. At least
once: whoever is killed after sending leaves it to be sent again, under the same id.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.errors import Conflict, NotFound

LEASE_S = 30.0
"""Of a claim: longer than any attempt takes."""
KEPT_DAYS = 30
"""After a delivery came to its end, either way."""
SWEPT_AT_ONCE = 1000
NOTE: LiteralString = """
    INSERT INTO webhook_deliveries (tenant_id, thread_id, run_id, url, run, run_values)
    SELECT run ->> 'tenant_id', (run ->> 'thread_id')::uuid, (run ->> 'run_id')::uuid, run -> 'options' ->> 'webhook',
           run, run_values
    FROM ended WHERE run -> 'options' ->> 'webhook' IS NOT NULL
"""
"""Within a statement: for each row of `ended`, a run as it ended with its values as JSON text, if it has a webhook."""

State = Literal["pending", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """To be sent by us, now. `host` has its port; `run` is its row as it ended; `secrets` sign it, the newest first."""

    delivery_id: UUID
    tenant_id: str
    url: str
    host: str
    run: dict[str, Any]
    run_values: str | None
    attempts: int
    claimed_until: datetime
    secrets: list[str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it. `pending`: tried again in `again_in_s`."""

    state: State
    status: int | None = None
    error: str | None = None
    again_in_s: float = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    delivery_id: UUID
    thread_id: UUID
    run_id: UUID
    url: str
    state: State
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None


async def claim(conn: AsyncConnection[Any], most: int, busy: Collection[str]) -> list[Claimed]:
    """Those due for longest, but for those to `busy` hosts."""
    async with conn.cursor(row_factory=class_row(Claimed)) as cur:
        await cur.execute(
            f"""
            UPDATE webhook_deliveries d
            SET attempts = d.attempts + 1, next_attempt_at = now() + %(lease_s)s * interval '1 second'
            FROM (
                SELECT delivery_id FROM webhook_deliveries
                WHERE state = 'pending' AND next_attempt_at <= now() AND {_HOST} <> ALL(%(busy)s)
                ORDER BY next_attempt_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
            ) AS due
            WHERE d.delivery_id = due.delivery_id
            RETURNING d.delivery_id, d.tenant_id, d.url, {_HOST} AS host, d.run, d.run_values, d.attempts,
                d.next_attempt_at AS claimed_until,
                ARRAY(
                    SELECT s.secret FROM webhook_secrets s
                    WHERE s.tenant_id = d.tenant_id AND (s.expires_at IS NULL OR s.expires_at > now())
                    ORDER BY s.expires_at DESC NULLS FIRST
                ) AS secrets
            """,
            {"lease_s": LEASE_S, "busy": list(busy), "most": most},
        )
        return await cur.fetchall()


async def settle(conn: AsyncConnection[Any], claimed: Claimed, attempt: Attempt) -> None:
    """Writes nothing for whose claim lapsed, but that it was delivered, which is so whoever says it."""
    await conn.execute(
        """
        UPDATE webhook_deliveries
        SET state = %(state)s, last_status = %(status)s, last_error = %(error)s,
            next_attempt_at = now() + %(again_in_s)s * interval '1 second',
            ended_at = CASE WHEN %(state)s <> 'pending' THEN now() END,
            run = CASE WHEN %(state)s <> 'delivered' THEN run END,
            run_values = CASE WHEN %(state)s <> 'delivered' THEN run_values END
        WHERE delivery_id = %(delivery_id)s AND tenant_id = %(tenant_id)s AND state = 'pending'
          AND (next_attempt_at = %(claimed_until)s OR %(state)s = 'delivered')
        """,
        {
            "state": attempt.state,
            "status": attempt.status,
            "error": attempt.error,
            "again_in_s": attempt.again_in_s,
            "delivery_id": claimed.delivery_id,
            "tenant_id": claimed.tenant_id,
            "claimed_until": claimed.claimed_until,
        },
    )


async def page(
    conn: AsyncConnection[Any], tenant_id: str, state: State | None, limit: int, offset: int
) -> list[Delivery]:
    """The newest first."""
    async with conn.cursor(row_factory=class_row(Delivery)) as cur:
        await cur.execute(
            f"""
            SELECT {_COLUMNS} FROM webhook_deliveries
            WHERE tenant_id = %(tenant_id)s AND (%(state)s::text IS NULL OR state = %(state)s)
            ORDER BY created_at DESC, delivery_id LIMIT %(limit)s OFFSET %(offset)s
            """,
            {"tenant_id": tenant_id, "state": state, "limit": limit, "offset": offset},
        )
        return await cur.fetchall()


async def try_again(conn: AsyncConnection[Any], tenant_id: str, delivery_id: UUID) -> Delivery:
    """Gives one that failed all its attempts again, from now on. Raises NotFound, or Conflict for any other."""
    names = {"tenant_id": tenant_id, "delivery_id": delivery_id}
    async with conn.cursor(row_factory=class_row(Delivery)) as cur:
        await cur.execute(
            f"""
            UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_attempt_at = now(), ended_at = NULL
            WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s AND state = 'failed' RETURNING {_COLUMNS}
            """,
            names,
        )
        if (delivery := await cur.fetchone()) is not None:
            return delivery
        await cur.execute(
            f"""
            SELECT {_COLUMNS} FROM webhook_deliveries
            WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s
            """,
            names,
        )
        if (delivery := await cur.fetchone()) is None:
            raise NotFound("webhook delivery", delivery_id)
    raise Conflict(f"delivery {delivery_id} is {delivery.state}; only one that failed can be tried again")


async def sweep(conn: AsyncConnection[Any]) -> int:
    """Deletes deliveries that ended long ago, at most so many at once; how many."""
    cur = await conn.execute(
        """
        DELETE FROM webhook_deliveries WHERE delivery_id IN (
            SELECT delivery_id FROM webhook_deliveries
            WHERE state <> 'pending' AND ended_at < now() - %(days)s * interval '1 day'
            ORDER BY ended_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
        )
        """,
        {"days": KEPT_DAYS, "most": SWEPT_AT_ONCE},
    )
    return cur.rowcount


_HOST = "lower(substring(url FROM '//([^/?#]*)'))"
_COLUMNS = """delivery_id, thread_id, run_id, url, state, attempts,
    CASE WHEN state = 'pending' THEN next_attempt_at END AS next_attempt_at, last_status, last_error, created_at,
    ended_at"""
