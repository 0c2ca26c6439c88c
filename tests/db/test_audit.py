"""The audit trail: only ever added to, and a chain that names the first row that is not what was sealed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from db import audit
from db.audit import Deed
from db.pool import Pool, open_pool

TENANT = "acme"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=4) as pool:
        async with pool.connection() as conn:
            await conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s), ('other')", (TENANT,))
        yield pool


async def do_deeds(conn: AsyncConnection[Any], *actions: str, tenant_id: str = TENANT) -> None:
    for action in actions:
        # An amount beyond 64 bits: jsonb holds it, so a seal must, too.
        await audit.record(conn, Deed(tenant_id, "ada", action, {"amount_minor": 10**30, "note": "Zoë"}))


async def test_chain_over_all_deeds_holds(pool: Pool) -> None:
    async with pool.connection() as conn:
        await do_deeds(conn, "one", "two")
        await do_deeds(conn, "elsewhere", tenant_id="other")
        sealed = await audit.seal_all(conn)
        await do_deeds(conn, "three")
        await audit.seal_all(conn)

        assert sealed == 3
        assert await audit.length(conn, TENANT) == 3
        assert await audit.first_broken(conn, TENANT) is None


async def test_only_tenants_with_new_rows_are_sealed(pool: Pool) -> None:
    async with pool.connection() as conn:
        await do_deeds(conn, "one", "two")
        await do_deeds(conn, "elsewhere", tenant_id="other")
        sealed = [await audit.seal_all(conn), await audit.seal_all(conn)]
        await do_deeds(conn, "elsewhere again", tenant_id="other")
        sealed += [await audit.seal_all(conn), await audit.seal_all(conn)]

        assert sealed == [3, 0, 1, 0]
        assert (await audit.length(conn, TENANT), await audit.length(conn, "other")) == (2, 2)


async def test_sealers_at_the_same_time_lay_one_chain(pool: Pool) -> None:
    async def deed_and_seal(n: int) -> None:
        async with pool.connection() as conn:
            await do_deeds(conn, f"deed {n}")
            await audit.seal(conn, TENANT)

    await asyncio.gather(*(deed_and_seal(n) for n in range(20)))

    async with pool.connection() as conn:
        assert await audit.length(conn, TENANT) == 20
        assert await audit.first_broken(conn, TENANT) is None


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET person = 'eve'", "DELETE FROM audit", "TRUNCATE audit CASCADE"]
)
async def test_database_refuses_to_change_the_trail(pool: Pool, statement: str) -> None:
    async with pool.connection() as conn:
        await do_deeds(conn, "one")

        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            await conn.execute(statement)


async def test_row_changed_behind_the_databases_back_is_named(pool: Pool) -> None:
    async with pool.connection() as conn:
        await do_deeds(conn, "one", "two", "three")
        await audit.seal_all(conn)
        await conn.execute("ALTER TABLE audit DISABLE TRIGGER USER")
        cur = await conn.execute("UPDATE audit SET person = 'eve' WHERE action = 'two' RETURNING audit_id")
        changed = await cur.fetchone()

        assert changed is not None
        assert await audit.first_broken(conn, TENANT) == changed["audit_id"]
