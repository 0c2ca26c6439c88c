"""Is a payer or payee on a sanctions list? Every listed name that may be theirs, with the evidence for a person.

Nothing is decided here but what a person has to look at. A weak alias finds somebody only when it agrees all but
exactly. A date of birth that contradicts lowers the score; one that agrees, and a country, stand as evidence beside
it, for lists know them rarely and people move. A document's or register's number that is listed is a hit by itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from tools.rules.name_index import NameIndex
from tools.rules.name_matching import THRESHOLD, Comparison, compare_names
from tools.rules.name_parts import NameKind, read_name
from tools.rules.sanctions_list import Entry, SanctionsList, identifier_key

VERSION = "2026-01"
WEAK_ALIAS = 0.85
OTHER_BIRTH = 0.8
BIRTH_TOLERANCE_DAYS = 366
"""Listed dates are often a year off; further apart they contradict."""
IDENTIFIER_FROM = 6
"""Shorter numbers are shared by chance."""

_KINDS: tuple[NameKind, ...] = ("person", "organisation", "vessel")


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is screened. `kind` None: read as each kind. `countries` in the list's own English."""

    name: str
    kind: NameKind | None = None
    born: date | None = None
    countries: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """`matched_name` is the name or alias that agreed best; `comparison` has the subject's name first, None if only a
    number agreed. `remarks` are sentences on weak aliases, birth, country and numbers.
    """

    score: float
    uid: int
    listed_name: str
    matched_name: str
    programmes: tuple[str, ...]
    comparison: Comparison | None
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Screening:
    """Hits best first, with what they were found by: rule's version, threshold, list's version and hash."""

    rule_version: str
    threshold: float
    list_version: str
    list_sha256: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class _Listed:
    entry: Entry
    text: str
    weak: bool


class ScreeningIndex:
    """A list made ready for screening; built once a list, it never changes."""

    def __init__(self, sanctions: SanctionsList) -> None:
        self.version, self.sha256 = sanctions.version, sanctions.sha256
        self.listed: dict[NameKind, tuple[_Listed, ...]] = {
            kind: tuple(each for entry in sanctions.entries if name_kind(entry) == kind for each in _names(entry))
            for kind in _KINDS
        }
        self.names = {
            kind: NameIndex(read_name(each.text, kind) for each in listed) for kind, listed in self.listed.items()
        }
        self.entries_by_identifier: dict[str, list[Entry]] = {}
        for entry in sanctions.entries:
            for key in _keys(entry.identifiers):
                self.entries_by_identifier.setdefault(key, []).append(entry)


def screen(subject: Subject, index: ScreeningIndex, threshold: float = THRESHOLD) -> Screening:
    """One hit an entry, none below the threshold. ValueError as read_name's."""
    best: dict[int, Hit] = {}
    for hit in (*_hits_by_name(subject, index, threshold), *_hits_by_identifier(subject, index)):
        known = best.get(hit.uid)
        if hit.score >= threshold and (known is None or hit.score > known.score):
            best[hit.uid] = hit
    hits = tuple(sorted(best.values(), key=lambda hit: (-hit.score, hit.uid)))
    return Screening(VERSION, threshold, index.version, index.sha256, hits)


def name_kind(entry: Entry) -> NameKind:
    """An aircraft's name is a mark with a number, as a vessel's is."""
    return "vessel" if entry.kind == "aircraft" else entry.kind


def _names(entry: Entry) -> Iterator[_Listed]:
    yield _Listed(entry, entry.name, weak=False)
    for alias in entry.aliases:
        yield _Listed(entry, alias.name, alias.weak)


def _hits_by_name(subject: Subject, index: ScreeningIndex, threshold: float) -> Iterator[Hit]:
    for kind in _KINDS if subject.kind is None else (subject.kind,):
        asked, names = read_name(subject.name, kind), index.names[kind]
        for number in names.candidates(asked, threshold):
            comparison = compare_names(asked, names.names[number])
            if comparison.score >= threshold:
                yield _hit(subject, index.listed[kind][number], comparison)


def _hits_by_identifier(subject: Subject, index: ScreeningIndex) -> Iterator[Hit]:
    for key in _keys(subject.identifiers):
        for entry in index.entries_by_identifier.get(key, ()):
            remarks = (f"the list has the number {key}", *_on_birth(subject, entry), *_on_country(subject, entry))
            yield Hit(1.0, entry.uid, entry.name, entry.name, entry.programmes, None, remarks)


def _hit(subject: Subject, listed: _Listed, comparison: Comparison) -> Hit:
    entry, score = listed.entry, comparison.score
    remarks = [*_on_birth(subject, entry), *_on_country(subject, entry)]
    if _CONTRADICTS in remarks:
        score *= OTHER_BIRTH
    if listed.weak:
        score *= WEAK_ALIAS
        remarks.append("the list calls this alias weak")
    return Hit(score, entry.uid, entry.name, listed.text, entry.programmes, comparison, tuple(remarks))


_CONTRADICTS = "the date of birth contradicts the list"


def _on_birth(subject: Subject, entry: Entry) -> Iterator[str]:
    if subject.born is None or not entry.births:
        return
    days_off = min(
        max((birth.earliest - subject.born).days, (subject.born - birth.latest).days, 0) for birth in entry.births
    )
    if days_off == 0:
        yield "the date of birth agrees with the list"
    elif days_off > BIRTH_TOLERANCE_DAYS:
        yield _CONTRADICTS


def _on_country(subject: Subject, entry: Entry) -> Iterator[str]:
    listed = {country.casefold() for country in entry.countries}
    shared = [country for country in subject.countries if country.casefold() in listed]
    if shared:
        yield f"the list, too, names {', '.join(shared)}"
    elif listed and subject.countries:
        yield f"the list names {', '.join(entry.countries)}"


def _keys(numbers: Iterable[str]) -> set[str]:
    return {key for key in map(identifier_key, numbers) if len(key) >= IDENTIFIER_FROM}
