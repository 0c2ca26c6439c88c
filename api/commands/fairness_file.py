"""CSV files for `countersign fairness`: protected groups of applicants, and outcomes of anybody's making."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from api.commands import csv_lines
from api.commands.csv_lines import CsvLines
from db.errors import InvalidInput
from tools.fairness import Attribute, Basis
from tools.rules.fairness_report import Cell, Fairness, Outcome

MOST_GROUPS = 20
"""More values than these are no groups; put them in bands first."""
LONGEST = 60
SHOWN = 20

Fault = tuple[int, str, str]
"""Line, column and reason."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which of a file's columns are what. What is not `favourable` in `outcome` is not."""

    outcome: str
    favourable: str
    groups: Sequence[str]
    segments: Sequence[str] = ()
    challengers: Sequence[str] = ()

    def names(self) -> list[str]:
        return [self.outcome, *self.groups, *self.segments, *self.challengers]


def read_attributes(path: Path) -> tuple[str, list[tuple[int, Attribute]]]:
    """The file's SHA-256, and each cell that is not empty with its line. Raises InvalidInput for any fault at all."""
    bases: tuple[Basis, ...] = get_args(Basis)
    found = csv_lines.read(path, {"applicant_id": True} | dict.fromkeys(bases, False), "applicant")
    if found.names == ("applicant_id",):
        raise InvalidInput(str(path), f"has no column of groups; known are {', '.join(bases)}")
    given, faults, first = [], _miscounted(found), dict[str, int]()
    for line, cells in _whole(found):
        row = dict(zip(found.names, cells, strict=True))
        applicant = row["applicant_id"]
        if not applicant:
            faults.append((line, "applicant_id", "is empty"))
        elif (before := first.setdefault(applicant, line)) != line:
            faults.append((line, "applicant_id", f"{applicant} stands in line {before} already"))
        for basis in bases:
            if fault := _unfit(row.get(basis, "")):
                faults.append((line, basis, fault))
            elif row.get(basis):
                given.append((line, Attribute(applicant, basis, row[basis])))
    refuse(path, faults)
    for basis in bases:
        _check_few(path, basis, Counter(each.group for _, each in given if each.basis == basis))
    return found.sha256, given


def read_outcomes(path: Path, columns: Columns, into: Fairness) -> Counter[str]:
    """Adds every line; what stands in the column of outcomes, counted. Raises InvalidInput for any fault at all."""
    if twice := [name for name, count in Counter(columns.names()).items() if count > 1]:
        raise InvalidInput(str(path), f"column {twice[0]} is asked for twice")
    found = csv_lines.read(path, dict.fromkeys(columns.names(), True), "outcome", among_others=True)
    faults = _miscounted(found)
    rows = [(line, dict(zip(found.names, cells, strict=True))) for line, cells in _whole(found)]
    faults += [(line, columns.outcome, "is empty") for line, row in rows if not row[columns.outcome]]
    refuse(path, faults)
    for name in (*columns.groups, *columns.segments):
        _check_few(path, name, Counter(row[name] for _, row in rows if row[name]))
    for name in (columns.outcome, *columns.challengers):
        if columns.favourable not in (values := Counter(row[name] for _, row in rows)):
            some = ", ".join(repr(value) for value, _ in values.most_common(5))
            raise InvalidInput("--favourable", f"{columns.favourable!r} stands nowhere in {name}, which has {some}")
    for _, row in rows:
        into.add(_outcome(row, columns))
    return Counter(row[columns.outcome] for _, row in rows)


def refuse(path: Path, faults: Sequence[Fault]) -> None:
    """Raises InvalidInput if there are any."""
    if faults:
        told = [f"line {line}, {column}: {reason}" for line, column, reason in sorted(faults)[:SHOWN]]
        more = [f"and {len(faults) - SHOWN} faults more"] if len(faults) > SHOWN else []
        raise InvalidInput(str(path), "\n  ".join(["nothing was done with it:", *told, *more]))


def _outcome(row: dict[str, str], columns: Columns) -> Outcome:
    favourable = row[columns.outcome] == columns.favourable
    segments: list[Cell] = [(name, row[name] or "not known") for name in columns.segments]
    return Outcome(
        favourable=favourable,
        groups={name: row[name] for name in columns.groups if row[name]},
        segments=segments,
        alone=favourable,
        challengers={name: row[name] == columns.favourable if row[name] else None for name in columns.challengers},
    )


def _miscounted(found: CsvLines) -> list[Fault]:
    return [
        (line, column, reason)
        for line, cells in found.lines
        for column, reason in csv_lines.miscounted(cells, found.names)
    ]


def _whole(found: CsvLines) -> Iterator[tuple[int, list[str]]]:
    return ((line, cells) for line, cells in found.lines if len(cells) == len(found.names))


def _unfit(cell: str) -> str | None:
    if len(cell) > LONGEST:
        return f"has {len(cell)} characters; a group has {LONGEST} at most"
    return None if cell.isprintable() else "has characters that cannot be shown"


def _check_few(path: Path, column: str, values: Counter[str]) -> None:
    if len(values) > MOST_GROUPS:
        fault = f"column {column} has {len(values)} values, and {MOST_GROUPS} groups at most can be compared"
        raise InvalidInput(str(path), f"{fault}: put them in bands first")
