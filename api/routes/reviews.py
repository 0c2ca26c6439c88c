"""What waits for a person, and the one answer it gets."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field

from api import idempotent
from api.auth import Caller, TheEngine
from api.errors import responses
from api.idempotent import RequiredKey, Wish
from db import reviews
from db.reviews import Answer


class ReviewView(BaseModel):
    """What happened and why, the exact payload to be approved with its hash, and the form of the answer."""

    model_config = ConfigDict(from_attributes=True)

    review_id: UUID
    thread_id: UUID
    kind: str
    role: str
    question: str
    facts: dict[str, Any]
    payload: dict[str, Any]
    payload_sha256: str
    form: dict[str, Any]
    due_at: datetime
    on_due: dict[str, Any]
    status: str
    answer: dict[str, Any] | None
    answered_by: str | None
    answered_at: datetime | None
    created_at: datetime


class AnswerBody(BaseModel):
    """`payload_sha256` names the payload that was seen; `answer` fits the review's form."""

    model_config = ConfigDict(extra="forbid")

    payload_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    answer: dict[str, Any]


class Answered(BaseModel):
    review_id: UUID
    thread_id: UUID
    run_id: UUID
    status: str


def router() -> APIRouter:
    routes = APIRouter(prefix="/reviews", tags=["reviews"], responses=responses(401, 404, 422, 503))

    @routes.get("")
    async def list_reviews(actor: Caller, engine: TheEngine) -> list[ReviewView]:
        """The open reviews that the caller may answer, the most urgent first."""
        async with engine.pool.connection() as conn:
            return [ReviewView.model_validate(r) for r in await reviews.waiting_for(conn, actor)]

    @routes.get("/{review_id}")
    async def get_review(review_id: UUID, actor: Caller, engine: TheEngine) -> ReviewView:
        async with engine.pool.connection() as conn:
            return ReviewView.model_validate(await reviews.get(conn, actor, review_id))

    @routes.post(
        "/{review_id}/answer", status_code=202, response_model=Answered, responses=responses(400, 403, 409, 413)
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

        async def act(conn: AsyncConnection[Any]) -> idempotent.Answer:
            review = await reviews.get(conn, actor, review_id)
            given = Answer(body.payload_sha256, body.answer)
            run = await reviews.answer(conn, engine.queue, review, actor, given)
            answered = Answered(review_id=review_id, thread_id=review.thread_id, run_id=run.run_id, status="answered")
            return 202, answered.model_dump(mode="json")

        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump(mode="json"))
        status, answer = await idempotent.grant(engine.pool, wish, act)
        return JSONResponse(answer, status)

    return routes
