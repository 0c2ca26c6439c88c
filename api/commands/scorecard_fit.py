"""`countersign scorecard fit`: loans in, a tested scorecard document and a report out, or nothing at all."""

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from db.errors import CountersignError, InvalidInput
from tools.modelling.boosting import EXTRA
from tools.modelling.credit_file import Asked, BadCreditFile, read_credit
from tools.rules.odds import Scale
from tools.rules.scorecard_document import bin_points, highest_score, lowest_score

if TYPE_CHECKING:
    from tools.modelling.public_credit import Case
    from tools.modelling.scorecard_build import Built

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
DIRECTIONS = {"up": 1, "down": -1}


@dataclass(frozen=True, slots=True)
class Choices:
    """As typed. `scale` is pdo, points and odds."""

    target: str
    bad: str | None
    monotone: Sequence[str]
    special: Sequence[str]
    drop: Sequence[str]
    text: Sequence[str]
    reason: Sequence[str]
    name: str | None
    scale: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Job:
    """`file` is None for the shipped example."""

    file: Path | None
    choices: Choices
    out_file: Path
    report_file: Path | None
    repeats: int
    compare: bool


def run_fit(job: Job) -> None:
    """Raises InvalidInput for what cannot be trained on, CountersignError without the training libraries."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices are small: threads cost more than they bring
    try:
        if job.compare:
            import lightgbm  # noqa: F401  # said before an hour's training, not after it
        from tools.modelling.public_credit import DataMissing
        from tools.modelling.scorecard_build import build
        from tools.modelling.scorecard_fit import NothingToTell
        from tools.modelling.scorecard_html import scorecard_html
    except ImportError as exc:
        raise CountersignError(
            f"training needs {exc.name}, which the base install leaves out: pip install '{EXTRA}'"
        ) from exc
    console, started = Console(), time.monotonic()

    def tell(step: str) -> None:
        console.print(Text(f"{time.monotonic() - started:6.1f} s  {step}", style="dim"), soft_wrap=True)

    try:
        case = _case(job)
        built = build(case.table, case.plan, job.repeats, tell, rivals=job.compare)
    except (BadCreditFile, DataMissing, NothingToTell) as exc:
        raise InvalidInput("FILE", str(exc)) from exc
    _replace("--out", job.out_file, built.text)
    for part in _report(built):
        console.print(part)
    if job.report_file is not None:
        _replace("--report", job.report_file, scorecard_html(built, case.table))
    console.print(f"\nwritten to {job.out_file}", highlight=False, soft_wrap=True)


def _case(job: Job) -> "Case":
    from tools.modelling.public_credit import Case, german
    from tools.modelling.scorecard_fit import Plan

    if job.file is None:
        return german()
    choices = job.choices
    try:
        scale = Scale(*choices.scale)
    except ValueError as exc:
        raise InvalidInput("--pdo", str(exc)) from exc
    monotone = {column: _direction(said) for column, said in _split("--monotone", choices.monotone, ":")}
    reasons = dict(_split("--reason", choices.reason, "="))
    special = {column: codes.split(",") for column, codes in _split("--special", choices.special, "=")}
    asked = Asked(choices.target, choices.bad, special, choices.drop, choices.text)
    table = read_credit(job.file, asked)
    numbers = {column.name for column in table.columns if hasattr(column, "decimals")}
    for column in monotone:
        if column not in numbers:
            raise InvalidInput("--monotone", f"{column!r} is no column of numbers that is scored")
    for column in reasons:
        if column not in {each.name for each in table.columns}:
            raise InvalidInput("--reason", f"{column!r} is no column that is scored")
    return Case(table, Plan(_name(choices.name, job.file), monotone, reasons, scale))


def _name(asked: str | None, file: Path) -> str:
    """What the version begins with, so that a policy can name the card. Raises InvalidInput."""
    if asked is not None and not NAME.fullmatch(asked):
        raise InvalidInput("--name", "must be 1 to 50 letters, digits, dots, dashes and underscores, no sign first")
    return asked or re.sub(r"[^A-Za-z0-9]+", "-", file.stem).strip("-")[:50] or "card"


def _split(option: str, said: Iterable[str], sign: str) -> Iterator[tuple[str, str]]:
    for each in said:
        column, found, value = each.rpartition(sign) if sign == ":" else each.partition(sign)
        if not (column and found and value):
            raise InvalidInput(option, f"must be COLUMN{sign}VALUE, not {each!r:.60}")
        yield column, value


def _direction(said: str) -> int:
    if said not in DIRECTIONS:
        raise InvalidInput("--monotone", f"must end in :up or :down, not :{said}")
    return DIRECTIONS[said]


def _replace(option: str, file: Path, text: str) -> None:
    """Whole or not at all: a card half written must not be loaded."""
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(file)
    except OSError as exc:
        raise InvalidInput(option, f"{file} cannot be written: {exc.strerror}") from exc


def _report(built: "Built") -> Iterator[RenderableType]:
    document, card = built.trained.document, built.trained.card
    origin = document.trained_on
    yield Text(f"\nScorecard {document.version}", style="bold")
    yield f"trained on {origin.source}: {origin.rows:,} rows, {origin.bads:,} bad; SHA-256 {origin.sha256[:16]}…"
    yield f"scores from {lowest_score(card)} to {highest_score(card)}, {len(card.attributes)} attributes"
    yield Text(f"\nOut of sample, {len(built.trials)} held-out parts", style="bold")
    yield _figures(built)
    yield Text("\nWhat counts most: points between the worst and the best bin", style="bold")
    spans = sorted(
        ((max(bin_points(each)) - min(bin_points(each)), each.name) for each in card.attributes), reverse=True
    )
    grid = Table.grid(padding=(0, 2))
    for span, name in spans[:10]:
        grid.add_row(str(span), name)
    yield grid


def _figures(built: "Built") -> Table:
    from tools.modelling.scorecard_html import FIGURES
    from tools.modelling.scorecard_trials import differences

    rivals = list(built.trials[0].rivals)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in ("", "scorecard", "± parts", *(f"{each} − {name}" for name in rivals for each in ("card",))):
        table.add_column(heading, justify="right" if heading else "left")
    for figure, called in FIGURES:
        values = [getattr(trial.card, figure) for trial in built.trials]
        apart = [differences(built.trials, name, figure) for name in rivals]
        cells = [f"{each.mean:+.4f} ± {each.error:.4f}" for each in apart]
        table.add_row(called, f"{mean(values):.4f}", f"{stdev(values):.4f}", *cells)
    table.add_row("population stability index", f"{mean(trial.psi for trial in built.trials):.4f}")
    return table
