"""A graph driven on from wherever its run stopped. Task rows and events come from LangGraph's own stream, so workflows
keep no books."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot, StreamMode

from api.serving import RunOptions, Served
from db import failpoints
from db.journal import EVENTS, Event, Journal
from db.runs import Begun
from db.task_rows import TASKS, TaskRow, TaskStatus


@dataclass(slots=True)
class Execution:
    """One run being driven: its event counter, its open questions, and its case's outcome if it came to one."""

    run: Begun
    journal: Journal
    control: RunControl
    outcome: str | None = None
    interrupts: list[Mapping[str, Any]] = field(default_factory=list)
    _seq: int = -1
    _started: dict[str, TaskRow] = field(default_factory=dict)
    _finished: list[str] = field(default_factory=list)

    def next_seq(self) -> int:
        """The number of the run's next event; it goes on counting where an earlier attempt stopped."""
        self._seq = max(self._seq + 1, self.run.next_seq)
        return self._seq

    async def execute(self, served: Served, context: Any) -> None:
        """Raises what the graph raises. Afterwards `interrupts` and `outcome` say what it came to."""
        run, options = self.run, RunOptions(**self.run.options)
        config = self._config(options)
        state = None if run.epoch == 1 and run.interrupt_id is None else await served.graph.aget_state(config)
        if state is not None and not self._is_to_go_on(state):
            return
        stream = served.graph.astream(
            self._graph_input(state, options),
            config,
            context=context if served.workflow is not None else options.context,
            stream_mode=["tasks", *_modes(options)],
            durability=options.durability,
            interrupt_before=options.interrupt_before,
            interrupt_after=options.interrupt_after,
            subgraphs=options.stream_subgraphs,
            control=self.control,
        )
        async for chunk in stream:
            self._take(served, options, chunk)
        self._pass_failpoints()

    def _config(self, options: RunOptions) -> RunnableConfig:
        run, given = self.run, dict(options.config or {})
        configurable = given.get("configurable", {}) | {"thread_id": f"{run.tenant_id}:{run.thread_id}"}
        metadata = given.get("metadata", {}) | {"run_id": str(run.run_id)}
        config: RunnableConfig = {**given, "configurable": configurable, "metadata": metadata}  # type: ignore[typeddict-item]
        return config

    def _graph_input(self, state: StateSnapshot | None, options: RunOptions) -> Any:
        run = self.run
        if run.interrupt_id is not None and state is not None and _asks(state, run.interrupt_id):
            return Command(resume={run.interrupt_id: run.answer})
        if state is not None and _was_taken(state, run):
            return None
        return Command(**options.command) if options.command is not None else run.input

    def _is_to_go_on(self, state: StateSnapshot) -> bool:
        """False if this run had already come to its end or its question before its worker was lost."""
        if self.run.interrupt_id is not None and _asks(state, self.run.interrupt_id):
            return True
        if self.run.interrupt_id is None and not _was_taken(state, self.run):
            return True
        self.interrupts = [
            {"id": i.id, "value": i.value, "response_schema": i.response_schema} for i in state.interrupts
        ]
        self.outcome = state.values.get("outcome")
        return bool(state.next) and not self.interrupts

    def _take(self, served: Served, options: RunOptions, chunk: Any) -> None:
        """One chunk of LangGraph's stream: `(namespace, mode, value)`, without the namespace unless asked for."""
        *namespace, mode, value = chunk
        if mode == "tasks" and not any(namespace):
            tell = "task" in options.stream_modes
            if "triggers" in value:
                self._task_started(served, value, tell=tell)
            else:
                self._task_ended(served, value, tell=tell)
        if mode in options.stream_modes:
            name = "|".join([mode, *namespace[0]]) if namespace else mode
            self.journal.add(self.run.fence, {EVENTS: [self._event(name, value)]})

    def _task_started(self, served: Served, task: Mapping[str, Any], *, tell: bool) -> None:
        self._pass_failpoints()
        if self.run.interrupt_id is not None and not self._started:
            failpoints.hit(f"{served.name}.{task['name']}.answer_read")
        row = self._started[task["id"]] = TaskRow(
            task_id=UUID(task["id"]),
            tenant_id=self.run.tenant_id,
            thread_id=self.run.thread_id,
            run_id=self.run.run_id,
            name=task["name"],
            agent_name=served.agent_of(task["name"]),
            input=_json(task["input"]) if served.workflow is not None else None,
            started_at=datetime.now(UTC),
        )
        self._add_task(row, None, tell=tell)

    def _task_ended(self, served: Served, task: Mapping[str, Any], *, tell: bool) -> None:
        result, interrupts, error = task["result"], task["interrupts"], task["error"]
        status: TaskStatus = "failed" if error else "interrupted" if interrupts else "done"
        row = self._started[task["id"]]._replace(
            status=status,
            result=_json(result) if status == "done" else None,
            error=str(error) if error else None,
            attempts=0,
            ended_at=datetime.now(UTC),
        )
        self._add_task(row, result, tell=tell)
        self.interrupts.extend(interrupts)
        if served.workflow is not None:
            self.outcome = (result or {}).get("outcome", self.outcome)
        boundary = f"{served.name}.{task['name']}"
        failpoints.hit(f"{boundary}.before_checkpoint")
        self._finished.append(boundary)

    def _add_task(self, row: TaskRow, result: Any, *, tell: bool) -> None:
        told = {"task_id": row.task_id, "name": row.name, "agent_name": row.agent_name, "status": row.status}
        if row.status == "done":
            told["result"] = result
        events = [self._event("task", told)] if tell else []
        self.journal.add(self.run.fence, {TASKS: [row], EVENTS: events})

    def _pass_failpoints(self) -> None:
        """A step's tasks are followed by the next step's only once its checkpoint is stored."""
        for boundary in self._finished:
            failpoints.hit(f"{boundary}.after_checkpoint")
        self._finished.clear()

    def _event(self, event: str, value: Any) -> Event:
        return Event(self.run.run_id, self.next_seq(), self.run.tenant_id, event, _json(value))


def _modes(options: RunOptions) -> list[StreamMode]:
    return [mode for mode in options.stream_modes if mode not in ("task", "tasks")]  # type: ignore[misc]  # checked at the edge


def _asks(state: StateSnapshot, interrupt_id: str) -> bool:
    return any(i.id == interrupt_id for i in state.interrupts)


def _was_taken(state: StateSnapshot, run: Begun) -> bool:
    """Whether the thread's last checkpoint is of this run: then its input is in there already."""
    return (state.metadata or {}).get("run_id") == str(run.run_id)


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()
