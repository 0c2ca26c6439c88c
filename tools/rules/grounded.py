"""Whether a text says only what given facts say: each figure, date, percentage and name in it must occur in them.

A check of occurrence, strict on purpose: what it cannot read, it refuses. It does not see a figure that is the facts'
but in another's place, nor a wrong word between right figures; so such a text stands beside the facts, never instead of
them. English texts only.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from tools.rules.grounded_words import ACTS, MONTHS, NUMBERS, OPENERS, SAFE_CAPITALS

_NUMBER = re.compile(r"[0-9][0-9.,'’\u00a0\u202f]*[0-9]|[0-9]")
_ENGLISH = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?")
_IDENTIFIER = re.compile(r"\b[^\W\d_]\w*[0-9]\w*")
"""Its digits are no figure: `ACC001` bears out no 1. It is judged as a word."""
_MONTH = "|".join(MONTHS)
_DATE = re.compile(
    rf"""(?P<iso>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?
       | (?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?\s+(?P<month>{_MONTH})\.?\s+(?P<year>[0-9]{{4}})
       | (?P<month2>{_MONTH})\.?\s+(?P<day2>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year2>[0-9]{{4}})""",
    re.VERBOSE | re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_](?:[\w'’-]*[^\W_])?")
_SENTENCE_ENDS = frozenset(".!?:;")
_PERCENT = re.compile(r"\s?(?:%|percent\b|per cent\b)", re.IGNORECASE)
_CODE_AFTER = re.compile(r"\s?([A-Z]{3})\b")
_CODE_BEFORE = re.compile(r"([A-Z]{3}|[$€£¥])\s?$")
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_LINK = re.compile(r"https?:|www\.|@|\.(?:com|net|org|io|ru|xyz|info|biz)\b|[<>{}\[\]`*#|\\]", re.IGNORECASE)

Claim = tuple[Decimal, str]
"""A number and its unit: a currency, `%`, or nothing."""


def unsupported(text: str, facts: Any, vocabulary: Iterable[str] = ()) -> tuple[str, ...]:
    """What of the text the facts do not bear out, in the text's own words; empty: nothing.

    `facts` are JSON, their figures spelled as for people (`9,500.00 USD`, `7.25 %`); of texts in them each word counts
    as a name that may be said. `vocabulary` are names beside them, such as our own.
    """
    said, known = unicodedata.normalize("NFC", text), _Known(facts, vocabulary)
    faults = [*_odd_characters(said, known), *(found.group() for found in _LINK.finditer(said))]
    rest = said
    for found in reversed(list(_DATE.finditer(said))):
        if _day(found) not in known.days:
            faults.append(found.group())
        rest = rest[: found.start()] + " " * len(found.group()) + rest[found.end() :]
    faults += _foreign_numbers(rest, known)
    faults += _foreign_words(rest, known)
    return tuple(dict.fromkeys(faults))


class _Known:
    """What facts say, taken apart."""

    def __init__(self, facts: Any, vocabulary: Iterable[str]) -> None:
        texts = [unicodedata.normalize("NFC", text) for text in (*_leaves(facts), *vocabulary)]
        self.days = {_day(found) for text in texts for found in _DATE.finditer(text)}
        self.claims: set[Claim] = set()
        for text in texts:
            without_days = _DATE.sub(" ", text)
            self.claims |= {claim for claim, _ in _claims(without_days) if claim is not None}
        self.values = {value for value, _ in self.claims}
        self.words = {word for text in texts for word in _parts(text)}
        self.lower = {word.casefold() for word in self.words}
        self.characters = {char for text in texts for char in text}


def _leaves(facts: Any) -> Iterator[str]:
    match facts:
        case None | bool():
            return
        case str():
            yield facts
        case Mapping():
            for name, value in facts.items():
                yield str(name).replace("_", " ")
                yield from _leaves(value)
        case Sequence():
            for value in facts:
                yield from _leaves(value)
        case _:
            yield str(facts)


def _odd_characters(text: str, known: _Known) -> Iterator[str]:
    """Letters of other scripts could spell a name that no comparison finds; what is unseen could hide one."""
    for char in text:
        plain = char.isascii() or char in known.characters or char in "–—‘’“”…€£¥\u00a0\u202f"
        if not plain or not (char.isprintable() or char in "\n\u00a0\u202f"):
            yield f"U+{ord(char):04X}"


def _day(found: re.Match[str]) -> tuple[int, int, int]:
    if found["iso"]:
        year, month, day = map(int, found["iso"].split("-"))
        return year, month, day
    spelled = (found["month"] or found["month2"]).casefold()[:3]
    number = [month[:3] for month in MONTHS if len(month) > 3 or month == "may"].index(spelled) + 1
    return int(found["year"] or found["year2"]), number, int(found["day"] or found["day2"])


def _claims(text: str) -> Iterator[tuple[Claim | None, str]]:
    """Each number with its unit, and how it is written; None: not a number as English writes it."""
    text = _IDENTIFIER.sub(lambda found: " " * len(found.group()), text)
    for found in _NUMBER.finditer(text):
        before, after = text[: found.start()], text[found.end() :]
        unit = ""
        if _PERCENT.match(after):
            unit = "%"
        elif (code := _CODE_AFTER.match(after)) or (code := _CODE_BEFORE.search(before[-5:])):
            unit = _SYMBOLS.get(code[1], code[1])
        yield _claim(found.group(), unit), found.group() + (unit and f" {unit}")


def _claim(written: str, unit: str) -> Claim | None:
    if not _ENGLISH.fullmatch(written):
        return None
    try:
        return Decimal(written.replace(",", "")).normalize(), unit
    except InvalidOperation:
        return None


def _foreign_numbers(text: str, known: _Known) -> Iterator[str]:
    """A number without a unit may be any of that value; with one, it must have been said with that unit."""
    for claim, written in _claims(text):
        if claim is None or not (claim in known.claims if claim[1] else claim[0] in known.values):
            yield written


def _foreign_words(text: str, known: _Known) -> Iterator[str]:
    for found in _WORD.finditer(text):
        whole, opens = found.group(), _opens(text, found.start())
        if whole.casefold() in NUMBERS and _PERCENT.match(text[found.end() :]):
            # In digits it would have been looked at with its unit.
            yield f"{whole} percent"
            continue
        parts = [part for part in re.split(r"[-'’]", re.sub(r"['’]s?$", "", whole)) if part]
        if _may_be_said(whole, known, opens=opens):
            continue
        foreign = [part for part in parts if not _may_be_said(part, known, opens=opens)]
        yield from foreign if len(parts) > 1 or parts != [whole] else [whole]


def _may_be_said(word: str, known: _Known, *, opens: bool) -> bool:
    folded = word.casefold()
    if word in known.words:
        return True
    if any(char.isdigit() for char in word):
        # A plain number was looked at with its unit; anything else with digits is an identifier.
        return all(char in "0123456789" for char in word)
    if folded in NUMBERS:
        value = NUMBERS[folded]
        return value is not None and Decimal(value) in known.values
    if folded in ACTS or (folded in MONTHS and word[0].isupper()):
        return folded in known.lower
    if not word[0].isupper() and word == folded:
        return True
    return word in SAFE_CAPITALS or (opens and (folded in OPENERS or folded in known.lower))


def _parts(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        yield word
        bare = re.sub(r"['’]s?$", "", word)
        if bare != word:
            yield bare
        if "-" in word or "'" in word:
            yield from (part for part in re.split(r"[-'’]", word) if part)


def _opens(text: str, at: int) -> bool:
    """Whether a sentence begins here."""
    before = text[:at].rstrip(" \n\"'“‘(")
    return not before or before[-1] in _SENTENCE_ENDS
