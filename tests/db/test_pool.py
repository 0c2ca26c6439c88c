"""The pool: away means DatabaseUnavailable soon, back means served again at once."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db.embedded import Server, start
from db.errors import DatabaseUnavailable
from db.pool import Pool, open_pool, reaching_database


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="countersign-test-") as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder))
        yield server
        server.stop()


async def test_connections_to_a_server_that_restarted_are_never_handed_out(server: Server) -> None:
    async with open_pool(server.url, max_size=8, min_size=8) as pool:
        await pool.wait()
        _take_away(server)
        server.revive()

        answers = await asyncio.gather(*(_one(pool) for _ in range(32)))

    assert answers == [1] * 32


async def test_one_caller_after_another_does_not_wait_for_each_dead_connection(server: Server) -> None:
    async with open_pool(server.url, max_size=8, min_size=8) as pool:
        await pool.wait()
        _take_away(server)
        server.revive()

        async with asyncio.timeout(1):
            answers = [await _one(pool) for _ in range(16)]

    assert answers == [1] * 16


@pytest.mark.slow
async def test_a_server_that_is_away_is_unavailable_within_seconds_and_served_when_back(
    server: Server,
) -> None:
    async with open_pool(server.url, max_size=2) as pool:
        await _one(pool)
        _take_away(server)
        asked = time.monotonic()

        with pytest.raises(DatabaseUnavailable):
            await _one(pool)

        assert time.monotonic() - asked < 7
        server.revive()
        assert await _one(pool) == 1


async def test_a_statement_in_flight_when_the_server_goes_is_unavailable(server: Server) -> None:
    async with open_pool(server.url, max_size=1) as pool, pool.connection() as conn:
        _take_away(server)
        with pytest.raises(DatabaseUnavailable), reaching_database():
            await conn.execute("SELECT 1")
    server.revive()


async def test_a_fault_of_ours_is_not_taken_for_an_absent_database(server: Server) -> None:
    async with open_pool(server.url, max_size=1) as pool, pool.connection() as conn:
        with pytest.raises(psycopg.errors.UndefinedTable), reaching_database():
            await conn.execute("SELECT n FROM nowhere")


async def _one(pool: Pool) -> object:
    with reaching_database():
        async with pool.connection() as conn:
            row = await (await conn.execute("SELECT 1 AS one")).fetchone()
    assert row is not None
    return row["one"]


def _take_away(server: Server) -> None:
    with psycopg.connect(server.url) as conn:
        row = conn.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        assert row is not None
        os.kill(int(row[0].split()[0]), signal.SIGQUIT)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT pg_sleep(60)")
