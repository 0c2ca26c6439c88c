"""One run at a time, from its row to its end, its next question, or its next wait."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from api.desk import desk_of
from api.execution import Execution
from api.protocol.state import encoded
from api.protocol.streams import final
from api.results import Results
from api.serving import Served
from api.starting import start_beside, start_each_beside
from api.webhooks.deliverer import Deliverer
from db import audit, failpoints, reviews, stopping, turns
from db.actor import SYSTEM
from db.audit import Deed
from db.errors import CountersignError, DatabaseUnavailable, StaleRun, Unavailable
from db.grouping import Grouped
from db.journal import Event, Journal
from db.pool import Pool, transaction
from db.queue import Queue
from db.reviews import Question
from db.runs import MAX_ATTEMPTS, Begun, Ending
from db.tenancy import acting_for
from db.tenant_checkpoints import TenantCheckpoints, saved_as
from db.together import Together
from db.turns import Last, Pause
from tools.bank import Bank
from tools.context import Context
from tools.copilot_exposed import Exposed
from tools.letter_facts import Creditor
from tools.model import Model
from tools.policy_shelf import PolicyShelf
from tools.rebalance_optimiser import Optimiser
from tools.rules.fraud_model import FraudModel
from tools.rules.sanctions import ScreeningIndex

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
    saver: TenantCheckpoints
    queue: Queue
    bank: Bank
    creditor: Creditor
    served: Mapping[str, Served]
    results: Results
    deliverer: Deliverer
    home_tenant: str
    screening: ScreeningIndex
    fraud_model: FraudModel | None = None
    shelf: PolicyShelf = field(default_factory=PolicyShelf)
    model: Model | None = None
    grouped: Together | None = None
    optimiser: Optimiser = field(default_factory=Optimiser)
    exposed: Exposed | None = None


class Driver:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._controls: dict[UUID, RunControl] = {}
        self._draining = False
        self._begins = Grouped(self._begin_each)
        self._ends = Grouped(self._end_each)
        self._closes = Grouped(self._close_each)

    def drain(self) -> None:
        """Lets every run stop at its step's end; each is put back for another worker."""
        self._draining = True
        for control in self._controls.values():
            control.request_drain()

    async def take_up(self, run_id: UUID, begun: Begun | None = None) -> Execution | None:
        """The run, under a new epoch unless it was `begun` as it was accepted, if it is still to be driven."""
        run = begun or await self._begins.ask(run_id)
        if run is None:
            return None
        if run.cancel is not None:
            await self.stop(run_id)
            self._tell_webhook(run)
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
        except (StaleRun, DatabaseUnavailable):
            raise
        except Unavailable as exc:
            until = datetime.now(UTC) + timedelta(seconds=WAIT_S[min(execution.run.waits, len(WAIT_S) - 1)])
            await self._put_back(execution, Pause(_reason(exc, "waiting", until), until, counts_as_attempt=False))
        except CountersignError as exc:
            await self._end(execution, _failed(exc))
        finally:
            # Not another attempt's: a run that was taken from us may have come back to us.
            if self._controls.get(execution.run.run_id) is execution.control:
                del self._controls[execution.run.run_id]

    async def stop(self, run_id: UUID, execution: Execution | None = None) -> bool:
        """Ends the run as cancelled if somebody asked for that; whether they did."""
        async with transaction(self._around.pool) as conn:
            told = await stopping.carry_out(conn, run_id, None if execution is None else execution.told_values())
        self._around.journal.announce(told)
        if execution is not None:
            self._tell_webhook(execution.run)
        return bool(told)

    async def try_again(self, execution: Execution, exc: Exception) -> None:
        """The run met something nobody foresaw: a few more attempts, then it is `error`, for a person to restart.

        A team's own graph is not tried again: only its authors know whether its nodes may run twice.
        """
        attempts, served = execution.run.attempts, self._around.served.get(execution.run.workflow)
        if attempts >= MAX_ATTEMPTS or served is None or served.workflow is None:
            await self._end(execution, _failed(exc))
        else:
            until = datetime.now(UTC) + timedelta(seconds=RETRY_S[attempts - 1])
            await self._put_back(execution, Pause(_reason(exc, "retrying", until), until, counts_as_attempt=True))

    async def _drive(self, execution: Execution) -> Ending:
        run = execution.run
        if run.attempts > MAX_ATTEMPTS:
            return _failed(CountersignError(f"given up after {MAX_ATTEMPTS} attempts that each lost their worker"))
        served = self._around.served.get(run.workflow)
        if served is None or served.version != run.workflow_version:
            return _failed(CountersignError(f"no {run.workflow} version {run.workflow_version} is served here"))
        with acting_for(run.tenant_id):
            new_thread_id = saved_as(run.tenant_id, run.thread_id) if run.new_thread else None
            async with self._around.saver.writing_as(run.fence, new_thread_id):
                await execution.execute(served, None if served.workflow is None else self._context(run))
        if execution.interrupts or execution.paused:
            return Ending("success", "interrupted")
        is_case = served.workflow is not None and not served.workflow.converses
        if is_case and execution.outcome is None:
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
            home_tenant=self._around.home_tenant,
            screening=self._around.screening,
            start=lambda name, thread_id, request: start_beside(
                self._around.pool, self._around.served.get(name), run, thread_id, request
            ),
            start_each=lambda name, starts: start_each_beside(
                self._around.pool, self._around.served.get(name), run, starts
            ),
            fraud_model=self._around.fraud_model,
            shelf=self._around.shelf,
            model=self._around.model,
            grouped=self._around.grouped,
            optimiser=self._around.optimiser,
            desk=desk_of(self._around, run),
        )

    async def _end(self, execution: Execution, ending: Ending) -> None:
        """Run, thread, reviews and audit say the same, or nothing."""
        run, results = execution.run, self._around.results
        served = self._around.served.get(run.workflow)
        is_case = served is not None and served.workflow is not None
        if ending.run_status == "success" and results.is_expected(run.run_id):
            results.tell(run.run_id, encoded(final(execution.values, execution.interrupts)))
        last = Last(run, ending, execution.next_seq(), values=execution.told_values())
        if is_case and ending.run_status == "success" and execution.interrupts:
            told = await self._end_asking(execution, last)
        else:
            ends = self._ends if not is_case and ending.error is None else self._closes
            ended = await ends.ask(last)
            if ended is None:
                raise StaleRun(run.run_id)
            told = ended
        self._around.queue.done(run.run_id)
        self._around.journal.announce([told])
        self._tell_webhook(run)

    def _tell_webhook(self, run: Begun) -> None:
        if run.options.get("webhook") is not None:
            failpoints.hit("webhook.due")
            self._around.deliverer.wake()

    async def _end_asking(self, execution: Execution, last: Last) -> Event:
        """In one transaction with the reviews it opens."""
        opened = []
        async with transaction(self._around.pool) as conn:
            for interrupt in execution.interrupts:
                question = Question(**interrupt["value"])
                form = interrupt["response_schema"]
                review_id = await reviews.open_review(conn, last.run, interrupt["id"], question, form)
                opened.append({"review_id": review_id, "kind": question.kind, "role": question.role})
            return await turns.end(conn, last._replace(reviews=opened))

    async def _begin_each(self, run_ids: Sequence[UUID]) -> list[Begun | None]:
        async with self._around.pool.connection() as conn:
            return await turns.begin(conn, run_ids)

    async def _end_each(self, lasts: Sequence[Last]) -> list[Event | None]:
        async with self._around.pool.connection() as conn:
            return await turns.end_each(conn, lasts)

    async def _close_each(self, lasts: Sequence[Last]) -> list[Event | None]:
        """In one transaction with their rows in the audit."""
        async with transaction(self._around.pool) as conn:
            told = await turns.end_each(conn, lasts)
            ended = [last for last, event in zip(lasts, told, strict=True) if event is not None]
            await audit.record_each(conn, [_deed(last) for last in ended if last.ending.outcome or last.ending.error])
        return told

    async def _put_back(self, execution: Execution, pause: Pause) -> None:
        async with transaction(self._around.pool) as conn:
            told = await turns.put_back(conn, self._around.queue, execution.run, execution.next_seq(), pause)
        self._around.journal.announce([told])


def _deed(last: Last) -> Deed:
    run, ending = last.run, last.ending
    record = {"outcome": ending.outcome, "error": ending.error}
    return Deed(run.tenant_id, SYSTEM, f"run.{ending.run_status}", record, run.thread_id, run.run_id)


def _failed(exc: Exception) -> Ending:
    return Ending("error", "error", error=_reason(exc, "failed"))


def _reason(exc: Exception, what: str, until: datetime | None = None) -> dict[str, Any]:
    reason = {"type": type(exc).__name__, "detail": str(exc), "now": what}
    return reason if until is None else reason | {"until": until.isoformat()}
