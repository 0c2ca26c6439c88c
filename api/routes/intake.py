"""Free text on its way to a case: read by a model, asked for what is missing, confirmed by whoever wrote it.

A case starts from here only as it does from structured input: the workflow's own model has validated it, the bank was
asked, and one transaction starts it. What a model read starts nothing until a person has seen its exact values, unless
they typed every one of them and none could be mistaken for another.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import responses
from api.idempotent import Answer, RequiredKey, Wish
from api.routes.workflows import start
from api.strict import StrictRoute
from db import audit
from db.actor import Actor, Role
from db.audit import Deed
from db.canonical import sha256_hex
from db.errors import Conflict, InvalidInput, NotFound
from db.queue import Claim
from graphs import WORKFLOWS
from graphs.workflow import Workflow
from tools import intake_agent, intake_drafts
from tools.intake_agent import Argument, ReadText, RefusedValue, Source
from tools.intake_drafts import Draft
from tools.model import OFF
from tools.model_calls import Spender

LONGEST = 20_000


class FreeText(BaseModel):
    """`origin` is whose words these are: `typed_by_user` if whoever sends them wrote them, now and to us. What an agent
    sends, and in a mail the lines that it quotes, are others' words whatever is said here."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "Bitte 125,50 € an Marcus Okafor.", "origin": "untrusted"}]},
    )

    text: str = Field(min_length=1, max_length=LONGEST)
    origin: Literal["typed_by_user", "untrusted"] = "untrusted"


class Answers(BaseModel):
    """`answers` by the field's path (`employment.since`); null takes a value back. `confirm` is the hash of the input
    as it was shown."""

    model_config = ConfigDict(extra="forbid")

    answers: dict[str, Any] = Field(default_factory=dict, max_length=100)
    confirm: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class Intake(BaseModel):
    """`asks`: `questions` are open, `form` is the schema of their answers. `confirm`: `input` is whole and waits for
    its hash. `started`: its case is `thread_id`. `arguments` are the values with the words they were read from,
    `refused` what the model said and was not taken."""

    model_config = ConfigDict(from_attributes=True)

    intake_id: UUID
    workflow: str
    status: Literal["asks", "confirm", "started"]
    text: str
    arguments: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    questions: dict[str, str]
    form: dict[str, Any] | None
    input: dict[str, Any] | None
    input_sha256: str | None
    thread_id: UUID | None
    model: dict[str, Any]


def router() -> APIRouter:
    problems = responses(401, 403, 404, 422, 503)
    routes = APIRouter(prefix="/workflows", tags=["workflows"], responses=problems, route_class=StrictRoute)
    taken = responses(400, 409, 413, 415, 502)

    @routes.post("/{workflow}/intake", status_code=201, response_model=Intake, responses=taken)
    async def read_text(
        workflow: str, body: FreeText, request: Request, actor: Caller, engine: TheEngine, idempotency_key: RequiredKey
    ) -> JSONResponse:
        """Reads a mail, a chat or a pasted form into the workflow's own input, in any language.

        422 without a model."""
        wanted = _workflow(workflow, actor)
        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump())
        granted = await idempotent.granted_before(engine.pool, wish)
        if granted is not None:
            return granted.response()
        draft = await _read(engine, actor, wanted, body)
        return await _kept(engine, wish, wanted, draft)

    @routes.post("/{workflow}/intake/{intake_id}/answers", response_model=Intake, responses=taken)
    async def answer_intake(
        workflow: str,
        intake_id: UUID,
        body: Answers,
        request: Request,
        actor: Caller,
        engine: TheEngine,
        idempotency_key: RequiredKey,
    ) -> JSONResponse:
        """Gives or mends values, and confirms the whole input by its hash; then the case starts."""
        wanted = _workflow(workflow, actor)
        wish = Wish(actor, idempotency_key, request.url.path, body.model_dump())
        granted = await idempotent.granted_before(engine.pool, wish)
        if granted is not None:
            return granted.response()
        async with engine.pool.connection() as conn:
            draft = await intake_drafts.find(conn, actor, wanted.name, intake_id)
        return await _kept(engine, wish, wanted, _answered(draft, wanted, actor, body))

    @routes.get("/{workflow}/intake/{intake_id}")
    async def get_intake(workflow: str, intake_id: UUID, actor: Caller, engine: TheEngine) -> Intake:
        """How far an intake is."""
        wanted = _workflow(workflow, actor)
        async with engine.pool.connection() as conn:
            return _view(wanted, await intake_drafts.find(conn, actor, wanted.name, intake_id))

    return routes


def _workflow(name: str, actor: Actor) -> Workflow:
    found = next((each for each in WORKFLOWS if each.name == name and not each.converses), None)
    if found is None:
        raise NotFound("workflow", name)
    require(actor, *found.may_start)
    return found


