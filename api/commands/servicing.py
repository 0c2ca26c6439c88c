"""`countersign servicing`: loans that are due, and what is done about late ones."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from api.settings import Settings

servicing_app = typer.Typer(no_args_is_help=True, help="Loans that are due, and what is done about late ones.")


@servicing_app.callback()
def servicing() -> None:
    """Makes `run` a command of its own while it is the only one."""


@servicing_app.command(name="run")
def run(
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="default: today (UTC)")] = None,
    wait_s: Annotated[
        float, typer.Option("--wait", min=1, help="seconds until the cases are left to themselves")
    ] = 600,
) -> None:
    """Starts a case for each loan due on a day, once however often it is run; ends with 0 if each came to its end or
    to a person. Needs a worker: `countersign up` or `countersign worker`."""
    from api.commands.servicing_day import run_day

    settled = run_day(Settings(), datetime.now(UTC).date() if on is None else on.date(), wait_s)
    if not settled:
        raise typer.Exit(1)
