"""What a score says of the odds: the scale on which points double them, and the probability of going bad."""

from dataclasses import dataclass
from math import log

UNIT_BPS = 10_000
MILLE = 1000


@dataclass(frozen=True, slots=True)
class Scale:
    """At `points` the odds are `odds` good to one bad; every `pdo` points more double them."""

    pdo: int
    points: int
    odds: int

    def __post_init__(self) -> None:
        if not 1 <= self.pdo <= MILLE or not 1 <= self.odds <= UNIT_BPS or abs(self.points) > UNIT_BPS:
            raise ValueError("the scale needs pdo from 1 to 1,000, odds from 1 to 10,000, points within ±10,000")

    @property
    def points_per_log_odds(self) -> float:
        return self.pdo / log(2)


def bad_bps(points: int, scale: Scale) -> int:
    """The probability that a loan with this score goes bad, in whole bps; never 0 nor 10,000 by rounding alone."""
    doublings = max(-50.0, min(50.0, (points - scale.points) / scale.pdo))
    return max(1, min(UNIT_BPS - 1, round(UNIT_BPS / (1 + scale.odds * 2**doublings))))
