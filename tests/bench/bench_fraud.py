"""`python -m tests.bench.bench_fraud [MODEL]`: what the fraud policy's thresholds hold, block and catch.

Payments of simulated weeks that no model was trained on are judged as live ones are, with all that was paid before
them as their background; no device is known of any. With MODEL, the learned scorer speaks, too.
"""

import sys
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path

from tools import fraud
from tools.modelling.simulated_fraud import simulated
from tools.modelling.simulation import FIRST_DAY, Simulated, World
from tools.rules.fraud_model import FraudModel, load
from tools.rules.fraud_signals import facts
from tools.rules.fraud_signals.background import Background, Movement
from tools.rules.payment import Payment

WORLD = World(seed=20_261_122, accounts=800, days=70)
JUDGED_FROM = FIRST_DAY + timedelta(days=42)
LABEL_DELAY = timedelta(days=7)
LEVELS = (300, 400, 500, 550, 600, 700, 800, 900, 950)


def main(model: FraudModel | None) -> None:
    scores: dict[str, list[int]] = defaultdict(list)
    past: dict[str, list[Movement]] = defaultdict(list)
    labels: list[tuple[Simulated, int]] = []
    for number, each in enumerate(simulated(WORLD)):
        paid = each.paid
        if paid.at >= JUDGED_FROM:
            _learn(past, labels, each)
            scores[each.scenario or "innocent"].append(_score(each, number, past, model))
        past[paid.account].append(Movement(paid.at, -paid.amount_minor, paid.payee, str(number)))
        past[paid.payee].append(Movement(paid.at, paid.amount_minor, paid.account, str(number)))
        if each.paid.fraud:
            labels.append((each, len(past[paid.payee]) - 1))
    _report(scores)


def _learn(past: dict[str, list[Movement]], labels: list[tuple[Simulated, int]], now: Simulated) -> None:
    """People find out about a fraud a week after it."""
    while labels and labels[0][0].paid.at + LABEL_DELAY <= now.paid.at:
        each, at = labels.pop(0)
        known = past[each.paid.payee][at]
        past[each.paid.payee][at] = Movement(known.at, known.amount_minor, known.counterparty, known.payment_id, True)


def _score(each: Simulated, number: int, past: dict[str, list[Movement]], model: FraudModel | None) -> int:
    paid = each.paid
    payment = Payment(str(number), paid.at, paid.account, paid.payee, None, paid.amount_minor, "USD", "web")
    found = facts.look(Background(payment, tuple(past[paid.account]), tuple(past[paid.payee])))
    total: int = fraud.combined([fraud.score_of(scorer, found, model) for scorer in fraud.SCORERS])["score"]
    return total


def _report(scores: dict[str, list[int]]) -> None:
    counts = Counter({name: len(of) for name, of in scores.items()})
    print(f"{'from':>12} " + " ".join(f"{name:>12}" for name in sorted(counts)))
    print(f"{'payments':>12} " + " ".join(f"{counts[name]:>12}" for name in sorted(counts)))
    for level in LEVELS:
        shares = (sum(score >= level for score in scores[name]) / counts[name] for name in sorted(counts))
        print(f"{level:>12} " + " ".join(f"{share:>12.2%}" for share in shares))


if __name__ == "__main__":
    main(load(Path(sys.argv[1]).read_text(encoding="utf-8")) if len(sys.argv) > 1 else None)
