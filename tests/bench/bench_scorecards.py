"""Scorings a second of one core's time: points and band alone, as in bulk, and the whole score with its reasons.

Both kinds of card: the one set by hand, over an application's own facts, and the trained one that comes with the
program. Every figure is of values drawn at random from the card's own bins, each scored by both ways and compared.
"""

import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from tools.rules.scorecard import Score, score_values
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import Attribute, NumericAttribute, Scorecard
from tools.rules.scorecard_json import german_credit
from tools.rules.scorecard_table import PointsTable, Value

CASES = 20_000
ROUNDS = 5


def bench_scorecards() -> None:
    print(f"\nScorings a second of CPU time, the best of {ROUNDS} rounds of {CASES:,}\n")
    print(f"{'card':<28}{'attributes':>11}{'points':>12}{'whole':>12}")
    for card in (SCORECARD_2026_01, german_credit().card):
        cases = _cases(card)
        table = PointsTable(card)
        assert [table.points(case) for case in cases] == [score_values(case, card).points for case in cases]
        alone, whole = _rate(table.points, cases), _rate(partial(_whole, card), cases)
        print(f"{card.version:<28}{len(card.attributes):>11}{alone:>12,.0f}{whole:>12,.0f}")


def _whole(card: Scorecard, case: dict[str, Value]) -> Score:
    return score_values(case, card)


def _cases(card: Scorecard) -> list[dict[str, Value]]:
    random = Random(1)
    return [{each.name: _value(each, random) for each in card.attributes} for _ in range(CASES)]


def _value(attribute: Attribute, random: Random) -> Value:
    if random.random() < 0.05:
        return None
    if isinstance(attribute, NumericAttribute):
        most = max((each.below for each in attribute.ranges if each.below is not None), default=1)
        return random.randrange(0, 2 * max(1, most))
    return random.choice([value for each in attribute.categories for value in each.values])


def _rate(score: Callable[[dict[str, Value]], Any], cases: list[dict[str, Value]]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for case in cases:
            score(case)
        best = min(best, time.process_time() - started)
    return len(cases) / best


if __name__ == "__main__":
    bench_scorecards()
