"""Starting many cases with one call: each line with a key of its own, accepted or refused by itself."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import uuid_utils.compat as uuids
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from api import idempotent
from api.auth import Caller, TheEngine, require
from api.bootstrap import Engine
from api.errors import Fault, fault_of, responses
from api.idempotent import Wish
from api.routes.workflows import Started, path_of
from api.strict import StrictRoute
from db import mass_start
from db.actor import Actor
from db.errors import CountersignError, IdempotencyMismatch, InvalidInput, NotFound
from db.idempotency import Stored
from db.mass_start import NewCase, Origin, Remembered
from db.pool import transaction
from graphs import WORKFLOWS
from graphs.workflow import Workflow

MOST = 100
_WORKFLOWS = {workflow.name: workflow for workflow in WORKFLOWS}


class Line(BaseModel):
    """`key` is what the single call has as `Idempotency-Key`, and is the same wish there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, BeforeValidator(idempotent.checked_key), Field(min_length=1, max_length=255)]
    request: dict[str, Any]


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST)]


class LineAnswer(BaseModel):
    """Either `started` or `fault`: what the single call would have answered."""

    key: str
    started: Started | None = None
    fault: Fault | None = None


class BatchAnswer(BaseModel):
    """As many lines as were sent, in their order."""

    lines: list[LineAnswer]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A line that can be accepted: its wish, and its request as its workflow's input model has it."""

    wish: Wish
    input: Any

    @property
    def key(self) -> str:
        assert self.wish.key is not None
        return self.wish.key


_Answers = dict[str, dict[str, Any] | CountersignError | ValidationError]
"""By key: what the single call answers, or raises."""


def router() -> APIRouter:
    routes = APIRouter(tags=["workflows"], route_class=StrictRoute)

    @routes.post(
        "/workflows/{workflow}/batches",
        response_model=BatchAnswer,
        responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def start_cases(workflow: str, body: Batch, actor: Caller, engine: TheEngine) -> JSONResponse:
        """Starts a case for each line, those that are in order in one transaction; a line sent again starts nothing."""
        started = _WORKFLOWS.get(workflow)
        if started is None:
            raise NotFound("workflow", workflow)
        require(actor, *started.may_start)
        if len({line.key for line in body.lines}) < len(body.lines):
            raise InvalidInput("lines", "have a key twice; each line needs one of its own")
        answers = await _start(engine, actor, started, body.lines)
        return JSONResponse({"lines": [_line(line.key, answers[line.key]) for line in body.lines]})

    return routes


async def _start(engine: Engine, actor: Actor, workflow: Workflow, lines: Sequence[Line]) -> _Answers:
    answers: _Answers = {}
    wanted = _readable(actor, workflow, lines, answers)
    async with engine.pool.connection() as conn:
        found = await mass_start.found_keys(conn, actor, [one.key for one in wanted])
    wanted = _unanswered(wanted, found, answers)
    wanted = await _checked(engine, workflow, wanted, answers)
    if wanted:
        async with transaction(engine.pool) as conn:
            keys = [one.key for one in wanted]
            await mass_start.hold_keys(conn, actor, keys)
            wanted = _unanswered(wanted, await mass_start.found_keys(conn, actor, keys), answers)
            news = [NewCase(uuids.uuid7(), uuids.uuid7(), one.wish.body) for one in wanted]
            told = [_remembered(workflow, one.wish, new) for one, new in zip(wanted, news, strict=True)]
            origin = Origin(actor.tenant_id, actor.person, workflow.name, workflow.version)
            await mass_start.start_each(conn, origin, news)
            await mass_start.keep_keys(conn, actor, told)
        answers |= {one.key: dict(one.answer) for one in told}
    return answers


def _readable(actor: Actor, workflow: Workflow, lines: Sequence[Line], answers: _Answers) -> list[_Wanted]:
    wanted = []
    for line in lines:
        try:
            read = workflow.input.model_validate(line.request)
        except ValidationError as exc:
            answers[line.key] = exc
        else:
            wish = Wish(actor, line.key, path_of(workflow), read.model_dump(mode="json"))
            wanted.append(_Wanted(wish, read))
    return wanted


def _unanswered(wanted: Sequence[_Wanted], found: Mapping[str, Stored], answers: _Answers) -> list[_Wanted]:
    """Those that never got an answer; what the others got is among `answers`."""
    for one in wanted:
        if (stored := found.get(one.key)) is not None:
            is_same = stored.request_sha256 == one.wish.sha256
            answers[one.key] = stored.response if is_same else IdempotencyMismatch(one.key)
    return [one for one in wanted if one.key not in found]


async def _checked(engine: Engine, workflow: Workflow, wanted: Sequence[_Wanted], answers: _Answers) -> list[_Wanted]:
    """Those that the bank has nothing against."""
    if workflow.check is None:
        return list(wanted)
    told = await asyncio.gather(*(workflow.check(one.input, engine.bank) for one in wanted), return_exceptions=True)
    passed = []
    for one, found in zip(wanted, told, strict=True):
        if found is None:
            passed.append(one)
        elif isinstance(found, CountersignError):
            answers[one.key] = found
        else:
            raise found
    return passed


def _remembered(workflow: Workflow, wish: Wish, new: NewCase) -> Remembered:
    started = {
        "thread_id": str(new.thread_id),
        "run_id": str(new.run_id),
        "workflow": workflow.name,
        "status": "pending",
    }
    assert wish.key is not None
    return Remembered(wish.key, wish.sha256, started)


def _line(key: str, answer: Mapping[str, Any] | CountersignError | ValidationError) -> dict[str, Any]:
    if isinstance(answer, CountersignError | ValidationError):
        return {"key": key, "started": None, "fault": fault_of(answer).model_dump()}
    return {"key": key, "started": answer, "fault": None}
