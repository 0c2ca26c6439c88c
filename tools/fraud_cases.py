"""Fraud cases: opened once per payment, decided once, and what people found of payments kept for the next training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db import audit, party_reviews, reviews
from db.actor import SYSTEM, Actor
from db.errors import Conflict, NotFound, Unavailable
from db.pool import transaction
from db.reviews import FRAUD_REVIEW
from tools import fraud
from tools.context import Context
from tools.fraud_request import FraudCase as AskedCase
from tools.rules.payment import Payment

Verdict = Literal["released", "blocked", "fraud"]
LABELS: Mapping[Verdict, bool] = {"released": False, "fraud": True}
"""What a person's verdict teaches; who only blocks says nothing of fraud."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`person` is whoever decided; SYSTEM: the policy did, or silence."""

    verdict: Verdict
    person: str
    note: str


@dataclass(frozen=True, slots=True)
class FraudCase:
    thread_id: UUID
    payment_id: str
    at: datetime
    account: str
    payee: str
    payee_name: str | None
    amount_minor: int
    currency: str
    channel: str
    device: str | None
    opened_by_thread: UUID | None
    thread_status: str
    score: int | None
    band: str | None
    policy_version: str | None
    verdict: Verdict | None
    decided_by: str | None
    note: str | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredScore:
    scorer: str
    version: str
    score: int
    reasons: list[dict[str, Any]]
    evidence: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LabelledPayment:
    """`fraud` is None for a payment that was judged and that nobody said anything of."""

    payment_id: str
    at: datetime
    account: str
    payee: str
    amount_minor: int
    currency: str
    fraud: bool | None
    labelled_by: str | None
    labelled_at: datetime | None


async def receive(context: Context, asked: AskedCase) -> tuple[Payment, UUID | None]:
    """The payment as it was first judged; and the thread of its case, if that is not this one.

    Raises Conflict if the payment's id is another payment's, or if `opened_by_thread` never had it judged.
    """
    async with transaction(context.pool) as conn:
        payment = await fraud.store_payment(conn, context.tenant_id, context.thread_id, asked.payment.payment())
        known = await open_case(conn, context.tenant_id, context.thread_id, payment.payment_id, asked.opened_by_thread)
    return payment, None if known == context.thread_id else known


async def hold_payment(conn: AsyncConnection[Any], tenant_id: str, payment_id: str) -> None:
    """Until the transaction ends nobody else opens a case of this payment."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))", {"name": f"fraud:{tenant_id}:{payment_id}"}
    )


async def case_of(conn: AsyncConnection[Any], tenant_id: str, payment_id: str) -> UUID | None:
    """The thread of the payment's case."""
    cur = await conn.execute(
        "SELECT thread_id FROM fraud_cases WHERE tenant_id = %(tenant_id)s AND payment_id = %(payment_id)s",
        {"tenant_id": tenant_id, "payment_id": payment_id},
    )
    row = await cur.fetchone()
    return None if row is None else row["thread_id"]


async def open_case(
    conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID, payment_id: str, opened_by_thread: UUID | None = None
) -> UUID:
    """The thread of the payment's case: this one, unless it has another. The payment is stored before.

    Raises Conflict if the thread that is said to have opened it is not the one that had the payment judged.
    """
    cur = await conn.execute(
        """
        INSERT INTO fraud_cases AS kept (tenant_id, payment_id, thread_id, opened_by_thread)
        SELECT tenant_id, payment_id, %(thread_id)s, %(opened_by)s FROM fraud_payments
        WHERE tenant_id = %(tenant_id)s AND payment_id = %(payment_id)s
          AND (%(opened_by)s::uuid IS NULL OR thread_id = %(opened_by)s)
        ON CONFLICT (tenant_id, payment_id) DO UPDATE
            SET opened_by_thread = coalesce(kept.opened_by_thread, EXCLUDED.opened_by_thread)
        RETURNING thread_id
        """,
        {
            "tenant_id": tenant_id,
            "payment_id": payment_id,
            "thread_id": thread_id,
            "opened_by": opened_by_thread,
        },
    )
    row = await cur.fetchone()
    if row is None:
        raise Conflict(f"payment {payment_id} was not judged for thread {opened_by_thread}")
    known: UUID = row["thread_id"]
    return known


async def store_combined(context: Context, combined: Mapping[str, Any]) -> None:
    async with context.pool.connection() as conn:
        await conn.execute(
            """
            UPDATE fraud_cases SET score = %(score)s, band = %(band)s, policy_version = %(version)s
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s AND band IS NULL
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "score": combined["score"],
                "band": combined["band"],
                "version": combined["version"],
            },
        )


async def conclude(context: Context, decision: Decision) -> None:
    """The case is decided, and whoever waits for it hears so: all of it, once, or nothing.

    Raises Unavailable while the case that opened this one has not come to ask for the verdict.
    """
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            UPDATE fraud_cases SET verdict = %(verdict)s, decided_by = %(person)s, note = %(note)s,
                                   decided_at = now()
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s AND verdict IS NULL
            RETURNING payment_id, opened_by_thread
            """,
            asdict(decision) | {"tenant_id": context.tenant_id, "thread_id": context.thread_id},
        )
        decided = await cur.fetchone()
        if decided is None:
            return
        await _label(conn, context, decided["payment_id"], decision)
        record = {"payment_id": decided["payment_id"], **asdict(decision)}
        await audit.record(conn, context.deed("fraud.decided", record, decision.person))
        if decided["opened_by_thread"] is not None:
            await _tell(conn, context, decided["opened_by_thread"], decision)


