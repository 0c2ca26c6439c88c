"""What a tenant's webhooks are signed with. A secret that was replaced signs beside the new one for a day.

Kept as they are: a signature cannot be made with a hash. The text after the prefix is base64 of the key's bytes, as
Standard Webhooks has it.
"""

import secrets
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.errors import Conflict

PREFIX = "whsec_"
OVERLAP_H = 24
MOST = 5
"""That sign at one time: each adds to a header."""


@dataclass(frozen=True, slots=True)
class Secret:
    """`expires_at` None: the one to verify with."""

    secret: str
    created_at: datetime
    expires_at: datetime | None


async def of_tenant(conn: AsyncConnection[Any], tenant_id: str) -> list[Secret]:
    """Those that sign now, the newest first. The first one is made when it is first asked for."""
    if not (found := await _select(conn, tenant_id)):
        await _add(conn, tenant_id)
        found = await _select(conn, tenant_id)
    return found


async def rotate(conn: AsyncConnection[Any], tenant_id: str) -> list[Secret]:
    """In the caller's transaction: a new one, and those before it for a while more. Raises Conflict for too many."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('webhook_secrets'), hashtext(%s))", (tenant_id,))
    if len(await _select(conn, tenant_id)) >= MOST:
        raise Conflict(f"{MOST} secrets are in use; the oldest must end before there is another")
    await conn.execute(
        """
        UPDATE webhook_secrets SET expires_at = now() + %(hours)s * interval '1 hour'
        WHERE tenant_id = %(tenant_id)s AND expires_at IS NULL
        """,
        {"tenant_id": tenant_id, "hours": OVERLAP_H},
    )
    await _add(conn, tenant_id)
    return await _select(conn, tenant_id)


async def sweep(conn: AsyncConnection[Any]) -> None:
    await conn.execute("DELETE FROM webhook_secrets WHERE expires_at < now()")


async def _select(conn: AsyncConnection[Any], tenant_id: str) -> list[Secret]:
    async with conn.cursor(row_factory=class_row(Secret)) as cur:
        await cur.execute(
            """
            SELECT secret, created_at, expires_at FROM webhook_secrets
            WHERE tenant_id = %(tenant_id)s AND (expires_at IS NULL OR expires_at > now())
            ORDER BY expires_at DESC NULLS FIRST
            """,
            {"tenant_id": tenant_id},
        )
        return await cur.fetchall()


async def _add(conn: AsyncConnection[Any], tenant_id: str) -> None:
    """Unless there is a current one, as of somebody who was faster."""
    await conn.execute(
        """
        INSERT INTO webhook_secrets (tenant_id, secret) VALUES (%(tenant_id)s, %(secret)s)
        ON CONFLICT (tenant_id) WHERE expires_at IS NULL DO NOTHING
        """,
        {"tenant_id": tenant_id, "secret": PREFIX + b64encode(secrets.token_bytes(32)).decode()},
    )
