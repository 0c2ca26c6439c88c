"""Named places where a test may kill, stall or break this process. Nothing happens unless FAILPOINTS is set.

`FAILPOINTS="loan_origination.disburse.after_effect=kill"`; several are separated by commas. Deeds: `kill` (SIGKILL to
this process), `stop` (SIGSTOP: as a stalled machine does, until somebody sends SIGCONT), `raise`, `sleep:SECONDS`
(blocks the process). Each fires once per process.
"""

import os
import signal
import time

from db.errors import CountersignError


class FailpointHit(CountersignError):
    """What `raise` raises."""


def hit(name: str) -> None:
    if _armed and (deed := _armed.pop(name, None)):
        _do(deed, name)


def arm(spec: str) -> None:
    """Replaces what is armed by `name=deed,…`. Called at import with FAILPOINTS, and by forked test workers."""
    _armed.clear()
    for pair in filter(None, spec.split(",")):
        name, _, deed = pair.partition("=")
        _armed[name] = deed


def _do(deed: str, name: str) -> None:
    if deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif deed == "raise":
        raise FailpointHit(name)
    elif deed.startswith("sleep:"):
        time.sleep(float(deed.removeprefix("sleep:")))
    else:
        raise ValueError(f"failpoint {name}: no deed {deed!r}")


_armed: dict[str, str] = {}
arm(os.environ.get("FAILPOINTS", ""))
