"""What runs came to, handed within the process from the worker to whoever waits: no state is read again for it.

A hint only: for a run that another process drove, or that nobody waited for, the last checkpoint says the same.
"""

from collections import OrderedDict
from uuid import UUID

MOST = 2_000


class Results:
    """JSON by run, for the runs that somebody waits for."""

    def __init__(self) -> None:
        self._expected: OrderedDict[UUID, bytes | None] = OrderedDict()

    def expect(self, run_id: UUID) -> None:
        self._expected[run_id] = None
        if len(self._expected) > MOST:
            self._expected.popitem(last=False)

    def is_expected(self, run_id: UUID) -> bool:
        return run_id in self._expected

    def tell(self, run_id: UUID, result: bytes) -> None:
        if run_id in self._expected:
            self._expected[run_id] = result

    def take(self, run_id: UUID) -> bytes | None:
        return self._expected.pop(run_id, None)
