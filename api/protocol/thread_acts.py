"""What may be done with a whole thread, and by whom.

A thread of a team's own graph is its starter's to delete and copy, and an operator's; a case of a workflow of ours is
a record: nobody deletes it, and to copy it would be to let its effects be made twice.
"""

from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection

from api.auth import require
from api.bootstrap import Engine
from db import audit, retention, threads
from db.actor import Actor, Role
from db.audit import Deed
from db.errors import Conflict, Forbidden
from db.tenant_checkpoints import saved_as
from db.threads import NewThread, Thread, Wanted

BATCH = 100


async def own(conn: AsyncConnection[Any], actor: Actor, thread_id: UUID) -> Thread:
    """The thread, locked, if this actor may change it: whoever started it, and operators."""
    may_write(actor)
    thread = await threads.get(conn, actor, thread_id, lock=True)
    if thread.started_by != actor.person:
        require(actor, Role.OPERATOR)
    return thread


async def delete(engine: Engine, actor: Actor, thread_id: UUID) -> None:
    async with engine.pool.connection() as conn, conn.transaction():
        await _delete(conn, engine, actor, await own(conn, actor, thread_id))


async def delete_of_assistant(conn: AsyncConnection[Any], engine: Engine, actor: Actor, assistant_id: UUID) -> None:
    """The threads whose last run was this assistant's, in the caller's transaction. Raises Conflict if one stays."""
    wanted = Wanted(metadata={"assistant_id": str(assistant_id)})
    while found := await threads.search(conn, actor, wanted, BATCH):
        for each in found:
            thread = await own(conn, actor, each.thread_id)
            if thread.status == "busy":
                raise Conflict(f"thread {thread.thread_id} is busy")
            await _delete(conn, engine, actor, thread)


async def keep_latest(engine: Engine, actor: Actor, thread_id: UUID) -> None:
    async with engine.editing, engine.pool.connection() as conn, conn.transaction():
        thread = await own(conn, actor, thread_id)
        if thread.status == "busy":
            raise Conflict(f"thread {thread_id} is busy")
        not_a_record(engine, thread, "it is a record and keeps its history")
        try:
            await engine.saver.aprune([saved_as(thread.tenant_id, thread_id)], strategy="keep_latest")
        except NotImplementedError as exc:
            raise Conflict(f"thread {thread_id} cannot be pruned: {exc}") from exc
        await audit.record(conn, Deed(actor.tenant_id, actor.person, "thread.pruned", {}, thread_id))


async def copy(engine: Engine, actor: Actor, thread_id: UUID) -> Thread:
    copy_id: UUID = uuids.uuid7()
    async with engine.pool.connection() as conn, conn.transaction():
        may_write(actor)
        thread = await threads.get(conn, actor, thread_id, lock=True)
        not_a_record(engine, thread, "a copy could repeat its effects")
        if thread.status == "busy":
            raise Conflict(f"thread {thread_id} is busy")
        new = NewThread(
            thread_id=copy_id,
            tenant_id=actor.tenant_id,
            workflow=thread.workflow,
            workflow_version=thread.workflow_version,
            started_by=actor.person,
            metadata=thread.metadata,
            status=thread.status,
        )
        await threads.create(conn, new)
        await retention.copy_states(conn, thread, copy_id)
        record = {"copied_from": str(thread_id)}
        await audit.record(conn, Deed(actor.tenant_id, actor.person, "thread.copied", record, copy_id))
        return await threads.get(conn, actor, copy_id)


async def _delete(conn: AsyncConnection[Any], engine: Engine, actor: Actor, thread: Thread) -> None:
    not_a_record(engine, thread, "it is a record and stays")
    await retention.delete(conn, thread)
    deed = Deed(actor.tenant_id, actor.person, "thread.deleted", {"graph_id": thread.workflow}, thread.thread_id)
    await audit.record(conn, deed)


def not_a_record(engine: Engine, thread: Thread, reason: str) -> None:
    """What a graph that is not served here was, nobody can say: its threads stay, too."""
    if thread.workflow is None:
        return
    served = engine.served.get(thread.workflow)
    if served is None or served.workflow is not None:
        raise Conflict(f"thread {thread.thread_id} is a case of {thread.workflow}: {reason}")


def may_write(actor: Actor) -> None:
    if actor.roles <= {Role.AUDITOR}:
        raise Forbidden("an auditor reads and changes nothing")
