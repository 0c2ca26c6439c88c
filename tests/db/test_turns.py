"""Turns: who takes a run up shuts out whoever drove it before."""

import asyncio

from db import turns
from db.embedded import Server
from db.pool import open_pool
from tests.db.begun import begun
from tests.db.mortal import kill

SOON_S = 20


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