async def _tell(conn: AsyncConnection[Any], context: Context, opened_by_thread: UUID, decision: Decision) -> None:
    """The verdict to the case that waits for it; one that closed or stopped waiting meanwhile is told nothing.

    Raises Unavailable if it does not wait yet: then all of it is tried again, also for one that has to be restarted.
    """
    review = await party_reviews.latest_of(conn, FRAUD_REVIEW, context.tenant_id, opened_by_thread)
    if review is None and await _is_still_open(conn, context.tenant_id, opened_by_thread):
        raise Unavailable(f"the case of thread {opened_by_thread} does not wait for this verdict yet")
    if review is not None and review.status == "open":
        verdict = "release" if decision.verdict == "released" else "block"
        await reviews.answer_as(conn, FRAUD_REVIEW, review, {"verdict": verdict, "note": decision.note})


async def _is_still_open(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID) -> bool:
    cur = await conn.execute(
        """
        SELECT EXISTS (SELECT 1 FROM threads WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s
                       AND outcome IS NULL) AS still_open
        """,
        {"thread_id": thread_id, "tenant_id": tenant_id},
    )
    row = await cur.fetchone()
    assert row is not None
    return bool(row["still_open"])


async def _label(conn: AsyncConnection[Any], context: Context, payment_id: str, decision: Decision) -> None:
    fraud = LABELS.get(decision.verdict)
    if fraud is None or decision.person == SYSTEM:
        return
    await conn.execute(
        """
        INSERT INTO fraud_labels (tenant_id, payment_id, thread_id, fraud, labelled_by)
        VALUES (%(tenant_id)s, %(payment_id)s, %(thread_id)s, %(fraud)s, %(person)s)
        ON CONFLICT (tenant_id, payment_id) DO NOTHING
        """,
        {
            "tenant_id": context.tenant_id,
            "payment_id": payment_id,
            "thread_id": context.thread_id,
            "fraud": fraud,
            "person": decision.person,
        },
    )


_CASES = """
    SELECT c.thread_id, c.payment_id, p.at, p.account, p.payee, p.payee_name, p.amount_minor, p.currency, p.channel,
           p.device, c.opened_by_thread, t.status AS thread_status, c.score, c.band, c.policy_version, c.verdict,
           c.decided_by, c.note, c.created_at, c.decided_at
    FROM fraud_cases c JOIN fraud_payments p ON p.tenant_id = c.tenant_id AND p.payment_id = c.payment_id
    JOIN threads t ON t.thread_id = c.thread_id
    WHERE c.tenant_id = %(tenant_id)s
"""


async def cases(conn: AsyncConnection[Any], actor: Actor, band: str | None, limit: int, offset: int) -> list[FraudCase]:
    """The tenant's cases, the newest first."""
    async with conn.cursor(row_factory=class_row(FraudCase)) as cur:
        await cur.execute(
            _CASES + " AND (%(band)s::text IS NULL OR c.band = %(band)s)"
            " ORDER BY c.created_at DESC, c.thread_id LIMIT %(limit)s OFFSET %(offset)s",
            {"tenant_id": actor.tenant_id, "band": band, "limit": limit, "offset": offset},
        )
        return await cur.fetchall()


async def case(conn: AsyncConnection[Any], actor: Actor, thread_id: UUID) -> FraudCase:
    async with conn.cursor(row_factory=class_row(FraudCase)) as cur:
        await cur.execute(
            _CASES + " AND c.thread_id = %(thread_id)s", {"tenant_id": actor.tenant_id, "thread_id": thread_id}
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("fraud case", thread_id)
    return found


async def scores_of(conn: AsyncConnection[Any], actor: Actor, thread_id: UUID) -> list[StoredScore]:
    """What each scorer said for this thread, a fraud case's or another's; none if nothing was scored for it."""
    async with conn.cursor(row_factory=class_row(StoredScore)) as cur:
        await cur.execute(
            """
            SELECT scorer, version, score, reasons, evidence, created_at FROM fraud_scores
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s ORDER BY score DESC, scorer
            """,
            {"tenant_id": actor.tenant_id, "thread_id": thread_id},
        )
        return await cur.fetchall()


async def labelled(conn: AsyncConnection[Any], tenant_id: str, *, only_labelled: bool) -> list[LabelledPayment]:
    """The payments that were judged, in the order of time."""
    async with conn.cursor(row_factory=class_row(LabelledPayment)) as cur:
        await cur.execute(
            """
            SELECT p.payment_id, p.at, p.account, p.payee, p.amount_minor, p.currency, l.fraud, l.labelled_by,
                   l.labelled_at
            FROM fraud_payments p
            LEFT JOIN fraud_labels l ON l.tenant_id = p.tenant_id AND l.payment_id = p.payment_id
            WHERE p.tenant_id = %(tenant_id)s AND (l.fraud IS NOT NULL OR NOT %(only_labelled)s)
            ORDER BY p.at, p.payment_id
            """,
            {"tenant_id": tenant_id, "only_labelled": only_labelled},
        )
        return await cur.fetchall()
