"""What the demo puts on the terminal. Plain lines, so that it reads the same in a log."""

import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.status import Status
from rich.table import Table
from rich.text import Text

from api.commands import steps, transfer_steps
from api.commands.client import Event
from db.canonical import sha256_hex
from db.errors import ApprovalVoid
from tools.rules.money import format_minor

Described = Callable[[str, Mapping[str, Any]], list[str]]
LETTER_WIDTH = 78
LABEL = 14
INDENT = 11 + LABEL
MEANS = ("income", "obligations", "housing")
MARKS = {"✓": "green", "…": "yellow", "✗": "red"}
COLOURS = {"APPROVED": "bold green", "DECLINED": "bold red", "REFERRED": "bold yellow", "COUNTER-OFFER": "bold yellow"}


@dataclass(frozen=True, slots=True)
class Line:
    """One application in the table at the end."""

    name: str
    decision: str
    outcome: str
    as_expected: bool
    terms: Mapping[str, Any] | None
    took_s: float


class Screen:
    def __init__(self, console: Console) -> None:
        self.console = console
        self._since = time.monotonic()

    def title(self, text: str) -> None:
        self._since = time.monotonic()
        self.console.print()
        self.console.rule(Text(text, style="bold"), align="left", style="dim")

    def say(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style), highlight=False)

    @contextmanager
    def starting(self) -> Iterator[Callable[[str, str], None]]:
        """What to call with each part that has started, and where it is."""
        with self.console.status(Text("starting", style="dim"), spinner="dots"):
            yield lambda part, where: self._row("✓", part, [where])

    def keys(self, tenant: str, keys: Mapping[str, str]) -> None:
        self.console.print()
        self.say(f"  API keys of the tenant {tenant}, made now and shown this once", "bold")
        for role, key in keys.items():
            self.console.print(Text.assemble(f"    {role:<12} ", (key, "dim")), soft_wrap=True, highlight=False)

    @contextmanager
    def watching(self, described: Described = steps.described) -> Iterator["Watch"]:
        """Where there is a terminal, what runs is shown below what has ended, `described` by what it found."""
        with self.console.status("", spinner="dots") as status:
            yield Watch(self, status, described)

    def step(self, mark: str, name: str, lines: Sequence[str]) -> None:
        self._row(mark, name, lines)

    def review(self, review: Mapping[str, Any]) -> None:
        """All that a person decides on, and exactly what their yes would sign. Raises ApprovalVoid if the hash is
        not the payload's."""
        if sha256_hex(review["payload"]) != review["payload_sha256"]:
            raise ApprovalVoid(review["review_id"])
        body = Group(
            Text(review["question"], style="bold"),
            Text(),
            _facts(review),
            Text(),
            Text("A yes signs exactly this:"),
            Padding(_payload(review["payload"]), (0, 0, 0, 2)),
            Text(),
            Text.assemble(("SHA-256 ", "dim"), review["payload_sha256"]),
        )
        who = "the applicant" if review["role"] == "requester" else f"a person with the role {review['role']}"
        self.console.print()
        self._frame(body, f"Review: {review['kind']}, for {who}", "yellow", min(self.console.width, LETTER_WIDTH + 4))

    def letter(self, name: str, letter: Mapping[str, Any]) -> None:
        """In a frame where its lines and a frame fit side by side, else between two rules."""
        title, body = f"Letter to {name}: {letter['subject']}", letter["body"].rstrip("\n")
        self.console.print()
        if self.console.width >= LETTER_WIDTH + 4:
            self._frame(Text(body), title, "dim", LETTER_WIDTH + 4)
            return
        self.console.rule(Text(title, style="bold"), align="left", style="dim")
        self.console.print(Text(body), soft_wrap=True)
        self.console.rule(style="dim")

    def summary(self, lines: Sequence[Line]) -> None:
        table = Table(box=None, padding=(0, 0, 0, 2), pad_edge=False, header_style="dim")
        for heading in ("", "applicant", "policy", "outcome"):
            table.add_column(heading, no_wrap=True)
        for heading in ("rate", "APR", "instalment", "took"):
            table.add_column(heading, justify="right", no_wrap=True)
        for line in lines:
            mark = Text("✓", style="green") if line.as_expected else Text("✗ unexpected", style="bold red")
            terms = _short(line.terms) if line.terms and line.outcome == "disbursed" else ("", "", "")
            table.add_row(mark, line.name, line.decision, line.outcome, *terms, f"{line.took_s:.2f} s")
        self.console.print(table)

    def places(self, places: Mapping[str, Sequence[str]]) -> None:
        """Where to look: a name, then lines that may be long commands and are therefore never cut."""
        self.console.print()
        for name, lines in places.items():
            for number, line in enumerate(lines):
                head = Text(f"  {name if number == 0 else '':<10}", style="dim")
                self.console.print(Text.assemble(head, line), soft_wrap=True, highlight=False)

    def _row(self, mark: str, name: str, lines: Sequence[str]) -> None:
        """Clock, mark and name, and the lines beside them, wrapped where they end."""
        clock = f"{time.monotonic() - self._since:5.2f} s"
        room = max(20, self.console.width - INDENT)
        wrapped = [part for line in lines for part in textwrap.wrap(line, room, subsequent_indent="  ")] or [""]
        label = name.removesuffix("_agent").removeprefix("underwriter_").replace("_", " ")
        row = Text.assemble((f"{clock} ", "dim"), (mark, MARKS[mark]), f" {label:<{LABEL}} ")
        for number, line in enumerate(wrapped):
            row.append("\n" + " " * INDENT if number else "")
            row.append(line, style=COLOURS.get(line.split(" ", 1)[0], ""))
        row.rstrip()
        self.console.print(row, soft_wrap=True, highlight=False)

    def _frame(self, body: RenderableType, title: str, style: str, width: int) -> None:
        heading = Text(title, style="bold")
        self.console.print(Panel(body, title=heading, title_align="left", border_style=style, width=width))


