"""What a conversation works with: on whose behalf, which workflows it may start, and under which names."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel

from db.actor import Actor, Role
from db.errors import CountersignError
from tools.bank import Bank
from tools.copilot_exposed import Exposed
from tools.operation import Caller


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a person is to confirm, to the letter, and the question in words."""

    payload: Mapping[str, Any]
    question: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A workflow as a conversation starts it: by its own input, for whoever may, after its own check. What it
    prepares is what its user confirms, always."""

    name: str
    summary: str
    input: type[BaseModel]
    roles: frozenset[str]
    check: Callable[[Any, Bank], Awaitable[None]] | None
    prepare: Callable[[Any, Bank, date], Awaitable[Prepared | None]] | None = None

    def is_open_to(self, actor: Actor) -> bool:
        return bool(actor.roles & (self.roles | {Role.ADMIN}))


async def nobody() -> Caller:
    raise CountersignError("nobody converses here")


@dataclass(frozen=True, slots=True)
class Desk:
    """`caller` gives whoever began the conversation, with the rights that they have now."""

    caller: Callable[[], Awaitable[Caller]] = nobody
    offers: Callable[[], Mapping[str, Offer]] = dict
    exposed: Exposed | None = None
