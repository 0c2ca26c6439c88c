"""`countersign scorecard`: trains a scorecard on loans with a known end."""

from pathlib import Path
from typing import Annotated

import typer

from db.errors import InvalidInput

scorecard_app = typer.Typer(no_args_is_help=True, help="Scorecards trained on loans with a known end.")
Columns = list[str] | None


@scorecard_app.command(name="fit")
def fit_scorecard(
    file: Annotated[Path | None, typer.Argument(help="CSV, one loan a line, a header with the columns' names")] = None,
    target: Annotated[str | None, typer.Option(help="column that says how the loan ended, in two values")] = None,
    out_file: Annotated[Path, typer.Option("--out", help="where the card is written")] = Path("scorecard.json"),
    bad: Annotated[str | None, typer.Option(help="the target's value for bad; default: 1, bad, default, yes")] = None,
    monotone: Annotated[Columns, typer.Option(help="COL:up or COL:down: how points go as the value rises")] = None,
    special: Annotated[Columns, typer.Option(help="COL=-8,-9 or *=-9: codes that stand for no quantity")] = None,
    drop: Annotated[Columns, typer.Option(help="column not to be scored")] = None,
    text: Annotated[Columns, typer.Option(help="column of codes that look like numbers and are none")] = None,
    reason: Annotated[Columns, typer.Option(help="COL=TEXT: what a letter says if the column costs points")] = None,
    name: Annotated[str | None, typer.Option(help="the card's name; default: the file's")] = None,
    pdo: Annotated[int, typer.Option(help="points that double the odds")] = 40,
    points: Annotated[int, typer.Option(help="score at the base odds")] = 600,
    odds: Annotated[int, typer.Option(help="base odds, good to one bad")] = 10,
    repeats: Annotated[int, typer.Option(min=1, max=20, help="rounds of 5 held-out parts")] = 1,
    compare: Annotated[bool, typer.Option("--compare", help="tries LightGBM on the same parts")] = False,
    report_file: Annotated[Path | None, typer.Option("--report", help="where an HTML report is written")] = None,
    example: Annotated[bool, typer.Option("--example", help="trains the shipped card on German credit")] = False,
) -> None:
    """Trains a points scorecard, tested on parts it was not trained on; writes a document to be reviewed."""
    from api.commands.scorecard_fit import Choices, Job, run_fit

    if (file is None) != example or (target is None) != example:
        raise InvalidInput("FILE", "must be given with --target, or --example instead of both")
    choices = Choices(
        target=target or "",
        bad=bad,
        monotone=monotone or [],
        special=special or [],
        drop=drop or [],
        text=text or [],
        reason=reason or [],
        name=name,
        scale=(pdo, points, odds),
    )
    run_fit(Job(file, choices, out_file, report_file, repeats, compare))
