"""`python -m tools.modelling.public_trials [HELOC.csv]`: scorecard and LightGBM on the same parts of public data."""

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from tools.modelling.public_credit import Case, credit_data, german, heloc, hmda
from tools.modelling.scorecard_html import FIGURES
from tools.modelling.scorecard_trials import differences, trials

REPEATS = 5
LARGE_REPEATS = 2


def main() -> None:
    for case, repeats in _cases([Path(each) for each in sys.argv[1:]]):
        table = case.table
        done = trials(table, case.plan, repeats, lambda step: None, rivals=True)
        said = f"{len(table.bads):,} rows, {mean(table.bads):.1%} bad, {len(table.columns)} columns"
        print(f"\n{table.source}: {said}, {len(done)} held-out parts")
        for figure, called in FIGURES:
            line = f"{called:20}{mean(getattr(trial.card, figure) for trial in done):9.4f}"
            for rival in done[0].rivals:
                apart = differences(done, rival, figure)
                its = mean(getattr(trial.rivals[rival], figure) for trial in done)
                line += f"   {rival} {its:.4f}, card − it {apart.mean:+.4f} ± {apart.error:.4f}"
            print(line)
        print(f"{'PSI':20}{mean(trial.psi for trial in done):9.4f}", flush=True)


def _cases(heloc_files: list[Path]) -> Iterator[tuple[Case, int]]:
    yield german(), REPEATS
    yield hmda(), REPEATS
    yield credit_data(), REPEATS
    for path in heloc_files:
        yield heloc(path), LARGE_REPEATS


if __name__ == "__main__":
    main()
