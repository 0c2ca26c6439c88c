"""How far two spellings of one word may stand for the same word: folded spellings and their edit distance.

Folding undoes what transliteration and careless ears leave open: Qaddafi and Gadhafi, Juri and Yury, Labour and
Labor. What folding does not equate is counted in edits (optimal string alignment: a swap of neighbours is one).
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from rapidfuzz import process
from rapidfuzz.distance import OSA

from tools.rules.name_words import OTHER_FORMS

SPELLING_FROM = 0.74
"""The least similarity of two parts that may be the same word: one edit in four letters, two in eight."""
WRITTEN_FROM = 0.5
SOUND_ALIKE, OTHER_FORM, UNVOWELLED = 0.97, 0.9, 0.85

How = Literal["same", "sound", "spelling", "form", "initial", "joined", "unvowelled"]

_SOUNDS = {
    **dict.fromkeys(("tsch", "tch", "ch", "cz"), "C"),
    **dict.fromkeys(("sch", "sh", "sz"), "S"),
    **dict.fromkeys(("dzh", "zh", "dj"), "j"),
    **dict.fromkeys(("ck", "q"), "k"),
    **dict.fromkeys(("ts", "tz"), "z"),
    "kh": "h",
    "gh": "g",
    "ph": "f",
    "th": "t",
    "dh": "d",
    "x": "ks",
    "w": "v",
}
_INITIAL_SOUNDS = {"x": "S", "ts": "z", "tz": "z", "cz": "z"}
_VOWELS = {**dict.fromkeys(("oo", "ou", "oe", "ue", "uv"), "u"), **dict.fromkeys(("ae", "aa"), "a")}
_CONSONANTS = re.compile("|".join(sorted(_SOUNDS, key=len, reverse=True)))
_SILENT_END = re.compile("(?<![csptd])[kg]?h$")
_SOFT_C = re.compile("c(?=[eiy])")
_LONG_VOWELS = re.compile("|".join(_VOWELS))
_DIPHTHONGS = re.compile("(?:[aei][jy]|ii|ee|ie|ei|ai)(?=[^aeiouy]|$)")
_DOUBLES = re.compile(r"(.)\1+")
_CONFUSED = str.maketrans("yeo", "iiu")
_NOT_CONSONANTS = re.compile(r"[aeiouyvwh]")


@lru_cache(maxsize=65536)
def folded(word: str) -> str:
    """The word as it might sound: digraphs as one sign, vowels that transliterations confuse as one, no doubles."""
    start = next((start for start in _INITIAL_SOUNDS if word.startswith(start)), "")
    sound = _INITIAL_SOUNDS.get(start, "") + word[len(start) :]
    sound = _CONSONANTS.sub(lambda sign: _SOUNDS[sign[0]], _SILENT_END.sub("", sound))
    sound = _SOFT_C.sub("s", sound).replace("c", "k")
    sound = _LONG_VOWELS.sub(lambda sign: _VOWELS[sign[0]], sound)
    sound = _DOUBLES.sub(r"\1", _DIPHTHONGS.sub("i", sound).translate(_CONFUSED))
    return sound or word


@lru_cache(maxsize=65536)
def consonants(word: str) -> str:
    """What remains in a script that writes no short vowels; long vowels and their letters are left out too."""
    return _NOT_CONSONANTS.sub("", folded(word)).replace("p", "f").replace("b", "v")


def edits_similarity(one: str, other: str) -> float:
    """Of two folded words: 1 less edits per letter of the longer; 0 below SPELLING_FROM."""
    return OSA.normalized_similarity(one, other, score_cutoff=SPELLING_FROM)


def written_alike(one: str, other: str) -> bool:
    """Whether two words that sound nearly alike are written alike at all: CIMEX and Siemens are not."""
    return OSA.normalized_similarity(one, other) >= WRITTEN_FROM


def nearby(word: str, words_by_length: Mapping[int, list[str]]) -> list[str]:
    """The folded words, sorted by length, of which edits_similarity is above 0."""
    shortest, longest = math.ceil(len(word) * SPELLING_FROM), math.floor(len(word) / SPELLING_FROM)
    return [
        found
        for length in range(shortest, longest + 1)
        for found, _, _ in process.extract(
            word,
            words_by_length.get(length, ()),
            scorer=OSA.normalized_similarity,
            score_cutoff=SPELLING_FROM,
            limit=None,
        )
    ]


def forms(word: str) -> frozenset[int]:
    """The numbers of the lines of OTHER_FORMS that hold this spelling."""
    return _FORMS.get(folded(word), frozenset())


def _lines_by_form() -> dict[str, frozenset[int]]:
    lines: dict[str, set[int]] = {}
    for number, line in enumerate(OTHER_FORMS):
        for form in line.split():
            lines.setdefault(folded(form), set()).add(number)
    return {form: frozenset(numbers) for form, numbers in lines.items()}


_FORMS = _lines_by_form()
