"""`@operation`: what agents can do, each with its schemas, kind and roles. `tools.register` lists them all."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from db.actor import Actor, Role
from db.errors import Forbidden, InvalidInput, NotFound
from db.pool import Pool
from tools.bank import Bank

ANYONE = frozenset(Role)


class Kind(StrEnum):
    """`MONEY` is never offered to a model, nor to an agent as a tool: workflows alone have it."""

    READ = "read"
    WRITE = "write"
    MONEY = "money"


READ, WRITE, MONEY = Kind.READ, Kind.WRITE, Kind.MONEY


class Input(BaseModel):
    """Of an operation: nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid")


StateOf = Callable[[UUID], Awaitable[Mapping[str, Any]]]


async def no_state(thread_id: UUID) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf an operation works, and with what. It has the actor's own rights, whoever carries their wish.

    `state_of` gives what this actor is shown of a case's state.
    """

    actor: Actor
    pool: Pool
    bank: Bank
    now: Callable[[], datetime]
    home_tenant: str
    state_of: StateOf = no_state

    def must_read(self, customer_id: str | None, record: str, record_id: str) -> None:
        """Raises NotFound unless the customer's records at the bank are the actor's to read.

        The bank knows no persons of ours, and all tenants have one bank. So customers are read by staff of the tenant
        whose bank it is, and by whoever holds a key that is bound to them; an account of the bank's own by staff alone.
        """
        staff = self.actor.sees_whole_tenant and self.actor.tenant_id == self.home_tenant
        if not staff and customer_id not in self.actor.customers:
            raise NotFound(record, record_id)


@dataclass(frozen=True)
class Operation:
    name: str
    summary: str
    kind: Kind
    roles: frozenset[str]
    input: type[BaseModel]
    output: TypeAdapter[Any]
    act: Callable[[Caller, Any], Awaitable[Any]]

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        return self.input.model_json_schema()

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        return self.output.json_schema(mode="serialization")

    def is_open_to(self, actor: Actor) -> bool:
        return bool(actor.roles & (self.roles | {Role.ADMIN}))

    async def call(self, caller: Caller, given: Mapping[str, Any]) -> Any:
        """Its answer, JSON-plain. Raises Forbidden, InvalidInput naming the field, and what the operation raises."""
        if not self.is_open_to(caller.actor):
            raise Forbidden(f"{self.name} needs one of the roles {', '.join(sorted(self.roles))}")
        try:
            wanted = self.input.model_validate(given)
        except ValidationError as exc:
            fault = exc.errors()[0]
            raise InvalidInput(".".join(map(str, fault["loc"])) or self.name, fault["msg"]) from exc
        return self.output.dump_python(await self.act(caller, wanted), mode="json")


def operation(
    kind: Kind, roles: frozenset[str] = ANYONE
) -> Callable[[Callable[[Caller, Any], Awaitable[Any]]], Operation]:
    """The function's name is the operation's, its docstring the summary; its second parameter's type the input."""

    def made(act: Callable[[Caller, Any], Awaitable[Any]]) -> Operation:
        signature = inspect.signature(act)
        wanted = list(signature.parameters.values())[1].annotation
        summary = inspect.cleandoc(act.__doc__ or "")
        return Operation(act.__name__, summary, kind, roles, wanted, TypeAdapter(signature.return_annotation), act)

    return made
