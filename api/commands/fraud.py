"""`countersign fraud`: trains the learned scorer."""

from pathlib import Path
from typing import Annotated

import typer

from db.errors import InvalidInput

fraud_app = typer.Typer(no_args_is_help=True, help="Fraud review and its learned scorer.")


@fraud_app.command(name="fit")
def fit_model(
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV (or .csv.gz) with payment_id, at, account, payee, amount, is_fraud"),
    ] = None,
    out_file: Annotated[Path, typer.Option("--out", help="where the model is written")] = Path("fraud_model.json"),
    report_file: Annotated[
        Path | None, typer.Option("--report", help="where the report is written too, as text")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="trains on our simulated payments, as the shipped model was")
    ] = False,
) -> None:
    """Trains the learned fraud scorer and tests it on the file's last week."""
    from api.commands.fraud_fit import Job, run_fit

    if (file is None) != simulated:
        raise InvalidInput("FILE", "must be given, or --simulated instead of it")
    run_fit(Job(file, out_file, report_file))
