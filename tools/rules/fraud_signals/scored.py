"""What a scorer says: a score with the reasons that make it up."""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_SCORE = 1000


@dataclass(frozen=True, slots=True)
class Signal:
    """`text` is a sentence for the analyst with the figures compared."""

    code: str
    points: int
    text: str


@dataclass(frozen=True, slots=True)
class Scored:
    """`score` from 0, nothing seen, to 1000; `reasons` dearest first."""

    scorer: str
    version: str
    score: int
    reasons: tuple[Signal, ...]


def added_up(scorer: str, version: str, signals: Iterable[Signal]) -> Scored:
    reasons = tuple(sorted(signals, key=lambda signal: (-signal.points, signal.code)))
    return Scored(scorer, version, min(MAX_SCORE, sum(signal.points for signal in reasons)), reasons)


def points(value: int, steps: tuple[tuple[int, int], ...]) -> int:
    """Of the highest step `(from, points)` that the value reaches, none below the first; steps rise."""
    return max((worth for least, worth in steps if value >= least), default=0)
