"""`countersign fraud fit`: labelled payments in, a tested model document and a report out."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from db.errors import CountersignError, InvalidInput
from tools.modelling.boosting import TrainerMissing
from tools.modelling.fitting import Fit, TooFewPayments, fit
from tools.modelling.payment_file import BadPaymentFile, PaymentFile, read_payments
from tools.modelling.simulated_fraud import simulated
from tools.modelling.simulation import World, as_file
from tools.rules.fraud_model import load
from tools.rules.fraud_model_document import UNIT_BPS, Figures, ModelDocument, TrainedOn
from tools.rules.plain import to_plain

REPORT_WIDTH = 118


@dataclass(frozen=True, slots=True)
class Job:
    """`file` is None for simulated payments."""

    file: Path | None
    out_file: Path
    report_file: Path | None


def run_fit(job: Job) -> None:
    """Raises InvalidInput for a file that cannot be trained on, CountersignError without the training libraries."""
    console, started = Console(), time.monotonic()

    def tell(step: str) -> None:
        console.print(Text(f"{time.monotonic() - started:6.1f} s  {step}", style="dim"), soft_wrap=True)

    try:
        found = fit(_source(job.file), tell)
    except TrainerMissing as exc:
        raise CountersignError(str(exc)) from exc
    except (BadPaymentFile, TooFewPayments) as exc:
        raise InvalidInput("FILE", str(exc)) from exc
    text = written(found.document)
    load(text)
    _replace(job.out_file, text)
    report = Group(*_report(found, len(text)))
    console.print(report)
    if job.report_file is not None:
        _write_report(job.report_file, report)
    console.print(f"\nwritten to {job.out_file}", highlight=False, soft_wrap=True)


def written(document: ModelDocument) -> str:
    """The document's text: the same for the same document, byte for byte."""
    return json.dumps(to_plain(document), separators=(",", ":")) + "\n"


def _source(file: Path | None) -> PaymentFile:
    if file is None:
        world = World()
        return as_file(world, simulated(world))
    if not file.is_file():
        raise InvalidInput("FILE", f"{file} is not there")
    return read_payments(file)


def _replace(file: Path, text: str) -> None:
    """Whole or not at all: a model half written must not be loaded."""
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(file)
    except OSError as exc:
        raise InvalidInput("--out", f"{file} cannot be written: {exc.strerror}") from exc


def _write_report(file: Path, report: RenderableType) -> None:
    try:
        with file.open("w", encoding="utf-8") as opened:
            Console(file=opened, width=REPORT_WIDTH).print(report)
    except OSError as exc:
        raise InvalidInput("--report", f"{file} cannot be written: {exc.strerror}") from exc


def _report(found: Fit, size: int) -> Iterator[RenderableType]:
    document, trained = found.document, found.document.trained_on
    yield Text(f"\nModel {document.version}", style="bold")
    origin = Table.grid(padding=(0, 2))
    origin.add_row("trained on", f"{trained.source}, {_days(trained)}")
    origin.add_row(
        "", f"{trained.payments:,} payments, {trained.frauds:,} of them fraud; SHA-256 {trained.sha256[:16]}…"
    )
    nodes = sum(len(tree.feature) for tree in document.trees)
    origin.add_row("made of", f"{len(document.trees)} trees, {nodes:,} nodes, {size // 1000} kB, by {trained.trainer}")
    holds, blocks = _percent(document.thresholds.hold_bps), _percent(document.thresholds.block_bps)
    origin.add_row("alone", f"it would hold from a probability of {holds}, block from {blocks}")
    yield origin
    yield Text(f"\nTested on {_days(document.tested)}, a week after the training window", style="bold")
    yield _tested(found)
    yield Text(
        f"The probabilities of all {found.every_payment.payments:,} make {found.expected_frauds:,} frauds expected; "
        f"{found.every_payment.frauds:,} happened."
    )
    yield Text("\nChosen on the last week of the training window", style="bold")
    yield _candidates(found)


def _days(of: Figures | TrainedOn) -> str:
    return f"{of.first_day} to {of.last_day}"


def _tested(found: Fit) -> Table:
    """Known cases are accounts whose fraud was known before the payment: the Handbook leaves them out."""
    compared = (found.document.tested, found.untuned, found.every_payment)
    table = _table("", "this model", "library's defaults", "with known cases")
    table.add_row("payments", *(f"{of.payments:,}" for of in compared))
    table.add_row("frauds", *(f"{of.frauds:,}" for of in compared))
    table.add_row("AUC", *(_share(of.auc_bps) for of in compared))
    table.add_row("average precision", *(_share(of.average_precision_bps) for of in compared))
    table.add_row("card precision@100", *(_share(of.card_precision_100_bps) for of in compared))
    table.add_row("fraud amount caught at 1 %", *(_percent(of.amount_caught_bps) for of in compared))
    return table


def _candidates(found: Fit) -> Table:
    table = _table("leaves", "rounds", "rate", "least payments a leaf", "average precision", "")
    for each in found.candidates:
        tried = each.setting
        row = (tried.leaves, tried.rounds, tried.rate, tried.leaf_payments, f"{each.average_precision:.4f}")
        table.add_row(*map(str, row), "chosen" if each is found.chosen else "")
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    return table


def _share(bps: int) -> str:
    return f"{bps / UNIT_BPS:.4f}"


def _percent(bps: int) -> str:
    return f"{bps * 100 / UNIT_BPS:.2f} %"
