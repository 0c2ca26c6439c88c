"""Idempotency keys of clients: the same key and request get the first answer again, another request gets a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.actor import Actor
from db.errors import IdempotencyMismatch


@dataclass(frozen=True, slots=True)
class Stored:
    request_sha256: bytes
    response_status: int
    response: dict[str, Any]


async def earlier_answer(conn: AsyncConnection[Any], actor: Actor, key: str, request_sha256: bytes) -> Stored | None:
    """What was answered to this key before. Until the transaction ends nobody else can use the key.

    Raises IdempotencyMismatch if the key came with another request.
    """
    owner = {"tenant_id": actor.tenant_id, "person": actor.person, "key": key}
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", ("/".join(owner.values()),))
    async with conn.cursor(row_factory=class_row(Stored)) as cur:
        await cur.execute(
            """
            SELECT request_sha256, response_status, response FROM idempotency_keys
            WHERE tenant_id = %(tenant_id)s AND person = %(person)s AND key = %(key)s
            """,
            owner,
        )
        stored = await cur.fetchone()
    if stored is not None and stored.request_sha256 != request_sha256:
        raise IdempotencyMismatch(key)
    return stored


async def remember(
    conn: AsyncConnection[Any], actor: Actor, key: str, request_sha256: bytes, answer: tuple[int, Mapping[str, Any]]
) -> None:
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
