"""A graph driven on from wherever its run stopped. Task rows and events come from LangGraph's own stream, so workflows
keep no books."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import RunControl
from langgraph.types import Command, Send, StateSnapshot

from api import answers, disclosure
from api.protocol.state import encoded
from api.protocol.streams import Told, Translation, final, without_interrupts
from api.run_config import config_of, context_of
from api.serving import Graph, Opening, RunOptions, Served
from api.stream_transformers import Part, transformed
from db import failpoints
from db.journal import EVENTS, Event, Journal
from db.runs import Begun
from db.task_rows import TASKS, TaskRow, TaskStatus

_TAKEN: Any = object()
"""All that the run answers was taken before its worker was lost."""


@dataclass(slots=True)
class Execution:
    """One run being driven: its event counter, its open questions, its state, and its case's outcome if it came to one.

    `paused`: it stopped at a breakpoint, where nobody is asked anything.
    """

    run: Begun
    journal: Journal
    control: RunControl
    outcome: str | None = None
    interrupts: list[Mapping[str, Any]] = field(default_factory=list)
    paused: bool = False
    values: Any = None
    _seq: int = -1
    _resume: Any = None
    _kept: frozenset[str] = frozenset()
    _started: dict[str, TaskRow] = field(default_factory=dict)
    _finished: list[str] = field(default_factory=list)

    def next_seq(self) -> int:
        """The number of the run's next event; it goes on counting where an earlier attempt stopped."""
        self._seq = max(self._seq + 1, self.run.next_seq)
        return self._seq

    def told_values(self) -> str | None:
        """What the run has come to, for its webhook, of a case no more than its requester sees; None: it has none."""
        if self.run.options.get("webhook") is None:
            return None
        if self.values is None:
            return "null"
        told, sight = final(self.values, self.interrupts), disclosure.SIGHTS.get(self.run.workflow)
        return encoded(told if sight is None else sight.values(told)).decode()

    async def execute(self, served: Served, context: Any) -> None:
        """Raises what the graph raises. Afterwards `interrupts`, `values` and `outcome` say what it came to."""
        run, options = self.run, RunOptions(**self.run.options)
        given = context if served.workflow is not None else options.merged_context()
        opening = Opening("threads.create_run", config_of(run, served, options), given, run.started_by)
        async with served.opened(opening) as graph:
            await self._drive(graph, served, options, opening)

    async def _drive(self, graph: Graph, served: Served, options: RunOptions, opening: Opening) -> None:
        run = self.run
        answers_by_id = served.workflow is None and _resumes(options) and options.checkpoint is None
        state = None
        if run.epoch > 1 or run.interrupt_id is not None or answers_by_id:
            state = await graph.aget_state(_config(opening.config), subgraphs=answers_by_id and run.epoch > 1)
        if state is not None:
            if not self._is_to_go_on(state, options if answers_by_id else None):
                return
            self._kept = frozenset(task.id for task in state.tasks if task.result is not None)
        graph_input, config = self._graph_input(state, options), _config(opening.config)
        if options.checkpoint is not None and not (state is not None and _was_taken(state, run)):
            config["configurable"] |= options.checkpoint
        arguments: dict[str, Any] = {
            "context": opening.context if served.workflow is not None else context_of(graph, opening.context),
            "output_keys": graph.output_channels,
            "durability": options.durability,
            "interrupt_before": options.interrupt_before,
            "interrupt_after": options.interrupt_after,
            "control": self.control,
        }
        await self._stream(graph, served, options, (graph_input, config), arguments)
        self._pass_failpoints()
        if not self.interrupts and _has_breakpoints(graph, options):
            self.paused = bool((await graph.aget_state(_config(opening.config))).next)

    async def _stream(
        self,
        graph: Graph,
        served: Served,
        options: RunOptions,
        given: tuple[Any, RunnableConfig],
        arguments: Mapping[str, Any],
    ) -> None:
        """Takes what the graph streams, part by part, to its end. `given`: its input and config."""
        translation = Translation(options.stream_modes, subgraphs=options.stream_subgraphs)
        modes = translation.graph_modes()
        plain = {"stream_mode": modes, "subgraphs": options.stream_subgraphs, **arguments}

        def take(chunk: Any) -> None:
            part = _chunk(chunk)
            self._note(served, options, *part)
            self._tell_each(translation.told(*part))

        def hear(part: Part) -> None:
            if part["type"] == "tasks":  # LangGraph's own transformers hold these back.
                take(part)
            else:
                self._note(served, options, *_chunk(part))

        if "events" in options.stream_modes:
            async for event in graph.astream_events(*given, version="v2", **plain):
                if event["event"] == "on_chain_stream" and event["run_id"] == str(self.run.run_id):
                    take(event["data"]["chunk"])
                else:
                    self._tell_each([translation.of_event(event)])
        elif translation.in_parts and graph.stream_transformers:
            async for part in transformed(graph, *given, modes, hear, **arguments):
                self._tell_each(translation.told(*_chunk(part)))
        else:
            async for chunk in graph.astream(*given, version=translation.version, **plain):
                take(chunk)

    def _graph_input(self, state: StateSnapshot | None, options: RunOptions) -> Any:
        run = self.run
        if run.interrupt_id is not None and state is not None and _asks(state, run.interrupt_id):
            return Command(resume={run.interrupt_id: run.answer})
        if state is not None and (_was_taken(state, run) or self._resume is _TAKEN):
            return None
        if options.command is None:
            return run.input
        return _command(options.command if self._resume is None else {**options.command, "resume": self._resume})

    def _is_to_go_on(self, state: StateSnapshot, answering: RunOptions | None) -> bool:
        """False if this run had already come to its end or its question before its worker was lost."""
        if self.run.interrupt_id is not None and _asks(state, self.run.interrupt_id):
            return True
        is_new = self.run.interrupt_id is None and not _was_taken(state, self.run)
        if is_new and (answering is None or self._is_to_answer(state, answering)):
            return True
        self.interrupts = [
            {"id": i.id, "value": i.value, "response_schema": i.response_schema} for i in state.interrupts
        ]
        self.values = state.values
        self.outcome = state.values.get("outcome")
        # Not `next`: it names no task whose work is stored already, and that work is still to be taken into the state.
        return bool(state.tasks) and not self.interrupts

    def _is_to_answer(self, state: StateSnapshot, options: RunOptions) -> bool:
        """Whether anything that this run answers is still asked; from then on it is answered by its id."""
        assert options.command is not None
        resume, still = options.command["resume"], answers.open_questions(state)
        asked = self.run.asked
        if asked is None:
            self.journal.add(self.run.fence, {EVENTS: [self._event("asked", still)]})
        self._resume = answers.still_to_give(resume, still if asked is None else asked, still)
        if self._resume is None and {*still} != {interrupt.id for interrupt in state.interrupts}:
            # A subgraph asks what its parent does not know yet: nothing is answered, and it asks again.
            self._resume = {}
        if self._resume is None:
            self._resume = _TAKEN
        return self._resume is not _TAKEN

    def _note(self, served: Served, options: RunOptions, namespace: Sequence[str], mode: str, value: Any) -> None:
        """For our own account, whoever is told of it."""
        if namespace:
            return
        if mode == "tasks":
            tell = "task" in options.stream_modes
            if "triggers" in value:
                self._task_started(served, value, tell=tell)
            else:
                self._task_ended(served, value, tell=tell)
        elif mode == "values":
            self.values = without_interrupts(value)
            # Of the state, not of a task's result: a task that a lost worker finished tells none.
            self.outcome = self.values.get("outcome") if served.workflow is not None else None

    def _tell_each(self, told: Iterable[Told]) -> None:
        for event, value in told:
            self.journal.add(self.run.fence, {EVENTS: [self._event(event, value)]})

    def _task_started(self, served: Served, task: Mapping[str, Any], *, tell: bool) -> None:
        self._pass_failpoints()
        if task["id"] in self._kept:
            # LangGraph announces what a lost worker finished in this step, too, and neither runs nor ends it again.
            return
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
            result=_json(result) if status == "done" and served.workflow is not None else None,
            error=str(error) if error else None,
            attempts=0,
            ended_at=datetime.now(UTC),
        )
        self._add_task(row, result, tell=tell)
        self.interrupts.extend(interrupts)
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


