"""Snapshots of holdings as they are kept: one a round of a case; beside them what market events are matched with."""

from datetime import datetime

import orjson
from psycopg.types.json import Jsonb

from db.canonical import sha256_hex
from tools.context import Context
from tools.holdings import Plain, positions, worth_minor


async def store(context: Context, client_id: str, round_: int, found: Plain) -> str:
    """Keeps the snapshot, the first of a round, and what market events are matched with; its hash."""
    sha256 = sha256_hex(found)
    rows = [row for account in found["accounts"] for row in _held_rows(found, account)]
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            WITH kept AS (
                INSERT INTO holding_snapshots (tenant_id, thread_id, round, client_id, snapshot, snapshot_sha256)
                VALUES (%(tenant_id)s, %(thread_id)s, %(round)s, %(client_id)s, %(snapshot)s, %(sha256)s)
                ON CONFLICT (thread_id, round) DO NOTHING
                RETURNING snapshot_sha256
            ), told AS (
                SELECT row ->> 'client' AS client_id, row ->> 'account' AS account_id,
                       row ->> 'instrument' AS instrument_id, row ->> 'currency' AS currency,
                       row ->> 'class' AS asset_class, (row ->> 'quantity')::numeric AS quantity,
                       (row ->> 'value')::bigint AS value_minor
                FROM jsonb_array_elements(%(rows)s) AS row WHERE EXISTS (SELECT FROM kept)
            ), gone AS (
                DELETE FROM client_holdings h
                WHERE tenant_id = %(tenant_id)s AND custody_account_id = ANY(%(accounts)s) AND EXISTS (SELECT FROM kept)
                  AND NOT EXISTS (SELECT FROM told WHERE told.account_id = h.custody_account_id
                                    AND told.instrument_id = h.instrument_id)
            ), held AS (
                INSERT INTO client_holdings (tenant_id, client_id, custody_account_id, instrument_id, currency,
                                             asset_class, quantity, value_minor, as_of)
                SELECT c.tenant_id, client_id, account_id, instrument_id, currency, asset_class, quantity, value_minor,
                       %(as_of)s
                FROM told JOIN clients c USING (client_id) WHERE c.tenant_id = %(tenant_id)s
                ORDER BY client_id, account_id, instrument_id
                ON CONFLICT (tenant_id, client_id, custody_account_id, instrument_id)
                DO UPDATE SET quantity = EXCLUDED.quantity, value_minor = EXCLUDED.value_minor, as_of = EXCLUDED.as_of
            )
            SELECT snapshot_sha256 FROM kept
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "round": round_,
                "client_id": client_id,
                "snapshot": Jsonb(found, dumps=orjson.dumps),
                "sha256": sha256,
                "accounts": [account["custody_account_id"] for account in found["accounts"]],
                "rows": Jsonb(rows, dumps=orjson.dumps),
                "as_of": datetime.fromisoformat(found["as_of"]),
            },
        )
        if await cur.fetchone() is not None:
            return sha256
    return sha256_hex(await stored(context, round_))


async def stored(context: Context, round_: int) -> Plain:
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT snapshot::text FROM holding_snapshots
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s AND round = %(round)s
            """,
            {"tenant_id": context.tenant_id, "thread_id": context.thread_id, "round": round_},
        )
        row = await cur.fetchone()
    assert row is not None
    snapshot: Plain = orjson.loads(row["snapshot"])
    return snapshot


def _held_rows(found: Plain, account: Plain) -> list[Plain]:
    return [
        {
            "client": account["customer_id"],
            "account": account["custody_account_id"],
            "instrument": name,
            "currency": found["instruments"][name]["currency"],
            "class": found["instruments"][name]["asset_class"],
            "quantity": f"{quantity:f}",
            "value": str(int(worth_minor(found, name, quantity))),
        }
        for name, quantity in positions(account).items()
    ]
