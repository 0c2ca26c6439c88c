"""Turns: who takes a run up shuts out whoever drove it before."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest

from db import turns
from db.embedded import Server, start
from db.migrate import migrate
from db.pool import open_pool
from tests.db.begun import begun

SOON_S = 20


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server of the test's own, to be killed."""
    with TemporaryDirectory(prefix="countersign-test-") as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder))
        migrate(server.url)
        yield server
        server.stop()


async def test_epoch_is_not_given_twice_though_the_server_crashed_after_it_was(mortal: Server) -> None:
    async with open_pool(mortal.url, max_size=2) as pool:
        (fence,) = await begun(pool, 1)
        async with pool.connection() as conn:
            await conn.execute("UPDATE runs SET status = 'pending'")
            (before,) = await turns.begin(conn, [fence.run_id])

        await asyncio.to_thread(kill, mortal)
        await asyncio.to_thread(mortal.revive)

        async with pool.connection() as conn:
            (after,) = await turns.begin(conn, [fence.run_id])
    assert before is not None and after is not None
    assert after.epoch > before.epoch


def kill(server: Server) -> None:
    with psycopg.connect(server.url) as conn:
        postmaster = psutil.Process(conn.info.backend_pid).parent()
    assert postmaster is not None
    postmaster.kill()
    psutil.wait_procs([postmaster], timeout=SOON_S)
