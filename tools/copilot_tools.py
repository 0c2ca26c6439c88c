"""The tools that the copilot's model is offered, and what a call of one leads to.

Reading is done at once, with the caller's own rights. Whatever changes something is done by the user's word alone, or
asked of them; operations that move money are offered to nobody.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.errors import BankRefused, BankUnavailable, Conflict, Forbidden, InvalidInput, NotFound
from tools import copilot_arguments, copilot_deeds, copilot_payees, register
from tools.context import Context
from tools.copilot_arguments import OwnRecord
from tools.copilot_deeds import NOTE, Deed
from tools.copilot_exposed import ExposedTool
from tools.desk import Desk, Offer
from tools.operation import READ, Caller
from tools.rules.untrusted import visible

LONGEST_RESULT = 6_000
HAND_OVER = "hand_over_to_a_person"
_STAFF = ("adviser", "operator", "admin")


class NoteInput(BaseModel):
    """For the next who talks with this client."""

    model_config = ConfigDict(extra="forbid")

    client_id: Annotated[str, Field(min_length=1, max_length=64)]
    summary: Annotated[str, Field(min_length=1, max_length=2000)]


class HandOverInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class Tool:
    """`target` is an operation's or a workflow's name, NOTE, HAND_OVER, or the words of a refusal."""

    name: str
    summary: str
    does: Literal["read", "start", "note", "hand_over", "refuse"]
    target: str
    schema: Mapping[str, Any]
    exposed: ExposedTool | None = None

    def described(self) -> dict[str, Any]:
        """As OpenAI's protocol has it."""
        said = {"name": self.name, "description": self.summary, "parameters": self.schema}
        return {"type": "function", "function": said}


@dataclass(frozen=True, slots=True)
class Wish:
    """A tool's call as the model made it. `key` is its own and stable; `text` is the user's latest message, and
    `message_id` that message's."""

    tool: str
    arguments: Mapping[str, Any]
    key: str
    text: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Done:
    """What the model is told."""

    result: str


@dataclass(frozen=True, slots=True)
class ToConfirm:
    """What only the user's word does; JSON-plain, for the state."""

    key: str
    message_id: str
    tool: str
    target: str
    input: dict[str, Any]
    sources: dict[str, str]
    exactly: dict[str, Any] | None = None
    question: str | None = None

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ToAPerson:
    reason: str


Outcome = Done | ToConfirm | ToAPerson


