"""One run through its graph, from wherever it stopped to its end, its next question, or its next wait.

Task rows and events come from LangGraph's own stream, so workflows keep no books. What the graph decides is durable
through the checkpointer; what becomes of the run through `db.runs`, fenced by the run's epoch.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot

from db import audit, failpoints, reviews, runs
from db.actor import SYSTEM
from db.audit import Deed
from db.checkpoints import Checkpoints
from db.errors import CountersignError, DatabaseUnavailable, StaleRun, Unavailable
from db.journal import EVENTS, Event, Journal
from db.pool import Pool, transaction
from db.queue import Queue
from db.reviews import Question
from db.runs import MAX_ATTEMPTS, Begun, Ending, Pause
from db.task_rows import TASKS, TaskRow, TaskStatus
from graphs.workflow import Workflow
from tools.bank import Bank
from tools.context import Context
from tools.letter_facts import Creditor

WAIT_S = (2, 5, 10, 20, 30)
"""Pauses before a run that met an unavailable bank tries again; the last one repeats until it is back."""
RETRY_S = (1, 2, 4, 8)
"""Pauses before a run that failed unexpectedly is tried again."""

Graph = CompiledStateGraph[Any, Context, Any, Any]
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
    workflows: Mapping[str, tuple[Workflow, Graph]]


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

    async def take_up(self, run_id: UUID) -> "Execution | None":
        """The run, under a new epoch, if it is still to be driven."""
        async with self._around.pool.connection() as conn:
            run = await runs.begin(conn, run_id)
        if run is None:
            return None
        control = self._controls[run_id] = RunControl()
        if self._draining:
            control.request_drain()
        return Execution(self._around, run, control)

    async def carry_out(self, execution: "Execution") -> None:
        """Drives the run on. Whatever a workflow may raise by its name is on the run's row when this returns."""
        try:
            await execution.end(await execution.execute())
        except GraphDrained:
            await execution.put_back(Pause(reason=None, until=None, counts_as_attempt=False))
        except StaleRun as stale:
            _log.warning("%s", stale)
        except DatabaseUnavailable:
            raise
        except Unavailable as exc:
            until = datetime.now(UTC) + timedelta(seconds=WAIT_S[min(execution.run.waits, len(WAIT_S) - 1)])
            await execution.put_back(Pause(_reason(exc, "waiting"), until, counts_as_attempt=False))
        except CountersignError as exc:
            await execution.end(_failed(exc))
        finally:
            del self._controls[execution.run.run_id]


