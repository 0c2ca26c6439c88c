"""What somebody says to the copilot, and what is asked of them, as it is validated at the edge."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tools.rules.typed_secrets import masked
from tools.rules.untrusted import visible

LONGEST = 8_000
MOST_AT_ONCE = 20
_HUMAN = ("human", "user")
_UNREAD = ("role", "name", "example", "additional_kwargs", "response_metadata")
"""What LangChain's messages have besides, and nothing here reads."""
_IDS = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"


class HumanMessage(BaseModel):
    """As LangChain writes it (`type`), and OpenAI (`role`). What others are said to have said is not taken."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["human"] = "human"
    content: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    id: Annotated[str | None, Field(pattern=_IDS)] = None

    @field_validator("content", mode="before")
    @classmethod
    def _text(cls, content: Any) -> Any:
        """Of text alone: parts of other kinds are refused, and nothing in it is invisible, nor a secret that the
        bank itself asks for."""
        if isinstance(content, list):
            parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
            texts = [part for part in parts if isinstance(part, str)]
            if len(texts) != len(parts):
                raise ValueError("may hold text alone, no images and no files")
            content = "\n".join(texts)
        if not isinstance(content, str):
            return content
        return masked("\n".join(visible(line.replace("\t", " ")) for line in content.splitlines()).strip())


class Turn(BaseModel):
    """What a person says next, to the copilot."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"messages": [{"type": "human", "content": "What is on my account?"}]}]},
    )

    messages: Annotated[list[HumanMessage], Field(min_length=1, max_length=MOST_AT_ONCE)]

    @field_validator("messages", mode="before")
    @classmethod
    def _of_the_user(cls, messages: Any) -> Any:
        """Pages send results of tools with the next message where they think that these are missing; ours are not."""
        if not isinstance(messages, list):
            return messages
        told = [each for each in messages if not (isinstance(each, Mapping) and _speaker(each) == "tool")]
        for each in told:
            if isinstance(each, Mapping) and _speaker(each) not in _HUMAN:
                raise ValueError("must be a user's: what the copilot and its tools said is kept here")
        plain = [_plain(each) if isinstance(each, Mapping) else each for each in told]
        if messages and not plain:
            raise ValueError("must have one of the user")
        return plain


class Confirmation(BaseModel):
    """Confirmed is exactly what is shown, and nothing else."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["confirm", "decline"]


class PersonsReply(BaseModel):
    """What a person says to somebody who asked for one."""

    model_config = ConfigDict(extra="forbid")

    reply: Annotated[str, Field(min_length=1, max_length=2000)]


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in _UNREAD} | {"type": "human"}


def _speaker(message: Mapping[str, Any]) -> Any:
    return message.get("type", message.get("role"))