@dataclass(slots=True)
class Toolbox:
    """Of one caller, for one step."""

    context: Context
    caller: Caller
    tools: Mapping[str, Tool]
    _own: OwnRecord | None = field(default=None)

    @property
    def secrets(self) -> dict[str, list[str]]:
        """Arguments that are not kept, by tool."""
        return {name: tool.exposed.secret for name, tool in self.tools.items() if tool.exposed is not None}

    async def call(self, wish: Wish) -> Outcome:
        tool = self.tools.get(wish.tool)
        if tool is None:
            return _told({"error": f"there is no tool {wish.tool[:64]!r}"})
        try:
            return await self._do(tool, wish)
        except (InvalidInput, NotFound, Forbidden, Conflict, BankRefused, BankUnavailable) as exc:
            return _told({"error": visible(str(exc))[:500]})

    async def _do(self, tool: Tool, wish: Wish) -> Outcome:
        if tool.does == "refuse":
            return _told({"refused": tool.target})
        given = await self._ours(tool, wish.arguments)
        if tool.does == "read":
            return _told(await register.BY_NAME[tool.target].call(self.caller, given))
        if tool.does == "hand_over":
            return ToAPerson(visible(_valid(HandOverInput, given)["reason"]))
        if tool.does == "note":
            wanted = _valid(NoteInput, given)
            return ToConfirm(wish.key, wish.message_id, tool.name, NOTE, wanted, {"summary": "untrusted"})
        return await self._start(tool, wish, given)

    async def _start(self, tool: Tool, wish: Wish, given: Mapping[str, Any]) -> Outcome:
        offer = self.context.desk.offers()[tool.target]
        own = await self._own_record()
        for name, value in (("source_account", own.account), ("currency", own.currency), ("customer_id", own.customer)):
            known = offer.input.model_fields.get(name)
            if known and name not in given and value and (name != "customer_id" or known.is_required()):
                given = {**given, name: value}
        given = await copilot_payees.with_account(self.caller, _on_one_line(given))
        wanted = _valid(offer.input, given)
        await self._refuse_anothers(wanted)
        if offer.check is not None:
            await offer.check(offer.input.model_validate(given), self.context.bank)
        sources: dict[str, str] = {**copilot_arguments.sources(offer.input, wanted, wish.text, own)}
        if offer.prepare is not None:
            return await self._prepared(offer, tool, wish, (wanted, sources))
        if copilot_arguments.is_outright(offer.input, wanted, wish.text, own):
            key = f"typed:{wish.message_id}"
            deed = Deed(key, "typed", wish.message_id, tool.name, tool.target, wanted, sources)
            case = await copilot_deeds.carry_out(self.context, self.caller, deed)
            if case is not None:
                return _told(started(tool.target, str(case)))
        return ToConfirm(wish.key, wish.message_id, tool.name, tool.target, wanted, sources)

    async def _prepared(
        self, offer: Offer, tool: Tool, wish: Wish, what: tuple[dict[str, Any], dict[str, str]]
    ) -> Outcome:
        """Whatever was typed, its user sees exactly what would become of it."""
        assert offer.prepare is not None
        wanted, sources = what
        asked, today = offer.input.model_validate(wanted), self.context.now().date()
        shown = await offer.prepare(asked, self.context.bank, today)
        if shown is None:
            return _told({"unchanged": "it is so already; nothing was done"})
        asked_for = (wish.key, wish.message_id, tool.name, tool.target, wanted, sources)
        return ToConfirm(*asked_for, exactly=dict(shown.payload), question=shown.question)

    async def _refuse_anothers(self, wanted: Mapping[str, Any]) -> None:
        """Raises NotFound for an account or a customer that the caller could not read either."""
        for name in ("source_account", "payout_account"):
            if (account_id := wanted.get(name)) is not None:
                account = await self.context.bank.account(account_id)
                self.caller.must_read(account.customer_id, "account", account_id)
        for name in ("customer_id", "applicant_id"):
            if (customer_id := wanted.get(name)) is not None:
                self.caller.must_read(customer_id, "customer", customer_id)

    async def _ours(self, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by the names that they have with us, and what the deployment fixed."""
        if tool.exposed is None:
            return dict(arguments)
        told, own = tool.exposed, await self._own_record()
        given = {
            told.arguments.get(name, name): told.values.get(name, {}).get(json.dumps(value), value)
            for name, value in arguments.items()
            if name not in (*told.ignored, *told.secret) and value is not None
        }
        return given | {name: own.named(value) for name, value in told.fixed.items()}

    async def _own_record(self) -> OwnRecord:
        if self._own is None:
            self._own = await copilot_arguments.own_record(self.caller)
        return self._own


async def toolbox(context: Context) -> Toolbox:
    """For whoever began the conversation, with the rights that they have now."""
    caller = await context.desk.caller()
    every = {tool.name: tool for tool in _every(context.desk, caller)}
    if context.desk.exposed is None:
        return Toolbox(context, caller, every)
    renamed = [_renamed(each, every) for each in context.desk.exposed.tools]
    tools = {tool.name: tool for tool in renamed if tool is not None}
    return Toolbox(context, caller, {HAND_OVER: every[HAND_OVER]} | tools)


def started(workflow: str, case: str) -> dict[str, Any]:
    return {"started": workflow, "thread_id": case, "then": "it runs by itself; get_case tells how it stands"}


def _every(desk: Desk, caller: Caller) -> list[Tool]:
    tools = [
        Tool(each.name, each.summary, "read", each.name, each.input_schema)
        for each in register.OPERATIONS
        if each.kind is READ and each.is_open_to(caller.actor)
    ]
    for offer in desk.offers().values():
        if offer.is_open_to(caller.actor):
            schema = offer.input.model_json_schema()
            tools.append(Tool(f"start_{offer.name}", offer.summary, "start", offer.name, schema))
    if caller.actor.roles & set(_STAFF):
        words = "Stores a summary of what was said with a client, once the user confirmed it."
        tools.append(Tool(NOTE, words, "note", NOTE, NoteInput.model_json_schema()))
    words = "Hands the conversation over to a person of the bank, who answers in it."
    return [*tools, Tool(HAND_OVER, words, "hand_over", HAND_OVER, HandOverInput.model_json_schema())]


def _renamed(exposed: ExposedTool, every: Mapping[str, Tool]) -> Tool | None:
    """None: the caller may not."""
    if exposed.refused is not None:
        schema = exposed.parameters or {"type": "object", "properties": {}}
        return Tool(exposed.name, exposed.summary, "refuse", exposed.refused, schema, exposed)
    found = every.get(exposed.operation or f"start_{exposed.workflow}")
    if found is None:
        return None
    schema = exposed.parameters or _without(found.schema, exposed.fixed)
    return Tool(exposed.name, exposed.summary, found.does, found.target, schema, exposed)


def _without(schema: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: each for name, each in schema.get("properties", {}).items() if name not in fixed}
    needed = [name for name in schema.get("required", ()) if name not in fixed]
    return {**schema, "properties": kept, "required": needed}


def _on_one_line(given: Mapping[str, Any]) -> dict[str, Any]:
    """Tabs and ends of lines, which no text of a payment may have, as single blanks."""
    return {
        name: re.sub(r" *[\t\r\n]+[ \t\r\n]*", " ", value) if isinstance(value, str) else value
        for name, value in given.items()
    }


def _valid(shape: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return shape.model_validate(given).model_dump(mode="json")
    except ValidationError as exc:
        faults = exc.errors(include_url=False, include_input=False)
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in faults[:5])
        raise InvalidInput("arguments", told) from exc


def _told(result: Any) -> Done:
    text = json.dumps(result, ensure_ascii=False)
    return Done(text if len(text) <= LONGEST_RESULT else f"{text[:LONGEST_RESULT]} … (cut off; ask for less)")
