"""`countersign apply`: has a file of loan applications decided, and writes what came of each line.

Each line's Idempotency-Key is made of the file's content and the line's number, so the same file, sent again after
whatever went wrong, starts nothing twice.
"""

import asyncio
import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from api.commands import application_file
from api.commands.application_file import ApplicationFile, Row
from api.commands.client import Client, Refused
from api.commands.records import made_key, revoke_key
from api.deployment import deployed
from api.settings import Settings
from db.actor import Role
from db.errors import InvalidInput, Unavailable
from db.keys import NewKey
from tools.rules.money import from_minor

CONCURRENCY = 16
SHOWN = 10
UNSENT = "not sent"
WORKFLOW = "loan_origination"


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
class Result:
    """A line of the result file. Amounts in major units; empty where there is nothing to say."""

    line: int
    thread_id: str = ""
    decision: str = ""
    reasons: str = ""
    amount: str = ""
    term_months: str = ""
    rate_percent: str = ""
    apr_percent: str = ""
    instalment: str = ""
    currency: str = ""
    error: str = ""

    @property
    def fate(self) -> str:
        if self.error:
            return UNSENT if self.error.startswith(UNSENT) else "bad"
        return self.decision


def run_file(settings: Settings, job: Job) -> bool:
    """Whether every line was decided."""
    console = Console()
    _check_places(job)
    found = application_file.read(job.file)
    with ExitStack() as stack:
        client = _client(settings, job, console, stack)
        results = _decided(found, client, console)
    _write(job.result, results)
    _report(console, job, results)
    return not any(result.error for result in results)


def _check_places(job: Job) -> None:
    """Before anything is sent: a result that cannot be written would be found out too late."""
    if job.url is not None and not job.key:
        raise InvalidInput("--key", "is needed with --url (or COUNTERSIGN_KEY)")
    if job.result.resolve() == job.file.resolve():
        raise InvalidInput("--out", "is the file of applications itself")
    if job.result.is_dir() or not os.access(job.result.parent, os.W_OK):
        raise InvalidInput("--out", f"{job.result} cannot be written")


def _client(settings: Settings, job: Job, console: Console, stack: ExitStack) -> Client:
    """Of the server that was named, or of one that runs until the stack is left."""
    if job.url is not None and job.key is not None:
        client = stack.enter_context(Client(job.url, job.key))
        client.get("/workflows")
        return client
    with console.status("starting"):
        running = stack.enter_context(deployed(settings, settings.home / "apply.log", lambda part, where: None))
    # Always the same person, because an Idempotency-Key is good for one person's wishes.
    new = NewKey(settings.tenant, f"apply@{settings.tenant}", [Role.CLIENT])
    key = asyncio.run(made_key(running.database_url, new))
    stack.callback(lambda: asyncio.run(revoke_key(running.database_url, new, key)))
    return stack.enter_context(Client(running.url, key))


def _decided(found: ApplicationFile, client: Client, console: Console) -> list[Result]:
    """In the file's order, CONCURRENCY at a time; what Ctrl-C leaves undone says so."""
    desk = _Desk(client, found.sha256)
    with ThreadPoolExecutor(CONCURRENCY) as pool, _progress(console, len(found.rows)) as tell:
        futures = [pool.submit(desk.decide, row) for row in found.rows]
        try:
            for done in as_completed(futures):
                tell(done.result())
        except KeyboardInterrupt:
            desk.gone = "stopped by Ctrl-C"
            console.print("stopping: those under way are still decided")
    return [future.result() for future in futures]


@dataclass(slots=True)
class _Desk:
    """Sends lines to the server. Once it is `gone`, the lines that remain are not tried."""

    client: Client
    sha256: str
    gone: str = ""

    def decide(self, row: Row) -> Result:
        if row.application is None:
            return Result(row.line, error=_told(row.faults))
        if self.gone:
            return Result(row.line, error=f"{UNSENT}: {self.gone}")
        thread_id = ""
        try:
            thread_id = self.client.start(WORKFLOW, row.application, f"apply-{self.sha256}-{row.line}")
            return self._awaited(row.line, thread_id)
        except Refused as exc:
            faults = tuple((application_file.column_of(field), reason) for field, reason in exc.fields)
            return Result(row.line, thread_id, error=_told(faults) or str(exc))
        except Unavailable as exc:
            self.gone = str(exc)
            return Result(row.line, thread_id, error=str(exc))

    def _awaited(self, line: int, thread_id: str) -> Result:
        for _ in self.client.events(thread_id):
            pass
        decision = self.client.get(f"/threads/{thread_id}/state")["values"].get("decision")
        if decision is None:
            last = max(self.client.get(f"/threads/{thread_id}/runs"), key=lambda run: str(run["created_at"]))
            return Result(line, thread_id, error=f"not decided: {(last['error'] or {}).get('detail', last['status'])}")
        return _result(line, thread_id, decision)


def _result(line: int, thread_id: str, decision: Mapping[str, Any]) -> Result:
    reasons = [reason["text"] for reason in decision["reasons"]]
    if decision["outcome"] == "refer":
        reasons = decision["refer_reasons"]
    bare = Result(line, thread_id, decision["outcome"], "; ".join(reasons))
    terms = decision["terms"]
    if terms is None:
        return bare
    currency = terms["currency"]
    return replace(
        bare,
        amount=str(from_minor(terms["principal_minor"], currency)),
        term_months=str(terms["term_months"]),
        rate_percent=_percent(terms["annual_rate_bps"]),
        apr_percent=_percent(terms["apr_bps"]),
        instalment=str(from_minor(terms["instalment_minor"], currency)),
        currency=currency,
    )


def _percent(rate_bps: int) -> str:
    return f"{rate_bps // 100}.{rate_bps % 100:02d}"


def _told(faults: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{column}: {reason}" for column, reason in faults)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[Result], None]]:
    """What to call with each result. Where there is no terminal, nothing is drawn."""
    columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    counts: Counter[str] = Counter()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total)

        def tell(result: Result) -> None:
            counts[result.fate] += 1
            progress.update(bar, advance=1, description=_told_counts(counts))

        yield tell


def _told_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in sorted(counts.items()))


def _write(path: Path, results: Sequence[Result]) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([field.name for field in fields(Result)])
            writer.writerows(astuple(result) for result in results)
        unfinished.replace(path)
    except OSError as exc:
        raise InvalidInput("--out", f"{path} cannot be written: {exc.strerror}; run again to see the results") from exc


def _report(console: Console, job: Job, results: Sequence[Result]) -> None:
    bad = [result for result in results if result.fate == "bad"]
    for result in bad[:SHOWN]:
        line = Text.assemble(("✗ ", "red"), f"{job.file}, line {result.line}, {result.error}")
        console.print(line, soft_wrap=True, highlight=False)
    if len(bad) > SHOWN:
        console.print(f"✗ and {len(bad) - SHOWN} lines more", highlight=False)
    counts = _told_counts(Counter(result.fate for result in results))
    text = f"{len(results)} lines: {counts}. What came of each: {job.result}"
    console.print(text, soft_wrap=True, highlight=False, markup=False)
    if bad:
        console.print("Send mended lines in a file of their own: a changed file is a new one.", style="dim")
    if any(result.fate == UNSENT for result in results):
        console.print("The same command goes on from here.", style="dim")
