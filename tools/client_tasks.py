"""Tasks for agents of named kinds: handed out, claimed under a lease, completed once, each for itself alone.

A worker is known by its lease's token and not by its name: of two that had the same task, the later one has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.actor import SYSTEM, Actor, Role, as_seen_by
from db.audit import Deed
from db.canonical import sha256_hex
from db.errors import Conflict, LeaseLost, NotFound
from db.pool import transaction
from db.reviews import AGENT_TASK
from tools.context import Context

MOST_CLAIMS = 5
"""A task that so many workers took and none completed has failed, until an operator opens it again."""

Status = Literal["pending", "claimed", "completed", "failed", "withdrawn"]
"""`withdrawn`: the case that handed it out no longer waits for it."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """`thread_id` is the case that waits for it; None: nobody waits."""

    task_id: UUID
    client_id: str
    agent_name: str
    payload: Mapping[str, Any]
    thread_id: UUID | None = None

    @property
    def sha256(self) -> str:
        return sha256_hex({"client_id": self.client_id, "agent_name": self.agent_name, "payload": self.payload})


@dataclass(frozen=True, slots=True)
class ClientTask:
    """`claims` is how often it was claimed, `claims_left` how often it may be: a lease that runs out uses one up, one
    that is given back does not. A lease that is over is none: the task is pending again, or failed."""

    task_id: UUID
    client_id: str
    agent_name: str
    status: Status
    payload: dict[str, Any]
    result: dict[str, Any] | None
    request_sha256: str
    result_sha256: str | None
    thread_id: UUID | None
    claims: int
    claims_left: int
    claimed_by: str | None
    lease_token: UUID | None
    lease_until: datetime | None
    created_by: str
    created_at: datetime
    completed_by: str | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    agent_name: str | None = None
    client_id: str | None = None
    status: Status | None = None


_STATUS = """CASE WHEN k.completed_at IS NOT NULL THEN 'completed'
    WHEN EXISTS (SELECT 1 FROM reviews v WHERE v.thread_id = k.thread_id AND v.status <> 'open'
                   AND v.payload ->> 'task_id' = k.task_id::text) THEN 'withdrawn'
    WHEN k.lease_until > clock_timestamp() THEN 'claimed'
    WHEN k.claims_left = 0 THEN 'failed' ELSE 'pending' END"""
_COLUMNS = f"""k.task_id, k.client_id, k.agent_name, {_STATUS} AS status, k.payload, k.result, k.request_sha256,
    k.result_sha256, k.thread_id, k.claims, k.claims_left, k.claimed_by, k.lease_token, k.lease_until,
    k.created_by, k.created_at, k.completed_by, k.completed_at"""
_SEEN = """k.tenant_id = %(tenant_id)s AND (%(whole_tenant)s
    OR %(person)s IN (k.created_by, k.claimed_by, k.completed_by)
    OR %(is_agent)s AND k.claimed_by IS NULL AND k.completed_at IS NULL)"""
_WAITED_FOR = """(k.thread_id IS NULL OR EXISTS (
    SELECT 1 FROM reviews v WHERE v.thread_id = k.thread_id AND v.status = 'open' AND v.role = %(party)s
      AND v.payload ->> 'task_id' = k.task_id::text))"""
"""A case waits for its task once its run has ended with the question, so nobody has a result before it can be given."""


async def create(conn: AsyncConnection[Any], tenant_id: str, person: str, new: NewTask) -> bool:
    """False, and nothing is written, if there is a task of this id. Its audit row is written with it."""
    cur = await conn.execute(
        """
        INSERT INTO client_tasks (tenant_id, task_id, client_id, agent_name, payload, request_sha256, thread_id,
                                  created_by, claims_left)
        VALUES (%(tenant_id)s, %(task_id)s, %(client_id)s, %(agent_name)s, %(payload)s, %(sha256)s, %(thread_id)s,
                %(person)s, %(claims_left)s)
        ON CONFLICT (tenant_id, task_id) DO NOTHING RETURNING task_id
        """,
        {
            "tenant_id": tenant_id,
            "task_id": new.task_id,
            "client_id": new.client_id,
            "agent_name": new.agent_name,
            "payload": Jsonb(new.payload),
            "sha256": new.sha256,
            "thread_id": new.thread_id,
            "person": person,
            "claims_left": MOST_CLAIMS,
        },
    )
    if await cur.fetchone() is None:
        return False
    record = {"task_id": str(new.task_id), "client_id": new.client_id, "agent_name": new.agent_name}
    await audit.record(conn, Deed(tenant_id, person, "task.created", record, new.thread_id))
    return True


async def hand_out(context: Context, new: NewTask) -> None:
    """By a case's node, which may come again. The case asks for the result in its next step, with AGENT_TASK's role
    and `task_id` in the payload."""
    async with transaction(context.pool) as conn:
        await create(conn, context.tenant_id, SYSTEM, new)


async def get(conn: AsyncConnection[Any], actor: Actor, task_id: UUID, *, lock: bool = False) -> ClientTask:
    """Raises NotFound for a task that the actor may not see."""
    async with conn.cursor(row_factory=class_row(ClientTask)) as cur:
        await cur.execute(
            f"SELECT {_COLUMNS} FROM client_tasks k WHERE {_SEEN} AND k.task_id = %(task_id)s"
            f"{' FOR UPDATE' if lock else ''}".encode(),
            _seen_by(actor) | {"task_id": task_id},
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("task", task_id)
    return found


async def find(conn: AsyncConnection[Any], tenant_id: str, task_id: UUID) -> ClientTask:
    """Whoever's it is."""
    async with conn.cursor(row_factory=class_row(ClientTask)) as cur:
        await cur.execute(
            f"SELECT {_COLUMNS} FROM client_tasks k WHERE k.tenant_id = %(tenant_id)s AND k.task_id = %(id)s".encode(),
            {"tenant_id": tenant_id, "id": task_id},
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("task", task_id)
    return found


async def search(conn: AsyncConnection[Any], actor: Actor, wanted: Wanted, limit: int) -> Sequence[ClientTask]:
    """Those that the actor may see, the newest first."""
    async with conn.cursor(row_factory=class_row(ClientTask)) as cur:
        await cur.execute(
            f"""
            SELECT {_COLUMNS} FROM client_tasks k
            WHERE {_SEEN} AND (%(agent_name)s::text IS NULL OR k.agent_name = %(agent_name)s)
              AND (%(client_id)s::text IS NULL OR k.client_id = %(client_id)s)
              AND (%(status)s::text IS NULL OR {_STATUS} = %(status)s)
            ORDER BY k.created_at DESC, k.task_id LIMIT %(limit)s
            """.encode(),
            _seen_by(actor)
            | {
                "agent_name": wanted.agent_name,
                "client_id": wanted.client_id,
                "status": wanted.status,
                "limit": limit,
            },
        )
        return await cur.fetchall()


async def claim(conn: AsyncConnection[Any], actor: Actor, agent_name: str, lease_s: int) -> ClientTask | None:
    """The oldest task of this kind that is to be done, under a new lease; None: there is none."""
    async with conn.cursor(row_factory=class_row(ClientTask)) as cur:
        await cur.execute(
            f"""
            UPDATE client_tasks k
            SET claimed_by = %(person)s, lease_token = %(token)s, claims = claims + 1, claims_left = claims_left - 1,
                lease_until = clock_timestamp() + %(lease_s)s * interval '1 second'
            WHERE k.tenant_id = %(tenant_id)s AND k.task_id = (
                SELECT k.task_id FROM client_tasks k
                WHERE k.tenant_id = %(tenant_id)s AND k.agent_name = %(agent_name)s AND k.completed_at IS NULL
                  AND k.claims_left > 0 AND (k.lease_until IS NULL OR k.lease_until <= clock_timestamp())
                  AND {_WAITED_FOR}
                ORDER BY k.created_at, k.task_id LIMIT 1 FOR UPDATE OF k SKIP LOCKED
            )
            RETURNING {_COLUMNS}
            """.encode(),
            {
                "tenant_id": actor.tenant_id,
                "person": actor.person,
                "agent_name": agent_name,
                "token": uuid4(),
                "lease_s": lease_s,
                "party": AGENT_TASK,
            },
        )
        task = await cur.fetchone()
    if task is not None:
        record = {"task_id": str(task.task_id), "agent_name": agent_name, "lease_s": lease_s}
        await audit.record(conn, Deed(actor.tenant_id, actor.person, "task.claimed", record, task.thread_id))
    return task


async def extend(conn: AsyncConnection[Any], actor: Actor, task_id: UUID, token: UUID, lease_s: int) -> ClientTask:
    """So many seconds from now; 0 gives the task back. Raises LeaseLost if the lease is over or another's."""
    async with conn.cursor(row_factory=class_row(ClientTask)) as cur:
        await cur.execute(
            f"""
            UPDATE client_tasks k SET lease_until = clock_timestamp() + %(lease_s)s * interval '1 second',
                claims_left = claims_left + (%(lease_s)s = 0)::integer
            WHERE k.tenant_id = %(tenant_id)s AND k.task_id = %(task_id)s AND k.lease_token = %(token)s
              AND k.claimed_by = %(person)s AND {_STATUS} = 'claimed'
            RETURNING {_COLUMNS}
            """.encode(),
            {
                "tenant_id": actor.tenant_id,
                "person": actor.person,
                "task_id": task_id,
                "token": token,
                "lease_s": lease_s,
            },
        )
        task = await cur.fetchone()
    if task is None:
        await get(conn, actor, task_id)
        raise LeaseLost(task_id, "this lease is over or another worker's; claim a task again")
    return task


async def reopen(conn: AsyncConnection[Any], actor: Actor, task_id: UUID) -> ClientTask:
    """A failed task may be claimed again, as often as a new one. Raises Conflict for one that has not failed."""
    task = await get(conn, actor, task_id, lock=True)
    if task.status != "failed":
        raise Conflict(f"task {task_id} is {task.status}; only a failed one can be opened again")
    await conn.execute(
        "UPDATE client_tasks SET claims_left = %(most)s WHERE tenant_id = %(tenant_id)s AND task_id = %(task_id)s",
        {"most": MOST_CLAIMS, "tenant_id": actor.tenant_id, "task_id": task_id},
    )
    record = {"task_id": str(task_id), "agent_name": task.agent_name, "claims": task.claims}
    await audit.record(conn, Deed(actor.tenant_id, actor.person, "task.reopened", record, task.thread_id))
    return await get(conn, actor, task_id)


def _seen_by(actor: Actor) -> dict[str, Any]:
    return as_seen_by(actor) | {"is_agent": Role.AGENT in actor.roles}
