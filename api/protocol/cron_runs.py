"""The runs that crons start: what each is asked to do, checked when its cron is made, and started when it is due."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import uuid_utils.compat as uuids
from psycopg import AsyncConnection
from pydantic import ValidationError

from api.protocol import schedule
from api.protocol.cron_schema import run_of
from api.protocol.run_schema import RunBody, options_of
from api.serving import RunOptions, Served
from db import assistants, audit, crons, runs, stopping, threads
from db.audit import Deed
from db.crons import Cron
from db.errors import Conflict, CountersignError, InvalidInput
from db.pool import Pool
from db.queue import Queue
from db.runs import NewRun
from db.stopping import Stop
from db.threads import NewThread, Ttl
from graphs.workflow import Workflow

STARTED_AT_ONCE = 100
SOON = Ttl(1, "delete")
"""Of a thread that is not to be kept: so long after its run, so that whoever follows it hears the end."""
NOT_FOR_CASES = (
    "config", "context", "interrupt_before", "interrupt_after", "stream_subgraphs", "durability", "multitask_strategy",
)  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clockwork:
    """What starts due crons; each worker has one."""

    pool: Pool
    queue: Queue
    served: Mapping[str, Served]

    async def start_due(self, now: datetime) -> int:
        """Starts what is due by `now`, each cron once however often it was missed; how many it saw to.

        A cron moves on to its next occurrence in the transaction that accepts its run.
        """
        for started in range(STARTED_AT_ONCE):
            if not await self._start_next(now):
                return started
        return STARTED_AT_ONCE

    async def _start_next(self, now: datetime) -> bool:
        async with self.pool.connection() as conn, conn.transaction():
            cron = await crons.take_due(conn, now, list(self.served))
            if cron is None:
                return False
            await crons.move_on(conn, cron, _next_or_none(cron, now))
            try:
                async with conn.transaction():
                    run = await self._accept(conn, cron)
                    await audit.record(conn, _deed(cron, "cron.started", {}, run))
            except (CountersignError, ValidationError, psycopg.DataError, psycopg.IntegrityError) as exc:
                _log.warning("cron %s started nothing: %s", cron.cron_id, exc)
                await audit.record(conn, _deed(cron, "cron.skipped", {"reason": str(exc)}))
        return True

    async def _accept(self, conn: AsyncConnection[Any], cron: Cron) -> NewRun:
        assistant = await assistants.get(conn, cron.tenant_id, cron.assistant_id)
        served = self.served[assistant.graph_id]
        wanted = run_of(cron.payload, cron.assistant_id)
        thread_id = cron.thread_id or await _open_thread(conn, cron, served)
        strategy = wanted.multitask_strategy
        if strategy in ("interrupt", "rollback"):
            await stopping.ask(conn, self.queue, Stop(cron.tenant_id, thread_id, stopping.action_of(strategy)))
        run = NewRun(
            run_id=uuids.uuid7(),
            tenant_id=cron.tenant_id,
            thread_id=thread_id,
            started_by=cron.made_by,
            input=_input(served, wanted),
            workflow=(served.name, served.version),
            assistant_id=assistant.assistant_id,
            options=asdict(_options(served, wanted)),
            metadata=cron.metadata | {"cron_id": str(cron.cron_id)},
            multitask=strategy,
            records=[s.name for s in self.served.values() if s.workflow is not None],
        )
        await runs.accept(conn, run)
        if served.workflow is not None:
            await audit.record(
                conn, Deed(run.tenant_id, run.started_by, "thread.started", run.input, thread_id, run.run_id)
            )
        return run


def next_after(cron: Cron, now: datetime) -> datetime | None:
    """None once its time is over."""
    due = schedule.parse(cron.schedule, cron.timezone).after(now)
    return None if cron.end_time is not None and due > cron.end_time else due


def check(served: Served, wanted: RunBody) -> Any:
    """What a case of a workflow of ours is asked for, as its model reads it; None for a graph of a team's own.
    Raises InvalidInput for what its runs would refuse."""
    wanted.refuse_not_served()
    if served.workflow is None:
        if wanted.context and wanted.config and wanted.config.configurable:
            raise InvalidInput("context", "parameters are given in config.configurable or in context, not in both")
        return None
    for field in NOT_FOR_CASES:
        if field in wanted.model_fields_set:
            raise InvalidInput(field, f"a case of {served.name} takes its input and nothing else")
    return _request(served.workflow, wanted)


def _request(workflow: Workflow, wanted: RunBody) -> Any:
    try:
        return workflow.input.model_validate(wanted.input)
    except ValidationError as exc:
        error = exc.errors()[0]
        field = ".".join(["input", *(str(step) for step in error["loc"])])
        raise InvalidInput(field, error["msg"].removeprefix("Value error, ")) from exc


def _input(served: Served, wanted: RunBody) -> Any:
    if served.workflow is None:
        return wanted.input
    return {"request": _request(served.workflow, wanted).model_dump(mode="json")}


async def _open_thread(conn: AsyncConnection[Any], cron: Cron, served: Served) -> UUID:
    """A case of a workflow of ours is a record and stays, whatever the cron says."""
    keep = served.workflow is not None or cron.on_run_completed == "keep"
    thread_id: UUID = uuids.uuid7()
    new = NewThread(
        thread_id=thread_id,
        tenant_id=cron.tenant_id,
        workflow=served.name,
        workflow_version=served.version,
        started_by=cron.made_by,
        metadata={"cron_id": str(cron.cron_id)},
        ttl=None if keep else SOON,
    )
    if not await threads.create(conn, new):
        raise Conflict(f"thread {thread_id} exists already")
    return thread_id


def _options(served: Served, wanted: RunBody) -> RunOptions:
    if served.workflow is not None:
        return RunOptions(stream_modes=("task", *wanted.modes()), webhook=wanted.webhook)
    return options_of(wanted)


def _next_or_none(cron: Cron, now: datetime) -> datetime | None:
    """A schedule that a later version of ours no longer reads must not stop the worker: its cron stops."""
    try:
        return next_after(cron, now)
    except InvalidInput as exc:
        _log.error("cron %s is not due any more: %s", cron.cron_id, exc)
        return None


def _deed(cron: Cron, action: str, more: Mapping[str, Any], run: NewRun | None = None) -> Deed:
    assert cron.next_run_date is not None
    record = {"cron_id": str(cron.cron_id), "due": cron.next_run_date.isoformat(), **more}
    thread_id = run.thread_id if run else cron.thread_id
    return Deed(cron.tenant_id, cron.made_by, action, record, thread_id, run.run_id if run else None)
