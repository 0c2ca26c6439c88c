"""Cases as agents have them: started once per `client_request_id`, waited for within bounds, and what they owe them."""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import BaseModel, BeforeValidator, Field

from api import streaming
from api.auth import require
from api.idempotent import KEY_WORDS, Wish, checked_key
from api.mcp.agent import Agent
from api.routes.reviews import AnswerBody, settle
from api.routes.workflows import accept
from db import reviews
from db.canonical import canonical_json
from db.errors import Forbidden
from db.reviews import REQUESTER
from graphs.workflow import Workflow
from tools.case_operations import CaseView, OfCase, case_view
from tools.operation import Input

WORDS = {"running": "begins", "done": "is done", "failed": "failed", "interrupted": "asks a question"}


class Keyed(BaseModel):
    client_request_id: Annotated[
        str, BeforeValidator(checked_key), Field(min_length=1, max_length=255, description=KEY_WORDS)
    ]


class ProvidedInput(Input):
    """The answer to what whoever started a case owes it: the review's id, the hash of the payload that they were shown,
    and what its form asks for."""

    review_id: UUID
    payload_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    answer: dict[str, Any]


async def start(agent: Agent, workflow: Workflow, arguments: Mapping[str, Any]) -> UUID:
    """The case that this `client_request_id` stands for, whoever sends it again. Raises ValidationError, Forbidden,
    IdempotencyMismatch, and what the workflow's check raises."""
    require(agent.actor, *workflow.may_start)
    key = Keyed.model_validate(arguments).client_request_id
    given = {name: value for name, value in arguments.items() if name != "client_request_id"}
    granted = await accept(agent.engine, workflow, agent.actor, workflow.input.model_validate(given), key)
    return UUID(granted.body["thread_id"])


@dataclass(frozen=True, slots=True)
class InputProvided:
    """The answer is stored. Of a case that is staff's alone, whoever was asked sees no more than the question."""

    review_id: UUID
    thread_id: UUID
    case: CaseView | None


async def provide_input(agent: Agent, given: ProvidedInput) -> UUID:
    """The case that goes on with it. The same answer twice is one answer.

    Raises Forbidden for what a checker must say: a person does that, with a key of their own, not through an agent.
    """
    async with agent.engine.pool.connection() as conn:
        review = await reviews.get(conn, agent.actor, given.review_id)
    if review.role != REQUESTER:
        raise Forbidden(
            f"review {review.review_id} is not the requester's to answer: a person who may check this case answers it"
            f" at {agent.review_url(review.review_id)}, as themselves and not through an agent"
        )
    body = AnswerBody(payload_sha256=given.payload_sha256, answer=given.answer)
    same = hashlib.sha256(canonical_json([str(given.review_id), body.model_dump(mode="json")])).hexdigest()
    wish = Wish(agent.actor, f"mcp:{same}", f"/reviews/{given.review_id}/answer", body.model_dump(mode="json"))
    await settle(agent.engine, wish, given.review_id, body)
    return review.thread_id


async def case_of(agent: Agent, thread_id: UUID) -> CaseView:
    return await case_view(agent.caller, OfCase(thread_id=thread_id))


async def awaited(agent: Agent, thread_id: UUID) -> CaseView:
    """The case once no run of it is under way, telling of each node's begin and end; as it stands after the wait."""
    try:
        async with (
            asyncio.timeout(agent.engine.settings.decision_wait_s),
            aclosing(streaming.of_thread(agent.engine, agent.actor, thread_id)) as events,
        ):
            told = 0
            async for event in events:
                if event.event == "task":
                    told += 1
                    node = orjson.loads(event.data)
                    await agent.tell(told, None, f"{node['name']} {WORDS[node['status']]}")
    except TimeoutError:
        pass
    return await case_of(agent, thread_id)
