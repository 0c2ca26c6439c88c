"""`countersign fraud`: judges payments in bulk, gives out their labels, trains the learned scorer."""

from pathlib import Path
from typing import Annotated

import typer

from api.settings import Settings
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


@fraud_app.command(name="review")
def review_file(
    file: Annotated[Path | None, typer.Argument(help="CSV, one payment a line; see --example")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="default: FILE.result.csv beside it")] = None,
    url: Annotated[str | None, typer.Option(envvar="COUNTERSIGN_URL", help="default: a server of our own")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="COUNTERSIGN_KEY", help="API key for --url", show_envvar=True)
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="prints a file that works, and ends")] = False,
) -> None:
    """Has a day's payments judged, each once; ends with 0 if every line was."""
    from api.commands.bulk import Job
    from api.commands.fraud_file import EXAMPLE, run_file

    if example:
        print(EXAMPLE, end="")
        return
    if file is None:
        raise InvalidInput("FILE", "is missing; `countersign fraud review --example` prints one that works")
    if not run_file(Settings(), Job(file, out_file, url, key)):
        raise typer.Exit(1)


@fraud_app.command(name="labels")
def training_labels(
    url: Annotated[str, typer.Option(envvar="COUNTERSIGN_URL", help="the server to ask")],
    key: Annotated[str, typer.Option(envvar="COUNTERSIGN_KEY", help="API key for --url", show_envvar=True)],
    out_file: Annotated[Path, typer.Option("--out", help="where the file is written")] = Path("payments.csv"),
) -> None:
    """Writes the payments that were judged, with what people found of them, for `countersign fraud fit`."""
    from api.commands.client import Client

    with Client(url, key) as client:
        out_file.write_bytes(client.file("/fraud/training.csv"))
    print(f"written to {out_file}")
