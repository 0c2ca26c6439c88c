"""Names sorted by their parts, so that a name is compared only with those that could reach a score.

Nothing is lost by it: two names score only if a part other than an initial or a particle agrees, and every way in
which parts agree is looked up here. Of the names found so, those go that could not reach the score even if all that
might agree agreed in full. Both follow from name_matching; a test compares with comparing all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tools.rules.name_matching import CONFLICT, MISSING
from tools.rules.name_parts import WEIGHTS, Name, Part
from tools.rules.name_spelling import nearby

_Place = tuple[int, int]
"""A name, by number, and parts of it, as bits. Integers by the thousand do not detain the garbage collector."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class _Agreeing:
    """What may agree, by the listed name's number: parts of the name asked for, and of the listed one, as bits."""

    mine: dict[int, int] = field(default_factory=dict)
    theirs: dict[int, int] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)

    def note(self, mine: int, places: Iterable[_Place], *, joined: bool) -> None:
        for number, theirs in places:
            self.mine[number] = self.mine.get(number, 0) | mine
            self.theirs[number] = self.theirs.get(number, 0) | theirs
            if joined:
                self.joined.add(number)


@dataclass(frozen=True, slots=True)
class _Content:
    """What a name weighs: each part, the words that must agree or cost, and what may agree with anything."""

    weights: tuple[float, ...]
    words: float
    initials: int
    loose: float


class NameIndex:
    """Names of one kind; they are known by their number, from 0 in the order given."""

    def __init__(self, names: Iterable[Name]) -> None:
        self.names = tuple(names)
        self._contents = [_content(name) for name in self.names]
        self._by_folded: dict[str, list[_Place]] = {}
        self._by_joined: dict[str, list[_Place]] = {}
        self._by_form: dict[int, set[str]] = {}
        self._by_consonants: dict[str, set[str]] = {}
        self._unvowelled: dict[str, set[str]] = {}
        for number, name in enumerate(self.names):
            self._add(number, name)
        self._words: dict[int, list[str]] = {}
        for folded in self._by_folded:
            self._words.setdefault(len(folded), []).append(folded)

    def candidates(self, asked: Name, score: float) -> Iterator[int]:
        """The numbers of the names that may reach the score, and of some that do not."""
        content, agreeing = _content(asked), self._agreeing(asked)
        for number, mine in agreeing.mine.items():
            agreed = (
                _weight(content.weights, mine),
                _weight(self._contents[number].weights, agreeing.theirs[number]),
            )
            best = _best_score(content, self._contents[number], agreed, joined=number in agreeing.joined)
            if best >= score - _ROUNDING:
                yield number

    def _add(self, number: int, name: Name) -> None:
        for at, part in enumerate(name.parts):
            if part.role == "particle":
                continue
            self._by_folded.setdefault(part.folded, []).append((number, 1 << at))
            for form in part.forms:
                self._by_form.setdefault(form, set()).add(part.folded)
            by_consonants = [self._by_consonants, self._unvowelled] if part.unvowelled else [self._by_consonants]
            for folded in by_consonants:
                folded.setdefault(part.consonants, set()).add(part.folded)
        for run, numbers in name.joined.items():
            self._by_joined.setdefault(run, []).append((number, _bits(numbers)))

    def _agreeing(self, asked: Name) -> _Agreeing:
        agreeing = _Agreeing()
        for at, part in enumerate(asked.parts):
            if part.role == "particle":
                continue
            for folded in self._alike(part):
                agreeing.note(1 << at, self._by_folded[folded], joined=False)
            agreeing.note(1 << at, self._by_joined.get(part.folded, ()), joined=True)
        for run, numbers in asked.joined.items():
            agreeing.note(_bits(numbers), self._by_folded.get(run, ()), joined=True)
        return agreeing

    def _alike(self, part: Part) -> set[str]:
        """The folded spellings of listed parts that may stand for this one."""
        alike = {part.folded} & self._by_folded.keys()
        if part.role in ("initial", "number"):
            return alike
        alike.update(nearby(part.folded, self._words))
        for form in part.forms:
            alike.update(self._by_form.get(form, ()))
        by_consonants = self._by_consonants if part.unvowelled else self._unvowelled
        alike.update(by_consonants.get(part.consonants, ()))
        return alike


def _content(name: Name) -> _Content:
    """A word said twice must agree once, as where it is missing."""
    words = {part.folded: WEIGHTS[part.role] for part in name.parts if part.role not in ("initial", "particle")}
    loose = [WEIGHTS[part.role] for part in name.parts if part.role in ("initial", "particle")]
    initials = sum(part.role == "initial" for part in name.parts)
    return _Content(tuple(WEIGHTS[part.role] for part in name.parts), sum(words.values()), initials, sum(loose))


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


def _weight(weights: tuple[float, ...], parts: int) -> float:
    return sum(weight for at, weight in enumerate(weights) if parts >> at & 1)


def _best_score(one: _Content, other: _Content, agreed: tuple[float, float], *, joined: bool) -> float:
    """No score of the two is above this. An initial may stand for one word of the other name."""
    left_one = max(0.0, one.words - agreed[0] - other.initials)
    left_other = max(0.0, other.words - agreed[1] - one.initials)
    loose = one.loose + other.loose
    total = sum(agreed) + loose + one.initials + other.initials
    total = total if joined else total / 2
    fewer, more = sorted((left_one, left_other))
    cost = MISSING * max(0.0, more - fewer - loose) + CONFLICT * fewer
    return total / (total + cost)
