"""A name read into its parts: transliterated, without titles, each part with its role and its weight."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from anyascii import anyascii

from tools.rules import name_words as words
from tools.rules.name_spelling import consonants, folded, forms

NameKind = Literal["person", "organisation", "vessel"]
Role = Literal["name", "common", "generic", "patronymic", "initial", "number", "title", "particle"]

WEIGHTS: dict[Role, float] = {
    "name": 1.0,
    "common": 0.7,
    "generic": 0.4,
    "patronymic": 0.5,
    "initial": 0.5,
    "number": 0.5,
    "title": 0.3,
    "particle": 0.1,
}
"""What a part counts when it agrees, or when the other name has nothing in its place."""
CONFLICTS: dict[Role, float] = {
    "name": 1.0,
    "common": 1.0,
    "generic": 0.6,
    "patronymic": 1.0,
    "initial": 1.0,
    "number": 1.0,
    "title": 0.6,
    "particle": 0.0,
}
"""What a part counts when the other name has something else in its place."""

_MAX_LETTERS = 300
_CAMEL = re.compile(r"(?<=[a-z'])(?=[A-Z])")
_APOSTROPHES = re.compile(r"['`´’‘ʻʼʿʾ\"“”]")
_ABBREVIATION = re.compile(r"\b(\w)\.(?=\w\b)")
_WORD = re.compile(r"[a-z0-9]+")
_DIGIT_FOR_LETTER = re.compile(r"(?<=[a-z])[01345](?=[a-z])")
_LETTERS = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s"}
_SERVANT_OF = re.compile(r"abd[aeiou](?:l|([rsnzdt])(?=\1))(?=[a-z]{3})(?!lah?i?$)")
"""Abdul-, Abdel-, Abdur-, written as one with a name of God: Abdulrahman, Abdurrahman, but not Abdullah."""
_VOWEL = re.compile(r"[aeiouy]")
_COMMON_NAMES = frozenset(map(folded, words.COMMON_NAMES))
_NOT_INITIALS = words.TITLES | words.PARTICLES | words.LEGAL_FORMS.keys() | {"ng", "mc"}


@dataclass(frozen=True, slots=True)
class Part:
    """`folded` is the spelling that is compared; `unvowelled` if its script leaves short vowels out."""

    text: str
    role: Role
    folded: str
    consonants: str
    forms: frozenset[int]
    unvowelled: bool = False
    after_father_marker: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """`parts` in the order written; `legal_forms` are the families named; `joined` maps runs of adjoining words,
    written as one and folded, to the parts (by number) that they take up.
    """

    text: str
    kind: NameKind
    parts: tuple[Part, ...]
    legal_forms: frozenset[str]
    joined: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    unvowelled: bool
    legal: bool = False


def read_name(text: str, kind: NameKind) -> Name:
    """ValueError if the text holds no letter or digit, or more than 300 characters."""
    if len(text) > _MAX_LETTERS:
        raise ValueError(f"a name has at most {_MAX_LETTERS} characters, not {len(text)}")
    written = _words(text, kind)
    if not written:
        raise ValueError(f"{text!r:.40} holds no letter or digit")
    families: frozenset[str] = frozenset()
    if kind == "organisation":
        written, families = _without_legal_forms(written)
    dropped = words.TITLES if kind == "person" else words.VESSEL_PREFIXES if kind == "vessel" else frozenset()
    kept = [word for word in written if not word.legal and word.text not in dropped]
    kept = kept or [word for word in written if not word.legal] or list(written)
    only_particles = all(word.text in words.PARTICLES or word.text in words.TITLES_OR_NAMES for word in kept)
    before = ("", *(word.text for word in kept))
    parts = tuple(
        _part(word, kind, not previous, previous in words.FATHER_MARKERS, only_particles)
        for previous, word in zip(before, kept, strict=False)
    )
    return Name(text, kind, parts, families, _joined(written, kept))


def _words(text: str, kind: NameKind) -> list[_Word]:
    found: list[_Word] = []
    for chunk in unicodedata.normalize("NFKC", text).replace("&", " and ").split():
        scripts = {unicodedata.name(sign, "").split(" ")[0] for sign in chunk if ord(sign) > 0x370}
        ascii_text = anyascii(chunk)
        if scripts & {"HANGUL", "CJK"}:
            ascii_text = _CAMEL.sub(" ", ascii_text)
        plain = _APOSTROPHES.sub("", ascii_text).lower()
        if kind != "person":
            plain = _ABBREVIATION.sub(r"\1", plain)
        unvowelled = bool(scripts & {"ARABIC", "HEBREW"})
        for word in _WORD.findall(plain):
            spelled = (word,) if unvowelled else _spelled(word, kind)
            found.extend(_Word(each, unvowelled) for each in spelled)
    return found


def _spelled(word: str, kind: NameKind) -> tuple[str, ...]:
    """Digits inside words as the letters they imitate; Abdulrahman as two words; the initials JC one by one."""
    word = _DIGIT_FOR_LETTER.sub(lambda digit: _LETTERS[digit[0]], word)
    if kind == "person" and (servant := _SERVANT_OF.match(word)):
        return "abdul", word[servant.end() :]
    together = kind == "person" and len(word) in (2, 3) and not _VOWEL.search(word) and word.isalpha()
    return tuple(word) if together and word not in _NOT_INITIALS else (word,)


def _without_legal_forms(written: list[_Word]) -> tuple[list[_Word], frozenset[str]]:
    """Marks the longest runs of words that name a legal form, wherever they stand."""
    marked, families, at = [], set(), 0
    while at < len(written):
        for length in range(min(5, len(written) - at), 0, -1):
            family = words.LEGAL_FORMS.get(" ".join(word.text for word in written[at : at + length]))
            if family:
                marked += [_Word(word.text, word.unvowelled, legal=True) for word in written[at : at + length]]
                families.add(family)
                break
        else:
            length = 1
            marked.append(written[at])
        at += length
    return marked, frozenset(families - {"any"})


@lru_cache(maxsize=65536)
def _part(word: _Word, kind: NameKind, first: bool, after_marker: bool, only_particles: bool) -> Part:
    text = words.NUMBER_WORDS.get(word.text, word.text) if kind != "person" else word.text
    if kind != "person" and not first:
        text = words.ROMAN_NUMERALS.get(text, text)
    return Part(
        text,
        _role(text, kind, only_particles),
        folded(text) if text.isalpha() else text,
        consonants(text),
        forms(text) if kind == "person" else frozenset(),
        word.unvowelled,
        kind == "person" and after_marker,
    )


def _role(text: str, kind: NameKind, only_particles: bool) -> Role:
    if text in words.PARTICLES and not only_particles:
        return "particle"
    if any(sign.isdigit() for sign in text):
        return "number"
    if len(text) == 1:
        return "initial"
    if kind == "person" and text in words.TITLES_OR_NAMES and not only_particles:
        return "title"
    if kind == "person":
        if text.endswith(words.PATRONYMIC_ENDINGS):
            return "patronymic"
        return "common" if folded(text) in _COMMON_NAMES else "name"
    return "generic" if text in words.GENERIC_WORDS else "name"


def _joined(written: list[_Word], kept: list[_Word]) -> dict[str, tuple[int, ...]]:
    """Two adjoining words as one, or three around a particle: Saif al-Din."""
    number_of = {id(word): number for number, word in enumerate(kept)}
    runs: dict[str, tuple[int, ...]] = {}
    for start in range(len(written) - 1):
        for run in (written[start : start + 2], written[start : start + 3]):
            numbers = tuple(number_of[id(word)] for word in run if id(word) in number_of)
            if numbers and (len(run) == 2 or run[1].text in words.PARTICLES):
                runs.setdefault(folded("".join(word.text for word in run)), numbers)
    return runs
