"""A sanctions list in the format of OFAC's SDN.CSV and ALT.CSV, read strictly into entries.

Columns as OFAC's data specification names them: no header, `-0- ` for nothing, an end-of-file sign at the end. What
SDN.CSV has no column for stands in its remarks: weak aliases, dates and places of birth, countries and numbers.
Remarks hold 1,000 characters at most; entries whose remarks OFAC cut short are named in `cut_short`.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

EntryKind = Literal["person", "organisation", "vessel", "aircraft"]

CIRCA_YEARS = 2
_NULL = "-0-"
_KINDS: dict[str, EntryKind] = {
    "individual": "person",
    "": "organisation",
    "vessel": "vessel",
    "aircraft": "aircraft",
}
_SDN_COLUMNS, _ALT_COLUMNS = 12, 5
_REMARKS_LIMIT = 1000
_MONTH_NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_MONTHS = {month: at for at, month in enumerate(_MONTH_NAMES.split(), 1)}

_ALIAS = re.compile(r"\b[afn]\.k\.a\. '(.*?)'(?=;|\.?$)")
_BIRTH = re.compile(r"(?:alt\. )?DOB (.+)")
_BIRTH_PLACE = re.compile(r"(?:alt\. )?POB (.+)")
_COUNTRY = re.compile(r"(?:alt\. )?(?:nationality|citizen|Vessel Flag|Former Vessel Flag) (.+)")
_IDENTIFIER = re.compile(
    r"(?:alt\. )?(.*?(?:Passport|National ID|Tax ID|Identification|Registration|Registry|Number|Cedula"
    r"|C\.U\.R\.P\.|R\.F\.C\.|NIT|RUC|RIF|D\.N\.I\.|C\.R\.|License|Gazette|SWIFT/BIC|MMSI|IMO|SSN"
    r"|Digital Currency Address - \w+)[^\d]*?)"
    r"\s+(?:No\.? |# ?)?((?:(?!IMO |ID )[A-Z]{1,4} )?(?=\S*\d|[A-Z]{6})[A-Za-z0-9][\w./\-]*(?: [\d./\-]+)*)"
    r"(?: \(.*| issued .*| expires .*)?"
)
_SPAN = re.compile(r"(circa )?(.+?)(?: to (.+)|-(\d{4}))?")
_DAY = re.compile(r"(?:(?:(\d\d?) )?([A-Z][a-z]{2}) )?(\d{4})")


@dataclass(frozen=True, slots=True)
class Alias:
    """`weak` if the list itself calls it common or vague: good to confirm a person, poor to find one."""

    name: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Birth:
    """The days between which somebody was born, both included: one day, a month, a year, or about it."""

    earliest: date
    latest: date


@dataclass(frozen=True, slots=True)
class Entry:
    """`name` as listed (`LAST, First` for persons); `identifiers` are documents' and registers' numbers as printed."""

    uid: int
    name: str
    kind: EntryKind
    programmes: tuple[str, ...]
    aliases: tuple[Alias, ...] = ()
    births: tuple[Birth, ...] = ()
    birth_places: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SanctionsList:
    """`version` is the publisher's date of issue; `sha256` is of the text read, aliases' file after the main one."""

    version: str
    sha256: str
    entries: tuple[Entry, ...]
    cut_short: tuple[int, ...]


def read_list(version: str, sdn: str, alt: str = "") -> SanctionsList:
    """ValueError names the file and line of a row that is not as specified, or an alias of an unknown entry."""
    aliases: dict[int, list[Alias]] = {}
    for line, row in _rows("ALT.CSV", alt, _ALT_COLUMNS):
        aliases.setdefault(_number("ALT.CSV", line, row[0]), []).append(Alias(row[3], weak=False))
    entries: dict[int, Entry] = {}
    cut_short = []
    for line, row in _rows("SDN.CSV", sdn, _SDN_COLUMNS):
        uid = _number("SDN.CSV", line, row[0])
        if uid in entries:
            raise ValueError(f"SDN.CSV line {line}: entry {uid} stands there twice")
        try:
            entries[uid] = _entry(uid, row, aliases.pop(uid, []))
        except ValueError as exc:
            raise ValueError(f"SDN.CSV line {line}, entry {uid}: {exc}") from exc
        if len(row[11]) >= _REMARKS_LIMIT:
            cut_short.append(uid)
    if aliases:
        raise ValueError(f"ALT.CSV: aliases of entry {min(aliases)}, which SDN.CSV does not list")
    sha256 = hashlib.sha256((sdn + alt).encode()).hexdigest()
    return SanctionsList(version, sha256, tuple(entries.values()), tuple(cut_short))


def identifier_key(number: str) -> str:
    """Letters and digits only, so that separators and case do not matter."""
    return "".join(filter(str.isalnum, number)).upper()


def _rows(file: str, text: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text.rstrip("\x1a"), newline=""), strict=True)
    try:
        for row in reader:
            if len(row) != columns:
                raise ValueError(f"{file} line {reader.line_num}: {len(row)} columns, not {columns}")
            yield reader.line_num, ["" if field.strip() == _NULL else field.strip() for field in row]
    except csv.Error as exc:
        raise ValueError(f"{file} line {reader.line_num}: {exc}") from exc


def _number(file: str, line: int, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{file} line {line}: {text!r:.40} is no entry number")
    return int(text)


def _entry(uid: int, row: list[str], aliases: list[Alias]) -> Entry:
    _, name, kind, programmes, _, _, _, _, _, flag, _, remarks = row
    if not name or not programmes:
        raise ValueError("a name and a programme must be given")
    if kind not in _KINDS:
        raise ValueError(f"{kind!r:.40} is none of individual, vessel, aircraft or nothing")
    weak = [Alias(found, weak=True) for found in _ALIAS.findall(remarks)]
    facts = _ALIAS.sub("", remarks).removesuffix(".").split(";")
    flags = [flag] if flag else []
    return Entry(
        uid,
        name,
        _KINDS[kind],
        tuple(programmes.split("] [")),
        tuple(dict.fromkeys([*aliases, *weak])),
        tuple(_birth(text) for text in _found(_BIRTH, facts)),
        tuple(_found(_BIRTH_PLACE, facts)),
        tuple(dict.fromkeys([*_found(_COUNTRY, facts), *flags])),
        tuple(dict.fromkeys(_found(_IDENTIFIER, facts))),
    )


def _found(pattern: re.Pattern[str], facts: Iterable[str]) -> list[str]:
    matches = (pattern.fullmatch(fact.strip()) for fact in facts)
    return [match[pattern.groups] for match in matches if match]


def _birth(text: str) -> Birth:
    """`10 Dec 1948`, `Dec 1948`, `1948`, `circa` any of them, `1948 to 1950`, `circa 1948-1950`."""
    span = _SPAN.fullmatch(text)
    assert span is not None  # its middle matches anything
    about, first, last, last_year = span.groups()
    earliest, latest = _days(first)[0], _days(last or last_year or first)[1]
    if about:
        leeway = timedelta(days=365 * CIRCA_YEARS)
        earliest, latest = earliest - leeway, latest + leeway
    if earliest > latest:
        raise ValueError(f"the date of birth {text!r:.40} ends before it begins")
    return Birth(earliest, latest)


def _days(text: str) -> tuple[date, date]:
    match = _DAY.fullmatch(text)
    if not match or (match[2] and match[2] not in _MONTHS):
        raise ValueError(f"{text!r:.40} is no date of birth")
    day, month, year = match.groups()
    if day:
        exact = date(int(year), _MONTHS[month], int(day))
        return exact, exact
    first, last = (_MONTHS[month], _MONTHS[month]) if month else (1, 12)
    return date(int(year), first, 1), date(int(year) + last // 12, last % 12 + 1, 1) - timedelta(days=1)
