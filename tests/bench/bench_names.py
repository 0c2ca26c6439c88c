"""How well names are matched and how fast a list is screened, over published pairs and a published list.

    python -m tests.bench.bench_names name_pairs.csv sdn.csv

The pairs are split in halves by a hash of the pair: THRESHOLD and weights were chosen on "chosen on", the other half
was not looked at. Times are this process's CPU time.
"""

import argparse
import csv
import gc
import hashlib
import random
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.rules.name_matching import THRESHOLD, compare
from tools.rules.name_parts import NameKind
from tools.rules.sanctions import ScreeningIndex, Subject, name_kind, screen
from tools.rules.sanctions_list import read_list

KINDS: dict[str, NameKind] = {"Person": "person", "Vessel": "vessel"}
SCREENED = 300


@dataclass(frozen=True, slots=True)
class Pair:
    """Two names that a person labelled as meaning the same one, or not."""

    one: str
    other: str
    kind: NameKind
    same: bool

    @property
    def chosen_on(self) -> bool:
        """Whether the pair lies in the half on which the threshold and weights were chosen."""
        return hashlib.sha256("\n".join(sorted((self.one, self.other))).encode()).digest()[0] % 2 == 0


def read_pairs(text: str) -> list[Pair]:
    """Everything that is neither a person nor a vessel is an organisation."""
    return [
        Pair(row["name1"], row["name2"], KINDS.get(row["schema"], "organisation"), row["is_match"] == "true")
        for row in csv.DictReader(text.splitlines())
    ]


def f1(pairs: Iterable[Pair]) -> float:
    """The harmonic mean of precision and recall at THRESHOLD."""
    verdicts = [(compare(pair.one, pair.other, pair.kind).score >= THRESHOLD, pair.same) for pair in pairs]
    hits = sum(found and same for found, same in verdicts)
    return 2 * hits / (sum(found for found, _ in verdicts) + sum(same for _, same in verdicts))


def cpu_ms(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return (time.process_time() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("sdn", type=Path)
    paths = parser.parse_args()
    pairs = read_pairs(paths.pairs.read_text(encoding="utf-8"))
    _report_pairs(pairs)
    _report_screening(paths.sdn.read_text(encoding="utf-8"))


def _report_pairs(pairs: Sequence[Pair]) -> None:
    chosen = [pair for pair in pairs if pair.chosen_on]
    others = [pair for pair in pairs if not pair.chosen_on]
    took_ms = cpu_ms(lambda: f1(pairs))
    print(f"threshold {THRESHOLD}, {took_ms / len(pairs):.2f} ms a pair")
    for label, half in (("chosen on", chosen), ("not looked at", others), ("all", pairs)):
        print(f"F1 {f1(half):.3f} on {len(half)} pairs: {label}")


def _report_screening(sdn: str) -> None:
    sanctions = read_list("bench", sdn)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    build_ms = cpu_ms(lambda: ScreeningIndex(sanctions))
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"index of {len(sanctions.entries)} entries built in {build_ms / 1000:.1f} s, {grown_mb:.0f} MB")
    index = ScreeningIndex(sanctions)
    gc.freeze()
    for label, known in (("kind known", True), ("kind unknown", False)):
        subjects = [
            Subject(entry.name, name_kind(entry) if known else None)
            for entry in random.Random(44).sample(sanctions.entries, SCREENED)
        ]
        times = sorted(cpu_ms(lambda subject=subject: screen(subject, index)) for subject in subjects)  # type: ignore[misc]  # the default binds the loop's subject
        print(f"screening, {label}: median {times[SCREENED // 2]:.1f} ms, 95 % {times[SCREENED * 19 // 20]:.1f} ms")


if __name__ == "__main__":
    main()
