"""What a letter is made of, and how its parts are set as plain text of at most 78 columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import wrap

COLUMNS = 78
NO_BREAK = "\N{NO-BREAK SPACE}"
"""Keeps an amount or a date on one line; an ordinary space in the plain text."""

_LABEL_COLUMNS = 34
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Letterhead:
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that stay lines: an address, a date, a signature."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A numbered list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Label and value, a row each."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CostBox:
    """The figures an applicant must see first: label, value and what it means."""

    cells: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Set in the PDF only, after everything else: too long for a letter that is read as text."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...]


Part = Letterhead | Block | Subject | Heading | Paragraph | Points | Figures | CostBox | Table


def plain_text(parts: Iterable[Part]) -> str:
    """Parts in order, a blank line between; ends with a newline. Counts characters, not display cells."""
    blocks = (_lines(part) for part in parts)
    text = "\n\n".join("\n".join(lines) for lines in blocks if lines)
    return text.replace(NO_BREAK, " ") + "\n"


def _lines(part: Part) -> Sequence[str]:
    match part:
        case Letterhead(name, lines):
            return [*_wrapped_each((name, *lines)), "-" * COLUMNS]
        case Block(lines):
            return _wrapped_each(lines)
        case Subject(text):
            return _hanging("Re: ", text)
        case Heading(text):
            return [*_wrapped(text), "-" * min(len(text), COLUMNS)]
        case Paragraph(text):
            return _wrapped(text)
        case Points(items):
            return [line for number, item in enumerate(items, 1) for line in _hanging(f"{_INDENT}{number}. ", item)]
        case Figures(rows):
            return [line for label, value in rows for line in _row(label, value)]
        case CostBox(cells):
            return [line for label, value, gloss in cells for line in (*_row(label, value), *_gloss(gloss))]
        case Table():
            return []


def _row(label: str, value: str) -> Sequence[str]:
    """A label too long for its column pushes the value to the next line."""
    lead = f"{_INDENT}{label}".ljust(_LABEL_COLUMNS)
    if len(lead) > _LABEL_COLUMNS or not lead.endswith(" "):
        return [*_wrapped(lead), *_hanging(" " * _LABEL_COLUMNS, value)]
    return _hanging(lead, value)


def _gloss(gloss: str) -> Sequence[str]:
    return _hanging(_INDENT * 2, gloss)


def _hanging(lead: str, text: str) -> Sequence[str]:
    return _wrapped(text, first=lead, rest=" " * len(lead))


def _wrapped_each(lines: Iterable[str]) -> list[str]:
    return [wrapped for line in lines for wrapped in (_wrapped(line) or [""])]


@lru_cache(maxsize=512)
def _wrapped(text: str, first: str = "", rest: str = "") -> tuple[str, ...]:
    """Kept, because nearly all that a letter says stands in every other of its kind, too."""
    return tuple(wrap(text, COLUMNS, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False))
