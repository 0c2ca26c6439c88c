"""Reviews: interrupts that wait for a person, and the one answer each gets.

An answer is decided by compare-and-set on the review's row and lives there before any worker hears of it, so a worker
that dies after reading it finds it again. It names the hash of the payload it approves; a changed payload voids it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit, runs
from db.actor import SEEN, SYSTEM, Actor, Role, as_seen_by
from db.answer_forms import check_form
from db.audit import Deed
from db.canonical import sha256_hex
from db.errors import AlreadyAnswered, ApprovalVoid, Forbidden, NotFound, TooLate
from db.queue import Claim
from db.runs import Begun, NewRun

REQUESTER = "requester"
"""The role of whoever started the case: what they owe (an acceptance, a missing document), no checker can give."""
IN_PERSON = "confirmation"
"""The kind of what a requester must confirm with their own eyes, since a program proposed it."""
BANK = "bank"
"""The role of the core bank: what it alone knows, such as what became of a transfer."""
FRAUD_REVIEW = "fraud_review"
"""The role of the fraud case that was opened about this one."""
AGENT_TASK = "agent_task"
"""The role of an agent that the case handed a task to: whoever has it under lease answers with the task's result."""
MACHINES = frozenset({BANK, FRAUD_REVIEW, AGENT_TASK})
"""Parties that answer in no person's name, through `answer_as`. No key has such a role."""


@dataclass(frozen=True, slots=True)
class Question:
    """What an interrupt puts before a person, or before a machine's party.

    `on_due` is what silence does, and it approves nothing that nobody has: `{"answer": …}` is the answer it gives, and
    no other may follow; `{"escalate_to": role, "days": n}` puts the question to another role, for so many days more;
    `{"ask": party}` leaves it to the chore that asks that party. `other_than` are persons who may not answer: where
    two must agree, the first of them.
    """

    kind: str
    role: str
    question: str
    facts: Mapping[str, Any]
    payload: Mapping[str, Any]
    due_at: datetime
    on_due: Mapping[str, Any]
    other_than: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Review:
    review_id: UUID
    tenant_id: str
    thread_id: UUID
    run_id: UUID
    interrupt_id: str
    kind: str
    role: str
    question: str
    facts: dict[str, Any]
    payload: dict[str, Any]
    payload_sha256: str
    form: dict[str, Any]
    due_at: datetime
    on_due: dict[str, Any]
    other_than: list[str]
    status: Literal["open", "answered", "expired", "void"]
    answer: dict[str, Any] | None
    answered_by: str | None
    answered_at: datetime | None
    created_at: datetime
    started_by: str
    is_late: bool


COLUMNS = """v.review_id, v.tenant_id, v.thread_id, v.run_id, v.interrupt_id, v.kind, v.role, v.question, v.facts,
    v.payload, v.payload_sha256, v.form, v.due_at, v.on_due, v.other_than, v.status, v.answer, v.answered_by,
    v.answered_at, v.created_at, t.started_by, (v.due_at <= now() AND v.on_due ? 'answer') AS is_late"""
_GROUPED = " AND (%(group)s::text IS NULL OR t.metadata @> jsonb_build_object('group', %(group)s::text))"
_SEEN = f"({SEEN} OR v.role = %(requester)s AND t.started_by = %(person)s)"
"""Of a case that is staff's alone, too, its requester sees what they are asked."""


async def open_review(
    conn: AsyncConnection[Any], run: Begun, interrupt_id: str, question: Question, form: Mapping[str, Any]
) -> UUID:
    """Written with the end of the run that was interrupted; the same interrupt opens one review, however often."""
    values = asdict(question)
    cur = await conn.execute(
        """
        INSERT INTO reviews (review_id, tenant_id, thread_id, run_id, interrupt_id, kind, role, question, facts,
                             payload, payload_sha256, form, due_at, on_due, other_than)
        VALUES (%(review_id)s, %(tenant_id)s, %(thread_id)s, %(run_id)s, %(interrupt_id)s, %(kind)s, %(role)s,
                %(question)s, %(facts)s, %(payload)s, %(payload_sha256)s, %(form)s, %(due_at)s, %(on_due)s,
                %(other_than)s)
        ON CONFLICT (thread_id, interrupt_id) DO UPDATE SET run_id = EXCLUDED.run_id
        RETURNING review_id
        """,
        values
        | {
            "review_id": uuids.uuid7(),
            "tenant_id": run.tenant_id,
            "thread_id": run.thread_id,
            "run_id": run.run_id,
            "interrupt_id": interrupt_id,
            "facts": Jsonb(question.facts),
            "payload": Jsonb(question.payload),
            "payload_sha256": sha256_hex(question.payload),
            "form": Jsonb(form),
            "on_due": Jsonb(question.on_due),
            "other_than": list(question.other_than),
        },
    )
    row = await cur.fetchone()
    assert row is not None
    review_id: UUID = row["review_id"]
    return review_id


