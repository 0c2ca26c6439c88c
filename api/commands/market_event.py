"""`countersign market-event`: sends a file of events, and shows how many clients' follow-ups are queued."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.commands import bulk, market_event_file
from api.commands.bulk import Errand, Job
from api.commands.client import Client, Refused
from api.commands.market_event_file import Fault
from api.settings import Settings
from db.actor import Role
from db.errors import Unavailable

ERRAND = Errand("market-event", Role.OPERATOR)
LOOK_EVERY_S = 0.25
FAULTS_SHOWN = 20
GOOD = ("queued", "nobody_concerned", "known")


@dataclass(slots=True)
class _Event:
    request: dict[str, Any]
    thread_id: str
    outcome: str | None = None
    seen: dict[str, Any] = field(default_factory=dict)


def run_file(settings: Settings, job: Job, wait_s: float) -> bool:
    """Whether each event's follow-ups are queued. With a fault in any line nothing is sent."""
    console = Console()
    requests, faults = market_event_file.read(job.file)
    if faults:
        return _refuse(console, job, faults)
    with ExitStack() as stack:
        client = bulk.client_for(settings, job, ERRAND, console, stack)
        if refused := _refused(client, requests):
            return _refuse(console, job, refused)
        events = [
            _Event(request, client.start("market_event", request, f"event-{request['event_id']}"))
            for _, request in requests
        ]
        _await(client, events, console, time.monotonic() + wait_s)
    _report(console, events)
    return all(event.outcome in GOOD for event in events)


def _refuse(console: Console, job: Job, faults: Sequence[Fault]) -> bool:
    for fault in faults[:FAULTS_SHOWN]:
        console.print(f"✗ {job.file}, {fault}", style="red", markup=False, highlight=False, soft_wrap=True)
    if len(faults) > FAULTS_SHOWN:
        console.print(f"✗ and {len(faults) - FAULTS_SHOWN} more", highlight=False)
    console.print("nothing was sent", highlight=False)
    return False


def _refused(client: Client, requests: Sequence[tuple[int, dict[str, Any]]]) -> list[Fault]:
    """Lines that the server would refuse."""
    faults = []
    for line, request in requests:
        try:
            client.post("/market-events/check", request)
        except Refused as exc:
            if exc.status not in (409, 422):
                raise
            named = exc.fields or (("event_id", str(exc)),)
            faults += [Fault(line, name.rpartition(".")[2], reason) for name, reason in named]
    return faults


def _await(client: Client, events: Sequence[_Event], console: Console, deadline: float) -> None:
    """Until each event's case is over. Where there is no terminal, nothing is drawn meanwhile."""
    columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("clients queued")
        while waiting := [event for event in events if event.outcome is None]:
            for event in waiting:
                thread = client.get(f"/threads/{event.thread_id}")
                event.outcome = thread["outcome"] or ("failed" if thread["status"] == "error" else None)
                event.seen = _seen(client, event.request["event_id"])
            found = sum(event.seen.get("found", 0) for event in events)
            begun = sum(event.seen.get("begun", 0) for event in events)
            progress.update(bar, total=found, completed=begun)
            if time.monotonic() > deadline:
                raise Unavailable(f"{len(waiting)} of {len(events)} events are under way; they go on by themselves")
            time.sleep(LOOK_EVERY_S)


def _seen(client: Client, event_id: str) -> dict[str, Any]:
    """As the server has it; empty if it does not."""
    try:
        return dict(client.get(f"/market-events/{event_id}"))
    except Refused as exc:
        if exc.status == 404:
            return {}
        raise


def _report(console: Console, events: Sequence[_Event]) -> None:
    table = Table("event", "what became of it", "clients", "holdings as of", title_justify="left")
    for event in events:
        as_of = str(event.seen.get("holdings_as_of") or "")[:16].replace("T", " ")
        stale = " (stale)" if event.seen.get("holdings_are_stale") else ""
        table.add_row(
            event.request["event_id"], (event.outcome or "").replace("_", " "), str(event.seen.get("begun", 0)),
            as_of + stale,
        )  # fmt: skip
    console.print(table)
