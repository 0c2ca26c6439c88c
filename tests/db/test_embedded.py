"""The embedded PostgreSQL: shared, durable, gone with its last user, back after any kill."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from db.embedded import Server, start
from db.errors import DatabaseUnavailable
from db.postmaster import SOCKET_NAME, Postmaster, postmaster

REPOSITORY = Path(__file__).resolve().parents[2]
USER = """
import sys
from pathlib import Path
from db.embedded import start
server = start(Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.read()
server.stop()
"""


@dataclass
class User:
    """Another process that uses the server until it leaves or is killed."""

    program: subprocess.Popen[str]

    @property
    def url(self) -> str:
        assert self.program.stdout is not None
        return self.program.stdout.readline().strip()

    def leave(self) -> None:
        with self.program:
            self.program.communicate(timeout=20)

    def kill(self) -> None:
        self.program.kill()
        self.leave()


NewUser = Callable[[], User]


@pytest.fixture(scope="module")
def cold_home() -> Iterator[Path]:
    """Started once and stopped; tests that do not look at the first start work on copies."""
    with _reachable_folder() as folder:
        start(folder / "home").stop()
        yield folder / "home"


@pytest.fixture
def home(cold_home: Path) -> Iterator[Path]:
    with _reachable_folder() as folder:
        subprocess.run(["cp", "-a", str(cold_home), str(folder / "home")], check=True)
        yield folder / "home"
        # A killed user's server has its keeper yet to stop it.
        _wait_until(lambda: postmaster(_data(folder / "home")) is None)


@pytest.fixture
def new_user(home: Path) -> Iterator[NewUser]:
    users: list[User] = []

    def enter() -> User:
        command = [sys.executable, "-c", USER, str(home)]
        program = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        users.append(User(program))
        return users[-1]

    yield enter
    for user in users:
        if user.program.poll() is None:
            user.kill()


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    server = start(home)
    yield server
    server.stop()


def test_a_new_home_gets_a_durable_server_that_listens_on_no_network() -> None:
    with _reachable_folder() as folder:
        server = start(folder / "new" / "home")

        settings = {name: _ask(server.url, f"SHOW {name}") for name in ("fsync", "data_checksums")}
        encoding, addresses = (_ask(server.url, f"SHOW {name}") for name in ("server_encoding", "listen_addresses"))
        server.stop()

    assert settings == {"fsync": "on", "data_checksums": "on"}
    assert (encoding, addresses) == ("UTF8", "")


def test_a_second_process_attaches_and_the_last_one_to_leave_stops_the_server(home: Path, new_user: NewUser) -> None:
    first, second = new_user(), new_user()
    started = {_started_at(first.url), _started_at(second_url := second.url)}

    first.leave()
    still_there = _started_at(second_url)
    second.leave()

    assert started == {still_there}
    assert postmaster(_data(home)) is None


def test_processes_that_start_at_once_in_a_new_home_share_one_server(new_user: NewUser, home: Path) -> None:
    shutil.rmtree(home)

    users = [new_user() for _ in range(3)]

    assert len({_started_at(user.url) for user in users}) == 1


def test_a_server_whose_owner_was_killed_stays_for_the_others(home: Path, new_user: NewUser) -> None:
    owner = new_user()
    started = _started_at(owner.url)
    attached = start(home)

    owner.kill()

    assert _started_at(attached.url) == started
    attached.stop()
    assert postmaster(_data(home)) is None


def test_a_server_whose_only_user_was_killed_goes_away_and_the_next_start_works(home: Path, new_user: NewUser) -> None:
    owner = new_user()
    assert owner.url

    owner.kill()
    _wait_until(lambda: postmaster(_data(home)) is None)

    server = start(home)
    assert _ask(server.url, "SELECT 1") == 1
    server.stop()


@pytest.mark.parametrize("whom", ["everything", "the postmaster alone"])
def test_acknowledged_rows_survive_a_kill(home: Path, server: Server, whom: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("CREATE TABLE receipts (n integer PRIMARY KEY)")
        for n in range(500):
            conn.execute("INSERT INTO receipts (n) VALUES (%s)", (n,))
        _kill(_postmaster(home), and_children=whom == "everything")

    server.revive()

    assert _ask(server.url, "SELECT count(*) FROM receipts") == 500


def test_revive_leaves_a_live_server_alone(server: Server) -> None:
    started = _started_at(server.url)

    server.revive()

    assert _started_at(server.url) == started


@pytest.mark.parametrize("now", ["alive", "a zombie"])
def test_a_pid_that_now_belongs_to_somebody_else_does_not_keep_the_server_down(
    home: Path, server: Server, now: str
) -> None:
    _kill(_postmaster(home), and_children=True)
    stranger = subprocess.Popen(["sleep", "60"])
    if now == "a zombie":
        stranger.kill()
        os.waitid(os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)
    _give_pid(home, stranger.pid)

    server.revive()
    answer = _ask(server.url, "SELECT 1")

    stranger.kill()
    assert stranger.wait() == -signal.SIGKILL
    assert answer == 1


def test_a_stranger_with_a_reused_pid_is_not_stopped_in_the_servers_place(home: Path, server: Server) -> None:
    _kill(_postmaster(home), and_children=True)
    stranger = subprocess.Popen(["sleep", "60"])
    _give_pid(home, stranger.pid)

    server.stop()

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_server_that_cannot_start_says_why_and_starts_once_that_is_mended(home: Path) -> None:
    settings = _data(home).parent / "local.conf"
    settings.write_text("shared_buffers = plenty\n")

    with pytest.raises(DatabaseUnavailable, match='invalid value for parameter "shared_buffers": "plenty"'):
        start(home)

    settings.write_text("max_connections = 17\n")
    server = start(home)
    assert _ask(server.url, "SHOW max_connections") == "17"
    server.stop()


def test_a_home_too_deep_for_a_socket_gets_one_in_a_private_folder(home: Path) -> None:
    deep = home.rename(home.with_name("a-name-of-some-length-" * 5))

    server = start(deep)

    sockets = _postmaster(deep).socket_dir
    assert len(str(sockets)) < 60
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert _ask(server.url, "SELECT 1") == 1
    server.stop()
    sockets.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(home: Path, tmp_path: Path) -> None:
    deep = home.rename(home.with_name("a-name-of-some-length-" * 5))
    server = start(deep)
    sockets = _postmaster(deep).socket_dir
    server.stop()
    sockets.rmdir()
    sockets.symlink_to(tmp_path)

    with pytest.raises(DatabaseUnavailable, match="not a private folder"):
        start(deep)

    sockets.unlink()


def test_users_of_a_deleted_home_do_not_stop_the_server_of_the_new_one(home: Path, new_user: NewUser) -> None:
    old = new_user()
    assert old.url
    of_old = psutil.Process(_postmaster(home).pid)
    shutil.rmtree(home)
    server = start(home)

    old.leave()

    assert _ask(server.url, "SELECT 1") == 1
    server.stop()
    with suppress(psutil.NoSuchProcess):
        of_old.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_roots_server_in_a_home_it_cannot_reach_lives_elsewhere_and_no_mode_is_widened(
    tmp_path: Path,
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    server = start(private / "home")

    elsewhere = (private / "home" / "postgres").resolve()
    assert _ask(server.url, "SHOW data_directory") == str(elsewhere / "data")
    server.stop()
    assert elsewhere.stat().st_mode & 0o777 == private.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(elsewhere)


@contextmanager
def _reachable_folder() -> Iterator[Path]:
    """Root's server runs as another user, who could not enter pytest's own folders."""
    with tempfile.TemporaryDirectory(prefix="countersign-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _data(home: Path) -> Path:
    return (home / "postgres" / "data").resolve()


def _postmaster(home: Path) -> Postmaster:
    found = postmaster(_data(home))
    assert found is not None
    return found


def _kill(server: Postmaster, *, and_children: bool) -> None:
    process = psutil.Process(server.pid)
    victims = [process, *(process.children() if and_children else [])]
    for victim in victims:
        victim.suspend()
    for victim in victims:
        victim.kill()
    _wait_until(lambda: not any(_lives(victim) for victim in victims))


def _give_pid(home: Path, pid: int) -> None:
    for lock_file in (_data(home) / "postmaster.pid", _data(home).parent / "socket" / f"{SOCKET_NAME}.lock"):
        lock_file.write_text("\n".join([str(pid), *lock_file.read_text().splitlines()[1:], ""]))


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def _ask(url: str, query: str) -> object:
    with psycopg.connect(url) as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _started_at(url: str) -> object:
    return _ask(url, "SELECT pg_postmaster_start_time()")
