"""What a rebalance keeps in rows: its proposals, who approved which payload, the accounts it trades in, its orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.actor import SYSTEM
from db.canonical import sha256_hex
from db.pool import transaction
from tools.context import Context


@dataclass(frozen=True, slots=True)
class Approval:
    review_id: UUID
    kind: str
    payload_sha256: str
    verdict: str
    answered_by: str


async def store_proposal(context: Context, round_: int, version: str, proposal: Mapping[str, Any]) -> None:
    """Once a round, with its audit row, which has the hash of what is kept: the row cannot be changed."""
    record = {"round": round_, "models_version": version, "proposal_sha256": sha256_hex(proposal)}
    record |= {"orders": proposal["orders"], "snapshot_sha256": proposal["snapshot_sha256"]}
    async with context.pool.connection() as conn:
        await conn.execute(
            """
            WITH kept AS (
                INSERT INTO rebalance_proposals (tenant_id, thread_id, round, models_version, proposal)
                VALUES (%(tenant_id)s, %(thread_id)s, %(round)s, %(version)s, %(proposal)s)
                ON CONFLICT (thread_id, round) DO NOTHING RETURNING round
            )
            INSERT INTO audit (tenant_id, person, action, thread_id, run_id, record)
            SELECT %(tenant_id)s, %(person)s, 'rebalance.proposed', %(thread_id)s, %(run_id)s, %(record)s FROM kept
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "run_id": context.fence.run_id,
                "person": SYSTEM,
                "round": round_,
                "version": version,
                "proposal": Jsonb(proposal, dumps=orjson.dumps),
                "record": Jsonb(record, dumps=orjson.dumps),
            },
        )


async def approvals(context: Context) -> list[Approval]:
    """Of advisers, the latest last."""
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(Approval)) as cur:
        await cur.execute(
            """
            SELECT review_id, kind, payload_sha256, answer ->> 'verdict' AS verdict, answered_by FROM reviews
            WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s AND status = 'answered'
              AND kind IN ('rebalance_review', 'second_approval')
            ORDER BY answered_at
            """,
            {"thread_id": context.thread_id, "tenant_id": context.tenant_id},
        )
        return await cur.fetchall()


async def take_accounts(context: Context, account_ids: Sequence[str]) -> bool:
    """Keeps the accounts for this case; False, and none, if another case trades in one of them.

    One that is over trades no more, however it ended.
    """
    async with transaction(context.pool) as conn:
        await conn.execute(
            """
            DELETE FROM rebalanced_accounts a USING threads t
            WHERE a.tenant_id = %(tenant_id)s AND t.tenant_id = a.tenant_id AND t.thread_id = a.thread_id
              AND t.outcome IS NOT NULL
            """,
            {"tenant_id": context.tenant_id},
        )
        await conn.execute(
            """
            INSERT INTO rebalanced_accounts (tenant_id, custody_account_id, thread_id)
            SELECT %(tenant_id)s, account_id, %(thread_id)s FROM unnest(%(accounts)s::text[]) AS account_id
            ORDER BY account_id ON CONFLICT DO NOTHING
            """,
            {"tenant_id": context.tenant_id, "thread_id": context.thread_id, "accounts": list(account_ids)},
        )
        cur = await conn.execute(
            """
            SELECT count(*) AS taken FROM rebalanced_accounts
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s
            """,
            {"tenant_id": context.tenant_id, "thread_id": context.thread_id},
        )
        row = await cur.fetchone()
        has_all = row is not None and row["taken"] == len(account_ids)
        if not has_all:
            await _release(conn, context)
    return has_all


async def release_accounts(context: Context) -> None:
    async with context.pool.connection() as conn:
        await _release(conn, context)


async def store_order(context: Context, order: Mapping[str, Any], order_id: str) -> None:
    async with context.pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO rebalance_orders (tenant_id, thread_id, n, custody_account_id, side, instrument_id, quantity,
                                          order_id)
            VALUES (%(tenant_id)s, %(thread_id)s, %(n)s, %(custody_account_id)s, %(side)s, %(instrument_id)s,
                    %(quantity)s, %(order_id)s)
            ON CONFLICT (thread_id, n) DO NOTHING
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "n": order["n"],
                "custody_account_id": order["custody_account_id"],
                "side": order["side"],
                "instrument_id": order["instrument_id"],
                "quantity": Decimal(order["quantity"]),
                "order_id": order_id,
            },
        )


async def case_of_order(conn: AsyncConnection[Any], order_id: str) -> tuple[str, UUID] | None:
    """Tenant and thread: the bank knows neither."""
    cur = await conn.execute("SELECT tenant_id, thread_id FROM rebalance_orders WHERE order_id = %s", (order_id,))
    row = await cur.fetchone()
    return None if row is None else (row["tenant_id"], row["thread_id"])


async def _release(conn: AsyncConnection[Any], context: Context) -> None:
    await conn.execute(
        "DELETE FROM rebalanced_accounts WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s",
        {"tenant_id": context.tenant_id, "thread_id": context.thread_id},
    )
