"""What a message wants: a case that is to be started, or the answer to what one asks."""

from typing import Any
from uuid import UUID

from a2a.types import Message
from google.protobuf.json_format import MessageToDict
from pydantic import BaseModel, ConfigDict, Field

from api.a2a.card import skills_of
from api.mcp import cases
from api.mcp.agent import Agent
from api.mcp.cases import ProvidedInput
from db import reviews
from db.errors import InvalidInput, NotFound

_FORM = "is one data part: {'skill': …, 'input': {…}}, or with a task_id the answer to what that task asks"


class Begin(BaseModel):
    model_config = ConfigDict(extra="forbid")

    skill: str
    input: dict[str, Any] = Field(default_factory=dict)


async def begun_or_answered(agent: Agent, message: Message) -> UUID:
    """The case. A message's id is its key: whoever sends it again starts nothing, and answers nothing twice.

    Raises InvalidInput and ValidationError for what is not well formed, and what starting and answering raise.
    """
    said = _data_of(message)
    if message.task_id:
        return await _answered(agent, task_id_of(message.task_id), ProvidedInput.model_validate(said))
    wanted = Begin.model_validate(said)
    skills = skills_of(frozenset(map(str, agent.actor.roles)))
    if (workflow := skills.get(wanted.skill)) is None:
        raise InvalidInput("skill", f"is none of this key's: {', '.join(sorted(skills)) or 'it may start nothing'}")
    return await cases.start(agent, workflow, wanted.input | {"client_request_id": message.message_id})


def task_id_of(given: str) -> UUID:
    """Raises NotFound: what is no id of ours is no task of ours."""
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("task", given) from None


async def _answered(agent: Agent, thread_id: UUID, given: ProvidedInput) -> UUID:
    await cases.case_of(agent, thread_id)
    async with agent.engine.pool.connection() as conn:
        review = await reviews.get(conn, agent.actor, given.review_id)
    if review.thread_id != thread_id:
        raise InvalidInput("review_id", f"is no question of task {thread_id}")
    return await cases.provide_input(agent, given)


def _data_of(message: Message) -> dict[str, Any]:
    found = [part for part in message.parts if part.WhichOneof("content") == "data"]
    if len(found) != 1 or len(message.parts) != 1:
        raise InvalidInput("parts", _FORM)
    said = _whole(MessageToDict(found[0].data))
    if not isinstance(said, dict):
        raise InvalidInput("parts", _FORM)
    return said


def _whole(value: Any) -> Any:
    """Every number of the wire is a double: 36 would come as 36.0, which no field for whole numbers takes."""
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
