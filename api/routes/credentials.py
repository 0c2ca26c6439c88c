"""The bank's form for what a customer signs in with: what is typed goes to the bank, and is kept nowhere here."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.auth import Caller, TheEngine
from api.errors import responses
from api.strict import StrictRoute
from db import reviews
from db.errors import AlreadyAnswered, Forbidden, InvalidInput
from tools.bank_settings import stage_credential

SHORTEST, LONGEST = 8, 200


class Typed(BaseModel):
    """8 to 200 characters that can be seen."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    new_credential: Annotated[str, Field(json_schema_extra={"format": "password", "writeOnly": True})]


class Staged(BaseModel):
    """For the answer: nothing is changed before the review is answered with it."""

    staged_id: str
    expires_at: AwareDatetime


def router() -> APIRouter:
    routes = APIRouter(tags=["reviews"], route_class=StrictRoute)

    @routes.post(
        "/reviews/{review_id}/credential",
        status_code=201,
        responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def type_credential(review_id: UUID, typed: Typed, actor: Caller, engine: TheEngine) -> Staged:
        """Hands what the customer typed to the bank. No key: what is typed twice is staged twice, and taken once."""
        async with engine.pool.connection() as conn:
            review = await reviews.get(conn, actor, review_id)
        if (reason := reviews.refusal(review, actor)) is not None:
            raise Forbidden(reason)
        if review.status != "open":
            raise AlreadyAnswered(review.review_id, review.status)
        if review.payload.get("change") != "credential" or "staged_id" not in review.form.get("properties", {}):
            raise InvalidInput("review_id", "does not ask for what somebody signs in with")
        secret = typed.new_credential
        if not SHORTEST <= len(secret) <= LONGEST or not secret.isprintable():
            raise InvalidInput("new_credential", f"must be {SHORTEST} to {LONGEST} characters that can be seen")
        staged = await stage_credential(engine.bank, review.payload["customer_id"], secret)
        return Staged(staged_id=staged.staged_id, expires_at=staged.expires_at)

    return routes
