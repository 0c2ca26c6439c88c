"""The one pool of connections a program opens, shared with LangGraph's saver and Procrastinate's queries."""

import select
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from db.errors import DatabaseUnavailable

TIMEOUT_S = 5
"""For a connection from the pool or a new one, and until the pool waits for somebody to ask again."""

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]


def open_pool(database_url: str, *, max_size: int, min_size: int = 1) -> Pool:
    """Still closed: `async with open_pool(...) as pool`. Connections are as LangGraph's saver wants them."""
    settings: dict[str, Any] = {
        "autocommit": True,
        "prepare_threshold": 0,
        "row_factory": dict_row,
        "fallback_application_name": "countersign",
        "connect_timeout": TIMEOUT_S,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }

    async def refuse_hung_up(conn: AsyncConnection[DictRow]) -> None:
        if hung_up(conn):
            await conn.close()
            await pool.check()  # The others most likely are as dead, and the pool pauses after a second dead one.
            raise psycopg.OperationalError("the server hung up")

    pool = AsyncConnectionPool(
        database_url,
        kwargs=settings,
        min_size=min(min_size, max_size),
        max_size=max_size,
        check=refuse_hung_up,
        timeout=TIMEOUT_S,
        reconnect_timeout=TIMEOUT_S,
        open=False,
    )
    return pool


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[AsyncConnection[DictRow]]:
    """A connection in a transaction whose statements travel together until one's result is read.

    So BEGIN, COMMIT and statements without a result cost no round trip of their own. A statement's error is raised
    where a result is next awaited, at the latest where this is left.
    """
    async with pool.connection() as conn, conn.pipeline(), conn.transaction():
        yield conn


@contextmanager
def reaching_database() -> Iterator[None]:
    """PostgreSQL away, shutting down, full, or rolling us back for others: all DatabaseUnavailable."""
    try:
        yield
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"the database is away: {exc}") from exc


def hung_up(conn: AsyncConnection[Any]) -> bool:
    """A server that went away left an end-of-file in the socket: seen in a microsecond, no round trip."""
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    return bool(poll.poll(0))
