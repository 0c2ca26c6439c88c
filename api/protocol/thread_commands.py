"""Commands of LangGraph's protocol for thread streams: to start a run, and to answer what a thread asks.

What a command comes to is said in its answer, with status 200; only who may not call, or sends no command, is refused.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.bootstrap import Engine
from api.protocol import acceptance
from api.protocol.json_values import Json, JsonObject, Text
from api.protocol.run_schema import RunBody, SentCommand, SentConfig
from api.protocol.snapshots import snapshot_of
from api.protocol.state import interrupt_of
from api.protocol.streams import THREAD_MODES
from db import thread_turns, threads
from db.actor import Actor
from db.errors import CountersignError, Forbidden, InvalidInput, NotFound, Unavailable
from db.runs import Multitask
from db.threads import Thread

Answer = dict[str, Any]


class SentThreadCommand(BaseModel):
    id: Annotated[int, Field(ge=0, lt=2**53)]
    method: Annotated[Text, Field(max_length=100)]
    params: JsonObject = {}


class _Start(BaseModel):
    model_config = ConfigDict(extra="ignore")

    assistant_id: Annotated[Text, Field(min_length=1, max_length=200)]
    input: Json = None
    config: JsonObject | None = None
    metadata: JsonObject | None = None
    langsmith_tracer: Any = None
    multitask: Multitask = Field("enqueue", alias="multitaskStrategy")


class _Response(BaseModel):
    interrupt_id: Text
    response: Json = None


class _Respond(BaseModel):
    """One response, or several. `update` and `goto` are for operators."""

    model_config = ConfigDict(extra="ignore")

    interrupt_id: Text | None = None
    response: Json = None
    responses: Annotated[list[_Response], Field(min_length=1, max_length=1000)] | None = None
    update: JsonObject | None = None
    goto: Any = None
    config: JsonObject | None = None
    metadata: JsonObject | None = None

    def by_interrupt(self) -> dict[str, Any]:
        if self.responses is not None:
            return {one.interrupt_id: one.response for one in self.responses}
        if self.interrupt_id is None:
            raise InvalidInput("interrupt_id", "name the interrupt that this responds to, or send `responses`")
        return {self.interrupt_id: self.response}


class _ThreadRun(RunBody):
    """Told in all that the protocol knows, whoever may watch it."""

    stream_subgraphs: Literal[True] = True
    if_not_exists: Literal["create", "reject"] = "create"

    def modes(self) -> tuple[str, ...]:
        return THREAD_MODES


async def carry_out(engine: Engine, actor: Actor, thread_id: UUID, command: SentThreadCommand) -> Answer:
    """Its answer, whatever it comes to. Raises Unavailable."""
    try:
        if command.method == "run.start":
            result, through = await _start(engine, actor, thread_id, _Start.model_validate(command.params))
        elif command.method == "input.respond":
            result, through = await _respond(engine, actor, thread_id, _Respond.model_validate(command.params))
        else:
            return error(command.id, "unknown_command", f"{command.method!r} is none of run.start, input.respond")
    except Unavailable:
        raise
    except (ValidationError, RequestValidationError) as exc:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors())
        return error(command.id, "invalid_argument", faults)
    except CountersignError as exc:
        return error(command.id, _code(exc), str(exc))
    return {"type": "success", "id": command.id, "result": result, "meta": {"applied_through_seq": through}}


def error(command_id: int | None, code: str, message: str) -> Answer:
    return {"type": "error", "id": command_id, "error": code, "message": message}


async def _start(engine: Engine, actor: Actor, thread_id: UUID, sent: _Start) -> tuple[Answer, int]:
    """A run from its input; on a thread that asks something, the input is the answer, as LangGraph's server has it."""
    asked = [] if sent.input is None else await open_questions(engine, actor, thread_id)
    config = SentConfig.model_validate(sent.config or {})
    body = _ThreadRun(
        assistant_id=sent.assistant_id,
        input=None if asked else sent.input,
        command=SentCommand(resume=sent.input) if asked else None,
        config=config if sent.config else None,
        metadata=sent.metadata,
        checkpoint_id=(config.configurable or {}).get("checkpoint_id"),
        multitask_strategy=sent.multitask,
        langsmith_tracer=sent.langsmith_tracer,
    )
    return await _accepted(engine, actor, thread_id, body)


async def _respond(engine: Engine, actor: Actor, thread_id: UUID, sent: _Respond) -> tuple[Answer, int]:
    resume = sent.by_interrupt()
    asked = {question["id"] for question in await open_questions(engine, actor, thread_id)}
    for interrupt_id in resume:
        if interrupt_id not in asked:
            raise NotFound("interrupt", interrupt_id)
    async with engine.pool.connection() as conn:
        thread = await threads.get(conn, actor, thread_id)
    command = {"resume": resume, "update": sent.update, "goto": sent.goto}
    body = _ThreadRun(
        assistant_id=_assistant_of(thread),
        command=SentCommand.model_validate({key: value for key, value in command.items() if value is not None}),
        config=SentConfig.model_validate(sent.config) if sent.config else None,
        metadata=sent.metadata,
    )
    _, through = await _accepted(engine, actor, thread_id, body)
    return {}, through


async def _accepted(engine: Engine, actor: Actor, thread_id: UUID, body: RunBody) -> tuple[Answer, int]:
    """The run, and the number that comes before its events and those of a run that is under way."""
    async with engine.pool.connection() as conn:
        turns = await thread_turns.of_thread(conn, actor.tenant_id, thread_id)
    active = next((turn for turn in turns if turn.is_active), None)
    asked = acceptance.Request(actor, thread_id, body, f"/threads/{thread_id}/commands")
    run = await acceptance.accept(engine, asked)
    accepted = thread_turns.number_at(datetime.fromisoformat(run["created_at"]))
    return {"run_id": run["run_id"]}, accepted if active is None else active.begins


async def open_questions(engine: Engine, actor: Actor, thread_id: UUID) -> list[dict[str, Any]]:
    """What the thread waits with, if it does."""
    try:
        async with engine.pool.connection() as conn:
            thread = await threads.get(conn, actor, thread_id)
    except NotFound:
        return []
    if thread.status != "interrupted":
        return []
    snapshot = await snapshot_of(engine, actor, thread)
    return [] if snapshot is None else [interrupt_of(interrupt) for interrupt in snapshot.interrupts]


def _assistant_of(thread: Thread) -> str:
    return str(thread.assistant_id) if thread.assistant_id is not None else thread.workflow or ""


def _code(exc: CountersignError) -> str:
    """The protocol has few; what it has no code for says so in its message."""
    if isinstance(exc, NotFound):
        return "no_such_interrupt" if exc.record == "interrupt" else "invalid_argument"
    if isinstance(exc, Forbidden):
        return "permission_denied"
    return "invalid_argument" if isinstance(exc, InvalidInput) else "unknown_error"
