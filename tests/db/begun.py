"""Runs as the journal wants them: rows in `runs`, and fences for them."""

from uuid import uuid4

from db.journal import Fence
from db.pool import Pool


async def begun(pool: Pool, number: int) -> list[Fence]:
    """New runs, each on a thread of its own, in their first epoch."""
    ids = [uuid4() for _ in range(number)]
    async with pool.connection() as conn:
        await conn.execute("INSERT INTO tenants (tenant_id) VALUES ('bank') ON CONFLICT DO NOTHING")
        await conn.execute(
            "INSERT INTO threads (thread_id, tenant_id, started_by)"
            " SELECT id, 'bank', 'tester' FROM unnest(%(ids)s::uuid[]) AS id",
            {"ids": ids},
        )
        await conn.execute(
            "INSERT INTO runs (run_id, tenant_id, thread_id, workflow, workflow_version, started_by, epoch)"
            " SELECT id, 'bank', id, 'test', '1', 'tester', 1 FROM unnest(%(ids)s::uuid[]) AS id",
            {"ids": ids},
        )
    return [Fence(run_id, 1) for run_id in ids]


async def start_again(pool: Pool, fence: Fence) -> Fence:
    """Another worker takes the run up."""
    async with pool.connection() as conn:
        await conn.execute("UPDATE runs SET epoch = epoch + 1 WHERE run_id = %(id)s", {"id": fence.run_id})
    return Fence(fence.run_id, fence.epoch + 1)
