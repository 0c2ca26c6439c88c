"""The PostgreSQL server of one data directory: is it alive, stop it. Run as a script: its keeper.

The keeper is a detached process that waits for an exclusive lock on the file that every user of the server
holds shared, then stops the server. The kernel releases a user's lock however that user dies, so a server
never outlives its last user, and nobody new attaches while the keeper holds the lock.
Standard library only: the keeper starts without site-packages.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.01
FAST_STOP_S = 60.0
NO_PID = 2**31 - 1
SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Postmaster:
    pid: int
    socket_dir: Path
    ready: bool


def postmaster(data: Path) -> Postmaster | None:
    """The live server of `data`, by its lock file; None if that names a dead, zombie or foreign process."""
    lines = _lines(data / "postmaster.pid")
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    if not _command(pid).endswith(f"/postgres -D {data}"):
        return None
    socket_dir = Path(lines[4]) if len(lines) > 4 else data
    return Postmaster(pid, socket_dir, ready=len(lines) > 7 and lines[7].strip() == "ready")


def disown_dead_pid(data: Path, socket_dir: Path) -> None:
    """Let the next server start although a zombie, or somebody else by now, has the dead one's pid.

    PostgreSQL refuses to start while the pid in a lock file is alive, whoever has it. The files stay, with a
    pid no kernel gives, because PostgreSQL also reads there whether orphaned backends still use the data.
    """
    if postmaster(data) is not None:
        return
    for lock_file in (data / "postmaster.pid", socket_dir / f"{SOCKET_NAME}.lock"):
        if lines := _lines(lock_file):
            rewritten = lock_file.with_name(f"{lock_file.name}.rewritten")
            rewritten.write_text("\n".join([str(NO_PID), *lines[1:], ""]))
            rewritten.chmod(0o644)
            rewritten.rename(lock_file)


def stop_unused(users_fd: int, data: Path) -> None:
    """Stops the server of `data` under the users' exclusive lock, and returns when it has stopped.

    A fast shutdown that takes a minute is cut short: the next start recovers. If the lock file is deleted,
    so is the home it was in, and a server now at `data` is that of a new home.
    """
    if os.fstat(users_fd).st_nlink == 0:
        return
    deadline = time.monotonic() + FAST_STOP_S
    sent: signal.Signals | None = None
    while (server := postmaster(data)) is not None:
        wanted = signal.SIGINT if time.monotonic() < deadline else signal.SIGQUIT
        if wanted is not sent:
            with suppress(ProcessLookupError):
                os.kill(server.pid, wanted)
            sent = wanted
        time.sleep(POLL_S)


def _lines(lock_file: Path) -> list[str]:
    try:
        return lock_file.read_text().splitlines()
    except FileNotFoundError:
        return []


def _command(pid: int) -> str:
    """The command line of a live process; empty for a zombie, whose memory is gone."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_text(errors="replace").rstrip("\0").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    listed = subprocess.run(command, check=False, capture_output=True, text=True)
    return listed.stdout.strip()


def _keep(keeper_fd: int, users_fd: int, data: Path) -> None:
    if os.fork():
        return
    os.setsid()
    fcntl.flock(users_fd, fcntl.LOCK_EX)
    stop_unused(users_fd, data)
    # In this order: whoever gets the users' lock next must see that there is no keeper any more.
    os.close(keeper_fd)
    os.close(users_fd)


if __name__ == "__main__":
    _keep(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
