"""Optimal binning: neighbouring fine bins merged so that as few bins as possible lose as little as possible."""

from collections.abc import Sequence

BINS_MAX = 12
LOSS_PER_BIN = 0.1
"""A further bin must be worth so much deviance (weighted squares of log-odds)."""


def merged(values: Sequence[float], weights: Sequence[float]) -> list[tuple[int, int]]:
    """From first to before last of each merged bin: the least sum of weighted squares plus LOSS_PER_BIN a bin, by
    dynamic programming over the last bin's start. At most BINS_MAX."""
    size = len(values)
    total, sums, squares = [0.0], [0.0], [0.0]
    for value, weight in zip(values, weights, strict=True):
        total.append(total[-1] + weight)
        sums.append(sums[-1] + weight * value)
        squares.append(squares[-1] + weight * value * value)

    def loss(first: int, last: int) -> float:
        weight, moment = total[last] - total[first], sums[last] - sums[first]
        return LOSS_PER_BIN + squares[last] - squares[first] - (moment * moment / weight if weight > 0 else 0)

    best: list[list[tuple[float, int]]] = [[(0.0, 0)] + [(float("inf"), 0)] * size]
    for _ in range(min(BINS_MAX, size)):
        before = best[-1]
        best.append(
            [(float("inf"), 0)]
            + [
                min((before[first][0] + loss(first, last), first) for first in range(last))
                for last in range(1, size + 1)
            ]
        )
    bins = min(range(1, len(best)), key=lambda number: best[number][size][0])
    found, last = [], size
    for number in range(bins, 0, -1):
        first = best[number][last][1]
        found.append((first, last))
        last = first
    return found[::-1]
