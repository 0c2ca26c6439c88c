"""A file's lines sent, and what came of them asked for, in batches: as `bulk` does, for files of thousands."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic

from rich.console import Console

from api.commands import bulk
from api.commands.bulk import UNSENT, AnyLine, AnyResult
from api.commands.client import Refused
from db.errors import Unavailable

BATCH = 50
UNDER_WAY = 250
"""Lines that were accepted and have no result yet: what a worker drives at once, and more for it to go on with."""
LOOK_AGAIN_S = 0.25

Faults = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the server says to a line: its case's thread, or why there is none."""

    thread_id: str = ""
    error: str = ""
    fields: Faults = ()


@dataclass(frozen=True, slots=True)
class BatchDesk(Generic[AnyLine, AnyResult]):
    """`start` answers each line in its place. `ended` gives those of the threads that came to something, each with what
    makes a line's result of it."""

    start: Callable[[Sequence[AnyLine]], Sequence[Accepted]]
    ended: Callable[[Sequence[str]], Mapping[str, Callable[[AnyLine], AnyResult]]]
    result: Callable[[int, str, str], AnyResult]
    column_of: Callable[[str], str]


def work(lines: Sequence[AnyLine], desk: BatchDesk[AnyLine, AnyResult], console: Console) -> list[AnyResult]:
    """In the file's order; what Ctrl-C leaves undone says so."""
    with ThreadPoolExecutor(1) as beside, bulk.progress(console, len(lines)) as tell:
        shift = _Shift(desk, tell, deque(lines))
        done = beside.submit(shift.work)
        try:
            done.result()
        except KeyboardInterrupt:
            shift.gone = "stopped by Ctrl-C"
            console.print("stopping: those under way are still decided")
        done.result()
    return [shift.results[number] for number in sorted(shift.results)]


@dataclass(slots=True)
class _Shift(Generic[AnyLine, AnyResult]):
    """Once it is `gone`, the lines that remain are not tried."""

    desk: BatchDesk[AnyLine, AnyResult]
    tell: Callable[[Any], None]
    to_send: deque[AnyLine]
    gone: str = ""
    under_way: dict[str, list[AnyLine]] = field(default_factory=dict)
    results: dict[int, AnyResult] = field(default_factory=dict)

    def work(self) -> None:
        while self.to_send or self.under_way:
            while self.to_send and len(self.under_way) <= UNDER_WAY - BATCH:
                self._send([self.to_send.popleft() for _ in range(min(BATCH, len(self.to_send)))])
            if self.under_way and not self._look():
                time.sleep(LOOK_AGAIN_S)

    def _send(self, lines: Sequence[AnyLine]) -> None:
        for line in lines:
            if line.faults:
                self._note(line, error=bulk.told(line.faults))
        sound = [line for line in lines if not line.faults]
        if sound and not self.gone:
            self._start(sound)
        elif sound:
            for line in sound:
                self._note(line, error=f"{UNSENT}: {self.gone}")

    def _start(self, lines: Sequence[AnyLine]) -> None:
        try:
            accepted = self.desk.start(lines)
        except Refused as exc:
            accepted = [Accepted(error=str(exc))] * len(lines)
        except Unavailable as exc:
            self.gone = str(exc)
            accepted = [Accepted(error=str(exc))] * len(lines)
        for line, its in zip(lines, accepted, strict=True):
            if its.thread_id:
                self.under_way.setdefault(its.thread_id, []).append(line)
            else:
                faults = [(self.desk.column_of(name), reason) for name, reason in its.fields]
                self._note(line, error=bulk.told(faults) or its.error)

    def _look(self) -> bool:
        """Whether any has come to something. Those that were not are asked about after all others."""
        asked = list(self.under_way)[: 2 * BATCH]
        try:
            ended = self.desk.ended(asked)
        except (Refused, Unavailable) as exc:
            self.gone = str(exc)
            for thread_id in list(self.under_way):
                for line in self.under_way.pop(thread_id):
                    self._note(line, thread_id, str(exc))
            return True
        for thread_id in asked:
            its = self.under_way.pop(thread_id)
            if thread_id in ended:
                for line in its:
                    self._keep(ended[thread_id](line))
            else:
                self.under_way[thread_id] = its
        return bool(ended)

    def _note(self, line: AnyLine, thread_id: str = "", error: str = "") -> None:
        self._keep(self.desk.result(line.line, thread_id, error))

    def _keep(self, result: AnyResult) -> None:
        self.results[result.line] = result
        self.tell(result)
