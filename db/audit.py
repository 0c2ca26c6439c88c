"""Who did what: rows that are only ever added, chained by SHA-256 per tenant.

Rows are written inside the transaction of the deed; the chain is laid over them afterwards by `seal`, one sealer at a
time, so that no deed waits for another's commit. Each seal is the SHA-256 of its predecessor and of its row's canonical
JSON. A chain alone cannot show that its tail was cut off.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.arrays import columns

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Deed:
    """What one person (or `system`) did, about which case."""

    tenant_id: str
    person: str
    action: str
    record: Mapping[str, Any]
    thread_id: UUID | None = None
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    audit_id: int
    at: datetime
    person: str
    action: str
    thread_id: UUID | None
    run_id: UUID | None
    record: dict[str, Any]


async def record(conn: AsyncConnection[Any], deed: Deed) -> None:
    await conn.execute(
        """
        INSERT INTO audit (tenant_id, person, action, thread_id, run_id, record)
        VALUES (%(tenant_id)s, %(person)s, %(action)s, %(thread_id)s, %(run_id)s, %(record)s)
        """,
        {
            "tenant_id": deed.tenant_id,
            "person": deed.person,
            "action": deed.action,
            "thread_id": deed.thread_id,
            "run_id": deed.run_id,
            "record": Jsonb(deed.record),
        },
    )


async def record_each(conn: AsyncConnection[Any], deeds: Sequence[Deed]) -> None:
    rows = [
        (deed.tenant_id, deed.person, deed.action, deed.thread_id, deed.run_id, json.dumps(deed.record))
        for deed in deeds
    ]
    if rows:
        await conn.execute(
            """
            INSERT INTO audit (tenant_id, person, action, thread_id, run_id, record)
            SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::uuid[], %b::uuid[], %b::jsonb[])
            """,
            columns(rows, ("text", "text", "text", "uuid", "uuid", "jsonb")),
        )


async def of_thread(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID) -> list[AuditRow]:
    async with conn.cursor(row_factory=class_row(AuditRow)) as cur:
        await cur.execute(
            """
            SELECT audit_id, at, person, action, thread_id, run_id, record FROM audit
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s ORDER BY audit_id
            """,
            {"tenant_id": tenant_id, "thread_id": thread_id},
        )
        return await cur.fetchall()


async def seal_all(conn: AsyncConnection[Any]) -> int:
    """Seals what every tenant's new rows still lack; how many rows that was.

    Looks from each tenant's last seal on, not at all rows. A row that was committed late waits for its tenant's next.
    """
    cur = await conn.execute(
        """
        SELECT t.tenant_id
        FROM tenants t, LATERAL (SELECT coalesce((
            SELECT s.audit_id FROM audit_seals s WHERE s.tenant_id = t.tenant_id ORDER BY s.seq DESC LIMIT 1
        ), 0) AS audit_id) AS last
        WHERE (
            SELECT a.audit_id FROM audit a WHERE a.tenant_id = t.tenant_id AND a.audit_id > last.audit_id
            ORDER BY a.audit_id LIMIT 1
        ) IS NOT NULL
        """
    )
    return sum([await seal(conn, row["tenant_id"]) for row in await cur.fetchall()])


async def seal(conn: AsyncConnection[Any], tenant_id: str, most: int = 1000) -> int:
    """Lays the chain over up to `most` rows that have none yet; how many it sealed."""
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(hashtext('audit'), hashtext(%s))", (tenant_id,))
        head = await _head(conn, tenant_id)
        unsealed = await _rows(
            conn,
            """
            SELECT a.audit_id, a.at, a.person, a.action, a.thread_id, a.run_id, a.record FROM audit a
            WHERE a.tenant_id = %(tenant_id)s
              AND NOT EXISTS (SELECT 1 FROM audit_seals s WHERE s.audit_id = a.audit_id)
            ORDER BY a.audit_id LIMIT %(most)s
            """,
            {"tenant_id": tenant_id, "most": most},
        )
        seq, sha256 = head
        seals = []
        for row in unsealed:
            seq, sha256 = seq + 1, _link(sha256, tenant_id, row)
            seals.append((tenant_id, seq, row.audit_id, sha256))
        async with conn.cursor() as cur:
            await cur.executemany(
                "INSERT INTO audit_seals (tenant_id, seq, audit_id, sha256) VALUES (%s, %s, %s, %s)", seals
            )
    return len(seals)


async def first_broken(conn: AsyncConnection[Any], tenant_id: str) -> int | None:
    """The `audit_id` of the first row that is not what was sealed, or None if the whole chain holds."""
    sha256, seq = GENESIS, 0
    async with conn.transaction(), conn.cursor("chain") as cur:
        await cur.execute(
            """
            SELECT s.seq, s.sha256, s.audit_id, a.at, a.person, a.action, a.thread_id, a.run_id, a.record
            FROM audit_seals s LEFT JOIN audit a ON a.audit_id = s.audit_id AND a.tenant_id = s.tenant_id
            WHERE s.tenant_id = %(tenant_id)s ORDER BY s.seq
            """,
            {"tenant_id": tenant_id},
        )
        async for sealed in cur:
            stored, at_seq = sealed.pop("sha256"), sealed.pop("seq")
            seq += 1
            if at_seq != seq or sealed["at"] is None:
                return int(sealed["audit_id"])
            sha256 = _link(sha256, tenant_id, AuditRow(**sealed))
            if sha256 != stored:
                return int(sealed["audit_id"])
    return None


async def length(conn: AsyncConnection[Any], tenant_id: str) -> int:
    """How many rows the chain has."""
    return (await _head(conn, tenant_id))[0]


async def _head(conn: AsyncConnection[Any], tenant_id: str) -> tuple[int, bytes]:
    cur = await conn.execute(
        "SELECT seq, sha256 FROM audit_seals WHERE tenant_id = %s ORDER BY seq DESC LIMIT 1", (tenant_id,)
    )
    head = await cur.fetchone()
    return (head["seq"], head["sha256"]) if head else (0, GENESIS)


async def _rows(conn: AsyncConnection[Any], query: Any, values: Mapping[str, Any]) -> list[AuditRow]:
    async with conn.cursor(row_factory=class_row(AuditRow)) as cur:
        await cur.execute(query, values)
        return await cur.fetchall()


def _link(previous: bytes, tenant_id: str, row: AuditRow) -> bytes:
    content = {
        "tenant_id": tenant_id,
        "audit_id": row.audit_id,
        "at": row.at.astimezone(UTC).isoformat(),
        "person": row.person,
        "action": row.action,
        "thread_id": row.thread_id,
        "run_id": row.run_id,
        "record": row.record,
    }
    # Python's own JSON takes every number that jsonb holds: a row that cannot be sealed would end all sealing.
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(previous + canonical.encode()).digest()
