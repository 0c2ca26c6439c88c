"""Do two names mean the same one? Compared part by part, with a score and the evidence for it.

Each part finds its counterpart: the same word, one that sounds alike, another spelling, another form of the name,
its initial, or the same letters joined or split otherwise. Order does not matter, except who is whose child.
A part without counterpart costs little if the other name is only shorter, and all it weighs if the other name has
something else in its place.

THRESHOLD and the figures beside it were chosen once, on half of a published set of 409 labelled pairs (halves by hash
of the pair): F1 0.910 there, 0.836 on the half not looked at, 0.875 on all, at 0.1 to 0.3 ms a pair.
`python -m tests.bench.bench_names` computes them again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tools.rules.name_parts import CONFLICTS, WEIGHTS, Name, NameKind, Part, read_name
from tools.rules.name_spelling import OTHER_FORM, SOUND_ALIKE, UNVOWELLED, How, edits_similarity, written_alike

VERSION = "2026-01"
THRESHOLD = 0.77
"""From this score on two names may mean the same one."""
MISSING, CONFLICT = 0.25, 1.0
"""What a part costs, per weight, that only one name has, and one that contradicts."""
INITIAL, JOINED = 0.8, 0.96
OTHER_LEGAL_FORM, OTHER_NUMBER = 0.95, 0.75

_JOINED_FROM_LETTERS = 5


@dataclass(frozen=True, slots=True)
class PartMatch:
    """Words of the one name that stand for words of the other, how, and how far (0 to 1)."""

    one: str
    other: str
    how: How
    similarity: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """`score` 0 (nothing in common) to 1 (the same parts); what agrees, and what only one of the names has."""

    score: float
    matches: tuple[PartMatch, ...]
    only_one: tuple[str, ...]
    only_other: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Match:
    """Parts by number: one for one, or one for the several that it joins."""

    mine: tuple[int, ...]
    theirs: tuple[int, ...]
    how: How
    similarity: float


def compare(one: str, other: str, kind: NameKind) -> Comparison:
    """ValueError as read_name's."""
    return compare_names(read_name(one, kind), read_name(other, kind))


def compare_names(one: Name, other: Name) -> Comparison:
    """Symmetric: exchanging the names exchanges the evidence and leaves the score."""
    matches = _aligned(one, other)
    mine = _left(one, {at for match in matches for at in match.mine})
    theirs = _left(other, {at for match in matches for at in match.theirs})
    remarks = tuple(_remarks(one, other, matches, (mine, theirs)))
    return Comparison(
        _score(one, other, matches, (mine, theirs), remarks),
        tuple(_evidence(one, other, match) for match in matches),
        tuple(part.text for part in mine),
        tuple(part.text for part in theirs),
        remarks,
    )


def _aligned(one: Name, other: Name) -> list[_Match]:
    """The best match first, then the best of what is left; equally good ones by weight, then by place."""
    candidates = sorted(_candidates(one, other), key=lambda match: _precedence(one, other, match))
    free_mine, free_theirs = set(range(len(one.parts))), set(range(len(other.parts)))
    taken = []
    for match in candidates:
        if free_mine.issuperset(match.mine) and free_theirs.issuperset(match.theirs):
            free_mine.difference_update(match.mine)
            free_theirs.difference_update(match.theirs)
            taken.append(match)
    return taken


def _candidates(one: Name, other: Name) -> Iterator[_Match]:
    for i, mine in enumerate(one.parts):
        for j, theirs in enumerate(other.parts):
            close, how = _similarity(mine, theirs)
            if close:
                yield _Match((i,), (j,), how, close)
    for j, theirs in enumerate(other.parts):
        if len(theirs.folded) >= _JOINED_FROM_LETTERS and theirs.folded in one.joined:
            yield _Match(one.joined[theirs.folded], (j,), "joined", JOINED)
    for i, mine in enumerate(one.parts):
        if len(mine.folded) >= _JOINED_FROM_LETTERS and mine.folded in other.joined:
            yield _Match((i,), other.joined[mine.folded], "joined", JOINED)


def _similarity(one: Part, other: Part) -> tuple[float, How]:
    """0 if neither may stand for the other. Numbers and particles are not guessed at."""
    if one.text == other.text:
        return 1.0, "same"
    if "initial" in (one.role, other.role):
        stands = one.role != other.role and one.text[0] == other.text[0] and "particle" not in (one.role, other.role)
        return (INITIAL if stands else 0.0), "initial"
    if "number" in (one.role, other.role) or (one.role == "particle") != (other.role == "particle"):
        return 0.0, "spelling"
    if one.folded == other.folded:
        return SOUND_ALIKE, "sound"
    if one.forms & other.forms:
        return OTHER_FORM, "form"
    if one.role == "particle" or (one.role == "patronymic") != (other.role == "patronymic"):
        return 0.0, "spelling"
    close = edits_similarity(one.folded, other.folded)
    if close and not written_alike(one.text, other.text):
        close = 0.0
    if not close and (one.unvowelled or other.unvowelled) and one.consonants and one.consonants == other.consonants:
        return UNVOWELLED, "unvowelled"
    return close, "spelling"


