"""How many portfolios a second are rebalanced at the proven optimum, and what that saves against simpler ways.

    python -m tests.bench.bench_rebalance [--portfolios 300] [--processes 2]

Portfolios of 20 stocks and about 60 lots, the same at every call. "a CPU second" counts what the processes themselves
used, so that what else the machine does matters little.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from tests.bench.measure import cpu_of_tree
from tests.tools.optimiser.vectors import generated
from tools.optimiser.baselines import banded, full, nothing
from tools.optimiser.form import Form, form
from tools.optimiser.pool import solve_many, solver_pool
from tools.optimiser.problem import Figures, RebalanceProblem, Solution

HEAD = "| | tracking error % | tax bp | cost bp | objective bp |\n|---|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portfolios", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    forms = [form(problem) for problem in generated(given.portfolios)]
    print(HEAD)
    ways: list[tuple[str, Callable[[Form], Any]]] = [("nothing", nothing), ("20 % band", banded), ("full HIFO", full)]
    for name, way in ways:
        _row(name, [each.figures(way(each)) for each in forms])
    with solver_pool(given.processes) as pool:
        for name, avoided in (("optimum, wash sales ignored", False), ("optimum, wash sales avoided", True)):
            problems = list(generated(given.portfolios, avoided))
            _measured(name, problems, pool)


def _measured(name: str, problems: Sequence[RebalanceProblem], pool: ProcessPoolExecutor) -> None:
    list(solve_many(problems[:40], pool))
    before, started = _cpu_s(), time.perf_counter()
    found = [each for each in solve_many(problems, pool) if isinstance(each, Solution)]
    took_s, cpu_s = time.perf_counter() - started, _cpu_s() - before
    _row(name, [each.figures for each in found])
    print(
        f"{name}: {len(found)} of {len(problems)} solved, {len(found) / took_s:.0f} a second,"
        f" {len(found) / cpu_s:.0f} a CPU second, largest gap {max(each.gap for each in found):.1e},"
        f" {np.mean([each.solves for each in found]):.1f} solves each"
    )


def _cpu_s() -> float:
    """Of this process, which hands out and takes back, and of the pool's."""
    return cpu_of_tree(os.getpid())


def _row(name: str, figures: Sequence[Figures]) -> None:
    error, tax, cost, objective = (
        float(np.mean([getattr(each, of) for each in figures])) for of in ("tracking_error", "tax", "cost", "objective")
    )
    print(f"| {name} | {100 * error:.2f} | {10_000 * tax:.0f} | {10_000 * cost:.1f} | {10_000 * objective:.0f} |")


if __name__ == "__main__":
    main()
