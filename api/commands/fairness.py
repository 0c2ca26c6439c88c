"""`countersign fairness`: who is approved how often, by protected group; and those groups, loaded apart."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from api.settings import Settings
from tools.rules.fairness_report import Bounds

fairness_app = typer.Typer(no_args_is_help=True, help="Approval by protected group, and the groups, kept apart.")

Key = Annotated[str | None, typer.Option(envvar="COUNTERSIGN_KEY", help="an auditor's API key", show_envvar=True)]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
Names = list[str] | None
STANDARD = Bounds()


@fairness_app.command(name="load")
def load_groups(
    file: Annotated[Path, typer.Argument(help="CSV: applicant_id, and a column for each basis, such as sex or race")],
    key: Key = None,
) -> None:
    """Loads protected groups of applicants, all of the file or nothing. No score or decision ever reads them."""
    from api.commands.fairness_run import run_load

    made = run_load(Settings(), key, file)
    print(f"{made.new} new, {made.changed} changed, {made.same} as they were")


@fairness_app.command(name="report")
def report_fairness(
    key: Key = None,
    file: Annotated[Path | None, typer.Option(help="CSV of outcomes instead; needs no service and no key")] = None,
    outcome: Annotated[str | None, typer.Option(help="column of --file that says what was decided")] = None,
    favourable: Annotated[str | None, typer.Option(help="what --outcome says of a loan that was granted")] = None,
    group: Annotated[Names, typer.Option(help="column of --file with a protected group; may be repeated")] = None,
    segment: Annotated[Names, typer.Option(help="column of --file to split by; may be repeated")] = None,
    challenger: Annotated[Names, typer.Option(help="column of --file with another's decision")] = None,
    reference: Annotated[Names, typer.Option(help="BASIS=GROUP; default: the group approved most often")] = None,
    since: Day = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="the last day; default: today (UTC)")
    ] = None,
    approval_fall_bps: Annotated[
        int, typer.Option(min=0, max=10_000, help="of all applicants, whom an alternative may approve less")
    ] = STANDARD.approval_fall_bps,
    bad_rise_bps: Annotated[
        int, typer.Option(min=0, max=10_000, help="how many more of its loans may be expected to go bad")
    ] = STANDARD.bad_rise_bps,
    as_json: Annotated[bool, typer.Option("--json", help="prints JSON")] = False,
) -> None:
    """Adverse impact by protected group against the four-fifths rule, approval by segment, and the least
    discriminatory alternative among challengers. Changes nothing."""
    from api.commands.fairness_file import Columns
    from api.commands.fairness_run import Asked, run_report

    columns = Columns(outcome or "", favourable or "", group or [], segment or [], challenger or [])
    days = (since.date() if since else None, until.date() if until else None)
    bounds = Bounds(approval_fall_bps, bad_rise_bps)
    run_report(Settings(), Asked(key, file, columns, reference or [], days, bounds), as_json=as_json)
