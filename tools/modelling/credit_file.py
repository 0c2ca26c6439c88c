"""Loans with a known end from a CSV file: each column numbers or texts, a fault named by its line and column."""

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

from tools.rules.scorecard_document import DECIMALS_MAX, prohibited_basis

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL"})
BAD_WORDS = frozenset({"1", "bad", "default", "defaulted", "yes", "true"})
NUMBERS_SHARE = 0.9
"""A column of which so much is numbers is one of numbers, and the rest are faults."""
TEXTS_MAX = 60
ROWS_MIN, BADS_MIN = 200, 30
NUMBER_MAX = 10**15

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


class BadCreditFile(ValueError):
    """The file cannot be trained on; the text names the line and the column."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`bad` is the target's text for a loan gone bad; None: found among BAD_WORDS. `special` codes by column, or for
    every column under `*`. `left_out` columns are not read; `texts` are texts though they look like numbers."""

    target: str
    bad: str | None = None
    special: Mapping[str, Sequence[str]] | None = None
    left_out: Sequence[str] = ()
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Numbers:
    """Whole numbers of 10^-`decimals`; None: missing. `special` codes are among the values in the same unit."""

    name: str
    values: tuple[int | None, ...]
    decimals: int
    special: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    name: str
    values: tuple[str | None, ...]


Column = Numbers | Texts


@dataclass(frozen=True, slots=True)
class CreditTable:
    """Rows in the file's order; `bads` says of each whether it went bad."""

    source: str
    sha256: str
    target: str
    bad: str
    bads: tuple[bool, ...]
    columns: tuple[Column, ...]
    left_out: tuple[str, ...]


def read_credit(path: Path, asked: Asked) -> CreditTable:
    """Raises BadCreditFile, also for a column whose name speaks of a prohibited basis and is not left out."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise BadCreditFile(f"{path}: {exc.strerror}") from exc
    return credit_table(path.name, content, asked)


def credit_table(source: str, content: bytes, asked: Asked) -> CreditTable:
    """The same from the bytes of a file."""
    header, rows = _cells(source, content)
    for name in (asked.target, *asked.left_out, *asked.texts, *(set(asked.special or ()) - {"*"})):
        if name not in header:
            raise BadCreditFile(f"{source} has no column {name!r}; it has {', '.join(header)}")
    scored = [name for name in header if name != asked.target and name not in asked.left_out]
    _refuse_prohibited(scored)
    if not scored:
        raise BadCreditFile(f"{source} has no column left to be scored")
    at = {name: number for number, name in enumerate(header)}
    bad, bads = _bads([row[at[asked.target]] for row in rows], asked)
    columns = tuple(_column(name, [row[at[name]] for row in rows], asked) for name in scored)
    sha256 = hashlib.sha256(content).hexdigest()
    return CreditTable(source, sha256, asked.target, bad, bads, columns, tuple(asked.left_out))


def _refuse_prohibited(scored: Sequence[str]) -> None:
    for name in scored:
        if basis := prohibited_basis(name):
            raise BadCreditFile(
                f"column {name!r} speaks of {basis!r}, a basis on which credit must not be scored (12 CFR 1002.4(a), "
                f"1002.6(b)): leave it out with --drop {name}, or, if it means another thing, give it another name"
            )


def _cells(source: str, content: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        raise BadCreditFile(f"{source} is not UTF-8 in line {line}; save it as CSV UTF-8") from exc
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if rows and len(row) != len(rows[0]):
                raise BadCreditFile(
                    f"line {reader.line_num} has {len(row)} cells, the header has {len(rows[0])} columns"
                )
            rows.append([cell.strip() for cell in row])
    except csv.Error as exc:
        raise BadCreditFile(f"line {reader.line_num} is not CSV: {exc}") from exc
    if len(rows) <= ROWS_MIN:
        raise BadCreditFile(f"{source} must hold a header and at least {ROWS_MIN} rows")
    header = rows[0]
    if "" in header or len(set(header)) != len(header):
        raise BadCreditFile("every column needs a name of its own in the first line")
    return header, rows[1:]


def _bads(cells: Sequence[str], asked: Asked) -> tuple[str, tuple[bool, ...]]:
    found = sorted(set(cells))
    if len(found) != 2:
        said = ", ".join(repr(each) for each in found[:5])
        raise BadCreditFile(
            f"column {asked.target!r} must hold two values, good and bad; it holds {len(found)}: {said}"
        )
    named = [each for each in found if (each == asked.bad if asked.bad is not None else each.lower() in BAD_WORDS)]
    if len(named) != 1:
        raise BadCreditFile(f"say with --bad which of {found[0]!r} and {found[1]!r} in {asked.target!r} is bad")
    bads = tuple(cell == named[0] for cell in cells)
    if min(sum(bads), len(bads) - sum(bads)) < BADS_MIN:
        raise BadCreditFile(f"{asked.target!r} must be good at least {BADS_MIN} times, and bad as often")
    return named[0], bads


def _column(name: str, cells: Sequence[str], asked: Asked) -> Column:
    given = [cell for cell in cells if cell not in MISSING]
    if not given:
        raise BadCreditFile(f"column {name!r} is empty: --drop {name}")
    numbers = sum(_NUMBER.fullmatch(cell) is not None for cell in given)
    if name in asked.texts or numbers <= NUMBERS_SHARE * len(given):
        return _texts(name, cells)
    return _numbers(name, cells, [*(asked.special or {}).get("*", ()), *(asked.special or {}).get(name, ())])


def _texts(name: str, cells: Sequence[str]) -> Texts:
    values = tuple(None if cell in MISSING else cell for cell in cells)
    if len(set(values)) > TEXTS_MAX:
        raise BadCreditFile(f"column {name!r} holds over {TEXTS_MAX} different texts: group them, or --drop {name}")
    return Texts(name, values)


def _numbers(name: str, cells: Sequence[str], special: Sequence[str]) -> Numbers:
    for number, cell in enumerate(cells, start=2):
        if cell not in MISSING and not _NUMBER.fullmatch(cell):
            raise BadCreditFile(f"line {number}, column {name!r}: {cell!r:.40} is no number, as nearly all others are")
    exact = [None if cell in MISSING else Decimal(cell) for cell in cells]
    places = [max(0, -int(value.normalize().as_tuple().exponent)) for value in exact if value is not None]
    decimals = min(DECIMALS_MAX, max(places, default=0))
    values = tuple(None if value is None else _whole(value, decimals) for value in exact)
    for number, value in enumerate(values, start=2):
        if value is not None and abs(value) > NUMBER_MAX:
            raise BadCreditFile(f"line {number}, column {name!r}: the number is too large, or has too many decimals")
    codes = {_whole(Decimal(code), decimals) for code in special if _NUMBER.fullmatch(code)}
    return Numbers(name, values, decimals, tuple(sorted(codes.intersection(v for v in values if v is not None))))


def _whole(value: Decimal, decimals: int) -> int:
    """Down, so that a value compares with a bin's whole end as it does in full."""
    return int(value.scaleb(decimals).to_integral_value(ROUND_FLOOR))
