"""The bank's own role, schema and connections in a PostgreSQL it may share with strangers."""

import select
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, DatabaseError, OperationalError
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[dict[str, Any]]
Pool = AsyncConnectionPool[Connection]

_SCHEMA_FILES = Path(__file__).with_name("schema")
_PREPARATION_LOCK = 7_305_441_902_118

# Roles belong to the whole cluster, advisory locks to one database: another database may create the role meanwhile.
_CREATE_ROLE_AND_SCHEMA = b"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'countersign_bank') THEN
        CREATE ROLE countersign_bank NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
DO $$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        GRANT countersign_bank TO CURRENT_USER;
    END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS bank AUTHORIZATION countersign_bank;
"""
_CREATE_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_versions (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class UnknownSchema(Exception):
    """The bank's schema was made by a newer program."""


async def prepare(database_url: str, load: Callable[[Connection], Awaitable[None]] | None = None) -> None:
    """Creates role, schema, tables and the seeded world, each once, whoever else tries at the same time; and then has
    a world of one's own loaded.

    Needs a login that may create roles and schemas. Raises UnknownSchema rather than touch a newer bank.
    """
    conn = await AsyncConnection.connect(database_url, row_factory=dict_row)
    async with conn:
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", (_PREPARATION_LOCK,))
        await conn.execute(_CREATE_ROLE_AND_SCHEMA)
        await _become_the_bank(conn)
        await conn.execute(_CREATE_VERSIONS)
        await _apply_missing_versions(conn)
        if load is not None:
            await load(conn)


def open_pool(database_url: str, max_size: int) -> Pool:
    """Connections are checked when lent, so that a restart of PostgreSQL does not fail a call for each of them."""
    return AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=max_size,
        open=False,
        configure=_become_the_bank,
        check=_refuse_hung_up,
        timeout=15,
        kwargs={"autocommit": True, "row_factory": dict_row},
    )


async def _apply_missing_versions(conn: Connection) -> None:
    cur = await conn.execute("SELECT version FROM schema_versions")
    applied = {row["version"] for row in await cur.fetchall()}
    files = {int(file.name[:4]): file for file in sorted(_SCHEMA_FILES.glob("[0-9]*.sql"))}
    if unknown := applied - files.keys():
        raise UnknownSchema(f"the bank's schema has version {max(unknown)}, this program knows {max(files)}")
    for version in sorted(files.keys() - applied):
        try:
            await conn.execute(files[version].read_bytes())
        except DatabaseError as exc:
            exc.add_note(f"in {files[version].name}")
            raise
        await conn.execute(
            "INSERT INTO schema_versions (version, name) VALUES (%s, %s)", (version, files[version].name)
        )


async def _become_the_bank(conn: Connection) -> None:
    await conn.execute(
        b"SET ROLE countersign_bank; SET search_path = bank; SET TIME ZONE 'UTC'; "
        b"SET lock_timeout = '3s'; SET statement_timeout = '30s'"
    )


async def _refuse_hung_up(conn: Connection) -> None:
    """A server that went away left an end-of-file in the socket: seen without a round trip."""
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    if poll.poll(0):
        await conn.close()
        raise OperationalError("PostgreSQL hung up")