def _chunk(chunk: Any) -> tuple[Sequence[str], str, Any]:
    """One chunk of LangGraph's streams: namespace, mode and value. The older have no namespace unless asked for one."""
    if not isinstance(chunk, Mapping):
        *around, mode, value = chunk
        return around[0] if around else (), mode, value
    value = chunk["data"]
    if chunk["type"] == "values" and hasattr(value, "__dict__"):  # Of a schema that is a class.
        value = dict(vars(value))
    if chunk.get("interrupts"):
        value = {**value, "__interrupt__": chunk["interrupts"]}
    return chunk["ns"], chunk["type"], value


def _config(config: Mapping[str, Any]) -> RunnableConfig:
    """A copy: LangGraph writes into what it is handed."""
    return cast(RunnableConfig, {**config, "configurable": {**config["configurable"]}})


def _has_breakpoints(graph: Graph, options: RunOptions) -> bool:
    given = options.interrupt_before or options.interrupt_after
    return bool(given or graph.interrupt_before_nodes or graph.interrupt_after_nodes)


def _command(command: Mapping[str, Any]) -> Command[Any]:
    """As its client sent it: `goto` is a node's name, or a node with its input, or several of these."""
    goto, update = command.get("goto"), command.get("update")
    targets = goto if isinstance(goto, list) else [] if goto is None else [goto]
    return Command(
        resume=command.get("resume"),
        update=[tuple(pair) for pair in update] if isinstance(update, list) else update,
        goto=[target if isinstance(target, str) else Send(target["node"], target.get("input")) for target in targets],
    )


def _resumes(options: RunOptions) -> bool:
    """Whether the run answers, and no more: with `update` or `goto` an operator steers, too."""
    return [key for key, value in (options.command or {}).items() if value is not None] == ["resume"]


def _asks(state: StateSnapshot, interrupt_id: str) -> bool:
    return any(i.id == interrupt_id for i in state.interrupts)


def _was_taken(state: StateSnapshot, run: Begun) -> bool:
    """Whether the thread's last checkpoint is of this run: then its input is in there already."""
    return (state.metadata or {}).get("run_id") == str(run.run_id)


def _json(value: Any) -> str:
    return encoded(value).decode()