def _precedence(one: Name, other: Name, match: _Match) -> tuple[float, float, int, int]:
    """Says the same of a pair and of the pair exchanged, so that the alignment is symmetric."""
    i, j = match.mine[0], match.theirs[0]
    return -match.similarity, -_weight(one, match.mine) - _weight(other, match.theirs), abs(i - j), i + j


def _score(
    one: Name, other: Name, matches: list[_Match], left: tuple[list[Part], list[Part]], remarks: tuple[str, ...]
) -> float:
    if not any(_identifies(one, other, match) for match in matches):
        return 0.0
    agreed = total = 0.0
    for match in matches:
        weights = _weight(one, match.mine), _weight(other, match.theirs)
        weight = max(weights) if match.how == "joined" else sum(weights) / 2
        agreed += weight * match.similarity
        total += weight
    said_one = {one.parts[at].folded for match in matches for at in match.mine}
    said_other = {other.parts[at].folded for match in matches for at in match.theirs}
    fewer, more = sorted((_missing(left[0], said_one), _missing(left[1], said_other)))
    conflict = min(_conflict(left[0]), _conflict(left[1])) + (_CHILD_OF_CHILD in remarks)
    conflict += _beside_initials(one, other, matches, left)
    score = agreed / (total + MISSING * (more - fewer) + CONFLICT * conflict)
    for remark, factor in _FACTORS.items():
        score *= factor if remark in remarks else 1
    return score


def _identifies(one: Name, other: Name, match: _Match) -> bool:
    """Initials and particles alone name nobody."""
    says = [one.parts[at] for at in match.mine], [other.parts[at] for at in match.theirs]
    return match.how != "initial" and all(any(part.role != "particle" for part in side) for side in says)


def _beside_initials(one: Name, other: Name, matches: list[_Match], left: tuple[list[Part], list[Part]]) -> float:
    """Sergei G. Orlov may be Gennady, but then Sergei contradicts: who shortens one word writes out what matters."""
    shortened = [match for match in matches if match.how == "initial"]
    full = [sum(CONFLICTS[part.role] for part in parts if part.role in ("name", "common")) for parts in left]
    by_one = any(one.parts[match.mine[0]].role == "initial" for match in shortened)
    by_other = any(other.parts[match.theirs[0]].role == "initial" for match in shortened)
    return (full[0] if by_one else 0.0) + (full[1] if by_other else 0.0)


def _left(name: Name, matched: set[int]) -> list[Part]:
    return [part for at, part in enumerate(name.parts) if at not in matched]


def _missing(left: list[Part], said: set[str]) -> float:
    """A word said twice is not missing where it is said once."""
    return sum(WEIGHTS[part.role] for part in left if part.folded not in said)


def _conflict(left: list[Part]) -> float:
    return sum(CONFLICTS[part.role] for part in left)


_CHILD_OF_CHILD = "father and child are exchanged"
_LEGAL_FORMS_DIFFER = "the legal forms differ"
_NUMBERS_DIFFER = "the numbers differ"
_FACTORS = {_LEGAL_FORMS_DIFFER: OTHER_LEGAL_FORM, _NUMBERS_DIFFER: OTHER_NUMBER}


def _remarks(one: Name, other: Name, matches: list[_Match], left: tuple[list[Part], list[Part]]) -> Iterator[str]:
    if one.legal_forms and other.legal_forms and not one.legal_forms & other.legal_forms:
        yield _LEGAL_FORMS_DIFFER
    if all(any(part.role == "number" for part in parts) for parts in left):
        yield _NUMBERS_DIFFER
    of_father = {
        (one.parts[match.mine[0]].after_father_marker, other.parts[match.theirs[0]].after_father_marker)
        for match in matches
    }
    if {(True, False), (False, True)} <= of_father:
        yield _CHILD_OF_CHILD


def _weight(name: Name, numbers: tuple[int, ...]) -> float:
    return sum(WEIGHTS[name.parts[at].role] for at in numbers)


def _evidence(one: Name, other: Name, match: _Match) -> PartMatch:
    mine = " ".join(one.parts[at].text for at in match.mine)
    theirs = " ".join(other.parts[at].text for at in match.theirs)
    return PartMatch(mine, theirs, match.how, match.similarity)
