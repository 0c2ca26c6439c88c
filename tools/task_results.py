"""The result of a task: given once, by whoever holds its lease, and the case that waits for it goes on."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from db import audit, party_reviews, reviews
from db.actor import Actor
from db.audit import Deed
from db.canonical import sha256_hex
from db.errors import Conflict, InvalidInput, LeaseLost
from db.reviews import AGENT_TASK
from tools.client_tasks import ClientTask, get


async def complete(
    conn: AsyncConnection[Any], actor: Actor, task_id: UUID, result: Mapping[str, Any], token: UUID | None
) -> ClientTask:
    """Stores the result of this task, and has the case that waits for it go on, in the caller's transaction.

    The same result again changes nothing. Raises Conflict for another one, LeaseLost where the lease does not allow it,
    InvalidInput if the case that waits asked for another form.
    """
    task = await get(conn, actor, task_id, lock=True)
    result_sha256 = sha256_hex(result)
    if task.status == "completed":
        if task.result_sha256 != result_sha256:
            raise Conflict(f"task {task_id} was completed with another result")
        return task
    _must_hold(task, actor, token)
    if task.thread_id is not None:
        await _answer(conn, actor.tenant_id, task, result)
    await conn.execute(
        """
        UPDATE client_tasks SET result = %(result)s, result_sha256 = %(sha256)s, completed_by = %(person)s,
                                completed_at = clock_timestamp()
        WHERE tenant_id = %(tenant_id)s AND task_id = %(task_id)s
        """,
        {
            "tenant_id": actor.tenant_id,
            "task_id": task_id,
            "person": actor.person,
            "result": Jsonb(result),
            "sha256": result_sha256,
        },
    )
    record = {"task_id": str(task_id), "agent_name": task.agent_name, "result_sha256": result_sha256}
    await audit.record(conn, Deed(actor.tenant_id, actor.person, "task.completed", record, task.thread_id))
    return await get(conn, actor, task_id)


def _must_hold(task: ClientTask, actor: Actor, token: UUID | None) -> None:
    """Raises LeaseLost. What nobody ever claimed, and no case handed out, needs no lease."""
    if task.claims == 0 and task.thread_id is None and token is None:
        return
    if task.status != "claimed":
        raise LeaseLost(task.task_id, "no lease on it is in force; claim it first")
    if task.lease_token != token or task.claimed_by != actor.person:
        raise LeaseLost(task.task_id, "another worker has it; give the `lease_token` of the claim")


async def _answer(conn: AsyncConnection[Any], tenant_id: str, task: ClientTask, result: Mapping[str, Any]) -> None:
    assert task.thread_id is not None
    review = await party_reviews.latest_of(conn, AGENT_TASK, tenant_id, task.thread_id)
    if review is None or review.status != "open" or review.payload.get("task_id") != str(task.task_id):
        raise Conflict(f"task {task.task_id}: its case no longer waits for it")
    try:
        await reviews.answer_as(conn, AGENT_TASK, review, result)
    except InvalidInput as exc:
        raise InvalidInput(exc.field.replace("answer", "result", 1), exc.reason) from exc
