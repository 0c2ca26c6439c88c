"""From the scorers' words to one score and what is to be done: release, hold for an analyst, or block.

Scores are combined as independent doubts (noisy or): what remains is the product of what each scorer leaves, so that
several weak signals add up, one strong one suffices, no scorer can take away what another found, and a scorer that
says nothing changes nothing.

The thresholds of 2026-01 were set on simulated weeks that no model was trained on (tests/bench/bench_fraud.py, the
learned scorer with the rules): `hold` where fewer than one innocent payment in a hundred is held, `block` where fewer
than one in ten thousand is blocked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tools.rules.fraud_signals.scored import MAX_SCORE, Scored

Band = Literal["release", "hold", "block"]


@dataclass(frozen=True, slots=True)
class FraudPolicy:
    version: str
    hold_from: int
    block_from: int


@dataclass(frozen=True, slots=True)
class Combined:
    version: str
    score: int
    band: Band


POLICY = FraudPolicy(version="2026-01", hold_from=550, block_from=950)


def combine(scores: Sequence[Scored], policy: FraudPolicy = POLICY) -> Combined:
    """Whole numbers throughout, rounded down once, whatever the order of the scores."""
    left, whole = 1, 1
    for scored in scores:
        left, whole = left * (MAX_SCORE - scored.score), whole * MAX_SCORE
    score = MAX_SCORE - -(-left * MAX_SCORE // whole)
    band: Band = "block" if score >= policy.block_from else "hold" if score >= policy.hold_from else "release"
    return Combined(policy.version, score, band)
