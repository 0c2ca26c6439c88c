"""`countersign policy`: what another policy or scorecard would have decided."""

from pathlib import Path
from typing import Annotated

import typer

policy_app = typer.Typer(no_args_is_help=True, help="Credit policies.")


@policy_app.callback()
def policies() -> None:
    """Credit policies."""


@policy_app.command(name="backtest")
def backtest(
    policy: Annotated[str | None, typer.Option(help="version; default: of the policy in force today")] = None,
    card_file: Annotated[Path | None, typer.Option("--card", help="scorecard document; default: 2026-01")] = None,
    by: Annotated[str, typer.Option(help="segments: band, employment, housing, purpose or term")] = "band",
    bad_rates: Annotated[
        str | None, typer.Option("--bad-rates", help="percent going bad by band, as A=1,B=2.5,…; a card knows its own")
    ] = None,
    loss_percent: Annotated[int, typer.Option("--loss", min=1, max=100, help="percent lost of a loan gone bad")] = 60,
    out_file: Annotated[Path | None, typer.Option("--out", help="CSV of every application")] = None,
) -> None:
    """Decides all stored applications again and compares; changes nothing."""
    from api.commands.backtest import Job, run_backtest
    from api.settings import Settings

    run_backtest(Settings(), Job(policy, card_file, by, bad_rates, loss_percent, out_file))