async def _read(engine: Engine, actor: Actor, workflow: Workflow, body: FreeText) -> Draft:
    if engine.model is None:
        reason = f"{OFF.detail}, so nobody reads free text; send the input itself to /workflows/{workflow.name}/threads"
        raise InvalidInput("text", reason)
    intake_id: UUID = uuids.uuid7()
    text, origin = intake_agent.shown(body.text), _origin(actor, body.origin)
    spender = Spender(engine.pool, actor.tenant_id, f"intake:{intake_id}", private=(text,))
    found = await intake_agent.read(engine.model, spender, workflow.input, text, origin)
    draft = Draft(
        intake_id=intake_id,
        workflow=workflow.name,
        workflow_version=workflow.version,
        started_by=actor.person,
        origin=origin,
        text=text,
        status="asks",
        arguments=[],
        refused=intake_agent.plain(found.refused),
        model=found.model,
    )
    return _judged(draft, workflow, found, confirmed=None)


def _answered(draft: Draft, workflow: Workflow, actor: Actor, body: Answers) -> Draft:
    if draft.status == "started":
        raise Conflict(f"intake {draft.intake_id} has started its case {draft.thread_id}")
    if draft.started_by != actor.person:
        # Staff may look; whose wish it is, only they can say.
        raise NotFound("intake", draft.intake_id)
    if draft.workflow_version != workflow.version:
        raise Conflict(f"{workflow.name} has another version since; send the text again")
    form = intake_agent.answer_form(workflow.input, {})["properties"]
    for path in body.answers:
        if path not in form:
            raise InvalidInput(f"answers.{path}", f"is no field of {workflow.name}; there are {', '.join(form)}")
    source = _origin(actor, "typed_by_user")
    kept = [Argument(**each) for each in draft.arguments if each["field"] not in body.answers]
    given = [Argument(path, value, source) for path, value in body.answers.items() if value is not None]
    refused = [RefusedValue(**each) for each in draft.refused if each["field"] not in body.answers]
    judged = _judged(draft, workflow, ReadText((*kept, *given), tuple(refused), draft.model), confirmed=body.confirm)
    if body.confirm is not None and judged.input_sha256 != body.confirm:
        raise Conflict("what is confirmed is not the input as it is now; look at it again")
    return judged


def _judged(draft: Draft, workflow: Workflow, found: ReadText, confirmed: str | None) -> Draft:
    judged = intake_agent.judge(workflow.input, found.arguments, found.refused)
    sha256 = None if judged.input is None else sha256_hex(judged.input)
    may_start = confirmed == sha256 or intake_agent.is_unmistakable(workflow.input, found.arguments, draft.text)
    thread_id = uuids.uuid7() if sha256 is not None and may_start else None
    return replace(
        draft,
        status="asks" if sha256 is None else "confirm" if thread_id is None else "started",
        arguments=intake_agent.plain(found.arguments),
        input=judged.input,
        input_sha256=sha256,
        thread_id=thread_id,
    )


async def _kept(engine: Engine, wish: Wish, workflow: Workflow, draft: Draft) -> JSONResponse:
    """The draft as it is now, and its case if it starts one, in one transaction."""
    if draft.status == "started" and workflow.check is not None:
        await workflow.check(workflow.input.model_validate(draft.input), engine.bank)

    async def act(conn: AsyncConnection[Any]) -> Answer:
        kept = draft if draft.status != "started" else await _started(conn, wish.actor, workflow, draft, claim)
        is_new = draft.updated_at is None
        await (intake_drafts.store if is_new else intake_drafts.advance)(conn, wish.actor.tenant_id, kept)
        return (201 if is_new else 200), _view(workflow, kept).model_dump(mode="json")

    with engine.queue.claim() as claim:
        return (await idempotent.grant(engine.pool, wish, act)).response()


async def _started(conn: AsyncConnection[Any], actor: Actor, workflow: Workflow, draft: Draft, claim: Claim) -> Draft:
    assert draft.input is not None
    started = await start(conn, workflow, actor, draft.input, claim)
    sources = [{"field": each["field"], "source": each["source"]} for each in draft.arguments]
    record = {"intake_id": str(draft.intake_id), "input_sha256": draft.input_sha256, "arguments": sources}
    deed = Deed(actor.tenant_id, actor.person, "intake.started", record, started.thread_id, started.run_id)
    await audit.record(conn, deed)
    return replace(draft, thread_id=started.thread_id)


def _origin(actor: Actor, said: Source) -> Source:
    """An agent is no user, whoever it works for."""
    return "untrusted" if Role.AGENT in actor.roles else said


def _view(workflow: Workflow, draft: Draft) -> Intake:
    questions: dict[str, str] = {}
    if draft.status == "asks":
        arguments = [Argument(**each) for each in draft.arguments]
        refused = [RefusedValue(**each) for each in draft.refused]
        questions = intake_agent.judge(workflow.input, arguments, refused).questions
    form = intake_agent.answer_form(workflow.input, questions) if questions else None
    shown = {name: getattr(draft, name) for name in Intake.model_fields if name not in ("questions", "form")}
    return Intake(**shown, questions=questions, form=form)
