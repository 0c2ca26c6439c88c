"""Effects: acts outside our database, each done exactly once at its receiver.

At-least-once execution, exactly one effect per business key. The intent commits before the call and the receiver gets
the same key. Whoever comes again with an intent that has no outcome asks the receiver first, and sends the same key
only if the receiver does not know it. An outcome is stored together with its audit row.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit, failpoints, runs
from db.actor import SYSTEM
from db.audit import Deed
from db.canonical import sha256_hex
from db.errors import BankRefused, NeedsReconcile
from db.journal import Fence
from db.pool import Pool, transaction

Response = dict[str, Any]
Status = Literal["intended", "done", "failed", "needs_reconcile"]
Send = Callable[[str], Awaitable[Response]]
Ask = Callable[[str], Awaitable[Response | None]]


@dataclass(frozen=True, slots=True)
class Owner:
    """The run on whose behalf the effect is made."""

    tenant_id: str
    thread_id: UUID
    fence: Fence


@dataclass(frozen=True, slots=True)
class Effect:
    """`key` is a business key, `thread:step:n`: never a fresh id, or a retry would be another effect."""

    key: str
    kind: str
    request: Mapping[str, Any]
    failpoint: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """How to make the effect under a key, and how to ask what became of a key.

    `send` raises BankRefused for a final no; `ask` returns None if the receiver never saw the key.
    """

    send: Send
    ask: Ask


@dataclass(frozen=True, slots=True)
class _Row:
    status: Status
    request_sha256: str
    response: Response | None
    contradiction: str | None
    attempts: int


async def once(pool: Pool, owner: Owner, effect: Effect, receiver: Receiver) -> Response:
    """The receiver's answer to this effect, made now or before.

    Raises BankRefused (final, stored), NeedsReconcile (stored: the next call raises it again and sends nothing) if the
    key was used for another request or the receiver did something else, and whatever unavailability `send` or `ask`
    meet; then the effect stays intended and the next call, or reconciliation, resolves it by asking.
    """
    async with transaction(pool) as conn:
        row = await _intend(conn, owner, effect)
    if row.status == "needs_reconcile":
        raise NeedsReconcile(str(row.contradiction))
    if row.request_sha256 != sha256_hex(effect.request):
        another = f"effect {effect.key} was intended with another request"
        await contradict(pool, _stored(owner, effect), another)
        raise NeedsReconcile(another)
    if row.status == "done" and row.response is not None:
        return row.response
    if row.status == "failed" and row.response is not None:
        raise BankRefused(row.response["code"], row.response["detail"])
    try:
        response = await receiver.ask(effect.key) if row.attempts > 1 else None
        if response is None:
            failpoints.hit(f"{effect.failpoint}.before_effect")
            response = await receiver.send(effect.key)
            failpoints.hit(f"{effect.failpoint}.after_effect")
    except BankRefused as exc:
        await conclude(pool, _stored(owner, effect), "failed", {"code": exc.code, "detail": exc.detail})
        raise
    except NeedsReconcile as exc:
        await contradict(pool, _stored(owner, effect), str(exc))
        raise
    await conclude(pool, _stored(owner, effect), "done", response)
    return response


@dataclass(frozen=True, slots=True)
class Stored:
    """An effect that was intended, as whoever tells of its end must know it."""

    key: str
    kind: str
    request: Mapping[str, Any]
    tenant_id: str
    thread_id: UUID
    run_id: UUID


async def conclude(pool: Pool, effect: Stored, status: Literal["done", "failed"], response: Response) -> bool:
    """Stores the outcome with its audit row, unless there is one; whether it did."""
    async with transaction(pool) as conn:
        cur = await conn.execute(
            """
            UPDATE effects SET status = %(status)s, response = %(response)s, ended_at = now()
            WHERE key = %(key)s AND tenant_id = %(tenant_id)s AND status = 'intended' RETURNING key
            """,
            {"status": status, "response": Jsonb(response), "key": effect.key, "tenant_id": effect.tenant_id},
        )
        concluded = await cur.fetchone() is not None
        if concluded:
            await audit.record(conn, _deed(effect, status, {"response": response}))
    return concluded


async def contradict(pool: Pool, effect: Stored, contradiction: str) -> None:
    """Keeps what contradicts the effect for a person to look at. One with an outcome keeps that, too."""
    async with transaction(pool) as conn:
        cur = await conn.execute(
            """
            UPDATE effects SET contradiction = %(contradiction)s,
                               status = CASE status WHEN 'intended' THEN 'needs_reconcile' ELSE status END
            WHERE key = %(key)s AND tenant_id = %(tenant_id)s AND contradiction IS NULL RETURNING key
            """,
            {"contradiction": contradiction, "key": effect.key, "tenant_id": effect.tenant_id},
        )
        if await cur.fetchone() is not None:
            await audit.record(conn, _deed(effect, "needs_reconcile", {"contradiction": contradiction}))


async def intended_request(pool: Pool, key: str) -> dict[str, Any] | None:
    """What was asked for under this key before, so that a second attempt, maybe on another day, asks for the same."""
    async with pool.connection() as conn:
        cur = await conn.execute("SELECT request FROM effects WHERE key = %s", (key,))
        row = await cur.fetchone()
    return row["request"] if row else None


async def of_thread(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID) -> list[dict[str, Any]]:
    cur = await conn.execute(
        """
        SELECT key, kind, status, request, request_sha256, response, contradiction, attempts, created_at, ended_at
        FROM effects
        WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s ORDER BY created_at
        """,
        {"tenant_id": tenant_id, "thread_id": thread_id},
    )
    return await cur.fetchall()


async def _intend(conn: AsyncConnection[Any], owner: Owner, effect: Effect) -> _Row:
    await runs.hold(conn, owner.fence)
    async with conn.cursor(row_factory=class_row(_Row)) as cur:
        await cur.execute(
            """
            INSERT INTO effects (key, tenant_id, thread_id, run_id, kind, request, request_sha256, attempts)
            VALUES (%(key)s, %(tenant_id)s, %(thread_id)s, %(run_id)s, %(kind)s, %(request)s, %(sha256)s, 1)
            ON CONFLICT (key) DO UPDATE SET attempts = effects.attempts + 1
            RETURNING status, request_sha256, response, contradiction, attempts
            """,
            {
                "key": effect.key,
                "tenant_id": owner.tenant_id,
                "thread_id": owner.thread_id,
                "run_id": owner.fence.run_id,
                "kind": effect.kind,
                "request": Jsonb(effect.request),
                "sha256": sha256_hex(effect.request),
            },
        )
        row = await cur.fetchone()
    assert row is not None
    return row


def _stored(owner: Owner, effect: Effect) -> Stored:
    return Stored(effect.key, effect.kind, effect.request, owner.tenant_id, owner.thread_id, owner.fence.run_id)


def _deed(effect: Stored, status: Status, more: Mapping[str, Any]) -> Deed:
    return Deed(
        tenant_id=effect.tenant_id,
        person=SYSTEM,
        action=f"effect.{status}",
        record={"key": effect.key, "kind": effect.kind, "request": effect.request, **more},
        thread_id=effect.thread_id,
        run_id=effect.run_id,
    )
