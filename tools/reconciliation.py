"""Reconciliation's rows: the effects it compares, what it compared, and the differences it found, each once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.canonical import sha256_hex
from db.effects import Status, Stored
from db.pool import Pool, transaction
from db.reviews import BANK
from tools.context import Context
from tools.rules.ledger_differences import Difference

DifferenceStatus = Literal["open", "acknowledged", "resolved"]


@dataclass(frozen=True, slots=True)
class LedgerEffect:
    """An effect and how its case stands. One that `waits_for_bank` is told by it, or asks, what became of a payment."""

    key: str
    kind: str
    status: Status
    request: dict[str, Any]
    request_sha256: str
    response: dict[str, Any] | None
    contradiction: str | None
    tenant_id: str
    thread_id: UUID
    run_id: UUID
    created_at: datetime
    outcome: str | None
    under_way: bool
    waits_for_bank: bool

    @property
    def stored(self) -> Stored:
        return Stored(self.key, self.kind, self.request, self.tenant_id, self.thread_id, self.run_id)


@dataclass(frozen=True, slots=True)
class StoredDifference:
    difference_key: str
    kind: str
    subject: str
    ours: dict[str, Any]
    bank: dict[str, Any]
    status: DifferenceStatus
    note: str | None
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    status: Literal["acknowledged", "resolved"]
    note: str


async def effects_between(context: Context, since: datetime, until: datetime) -> list[LedgerEffect]:
    """Effects intended in the period, those of cases that something happened to in it, and those without an outcome
    however old they are."""
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(LedgerEffect)) as cur:
        await cur.execute(
            """
            SELECT e.key, e.kind, e.status, e.request, e.request_sha256, e.response, e.contradiction, e.tenant_id,
                   e.thread_id, e.run_id, e.created_at, t.outcome, t.active_runs > 0 AS under_way,
                   EXISTS (
                       SELECT 1 FROM reviews v
                       WHERE v.thread_id = e.thread_id AND v.status = 'open' AND v.role = %(bank)s
                   ) AS waits_for_bank
            FROM effects e JOIN threads t USING (thread_id)
            WHERE e.tenant_id = %(tenant_id)s AND e.created_at < %(until)s
              AND (e.created_at >= %(since)s OR t.updated_at >= %(since)s
                   OR e.status IN ('intended', 'needs_reconcile'))
            ORDER BY e.created_at, e.key
            """,
            {"tenant_id": context.tenant_id, "since": since, "until": until, "bank": BANK},
        )
        return await cur.fetchall()


async def tenants_of(context: Context, keys: Sequence[str]) -> dict[str, str]:
    """Whose effects have these keys: the one place where other tenants' rows count, since the bank's key is shared."""
    async with context.pool.connection() as conn:
        cur = await conn.execute("SELECT key, tenant_id FROM effects WHERE key = ANY(%(keys)s)", {"keys": list(keys)})
        return {row["key"]: row["tenant_id"] for row in await cur.fetchall()}


async def store(
    context: Context, period: tuple[datetime, datetime], counts: Mapping[str, int], found: Sequence[Difference]
) -> None:
    """What was compared and what differed, with the audit row; an earlier attempt's stays. A difference that was seen
    before is not found again."""
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO reconciliations (thread_id, tenant_id, since, until, counts)
            VALUES (%(thread_id)s, %(tenant_id)s, %(since)s, %(until)s, %(counts)s)
            ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
            """,
            {
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
                "since": period[0],
                "until": period[1],
                "counts": Jsonb(counts),
            },
        )
        if await cur.fetchone() is not None:
            for difference in found:
                await _store_difference(conn, context, difference)
            await audit.record(conn, context.deed("reconciliation.compared", {"counts": counts}))


async def to_review(context: Context, most: int) -> list[StoredDifference]:
    """Those that this case found first and nobody has judged yet."""
    async with context.pool.connection() as conn:
        return await _differences(
            conn, "thread_id = %(thread_id)s AND status = 'open'", context.tenant_id, context.thread_id, most
        )


async def seen_in(pool: Pool, tenant_id: str, thread_id: UUID) -> list[StoredDifference]:
    """All that a reconciliation saw, whoever found it first."""
    async with pool.connection() as conn:
        return await _differences(conn, "seen_in = %(thread_id)s", tenant_id, thread_id, None)


async def judge(context: Context, person: str, verdicts: Mapping[str, Verdict]) -> None:
    """Each difference is judged once, with its audit row under the name of who judged it."""
    async with transaction(context.pool) as conn:
        for difference_key, verdict in verdicts.items():
            cur = await conn.execute(
                """
                UPDATE ledger_differences
                SET status = %(status)s, note = %(note)s, reviewed_by = %(person)s, reviewed_at = now()
                WHERE tenant_id = %(tenant_id)s AND difference_key = %(key)s AND status = 'open'
                RETURNING kind, subject
                """,
                {
                    "status": verdict.status,
                    "note": verdict.note,
                    "person": person,
                    "tenant_id": context.tenant_id,
                    "key": difference_key,
                },
            )
            if (row := await cur.fetchone()) is not None:
                record = {"difference": difference_key, **row, "note": verdict.note}
                await audit.record(conn, context.deed(f"difference.{verdict.status}", record, person))


async def _store_difference(conn: AsyncConnection[Any], context: Context, difference: Difference) -> None:
    await conn.execute(
        """
        INSERT INTO ledger_differences (tenant_id, difference_key, kind, subject, ours, bank, thread_id, seen_in)
        VALUES (%(tenant_id)s, %(key)s, %(kind)s, %(subject)s, %(ours)s, %(bank)s, %(thread_id)s, %(thread_id)s)
        ON CONFLICT (tenant_id, difference_key) DO UPDATE SET seen_in = EXCLUDED.seen_in
        """,
        {
            "tenant_id": context.tenant_id,
            "key": _key(difference),
            "kind": difference.kind,
            "subject": difference.subject,
            "ours": Jsonb(difference.ours),
            "bank": Jsonb(difference.bank),
            "thread_id": context.thread_id,
        },
    )


def _key(difference: Difference) -> str:
    """The same whenever the same is seen."""
    said = [difference.kind, difference.subject, dict(difference.ours), dict(difference.bank)]
    return sha256_hex(said)[:16]


async def _differences(
    conn: AsyncConnection[Any], where: str, tenant_id: str, thread_id: UUID, most: int | None
) -> list[StoredDifference]:
    async with conn.cursor(row_factory=class_row(StoredDifference)) as cur:
        await cur.execute(
            f"""
            SELECT difference_key, kind, subject, ours, bank, status, note, found_at FROM ledger_differences
            WHERE tenant_id = %(tenant_id)s AND {where}
            ORDER BY found_at, kind, subject, difference_key LIMIT %(most)s
            """.encode(),
            {"tenant_id": tenant_id, "thread_id": thread_id, "most": most},
        )
        return await cur.fetchall()