class Watch:
    """One case's events as they come in: what has ended is printed, what runs is named in the last line."""

    def __init__(self, screen: Screen, status: Status, described: Described) -> None:
        self._screen = screen
        self._status = status
        self._described = described
        self._running: dict[str, str] = {}

    def see(self, event: Event) -> None:
        told = event.data
        if event.event == "run":
            self._see_run(told)
        elif event.event == "task":
            self._see_task(told)
        self._status.update(Text(", ".join(self._running.values()), style="dim"))

    def _see_task(self, task: Mapping[str, Any]) -> None:
        if task["status"] == "running":
            self._running[task["task_id"]] = task["agent_name"]
            return
        self._running.pop(task["task_id"], None)
        if task["status"] == "done":
            self._screen.step("✓", task["name"], self._described(task["name"], task.get("result") or {}))
        elif task["status"] == "interrupted":
            self._screen.step("…", task["name"], ["waits for a person; no process holds it"])
        else:
            self._screen.step("✗", task["name"], ["failed"])

    def _see_run(self, run: Mapping[str, Any]) -> None:
        if run["status"] == "waiting":
            self._screen.step("…", "waiting", [run["error"]["detail"]])
        elif run["status"] == "error":
            self._screen.step("✗", "run", [run["error"]["detail"]])


def _facts(review: Mapping[str, Any]) -> Table:
    facts, table = review["facts"], _grid()
    if (described := _FACTS.get(review["kind"])) is not None:
        for name, lines in described(facts):
            table.add_row(Text(name, style="dim"), Text("\n".join(lines)))
    else:
        for name, value in facts.items():
            table.add_row(Text(steps.words(name), style="dim"), Text(str(value)))
    table.add_row(Text("due", style="dim"), Text(_due(review)))
    return table


def _underwriting(facts: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    requested, means = facts["requested"], facts["means"]
    currency = requested["currency"]
    yield "why", [steps.rule_line(rule, currency) for rule in facts["rules_not_passed"]]
    yield "applicant", [f"{facts['applicant']['name']}, identity {facts['applicant']['kyc_status']}"]
    amount = format_minor(requested["amount_minor"], currency)
    yield "requested", [f"{amount} over {requested['term_months']} months, {steps.words(requested['purpose'] or '?')}"]
    yield "a month", [f"{of} {format_minor(means[f'monthly_{of}_minor'], currency)}" for of in MEANS]
    yield "score", [steps.score_line(facts["scorecard"]), *(r["text"] for r in facts["scorecard"]["reasons"])]
    yield "affordability", [steps.dti_line(facts["affordability"])]
    yield "fraud", [steps.fraud_line(facts["fraud"])]
    yield "versions", [", ".join(f"{steps.words(k).split()[0]} {v}" for k, v in facts["versions"].items())]


_FACTS = {"underwriting": _underwriting, "release": transfer_steps.of_release}


def _due(review: Mapping[str, Any]) -> str:
    silence = review["on_due"]
    then = f"goes to {silence['escalate_to']}" if "escalate_to" in silence else "silence counts as no"
    if review["kind"] == "cooling_off":
        then = "we pay out"
    return f"{review['due_at'][:16].replace('T', ' ')} UTC, then {then}"


def _payload(payload: Mapping[str, Any]) -> Table:
    """Each field as it is signed, and beside it as people read it."""
    table = _grid()
    for name, value in sorted(_flat(payload)):
        currency = payload.get("terms", {}).get("currency", "USD")
        read = steps.figure(name, value, currency)
        table.add_row(Text(name, style="dim"), Text(str(value)), Text(f"= {read}" if read != str(value) else ""))
    return table


def _flat(payload: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in payload.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _short(terms: Mapping[str, Any]) -> tuple[str, str, str]:
    instalment = format_minor(terms["instalment_minor"], terms["currency"])
    return steps.percent(terms["annual_rate_bps"]), steps.percent(terms["apr_bps"]), instalment


def _grid() -> Table:
    return Table.grid(padding=(0, 2))
