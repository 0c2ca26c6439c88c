"""A CSV file of loan applications: read whole before anything is sent, each bad line with its column and reason."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from api.commands import csv_lines
from tools.loan_request import LoanApplication

EXAMPLE = """\
applicant_id,amount,term_months,income,purpose,employment_status,employment_since,housing_status,housing_monthly_cost
cust_2002,12000.00,36,6500.00,home_improvement,employed,2018-05-07,rent,980.00
cust_3003,8000.00,36,4800.00,vehicle,employed,2024-02-05,rent,1250.00
cust_4004,15000.00,48,5200.00,debt_consolidation,employed,2021-10-18,rent,1450.00
cust_1005,20000.00,60,9400.00,household,employed,2004-09-13,mortgage,1890.00
cust_1002,3000,12,3100,medical,retired,,own,420
"""
"""Applications of the sandbox bank's customers."""

NOT_IN_A_FILE = frozenset({"obligations", "co_applicant"})
"""What has no single cell: these are asked for over HTTP alone."""
_INTEGER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file and where its value goes in the request: `employment_since` → `employment.since`."""

    name: str
    path: tuple[str, ...]
    required: bool
    is_integer: bool


@dataclass(frozen=True, slots=True)
class Row:
    """`line` is the first line of the row in the file. Either `application` or `faults` (column, reason)."""

    line: int
    application: dict[str, Any] | None
    faults: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ApplicationFile:
    sha256: str
    rows: tuple[Row, ...]


def columns() -> tuple[Column, ...]:
    """What `LoanApplication` asks for, with its nested models flattened."""
    return tuple(_columns(LoanApplication, (), required=True))


def read(path: Path) -> ApplicationFile:
    """Raises InvalidInput for what no line of the file can be read in spite of."""
    known = {column.name: column for column in columns()}
    found = csv_lines.read(path, {name: column.required for name, column in known.items()}, "application")
    named = [known[name] for name in found.names]
    return ApplicationFile(found.sha256, tuple(_row(line, cells, named) for line, cells in found.lines))


def column_of(field: str) -> str:
    """The file's column for a field of the request: `housing.monthly_cost` → `housing_monthly_cost`."""
    return field.replace(".", "_")


def _columns(model: type[BaseModel], path: tuple[str, ...], *, required: bool) -> Iterator[Column]:
    for name, field in model.model_fields.items():
        if name in NOT_IN_A_FILE:
            continue
        here = (*path, name)
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from _columns(nested, here, required=required and field.is_required())
        else:
            yield Column("_".join(here), here, required and field.is_required(), _is_integer(field))


def _is_integer(field: FieldInfo) -> bool:
    kinds = set(get_args(field.annotation)) or {field.annotation}
    return kinds - {NoneType} == {int}


def _row(line: int, cells: Sequence[str], known: Sequence[Column]) -> Row:
    if faults := csv_lines.miscounted(cells, known):
        return Row(line, None, faults)
    given = list(zip(known, cells, strict=True))
    empty = [(column.name, "is empty") for column, cell in given if column.required and not cell]
    application = _nested((column, cell) for column, cell in given if cell)
    try:
        wanted = LoanApplication.model_validate(application)
    except ValidationError as exc:
        named = dict(empty)
        wrong = [(_column(error["loc"]), csv_lines.reason(error)) for error in exc.errors()]
        return Row(line, None, (*empty, *((name, reason) for name, reason in wrong if not _covers(named, name))))
    return Row(line, wanted.model_dump(mode="json"))


def _nested(given: Iterator[tuple[Column, str]]) -> dict[str, Any]:
    application: dict[str, Any] = {}
    for column, cell in given:
        *outer, last = column.path
        target = application
        for name in outer:
            target = target.setdefault(name, {})
        target[last] = int(cell) if column.is_integer and _INTEGER.fullmatch(cell) else cell
    return application


def _column(loc: Sequence[int | str]) -> str:
    return "_".join(str(step) for step in loc)


def _covers(empty: Mapping[str, str], name: str) -> bool:
    """An empty `housing_status` and `housing_monthly_cost` say already that there is no `housing`."""
    return any(known == name or known.startswith(f"{name}_") for known in empty)