async def get(conn: AsyncConnection[Any], actor: Actor, review_id: UUID) -> Review:
    """The review if this actor may see its case."""
    found = await _select(conn, "v.review_id = %(id)s", actor, review_id)
    if not found:
        raise NotFound("review", review_id)
    return found[0]


async def of_thread(conn: AsyncConnection[Any], actor: Actor, thread_id: UUID) -> Sequence[Review]:
    return await _select(conn, "v.thread_id = %(id)s", actor, thread_id)


async def waiting_for(
    conn: AsyncConnection[Any], actor: Actor, limit: int, group: str | None = None
) -> Sequence[Review]:
    """The open reviews this actor may answer, as `refusal` judges, the most urgent first; those of cases that were
    begun together share a `group`."""
    mine = "v.role = %(requester)s AND t.started_by = %(person)s"
    checked = "v.role = ANY(%(roles)s) AND t.started_by <> %(person)s AND NOT %(is_agent)s"
    checked += " AND NOT %(person)s = ANY(v.other_than)"
    return await _select(conn, f"v.status = 'open' AND ({mine} OR {checked})" + _GROUPED, actor, None, limit, group)


async def open_of_kind(conn: AsyncConnection[Any], actor: Actor, kind: str, limit: int) -> Sequence[Review]:
    """Whoever is to answer them, of the cases that this actor may see."""
    return await _select(conn, "v.status = 'open' AND v.kind = %(group)s", actor, None, limit, kind)


def refusal(review: Review, actor: Actor) -> str | None:
    """Why this actor may not answer this review, or None if they may. Maker and checker are two people."""
    if review.kind == IN_PERSON and Role.AGENT in actor.roles:
        return "this is confirmed in person, not by an agent"
    if review.role == REQUESTER:
        return None if actor.person == review.started_by else "only whoever started this case may answer"
    if Role.AGENT in actor.roles:
        return "an agent is never a checker"
    if not actor.sees_whole_tenant:
        return "this answer is not yours to give"
    if review.role in MACHINES:
        return f"this waits for the {review.role.replace('_', ' ')}, not for a person"
    if review.role not in actor.roles:
        return f"this review needs the role {review.role}"
    if actor.person == review.started_by:
        return "whoever started a case cannot check it"
    if actor.person in review.other_than:
        return "another person must answer this one"
    return None


async def answer(conn: AsyncConnection[Any], review: Review, actor: Actor, given: "Answer") -> tuple[NewRun, datetime]:
    """Stores the answer and accepts the run that carries it on, in the caller's transaction; and when that was.

    Raises Forbidden, InvalidInput, ApprovalVoid, AlreadyAnswered, or TooLate where silence has answered, whether that
    was carried out yet or not; then nothing is written.
    """
    if reason := refusal(review, actor):
        raise Forbidden(reason)
    if review.status != "open":
        raise AlreadyAnswered(review.review_id, review.status)
    if review.is_late:
        raise TooLate(review.review_id, review.due_at)
    check_form(review.form, given.answer)
    if given.payload_sha256 != review.payload_sha256:
        raise ApprovalVoid(review.review_id)
    return await settle(conn, review, actor.person, given)


async def answer_as(conn: AsyncConnection[Any], party: str, review: Review, given: Mapping[str, Any]) -> NewRun:
    """The answer of a machine's party to a review that waits for it, in the caller's transaction.

    Raises Forbidden, InvalidInput or AlreadyAnswered; then nothing is written.
    """
    if review.role != party or party not in MACHINES:
        raise Forbidden(f"review {review.review_id} waits for {review.role}, not for {party}")
    check_form(review.form, given)
    run, _ = await settle(conn, review, party, Answer(review.payload_sha256, given))
    return run


