"""Runs on cases of our workflows, asked for with LangGraph's SDK: never round the rules that our own routes keep.

A case takes its input once, from who may start it. Its questions are reviews, and `command.resume` is an answer to one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi.exceptions import RequestValidationError
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api import conversation
from api.auth import require
from api.bootstrap import Engine
from api.protocol.run_schema import RunBody, StatelessRunBody
from api.serving import RunOptions
from db import audit, reviews, runs, threads
from db.actor import Actor, Role
from db.audit import Deed
from db.errors import Conflict, InvalidInput
from db.reviews import Answer, Review
from db.runs import NewRun
from graphs.workflow import Workflow


class SentAnswer(BaseModel):
    """As `POST /reviews/{id}/answer` takes it."""

    model_config = ConfigDict(extra="forbid")

    payload_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    answer: dict[str, Any]


def options_of(body: StatelessRunBody) -> RunOptions:
    """How a run of a case is driven: as its workflow says, whatever its client asks; only watching is the client's.

    Raises InvalidInput for what would steer the case.
    """
    for option in ("interrupt_before", "interrupt_after", "context", "after_seconds"):
        if getattr(body, option, None):
            raise InvalidInput(option, "not served on a case of a workflow: its steps are its own")
    config = body.config
    if config is not None and (config.configurable or config.recursion_limit):
        raise InvalidInput("config", "not served on a case of a workflow: its steps are its own")
    command = None
    if body.command is not None and body.command.resume is None:
        command = body.command.model_dump(exclude_unset=True)
    return RunOptions(
        stream_modes=body.modes(), stream_subgraphs=body.stream_subgraphs, command=command, webhook=body.webhook
    )


async def input_of(engine: Engine, workflow: Workflow, actor: Actor, body: StatelessRunBody) -> Any:
    """The case's input, checked as the workflow's own route does. None: the run brings none."""
    if body.input is None:
        return None
    if body.command is not None:
        raise InvalidInput("command", "a run has an input or a command, not both")
    require(actor, *workflow.may_start)
    conversation.refuse_unless_possible(engine.model, workflow, actor)
    try:
        wanted = workflow.input.model_validate(body.input)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", "input", *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(errors) from exc
    if workflow.check is not None:
        await workflow.check(wanted, engine.bank)
    return workflow.first_state(wanted.model_dump(mode="json"))


async def accept(
    conn: AsyncConnection[Any], actor: Actor, body: StatelessRunBody, run: NewRun, workflow: Workflow
) -> tuple[NewRun, datetime]:
    """In the caller's transaction. Raises what `reviews.answer` does, and Conflict as the case's state demands."""
    thread = await threads.get(conn, actor, run.thread_id, lock=True)
    await _refuse_fork(conn, body, run)
    if body.command is not None and body.command.resume is not None:
        review, given = _sent_answer(await reviews.of_thread(conn, actor, run.thread_id), body.command.resume)
        answer = Answer(given.payload_sha256, given.answer, run.assistant_id, run.options, run.metadata, run.claim)
        return await reviews.answer(conn, review, actor, answer)
    if run.input is None:
        require(actor, Role.OPERATOR)
    if workflow.converses:
        conversation.refuse_others(thread, actor)
    elif run.input is not None and thread.workflow is not None and await _has_input(conn, run):
        raise Conflict(f"case {run.thread_id} has its input; what it asks is answered with command.resume")
    if run.input is None and run.options.get("command") is None:
        await _refuse_open_review(conn, actor, run)
    else:
        await threads.refuse_contradiction(conn, thread)
    created_at = await runs.accept(conn, run)
    action = "thread.started" if run.input is not None else "thread.commanded"
    record = conversation.on_record(workflow, run.input) or {"command": run.options.get("command")}
    await audit.record(conn, Deed(actor.tenant_id, actor.person, action, record, run.thread_id, run.run_id))
    return run, created_at


async def _refuse_fork(conn: AsyncConnection[Any], body: StatelessRunBody, run: NewRun) -> None:
    """A page names the checkpoint that it shows; the case goes on from its latest or not at all."""
    named = body.forked_from() if isinstance(body, RunBody) else None
    if named is not None and named["checkpoint_id"] != await threads.head(conn, run.tenant_id, run.thread_id):
        raise InvalidInput("checkpoint", "is not the case's latest; a case goes on from where it stands")


def _sent_answer(asked: Sequence[Review], resume: Any) -> tuple[Review, SentAnswer]:
    """The review that is meant, by its interrupt's id if one is given, and the answer to it."""
    by_id = {review.interrupt_id: review for review in asked}
    is_open = [review for review in asked if review.status == "open"]
    if isinstance(resume, dict) and len(resume) == 1 and (review := by_id.get(next(iter(resume)))):
        (given,) = resume.values()
    elif is_open:
        review, given = is_open[0], resume
    elif asked:
        review, given = max(asked, key=lambda one: one.created_at), resume
    else:
        raise Conflict("this case asks nothing")
    try:
        return review, SentAnswer.model_validate(given)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", "command", "resume", *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(errors) from exc


async def _has_input(conn: AsyncConnection[Any], run: NewRun) -> bool:
    cur = await conn.execute(
        "SELECT EXISTS (SELECT 1 FROM runs WHERE thread_id = %(id)s AND status <> 'cancelled') AS given",
        {"id": run.thread_id},
    )
    row = await cur.fetchone()
    return bool(row and row["given"])


async def _refuse_open_review(conn: AsyncConnection[Any], actor: Actor, run: NewRun) -> None:
    if any(review.status == "open" for review in await reviews.of_thread(conn, actor, run.thread_id)):
        raise Conflict(f"case {run.thread_id} waits for an answer: nothing goes on without it")
