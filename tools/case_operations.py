"""What an agent may read of cases: how they stand, what waits for whom, letters, and loan offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from db import reviews, threads
from db.actor import Actor
from db.reviews import BANK, REQUESTER, Review
from db.threads import Thread, Wanted
from tools import case_records
from tools.case_records import StoredLetter
from tools.operation import READ, Caller, Input, operation

Stands = Literal["working", "input_required", "completed", "failed"]
INTERNAL = "internal"
_FAULT = {"type": "Error", "detail": "this case met a fault; staff see which"}
_Limit = Annotated[int, Field(ge=1, le=200)]


class OfCase(Input):
    thread_id: UUID


class Page(Input):
    limit: _Limit = 20


class WantedCases(Page):
    workflow: str | None = None
    status: Literal["idle", "busy", "interrupted", "error"] | None = None


@dataclass(frozen=True, slots=True)
class CaseLine:
    """`stands`: `input_required` waits for a person, whoever that is; it is over when, and only when, it has an
    `outcome`."""

    thread_id: UUID
    workflow: str | None
    stands: Stands
    outcome: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that is open. `waits_for` is `requester` (whoever started the case), a role of staff, a party such as
    `bank`, or `internal`: then no more is told of it.

    Whoever answers names `payload_sha256`: it stands for the payload that they were shown.
    """

    review_id: UUID
    thread_id: UUID
    waits_for: str
    is_yours: bool
    kind: str | None = None
    question: str | None = None
    facts: Mapping[str, Any] | None = None
    payload: Mapping[str, Any] | None = None
    payload_sha256: str | None = None
    form: Mapping[str, Any] | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LetterText:
    letter_id: UUID
    thread_id: UUID
    kind: str
    subject: str
    body: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CaseView:
    """`state` is what the caller is shown of it."""

    case: CaseLine
    error: Mapping[str, Any] | None
    state: Mapping[str, Any]
    waiting: list[Asked]
    letters: list[LetterText]


@operation(READ)
async def list_cases(caller: Caller, wanted: WantedCases) -> list[CaseLine]:
    """The newest cases that the caller may see: their own, or for staff those of all."""
    metadata = {} if wanted.workflow is None else {"graph_id": wanted.workflow}
    async with caller.pool.connection() as conn:
        sought = Wanted(status=wanted.status, metadata=metadata)
        return [line_of(thread) for thread in await threads.search(conn, caller.actor, sought, wanted.limit)]


@operation(READ)
async def get_case(caller: Caller, wanted: OfCase) -> CaseView:
    """How a case stands: its outcome, or what it waits for and whether that is the caller's to give; its letters."""
    return await case_view(caller, wanted)


@operation(READ)
async def list_reviews(caller: Caller, wanted: Page) -> list[Asked]:
    """The open questions that the caller may answer, the most urgent first."""
    async with caller.pool.connection() as conn:
        waiting = await reviews.waiting_for(conn, caller.actor, wanted.limit)
    return [asked_of(caller.actor, review) for review in waiting]


@operation(READ)
async def list_letters(caller: Caller, wanted: OfCase) -> list[LetterText]:
    """The letters that a case sent."""
    async with caller.pool.connection() as conn:
        await threads.get(conn, caller.actor, wanted.thread_id)
        kept = await case_records.letters(conn, caller.actor.tenant_id, wanted.thread_id)
    return [_letter(wanted.thread_id, letter) for letter in kept]


@operation(READ)
async def list_loan_offers(caller: Caller, wanted: Page) -> list[Asked]:
    """Loans that are offered and wait to be accepted; the payload has the terms."""
    async with caller.pool.connection() as conn:
        offers = await reviews.open_of_kind(conn, caller.actor, "acceptance", wanted.limit)
    return [asked_of(caller.actor, review) for review in offers]


async def case_view(caller: Caller, wanted: OfCase) -> CaseView:
    async with caller.pool.connection() as conn:
        thread = await threads.get(conn, caller.actor, wanted.thread_id)
        asked = await reviews.of_thread(conn, caller.actor, wanted.thread_id)
        kept = await case_records.letters(conn, caller.actor.tenant_id, wanted.thread_id)
    error = thread.error if thread.error is None or caller.actor.sees_whole_tenant else _FAULT
    return CaseView(
        case=line_of(thread),
        error=error,
        state=await caller.state_of(wanted.thread_id),
        waiting=[asked_of(caller.actor, review) for review in asked if review.status == "open"],
        letters=[_letter(wanted.thread_id, letter) for letter in kept],
    )


def stands(thread: Thread) -> Stands:
    if thread.outcome is not None:
        return "completed"
    if thread.status == "error":
        return "failed"
    return "input_required" if thread.status == "interrupted" else "working"


def line_of(thread: Thread) -> CaseLine:
    return CaseLine(
        thread.thread_id, thread.workflow, stands(thread), thread.outcome, thread.created_at, thread.updated_at
    )


def asked_of(actor: Actor, review: Review) -> Asked:
    """Of what others are asked, clients and agents are told that it is there, and no more."""
    is_yours = reviews.refusal(review, actor) is None
    if not (actor.sees_whole_tenant or review.role == REQUESTER):
        # That a payment is at the bank is told of it anyway.
        return Asked(review.review_id, review.thread_id, BANK if review.role == BANK else INTERNAL, is_yours)
    return Asked(
        review_id=review.review_id,
        thread_id=review.thread_id,
        waits_for=review.role,
        is_yours=is_yours,
        kind=review.kind,
        question=review.question,
        facts=review.facts,
        payload=review.payload,
        payload_sha256=review.payload_sha256,
        form=review.form,
        due_at=review.due_at,
    )


def _letter(thread_id: UUID, letter: StoredLetter) -> LetterText:
    return LetterText(letter.letter_id, thread_id, letter.kind, letter.subject, letter.body, letter.created_at)
