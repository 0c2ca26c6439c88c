"""The rows of transfers: what is to be paid, what each check found, what was decided, how it stands.

Every write may come twice, from a node that ran again after a crash; the first one stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.actor import Actor
from db.canonical import sha256_hex
from db.errors import NotFound
from db.pool import transaction
from tools.bank_payments import Order
from tools.context import Context

OWN_AGENT = "payments-agent"


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """`task_id` and `agent_name` are those of whoever asked; the thread's id and our own where nobody named any."""

    thread_id: UUID
    task_id: str
    agent_name: str
    order: Order
    request: Mapping[str, Any]

    @property
    def request_sha256(self) -> str:
        return sha256_hex(self.request)


@dataclass(frozen=True, slots=True)
class TransferCase:
    tenant_id: str
    thread_id: UUID
    task_id: str
    agent_name: str
    request_sha256: str
    source_account: str
    destination_account: str | None
    creditor_iban: str | None
    creditor_name: str | None
    amount_minor: int
    currency: str
    reference: str
    status: str
    transfer_id: str | None
    reasons: list[dict[str, Any]]
    created_at: datetime
    started_by: str
    thread_status: str
    outcome: str | None
    waits_for: str | None
    creditor_routing_number: str | None
    creditor_account_number: str | None


_CASE = """SELECT tenant_id, thread_id, task_id, agent_name, request_sha256, source_account, destination_account,
    creditor_iban, creditor_name, amount_minor, currency, reference, status, transfer_id, reasons, created_at,
    started_by, thread_status, outcome, waits_for, creditor_routing_number, creditor_account_number
    FROM transfer_cases WHERE tenant_id = %(tenant_id)s"""


async def store(conn: AsyncConnection[Any], tenant_id: str, new: NewTransfer) -> None:
    await conn.execute(
        """
        INSERT INTO transfers (thread_id, tenant_id, task_id, agent_name, request_sha256, source_account,
                               destination_account, creditor_iban, creditor_routing_number, creditor_account_number,
                               creditor_name, amount_minor, currency, reference, request)
        VALUES (%(thread_id)s, %(tenant_id)s, %(task_id)s, %(agent_name)s, %(request_sha256)s, %(source_account)s,
                %(destination_account)s, %(creditor_iban)s, %(creditor_routing_number)s, %(creditor_account_number)s,
                %(creditor_name)s, %(amount_minor)s, %(currency)s, %(reference)s, %(request)s)
        ON CONFLICT (thread_id) DO NOTHING
        """,
        asdict(new.order)
        | {
            "thread_id": new.thread_id,
            "tenant_id": tenant_id,
            "task_id": new.task_id,
            "agent_name": new.agent_name,
            "request_sha256": new.request_sha256,
            "request": Jsonb(new.request),
        },
    )


async def hold_task(conn: AsyncConnection[Any], tenant_id: str, task_id: str) -> None:
    """Until the transaction ends nobody else starts this task. A statement of its own, since what it waits for is seen
    by the statements after it only."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", (f"{tenant_id}/{task_id}",))


async def by_task(conn: AsyncConnection[Any], tenant_id: str, task_id: str) -> TransferCase | None:
    """Whoever's it is, for a task that pays is one task for the whole tenant."""
    async with conn.cursor(row_factory=class_row(TransferCase)) as cur:
        await cur.execute(_CASE + " AND task_id = %(task_id)s", {"tenant_id": tenant_id, "task_id": task_id})
        return await cur.fetchone()


async def task(conn: AsyncConnection[Any], actor: Actor, task_id: str) -> TransferCase:
    """The transfer of this task, if this actor may see it. Raises NotFound."""
    found = await by_task(conn, actor.tenant_id, task_id)
    if found is None or not (actor.sees_whole_tenant or found.started_by == actor.person):
        raise NotFound("task", task_id)
    return found


async def store_check(context: Context, name: str, version: str, found: Mapping[str, Any]) -> None:
    async with context.pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO transfer_checks (tenant_id, thread_id, name, version, found)
            VALUES (%(tenant_id)s, %(thread_id)s, %(name)s, %(version)s, %(found)s)
            ON CONFLICT (thread_id, name) DO NOTHING
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "name": name,
                "version": version,
                "found": Jsonb(found),
            },
        )


async def store_decision(context: Context, facts: Mapping[str, Any], decision: Mapping[str, Any]) -> None:
    """The decision with what it rests on, and its audit row: both, once."""
    facts_sha256 = sha256_hex(facts)
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO transfer_decisions (thread_id, tenant_id, outcome, policy_version, facts_sha256, facts,
                                            decision)
            VALUES (%(thread_id)s, %(tenant_id)s, %(outcome)s, %(policy_version)s, %(facts_sha256)s, %(facts)s,
                    %(decision)s)
            ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
            """,
            {
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
                "outcome": decision["outcome"],
                "policy_version": decision["policy_version"],
                "facts_sha256": facts_sha256,
                "facts": Jsonb(facts),
                "decision": Jsonb(decision),
            },
        )
        if await cur.fetchone() is not None:
            record = {"facts_sha256": facts_sha256, "decision": decision}
            await audit.record(conn, context.deed("transfer.decided", record))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a transfer stands now, and by what."""

    status: str
    hold_id: str | None = None
    transfer_id: str | None = None
    reasons: Sequence[Mapping[str, Any]] = ()


_FREE = ("refused", "rejected", "returned")
"""Nothing was paid: it no longer counts against any limit."""


async def stand(context: Context, now: Standing) -> None:
    """With its audit row, unless it stood so already."""
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            UPDATE transfers
            SET status = %(status)s, hold_id = coalesce(%(hold_id)s, hold_id),
                transfer_id = coalesce(%(transfer_id)s, transfer_id), reasons = %(reasons)s,
                counted_at = CASE WHEN %(free)s THEN NULL ELSE counted_at END, updated_at = now()
            WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s AND status <> %(status)s
            RETURNING thread_id
            """,
            {
                "status": now.status,
                "hold_id": now.hold_id,
                "transfer_id": now.transfer_id,
                "reasons": Jsonb(list(now.reasons)),
                "free": now.status in _FREE,
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
            },
        )
        if await cur.fetchone() is not None:
            await audit.record(conn, context.deed(f"transfer.{now.status}", asdict(now)))


@dataclass(frozen=True, slots=True)
class Approval:
    review_id: UUID
    payload_sha256: str
    kind: str
    answered_by: str


async def approvals(context: Context) -> list[Approval]:
    """Who released this transfer, people and its fraud case, and which payload they saw."""
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(Approval)) as cur:
        await cur.execute(
            """
            SELECT review_id, payload_sha256, kind, answered_by FROM reviews
            WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s AND status = 'answered'
              AND kind IN ('release', 'second_release', 'fraud_case') AND answer ->> 'verdict' = 'release'
            """,
            {"thread_id": context.thread_id, "tenant_id": context.tenant_id},
        )
        return await cur.fetchall()


async def case_of_transfer(conn: AsyncConnection[Any], transfer_id: str) -> tuple[str, UUID] | None:
    """Tenant and thread: the bank knows neither."""
    cur = await conn.execute("SELECT tenant_id, thread_id FROM transfers WHERE transfer_id = %s", (transfer_id,))
    row = await cur.fetchone()
    return None if row is None else (row["tenant_id"], row["thread_id"])
