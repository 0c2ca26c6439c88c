"""An applicant takes their application back: before it is decided, or at whatever it waits for until it is paid out."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from db import audit, reviews, runs, threads
from db.actor import Actor
from db.audit import Deed
from db.errors import Conflict, Forbidden, NotFound, TooLate
from db.queue import Claim
from db.reviews import Answer
from db.runs import NewRun
from db.threads import Thread
from tools.loan_completion import WITHDRAWN

WORKFLOW = "loan_origination"
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "completion": WITHDRAWN,
    "underwriting": {"verdict": "withdrawn", "note": "The applicant withdrew the application."},
    "acceptance": {"accepted": False},
    "cooling_off": {"decision": "cancel"},
}
"""What a withdrawal says to each question that a case may wait with, whoever is asked."""


async def withdraw(conn: AsyncConnection[DictRow], actor: Actor, thread_id: UUID, claim: Claim) -> UUID:
    """The run that ends the case, in the caller's transaction: another's, that has yet to begin, or a new one.

    Raises NotFound and Forbidden, and Conflict where it is too late, or too soon: a run that is at work cannot be told.
    """
    thread = await threads.get(conn, actor, thread_id, lock=True)
    if thread.workflow != WORKFLOW:
        raise NotFound("loan application", thread_id)
    if actor.person != thread.started_by:
        raise Forbidden("only whoever started this case may withdraw it")
    await _refuse_late(conn, thread)
    # Locked: it begins either before this, and is then at work, or after, and then sees what this writes.
    cur = await conn.execute(
        """
        SELECT r.run_id, r.status, EXISTS (SELECT 1 FROM credit_decisions d WHERE d.thread_id = r.thread_id) AS decided
        FROM runs r WHERE r.thread_id = %(thread_id)s AND r.status IN ('pending', 'waiting', 'running')
        ORDER BY r.run_id LIMIT 1 FOR UPDATE OF r
        """,
        {"thread_id": thread_id},
    )
    under_way = await cur.fetchone()
    if under_way is not None and (under_way["status"] == "running" or under_way["decided"]):
        raise Conflict(f"case {thread_id} is being worked on; ask again in a moment")
    await _note(conn, actor, thread_id)
    return under_way["run_id"] if under_way else await _end(conn, actor, thread, claim)


async def _refuse_late(conn: AsyncConnection[DictRow], thread: Thread) -> None:
    if thread.outcome is not None:
        raise Conflict(f"case {thread.thread_id} is over: {thread.outcome}")
    cur = await conn.execute(
        "SELECT key, status FROM effects WHERE thread_id = %(thread_id)s AND status <> 'failed'",
        {"thread_id": thread.thread_id},
    )
    if (effect := await cur.fetchone()) is not None:
        raise Conflict(
            f"the loan is being paid out ({effect['key']} is {effect['status']}): it is too late to withdraw"
        )


async def _note(conn: AsyncConnection[DictRow], actor: Actor, thread_id: UUID) -> None:
    cur = await conn.execute(
        """
        INSERT INTO loan_withdrawals (thread_id, tenant_id, withdrawn_by)
        VALUES (%(thread_id)s, %(tenant_id)s, %(person)s) ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
        """,
        {"thread_id": thread_id, "tenant_id": actor.tenant_id, "person": actor.person},
    )
    if await cur.fetchone() is not None:
        await audit.record(conn, Deed(actor.tenant_id, actor.person, "loan.withdrawn", {}, thread_id))


async def _end(conn: AsyncConnection[DictRow], actor: Actor, thread: Thread, claim: Claim) -> UUID:
    """Answers what the case waits for, or starts the case that was stored and never decided."""
    waiting = [one for one in await reviews.of_thread(conn, actor, thread.thread_id) if one.status == "open"]
    if waiting:
        asked = waiting[0]
        if asked.is_late:
            raise TooLate(asked.review_id, asked.due_at)
        given = Answer(asked.payload_sha256, ANSWERS[asked.kind], claim=claim)
        run, _ = await reviews.settle(conn, asked, actor.person, given)
        return run.run_id
    cur = await conn.execute(
        """
        SELECT request FROM loan_applications a
        WHERE thread_id = %(thread_id)s AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.thread_id = a.thread_id)
        """,
        {"thread_id": thread.thread_id},
    )
    if (stored := await cur.fetchone()) is None:
        raise Conflict(f"case {thread.thread_id} met a fault; it can be withdrawn once staff have restarted it")
    run_input = {"request": stored["request"]}
    run = NewRun(uuids.uuid7(), actor.tenant_id, thread.thread_id, actor.person, input=run_input, claim=claim)
    await runs.accept(conn, run)
    await audit.record(conn, Deed(actor.tenant_id, actor.person, "thread.started", {}, thread.thread_id, run.run_id))
    return run.run_id
