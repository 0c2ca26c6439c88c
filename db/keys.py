"""API keys: a prefix to recognise them by and 256 random bits; only the SHA-256 is kept."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection
from psycopg.rows import class_row

from db.actor import SYSTEM, Actor
from db.errors import InvalidInput, NotFound

PREFIX = "csk_"


@dataclass(frozen=True, slots=True)
class NewKey:
    """`customers` of the bank are those whose records the key may read."""

    tenant_id: str
    person: str
    roles: Sequence[str]
    customers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class KeyRow:
    key_id: UUID
    person: str
    roles: list[str]
    customers: list[str]
    prefix: str
    created_at: datetime
    revoked_at: datetime | None


async def create(conn: AsyncConnection[Any], new: NewKey, secret: str | None = None) -> str:
    """Makes a key and returns it; this is the only time it can be read. `secret` gives it a known value.

    Raises InvalidInput for the name under which we ourselves act.
    """
    if new.person == SYSTEM:
        raise InvalidInput("person", f"{SYSTEM!r} is the service itself")
    key = secret or PREFIX + secrets.token_urlsafe(32)
    await conn.execute(
        "INSERT INTO tenants (tenant_id) VALUES (%s) ON CONFLICT (tenant_id) DO NOTHING", (new.tenant_id,)
    )
    await conn.execute(
        """
        INSERT INTO api_keys (key_id, tenant_id, person, roles, customers, prefix, sha256)
        VALUES (%(key_id)s, %(tenant_id)s, %(person)s, %(roles)s, %(customers)s, %(prefix)s, %(sha256)s)
        ON CONFLICT (sha256) DO NOTHING
        """,
        {
            "key_id": uuids.uuid7(),
            "tenant_id": new.tenant_id,
            "person": new.person,
            "roles": list(new.roles),
            "customers": list(new.customers),
            "prefix": key[: len(PREFIX) + 6],
            "sha256": _sha256(key),
        },
    )
    return key


async def actor_of(conn: AsyncConnection[Any], key: str) -> Actor | None:
    """Whose key this is, or None if it is nobody's or was revoked."""
    cur = await conn.execute(
        "SELECT tenant_id, person, roles, customers FROM api_keys WHERE sha256 = %s AND revoked_at IS NULL",
        (_sha256(key),),
    )
    row = await cur.fetchone()
    return _actor(row) if row else None


async def least_of(conn: AsyncConnection[Any], tenant_id: str, person: str) -> Actor:
    """The person with the rights that each of their keys has: for where it is not known by which key they came."""
    cur = await conn.execute(
        """
        SELECT tenant_id, person, roles, customers FROM api_keys
        WHERE tenant_id = %(tenant_id)s AND person = %(person)s AND revoked_at IS NULL
        """,
        {"tenant_id": tenant_id, "person": person},
    )
    held = [_actor(row) for row in await cur.fetchall()]
    if not held:
        return Actor(tenant_id, person, frozenset())
    roles = frozenset.intersection(*(one.roles for one in held))
    return Actor(tenant_id, person, roles, customers=frozenset.intersection(*(one.customers for one in held)))


async def all_of(conn: AsyncConnection[Any], tenant_id: str) -> list[KeyRow]:
    async with conn.cursor(row_factory=class_row(KeyRow)) as cur:
        await cur.execute(
            """
            SELECT key_id, person, roles, customers, prefix, created_at, revoked_at FROM api_keys
            WHERE tenant_id = %s ORDER BY created_at
            """,
            (tenant_id,),
        )
        return await cur.fetchall()


async def revoke(conn: AsyncConnection[Any], tenant_id: str, key_id: UUID) -> None:
    cur = await conn.execute(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE tenant_id = %s AND key_id = %s"
        " RETURNING key_id",
        (tenant_id, key_id),
    )
    if await cur.fetchone() is None:
        raise NotFound("key", key_id)


def _actor(row: Mapping[str, Any]) -> Actor:
    return Actor(row["tenant_id"], row["person"], frozenset(row["roles"]), customers=frozenset(row["customers"]))


def _sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
