"""Problems in bulk on processes of their own. Imports no solver: only those processes do, when they start."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread

from db.errors import InvalidInput
from tools.optimiser.problem import Infeasible, RebalanceProblem, Solution, Unsolved

BATCH = 20
"""So many travel to a process at once, beside whose solving the journey is short."""

Outcome = Solution | Infeasible | Unsolved | InvalidInput
_Travelling = Solution | Infeasible | Unsolved | tuple[str, str]


def solver_pool(processes: int) -> ProcessPoolExecutor:
    """Its owner shuts it down. In a coroutine: `loop.run_in_executor(pool, solve, problem)`."""
    return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_ready)


def solve_many(problems: Sequence[RebalanceProblem], pool: ProcessPoolExecutor) -> Iterator[Outcome]:
    """One outcome for each, in their order: what is wrong with one keeps no other from its solution."""
    batches = [problems[start : start + BATCH] for start in range(0, len(problems), BATCH)]
    for outcomes in pool.map(_outcomes, batches):
        for outcome in outcomes:
            yield InvalidInput(*outcome) if isinstance(outcome, tuple) else outcome


def _ready() -> None:
    """One thread each, chosen before numpy is imported; and everything imported before the first problem arrives.

    Whoever waits for problems would not notice that nobody is left to send any: the process ends with its owner.
    """
    Thread(target=_end_with_owner, daemon=True).start()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import tools.optimiser.solve  # noqa: F401


def _end_with_owner() -> None:
    owner = parent_process()
    if owner is not None:
        owner.join()
        os._exit(1)


def _outcomes(problems: Sequence[RebalanceProblem]) -> list[_Travelling]:
    return [_outcome(problem) for problem in problems]


def _outcome(problem: RebalanceProblem) -> _Travelling:
    from tools.optimiser.solve import solve

    try:
        return solve(problem)
    except (Infeasible, Unsolved) as exc:
        return exc
    except InvalidInput as exc:
        # Its constructor takes two arguments, and a travelling exception would be given one.
        return exc.field, exc.reason