@dataclass(slots=True)
class Execution:
    """One run being driven: its event counter, its open questions, and its case's outcome if it came to one."""

    around: Surroundings
    run: Begun
    control: RunControl
    seq: int = -1
    outcome: str | None = None
    interrupts: list[Mapping[str, Any]] = field(default_factory=list)
    started: dict[str, TaskRow] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)

    async def execute(self) -> Ending:
        run = self.run
        if run.attempts > MAX_ATTEMPTS:
            return _failed(CountersignError(f"given up after {MAX_ATTEMPTS} attempts that each lost their worker"))
        workflow, graph = self.around.workflows.get(run.workflow, (None, None))
        if workflow is None or graph is None or workflow.version != run.workflow_version:
            return _failed(CountersignError(f"no {run.workflow} version {run.workflow_version} is served here"))
        config: RunnableConfig = {
            "configurable": {"thread_id": f"{run.tenant_id}:{run.thread_id}"},
            "metadata": {"run_id": str(run.run_id)},
        }
        async with self.around.saver.writing_as(run.fence):
            state = None if run.epoch == 1 and run.interrupt_id is None else await graph.aget_state(config)
            if state is None or self._is_to_go_on(state):
                await self._stream(workflow, graph, config, self._graph_input(state))
        return self._ending()

    async def _stream(self, workflow: Workflow, graph: Graph, config: RunnableConfig, graph_input: Any) -> None:
        stream = graph.astream(
            graph_input,
            config,
            context=self._context(),
            stream_mode=["tasks", "custom"],
            durability=workflow.durability,
            control=self.control,
        )
        mode: str
        chunk: Any
        async for mode, chunk in stream:
            if mode == "custom":
                self.around.journal.add(self.run.fence, {EVENTS: [self._event("custom", chunk)]})
            elif "triggers" in chunk:
                self._task_started(workflow, chunk)
            else:
                self._task_ended(workflow, chunk)
        self._pass_failpoints()

    def _graph_input(self, state: StateSnapshot | None) -> Any:
        if self.run.interrupt_id is not None and self._asks(state, self.run.interrupt_id):
            return Command(resume={self.run.interrupt_id: self.run.answer})
        return self.run.input if state is None or state.created_at is None else None

    def _is_to_go_on(self, state: StateSnapshot) -> bool:
        """False if this run had already come to its end or its question before its worker was lost."""
        if state.created_at is None:
            return True
        if self.run.interrupt_id is not None and self._asks(state, self.run.interrupt_id):
            return True
        self.interrupts = [
            {"id": i.id, "value": i.value, "response_schema": i.response_schema} for i in state.interrupts
        ]
        self.outcome = state.values.get("outcome")
        return bool(state.next) and not self.interrupts

    @staticmethod
    def _asks(state: StateSnapshot | None, interrupt_id: str) -> bool:
        return state is not None and any(i.id == interrupt_id for i in state.interrupts)

    def _context(self) -> Context:
        around, run = self.around, self.run
        return Context(
            tenant_id=run.tenant_id,
            thread_id=run.thread_id,
            fence=run.fence,
            person=run.started_by,
            pool=around.pool,
            bank=around.bank,
            creditor=around.creditor,
            now=lambda: datetime.now(UTC),
        )

    def _task_started(self, workflow: Workflow, chunk: Mapping[str, Any]) -> None:
        self._pass_failpoints()
        row = self.started[chunk["id"]] = TaskRow(
            task_id=UUID(chunk["id"]),
            tenant_id=self.run.tenant_id,
            thread_id=self.run.thread_id,
            run_id=self.run.run_id,
            name=chunk["name"],
            agent_name=workflow.agents.get(chunk["name"], chunk["name"]),
            input=_json(chunk["input"]),
            started_at=datetime.now(UTC),
        )
        told = {"task_id": chunk["id"], "name": chunk["name"], "agent_name": row.agent_name, "status": "running"}
        self.around.journal.add(self.run.fence, {TASKS: [row], EVENTS: [self._event("task", told)]})

    def _task_ended(self, workflow: Workflow, chunk: Mapping[str, Any]) -> None:
        result, interrupts, error = chunk["result"], chunk["interrupts"], chunk["error"]
        status: TaskStatus = "failed" if error else "interrupted" if interrupts else "done"
        row = self.started[chunk["id"]]._replace(
            status=status,
            result=_json(result) if status == "done" else None,
            error=str(error) if error else None,
            attempts=0,
            ended_at=datetime.now(UTC),
        )
        told = {"task_id": chunk["id"], "name": chunk["name"], "agent_name": row.agent_name, "status": status}
        if status == "done":
            told["result"] = result
        self.around.journal.add(self.run.fence, {TASKS: [row], EVENTS: [self._event("task", told)]})
        self.interrupts.extend(interrupts)
        self.outcome = (result or {}).get("outcome", self.outcome)
        self.finished.append(f"{workflow.name}.{chunk['name']}")

    def _pass_failpoints(self) -> None:
        """A step's tasks are followed by the next step's only once its checkpoint is stored."""
        for boundary in self.finished:
            failpoints.hit(f"{boundary}.after_checkpoint")
        self.finished.clear()

    def _ending(self) -> Ending:
        if self.interrupts:
            return Ending("success", "interrupted")
        if self.outcome is None:
            return _failed(CountersignError("the graph ended without saying how the case came out"))
        return Ending("success", "idle", outcome=self.outcome)

    async def end(self, ending: Ending) -> None:
        """Run, thread, reviews and audit say the same, or nothing."""
        run = self.run
        async with transaction(self.around.pool) as conn:
            told = await runs.end(conn, run, ending, self._next_seq())
            for interrupt in self.interrupts if ending.run_status == "success" else ():
                question = Question(**interrupt["value"])
                await reviews.open_review(conn, run, interrupt["id"], question, interrupt["response_schema"])
            if ending.outcome or ending.error:
                record = {"outcome": ending.outcome, "error": ending.error}
                await audit.record(conn, self._deed(f"run.{ending.run_status}", record))
        self._announce(told)

    async def put_back(self, pause: Pause) -> None:
        async with transaction(self.around.pool) as conn:
            told = await runs.put_back(conn, self.around.queue, self.run, self._next_seq(), pause)
        self._announce(told)

    async def try_again(self, exc: Exception) -> None:
        """The run met something nobody foresaw: a few more attempts, then it is `error`, for a person to restart."""
        if self.run.attempts >= MAX_ATTEMPTS:
            await self.end(_failed(exc))
        else:
            until = datetime.now(UTC) + timedelta(seconds=RETRY_S[self.run.attempts - 1])
            await self.put_back(Pause(_reason(exc, "retrying"), until, counts_as_attempt=True))

    def _deed(self, action: str, record: Mapping[str, Any]) -> Deed:
        run = self.run
        return Deed(run.tenant_id, SYSTEM, action, record, thread_id=run.thread_id, run_id=run.run_id)

    def _event(self, event: str, value: Any) -> Event:
        return Event(self.run.run_id, self._next_seq(), self.run.tenant_id, event, _json(value))

    def _announce(self, told: Event) -> None:
        self.around.journal.announce([told])

    def _next_seq(self) -> int:
        self.seq = max(self.seq + 1, self.run.next_seq)
        return self.seq


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _failed(exc: Exception) -> Ending:
    return Ending("error", "error", error=_reason(exc, "failed"))


def _reason(exc: Exception, what: str) -> dict[str, Any]:
    return {"type": type(exc).__name__, "detail": str(exc), "now": what}
