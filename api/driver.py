"""One run at a time, from its row to its end, its next question, or its next wait."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from api.execution import Execution
from api.serving import Served
from db import audit, reviews, runs
from db.actor import SYSTEM
from db.audit import Deed
from db.checkpoints import Checkpoints
from db.errors import CountersignError, DatabaseUnavailable, StaleRun, Unavailable
from db.journal import Journal
from db.pool import Pool, transaction
from db.queue import Queue
from db.reviews import Question
from db.runs import MAX_ATTEMPTS, Begun, Ending, Pause
from tools.bank import Bank
from tools.context import Context
from tools.letter_facts import Creditor

WAIT_S = (2, 5, 10, 20, 30)
"""Pauses before a run that met an unavailable bank tries again; the last one repeats until it is back."""
RETRY_S = (1, 2, 4, 8)
"""Pauses before a run that failed unexpectedly is tried again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the driver needs of its process."""

    pool: Pool
    journal: Journal
    saver: Checkpoints
    queue: Queue
    bank: Bank
    creditor: Creditor
    served: Mapping[str, Served]


class Driver:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._controls: dict[UUID, RunControl] = {}
        self._draining = False

    def drain(self) -> None:
        """Lets every run stop at its step's end; each is put back for another worker."""
        self._draining = True
        for control in self._controls.values():
            control.request_drain()

    async def take_up(self, run_id: UUID) -> Execution | None:
        """The run, under a new epoch, if it is still to be driven."""
        async with self._around.pool.connection() as conn:
            run = await runs.begin(conn, run_id)
        if run is None:
            return None
        control = self._controls[run_id] = RunControl()
        if self._draining:
            control.request_drain()
        return Execution(run, self._around.journal, control)

    async def carry_out(self, execution: Execution) -> None:
        """Drives the run on. Whatever a workflow may raise by its name is on the run's row when this returns."""
        try:
            await self._end(execution, await self._drive(execution))
        except GraphDrained:
            await self._put_back(execution, Pause(reason=None, until=None, counts_as_attempt=False))
        except StaleRun as stale:
            _log.warning("%s", stale)
        except DatabaseUnavailable:
            raise
        except Unavailable as exc:
            until = datetime.now(UTC) + timedelta(seconds=WAIT_S[min(execution.run.waits, len(WAIT_S) - 1)])
            await self._put_back(execution, Pause(_reason(exc, "waiting"), until, counts_as_attempt=False))
        except CountersignError as exc:
            await self._end(execution, _failed(exc))
        finally:
            del self._controls[execution.run.run_id]

    async def try_again(self, execution: Execution, exc: Exception) -> None:
        """The run met something nobody foresaw: a few more attempts, then it is `error`, for a person to restart.

        A team's own graph is not tried again: only its authors know whether its nodes may run twice.
        """
        attempts, served = execution.run.attempts, self._around.served.get(execution.run.workflow)
        if attempts >= MAX_ATTEMPTS or served is None or served.workflow is None:
            await self._end(execution, _failed(exc))
        else:
            until = datetime.now(UTC) + timedelta(seconds=RETRY_S[attempts - 1])
            await self._put_back(execution, Pause(_reason(exc, "retrying"), until, counts_as_attempt=True))

    async def _drive(self, execution: Execution) -> Ending:
        run = execution.run
        if run.attempts > MAX_ATTEMPTS:
            return _failed(CountersignError(f"given up after {MAX_ATTEMPTS} attempts that each lost their worker"))
        served = self._around.served.get(run.workflow)
        if served is None or served.version != run.workflow_version:
            return _failed(CountersignError(f"no {run.workflow} version {run.workflow_version} is served here"))
        async with self._around.saver.writing_as(run.fence):
            await execution.execute(served, None if served.workflow is None else self._context(run))
        if execution.interrupts:
            return Ending("success", "interrupted")
        if served.workflow is not None and execution.outcome is None:
            return _failed(CountersignError("the graph ended without saying how the case came out"))
        return Ending("success", "idle", outcome=execution.outcome)

    def _context(self, run: Begun) -> Context:
        return Context(
            tenant_id=run.tenant_id,
            thread_id=run.thread_id,
            fence=run.fence,
            person=run.started_by,
            pool=self._around.pool,
            bank=self._around.bank,
            creditor=self._around.creditor,
            now=lambda: datetime.now(UTC),
        )

    async def _end(self, execution: Execution, ending: Ending) -> None:
        """Run, thread, reviews and audit say the same, or nothing."""
        run = execution.run
        async with transaction(self._around.pool) as conn:
            told = await runs.end(conn, run, ending, execution.next_seq())
            for interrupt in execution.interrupts if ending.run_status == "success" else ():
                question = Question(**interrupt["value"])
                await reviews.open_review(conn, run, interrupt["id"], question, interrupt["response_schema"])
            if ending.outcome or ending.error:
                record = {"outcome": ending.outcome, "error": ending.error}
                deed = Deed(run.tenant_id, SYSTEM, f"run.{ending.run_status}", record, run.thread_id, run.run_id)
                await audit.record(conn, deed)
        self._around.journal.announce([told])

    async def _put_back(self, execution: Execution, pause: Pause) -> None:
        async with transaction(self._around.pool) as conn:
            told = await runs.put_back(conn, self._around.queue, execution.run, execution.next_seq(), pause)
        self._around.journal.announce([told])


def _failed(exc: Exception) -> Ending:
    return Ending("error", "error", error=_reason(exc, "failed"))


def _reason(exc: Exception, what: str) -> dict[str, Any]:
    return {"type": type(exc).__name__, "detail": str(exc), "now": what}