@dataclass(frozen=True, slots=True)
class Answer:
    """`payload_sha256` names what was seen; the rest is for the run that carries the answer on, as in NewRun."""

    payload_sha256: str
    answer: Mapping[str, Any]
    assistant_id: UUID | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    claim: Claim | None = None


async def settle(conn: AsyncConnection[Any], review: Review, person: str, given: "Answer") -> tuple[NewRun, datetime]:
    """An answer that is checked: stored, with the run that carries it on. Raises AlreadyAnswered."""
    cur = await conn.execute(
        """
        UPDATE reviews SET status = %(status)s, answer = %(answer)s, answered_by = %(person)s, answered_at = now()
        WHERE review_id = %(review_id)s AND status = 'open' RETURNING review_id
        """,
        {
            "status": "expired" if person == SYSTEM else "answered",
            "answer": Jsonb(given.answer),
            "person": person,
            "review_id": review.review_id,
        },
    )
    if await cur.fetchone() is None:
        raise AlreadyAnswered(review.review_id, "answered")
    run = NewRun(
        run_id=uuids.uuid7(),
        tenant_id=review.tenant_id,
        thread_id=review.thread_id,
        started_by=person,
        review_id=review.review_id,
        assistant_id=given.assistant_id,
        options=given.options,
        metadata=given.metadata,
        claim=given.claim,
    )
    created_at = await runs.accept(conn, run)
    record = {"review_id": review.review_id, "kind": review.kind, "payload_sha256": review.payload_sha256}
    deed = Deed(
        tenant_id=review.tenant_id,
        person=person,
        action="review.expired" if person == SYSTEM else "review.answered",
        record={**{k: str(v) for k, v in record.items()}, "answer": given.answer},
        thread_id=review.thread_id,
        run_id=run.run_id,
    )
    await audit.record(conn, deed)
    return run, created_at


async def expire(conn: AsyncConnection[Any], now: datetime) -> int:
    """Does to each overdue review what silence does, unless a chore asks for its answer; how many there were."""
    async with conn.transaction(), conn.cursor(row_factory=class_row(Review)) as cur:
        await cur.execute(
            "SELECT " + COLUMNS + " FROM reviews v JOIN threads t USING (thread_id)"
            " WHERE v.status = 'open' AND v.due_at <= %(now)s AND NOT v.on_due ? 'ask' ORDER BY v.due_at LIMIT 100"
            " FOR UPDATE OF v SKIP LOCKED",
            {"now": now},
        )
        overdue = await cur.fetchall()
        for review in overdue:
            if "answer" in review.on_due:
                await settle(conn, review, SYSTEM, Answer(review.payload_sha256, review.on_due["answer"]))
            else:
                await _escalate(conn, review)
    return len(overdue)


async def _escalate(conn: AsyncConnection[Any], review: Review) -> None:
    role, days = review.on_due["escalate_to"], review.on_due["days"]
    await conn.execute(
        """
        UPDATE reviews SET role = %(role)s, due_at = due_at + %(days)s * interval '1 day'
        WHERE review_id = %(review_id)s
        """,
        {"role": role, "days": days, "review_id": review.review_id},
    )
    record = {"review_id": str(review.review_id), "from": review.role, "to": role}
    deed = Deed(review.tenant_id, SYSTEM, "review.escalated", record, review.thread_id, review.run_id)
    await audit.record(conn, deed)


async def _select(
    conn: AsyncConnection[Any],
    where: Any,
    actor: Actor,
    record_id: UUID | None,
    limit: int | None = None,
    group: str | None = None,
) -> Sequence[Review]:
    async with conn.cursor(row_factory=class_row(Review)) as cur:
        await cur.execute(
            "SELECT "
            + COLUMNS
            + " FROM reviews v JOIN threads t USING (thread_id) WHERE "
            + where
            + f" AND v.tenant_id = %(tenant_id)s AND {_SEEN}"
            " ORDER BY v.due_at, v.review_id LIMIT %(limit)s",
            as_seen_by(actor)
            | {
                "id": record_id,
                "roles": list(actor.roles),
                "is_agent": Role.AGENT in actor.roles,
                "requester": REQUESTER,
                "limit": limit,
                "group": group,
            },
        )
        return await cur.fetchall()
