"""The judge: which POSTs the bank received, and what it answered to each."""

from typing import Any

from api.sandbox.database import Connection


async def write(conn: Connection, path: str, idempotency_key: str | None, status: int, *, replayed: bool) -> None:
    """In the transaction of the effect where there is one: what was executed is in the log."""
    await conn.execute(
        """
        INSERT INTO request_log (method, path, idempotency_key, status, replayed)
        VALUES ('POST', %(path)s, %(idempotency_key)s, %(status)s, %(replayed)s)
        """,
        {"path": path, "idempotency_key": idempotency_key, "status": status, "replayed": replayed},
    )


async def read(conn: Connection, since: int, idempotency_key: str | None, limit: int) -> list[dict[str, Any]]:
    cur = await conn.execute(
        """
        SELECT seq, at, method, path, idempotency_key, status, replayed FROM request_log
        WHERE seq > %(since)s AND (%(key)s::text IS NULL OR idempotency_key = %(key)s)
        ORDER BY seq LIMIT %(limit)s
        """,
        {"since": since, "key": idempotency_key, "limit": limit},
    )
    return await cur.fetchall()
