"""`countersign market-event`, and `countersign holdings`: what clients hold, as the bank's custody says it."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.settings import Settings
from db.actor import Role
from db.errors import CountersignError, InvalidInput

Url = Annotated[str | None, typer.Option(envvar="COUNTERSIGN_URL", help="default: a server of our own")]
Key = Annotated[str | None, typer.Option(envvar="COUNTERSIGN_KEY", help="API key for --url", show_envvar=True)]

holdings_app = typer.Typer(no_args_is_help=True, help="What clients hold, as the bank's custody says it.")


@holdings_app.callback()
def holdings() -> None:
    """Makes `refresh` a command of its own while it is the only one."""


@holdings_app.command(name="refresh")
def refresh(
    url: Url = None,
    key: Key = None,
) -> None:
    """Reads all of custody anew; market events find clients by it."""
    from api.commands import bulk

    console, job = Console(), bulk.Job(Path(), None, url, key)
    with ExitStack() as stack:
        errand = bulk.Errand("holdings", Role.OPERATOR)
        client = bulk.client_for(Settings(), job, errand, console, stack)
        thread_id = client.start("holdings_refresh", {})
        with console.status("reading custody"):
            for _ in client.events(thread_id):
                pass
        values = client.get(f"/threads/{thread_id}/state")["values"]
    if values.get("outcome") != "refreshed":
        raise CountersignError(f"case {thread_id} is not through: see its runs")
    told = values["refresh"]
    console.print(
        f"{told['accounts']} accounts with {told['positions']} positions, as of {told['as_of'][:16].replace('T', ' ')}",
        highlight=False,
    )


def send_market_events(
    file: Annotated[Path | None, typer.Argument(help="CSV, one event a line; see --example")] = None,
    url: Url = None,
    key: Key = None,
    wait_s: Annotated[float, typer.Option("--wait", min=1, help="seconds until events are left to themselves")] = 600,
    example: Annotated[bool, typer.Option("--example", help="prints a file that works, and ends")] = False,
) -> None:
    """Begins a follow-up for each client whom each event concerns; one bad line, and nothing is sent."""
    from api.commands.bulk import Job
    from api.commands.market_event import run_file
    from api.commands.market_event_file import EXAMPLE

    if example:
        print(EXAMPLE, end="")
        return
    if file is None:
        raise InvalidInput("FILE", "is missing; `countersign market-event --example` prints one that works")
    if not run_file(Settings(), Job(file, None, url, key), wait_s):
        raise typer.Exit(1)
