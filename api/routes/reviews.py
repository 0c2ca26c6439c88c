"""What waits for a person, and the one answer it gets."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from api import idempotent
from api.auth import Caller, TheEngine
from api.bootstrap import Engine
from api.disclosure import WITHHELD
from api.errors import responses
from api.idempotent import Granted, RequiredKey, Wish
from api.strict import StrictRoute
from db import reviews
from db.actor import Actor
from db.reviews import REQUESTER, Answer, Review

EXAMPLE: JsonDict = {
    "payload_sha256": "4f1c9b0e6a3d2c8b7e5f4a1d0c9b8e7f6a5d4c3b2e1f0a9d8c7b6e5f4a3d2c1b",
    "answer": {"verdict": "approve", "note": "salary account here since 2019"},
}


class ReviewView(BaseModel):
    """What happened and why, the exact payload to be approved with its hash, and the form of the answer.

    Of a review that others answer, clients and agents are told that it is there, and no more: what is null.
    """

    model_config = ConfigDict(from_attributes=True)

    review_id: UUID
    thread_id: UUID
    kind: str
    role: str
    question: str
    facts: dict[str, Any] | None
    payload: dict[str, Any] | None
    payload_sha256: str | None
    form: dict[str, Any] | None
    due_at: datetime | None
    on_due: dict[str, Any] | None
    status: Literal["open", "answered", "expired", "void"]
    answer: dict[str, Any] | None
    answered_by: str | None
    answered_at: datetime | None
    created_at: datetime


def shown(actor: Actor, review: Review) -> ReviewView:
    view = ReviewView.model_validate(review)
    is_theirs = actor.sees_whole_tenant or review.role == REQUESTER
    return view if is_theirs else view.model_copy(update=WITHHELD)


class AnswerBody(BaseModel):
    """`payload_sha256` names the payload that was seen; `answer` fits the review's form."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    payload_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    answer: dict[str, Any]


class Answered(BaseModel):
    """`run_id` is the run that carries the case on."""

    review_id: UUID
    thread_id: UUID
    run_id: UUID
    status: Literal["answered"] = "answered"


def router() -> APIRouter:
    problems = responses(401, 404, 422, 503)
    routes = APIRouter(prefix="/reviews", tags=["reviews"], responses=problems, route_class=StrictRoute)

    @routes.get("")
    async def list_reviews(
        actor: Caller,
        engine: TheEngine,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        group: Annotated[str | None, Query(max_length=64, description="a market event's id")] = None,
    ) -> list[ReviewView]:
        """The open reviews that the caller may answer, the most urgent first."""
        async with engine.pool.connection() as conn:
            return [shown(actor, review) for review in await reviews.waiting_for(conn, actor, limit, group)]

    @routes.get("/{review_id}")
    async def get_review(review_id: UUID, actor: Caller, engine: TheEngine) -> ReviewView:
        async with engine.pool.connection() as conn:
            return shown(actor, await reviews.get(conn, actor, review_id))

    @routes.post(
        "/{review_id}/answer", status_code=202, response_model=Answered, responses=responses(400, 403, 409, 413, 415)
    )
    async def answer_review(
        review_id: UUID,
        body: AnswerBody,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: RequiredKey,
    ) -> JSONResponse:
        """One answer wins; the case goes on with it. The second gets a 409, as does one that names another payload."""

        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump(mode="json"))
        return (await settle(engine, wish, review_id, body)).response()

    return routes


async def settle(engine: Engine, wish: Wish, review_id: UUID, body: AnswerBody) -> Granted:
    """Raises as `reviews.answer` does."""

    async def act(conn: AsyncConnection[Any]) -> idempotent.Answer:
        review = await reviews.get(conn, wish.actor, review_id)
        given = Answer(body.payload_sha256, body.answer, claim=claim)
        run, _ = await reviews.answer(conn, review, wish.actor, given)
        answered = Answered(review_id=review_id, thread_id=review.thread_id, run_id=run.run_id)
        return 202, answered.model_dump(mode="json")

    with engine.queue.claim() as claim:
        return await idempotent.grant(engine.pool, wish, act)
