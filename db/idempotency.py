"""Idempotency keys of clients: the same key and request get the first answer again, another request gets a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.actor import Actor
from db.errors import IdempotencyMismatch

Answer = tuple[int, Mapping[str, Any]]
"""HTTP status and body."""


@dataclass(frozen=True, slots=True)
class Stored:
    request_sha256: bytes
    response_status: int
    response: dict[str, Any]


async def hold(conn: AsyncConnection[Any], actor: Actor, key: str) -> None:
    """Until the transaction ends nobody else can use the key. A statement of its own, since what it waits for is seen
    by the statements after it only."""
    owner = f"{actor.tenant_id}/{actor.person}/{key}"
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", (owner,))


async def find(conn: AsyncConnection[Any], actor: Actor, key: str, request_sha256: bytes) -> Stored | None:
    """What was answered to this key before. Raises IdempotencyMismatch if the key came with another request."""
    async with conn.cursor(row_factory=class_row(Stored)) as cur:
        await cur.execute(
            """
            SELECT request_sha256, response_status, response FROM idempotency_keys
            WHERE tenant_id = %(tenant_id)s AND person = %(person)s AND key = %(key)s
            """,
            {"tenant_id": actor.tenant_id, "person": actor.person, "key": key},
        )
        stored = await cur.fetchone()
    if stored is not None and stored.request_sha256 != request_sha256:
        raise IdempotencyMismatch(key)
    return stored


async def remember(conn: AsyncConnection[Any], actor: Actor, key: str, request_sha256: bytes, answer: Answer) -> None:
    status, response = answer
    await conn.execute(
        """
        INSERT INTO idempotency_keys (tenant_id, person, key, request_sha256, response_status, response)
        VALUES (%(tenant_id)s, %(person)s, %(key)s, %(request_sha256)s, %(status)s, %(response)s)
        """,
        {
            "tenant_id": actor.tenant_id,
            "person": actor.person,
            "key": key,
            "request_sha256": request_sha256,
            "status": status,
            "response": Jsonb(response),
        },
    )


async def amend(conn: AsyncConnection[Any], actor: Actor, key: str, answer: Answer) -> None:
    """Replaces an answer that was not final, a 202; a final one stays."""
    status, response = answer
    await conn.execute(
        """
        UPDATE idempotency_keys SET response_status = %(status)s, response = %(response)s
        WHERE tenant_id = %(tenant_id)s AND person = %(person)s AND key = %(key)s AND response_status = 202
        """,
        {
            "tenant_id": actor.tenant_id,
            "person": actor.person,
            "key": key,
            "status": status,
            "response": Jsonb(response),
        },
    )
