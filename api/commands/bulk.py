"""A file's lines sent to a server, and what came of each written beside it.

Each line's Idempotency-Key is made of the file's content and the line's number, so the same file, sent again after
whatever went wrong, starts nothing twice.
"""

import asyncio
import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from api.commands.client import Client, Refused
from api.commands.records import made_key, revoke_key
from api.deployment import deployed
from api.settings import Settings
from db.actor import Role
from db.errors import InvalidInput, Unavailable
from db.keys import NewKey

CONCURRENCY = 16
SHOWN = 10
UNSENT = "not sent"


@dataclass(frozen=True, slots=True)
class Job:
    """Which file, where the result goes, and whose server decides: ours if `url` is None."""

    file: Path
    out: Path | None = None
    url: str | None = None
    key: str | None = None

    @property
    def result(self) -> Path:
        return self.out or self.file.with_suffix(".result.csv")


@dataclass(frozen=True, slots=True)
class Errand:
    """Whom the command acts as on a server of its own: `name` is the person's and the log's."""

    name: str
    role: Role


class Line(Protocol):
    """A line of the file; with `faults` (column, reason) it is not sent."""

    @property
    def line(self) -> int: ...
    @property
    def faults(self) -> tuple[tuple[str, str], ...]: ...


class Result(Protocol):
    """A line of the result file."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def line(self) -> int: ...
    @property
    def error(self) -> str: ...
    @property
    def decision(self) -> str: ...


AnyLine = TypeVar("AnyLine", bound=Line)
AnyResult = TypeVar("AnyResult", bound=Result)


@dataclass(frozen=True, slots=True)
class Desk(Generic[AnyLine, AnyResult]):
    """`start` gives the thread of a line's case, `awaited` what came of it; `result` makes one of an error alone."""

    start: Callable[[AnyLine], str]
    awaited: Callable[[AnyLine, str], AnyResult]
    result: Callable[[int, str, str], AnyResult]
    column_of: Callable[[str], str]


def check_places(job: Job) -> None:
    """Before anything is sent: a result that cannot be written would be found out too late."""
    if job.url is not None and not job.key:
        raise InvalidInput("--key", "is needed with --url (or COUNTERSIGN_KEY)")
    if job.result.resolve() == job.file.resolve():
        raise InvalidInput("--out", "is the file itself that is to be sent")
    if job.result.is_dir() or not os.access(job.result.parent, os.W_OK):
        raise InvalidInput("--out", f"{job.result} cannot be written")


def client_for(settings: Settings, job: Job, errand: Errand, console: Console, stack: ExitStack) -> Client:
    """Of the server that was named, or of one that runs until the stack is left."""
    if job.url is not None and job.key is not None:
        client = stack.enter_context(Client(job.url, job.key))
        client.get("/workflows")
        return client
    with console.status("starting"):
        log = settings.home / f"{errand.name}.log"
        running = stack.enter_context(deployed(settings, log, lambda part, where: None))
    # Always the same person, because an Idempotency-Key is good for one person's wishes.
    new = NewKey(settings.tenant, f"{errand.name}@{settings.tenant}", [errand.role])
    key = asyncio.run(made_key(running.database_url, new))
    stack.callback(lambda: asyncio.run(revoke_key(running.database_url, new, key)))
    return stack.enter_context(Client(running.url, key))


def work(lines: Sequence[AnyLine], desk: Desk[AnyLine, AnyResult], console: Console) -> list[AnyResult]:
    """In the file's order, CONCURRENCY at a time; what Ctrl-C leaves undone says so."""
    shift = _Shift(desk)
    with ThreadPoolExecutor(CONCURRENCY) as pool, progress(console, len(lines)) as tell:
        futures = [pool.submit(shift.take, line) for line in lines]
        try:
            for done in as_completed(futures):
                tell(done.result())
        except KeyboardInterrupt:
            shift.gone = "stopped by Ctrl-C"
            console.print("stopping: those under way are still decided")
    return [future.result() for future in futures]


def write(path: Path, results: Sequence[Any], kind: type[Any]) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([field.name for field in fields(kind)])
            writer.writerows(astuple(result) for result in results)
        unfinished.replace(path)
    except OSError as exc:
        raise InvalidInput("--out", f"{path} cannot be written: {exc.strerror}; run again to see the results") from exc


def report(console: Console, job: Job, results: Sequence[Result]) -> None:
    bad = [result for result in results if _fate(result) == "bad"]
    for result in bad[:SHOWN]:
        line = Text.assemble(("✗ ", "red"), f"{job.file}, line {result.line}, {result.error}")
        console.print(line, soft_wrap=True, highlight=False)
    if len(bad) > SHOWN:
        console.print(f"✗ and {len(bad) - SHOWN} lines more", highlight=False)
    counts = _told_counts(Counter(_fate(result) for result in results))
    text = f"{len(results)} lines: {counts}. What came of each: {job.result}"
    console.print(text, soft_wrap=True, highlight=False, markup=False)
    if bad:
        console.print("Send mended lines in a file of their own: a changed file is a new one.", style="dim")
    if any(_fate(result) == UNSENT for result in results):
        console.print("The same command goes on from here.", style="dim")


@dataclass(slots=True)
class _Shift(Generic[AnyLine, AnyResult]):
    """Sends lines to the server. Once it is `gone`, the lines that remain are not tried."""

    desk: Desk[AnyLine, AnyResult]
    gone: str = ""

    def take(self, line: AnyLine) -> AnyResult:
        desk, thread_id = self.desk, ""
        if line.faults:
            return desk.result(line.line, "", told(line.faults))
        if self.gone:
            return desk.result(line.line, "", f"{UNSENT}: {self.gone}")
        try:
            thread_id = desk.start(line)
            return desk.awaited(line, thread_id)
        except Refused as exc:
            faults = tuple((desk.column_of(field), reason) for field, reason in exc.fields)
            return desk.result(line.line, thread_id, told(faults) or str(exc))
        except Unavailable as exc:
            self.gone = str(exc)
            return desk.result(line.line, thread_id, str(exc))


def _fate(result: Result) -> str:
    if result.error:
        return UNSENT if result.error.startswith(UNSENT) else "bad"
    return result.decision


def told(faults: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{column}: {reason}" for column, reason in faults)


@contextmanager
def progress(console: Console, total: int) -> Iterator[Callable[[Result], None]]:
    """What to call with each result. Where there is no terminal, nothing is drawn."""
    columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    counts: Counter[str] = Counter()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total)

        def tell(result: Result) -> None:
            counts[_fate(result)] += 1
            progress.update(bar, advance=1, description=_told_counts(counts))

        yield tell


def _told_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in sorted(counts.items()))
