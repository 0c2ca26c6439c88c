"""A CSV file as its lines: read whole before anything is done with it, refused where no line could be read."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class CsvLines:
    """`lines` are below the header, each with the line it begins on; their cells stand under `names`."""

    sha256: str
    names: tuple[str, ...]
    lines: tuple[tuple[int, list[str]], ...]


def read(path: Path, known: Mapping[str, bool], what: str, *, among_others: bool = False) -> CsvLines:
    """`known` columns, and whether each must be there; `what` a line below the header is. Raises InvalidInput, also
    for other columns unless they are `among_others`."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InvalidInput(str(path), exc.strerror or str(exc)) from exc
    reader = csv.reader(io.StringIO(_text(path, content), newline=""), strict=True)
    try:
        lines = list(_lines(reader))
    except csv.Error as exc:
        raise InvalidInput(str(path), f"line {reader.line_num} is not CSV: {exc}") from exc
    if not lines:
        raise InvalidInput(str(path), "is empty")
    names = lines[0][1]
    _check_header(path, names, {**dict.fromkeys(names, False), **known} if among_others else known)
    if len(lines) == 1:
        raise InvalidInput(str(path), f"has a header and no {what} below it")
    return CsvLines(hashlib.sha256(content).hexdigest(), tuple(names), tuple(lines[1:]))


def miscounted(cells: Sequence[str], names: Sequence[object]) -> tuple[tuple[str, str], ...]:
    """The fault of a line with more or fewer cells than the header."""
    if len(cells) == len(names):
        return ()
    return (("(line)", f"has {len(cells)} cells, the header has {len(names)} columns"),)


def reason(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors, with what was given."""
    told = str(error["msg"]).removeprefix("Value error, ")
    return told if error["type"] == "missing" else f"{told} (given: {error['input']!r:.60})"


def _text(path: Path, content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InvalidInput(str(path), "is UTF-16, not UTF-8; save it as CSV UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        fault = f"is not UTF-8: byte 0x{content[exc.start]:02x} in line {line}; save it as CSV UTF-8"
        raise InvalidInput(str(path), fault) from exc


def _lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with something in them, each with the line it begins on."""
    begins_on = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield begins_on, [cell.strip() for cell in cells]
        begins_on = reader.line_num + 1


def _check_header(path: Path, names: Sequence[str], known: Mapping[str, bool]) -> None:
    if len(names) == 1:
        for separator, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in names[0]:
                raise InvalidInput(str(path), f"separates its columns by {called}; separate them by commas")
    unknown = [name or "(without a name)" for name in names if name not in known]
    if unknown:
        raise InvalidInput(str(path), f"unknown columns: {', '.join(unknown)}; known are {', '.join(known)}")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InvalidInput(str(path), f"columns given twice: {', '.join(twice)}")
    missing = [name for name, required in known.items() if required and name not in names]
    if missing:
        raise InvalidInput(str(path), f"missing columns: {', '.join(missing)}")
