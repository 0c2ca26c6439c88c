"""The schema in numbered steps, each applied once: ours in migrations/, and those of two packages among them.

Steps below 10 make other packages' tables, from the installed package; files in migrations/ start at 010. Such
a step may be added when files of ours are applied already, and is made up for.
A file and its row in `schema_migrations` are one transaction. A package's step that cannot run in one has its
row written before (`applied_at` NULL) and completed after, so that half of it never passes for the whole.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import LiteralString

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.store.postgres import PostgresStore
from procrastinate.schema import SchemaManager
from psycopg import Connection, sql
from psycopg.rows import DictRow, class_row, dict_row, scalar_row

from db.errors import DatabaseUnavailable, SchemaMismatch
from db.pool import TIMEOUT_S, reaching_database

FOLDER = Path(__file__).parent / "migrations"
FIRST_FILE = 10
LOCK = 0x636F756E74657273
"""Of all `migrate` on a database; the number only has to differ from other programs' ("counters")."""
WAIT_S = 300.0
PROCRASTINATE = "3.10"
CHECKPOINTS = "3.2"

TABLE = """
CREATE TABLE IF NOT EXISTS public.schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz
)
"""


@dataclass(frozen=True, slots=True)
class Step:
    number: int
    name: str
    text: str
    """What the sha256 is of."""
    resumable: Callable[[Connection[DictRow]], None] | None = None
    """For a step that cannot be a transaction: applies it, or the rest of it. None: run `text`."""

    @property
    def label(self) -> str:
        return f"{self.number:03}_{self.name}"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    number: int
    name: str
    sha256: str
    whole: bool


def migrate(database_url: str, folder: Path = FOLDER) -> list[str]:
    """Applies what is missing and returns its labels. Parallel calls wait for each other.

    Raises SchemaMismatch, having changed nothing more, if the database is not an earlier state of `folder`.
    """
    known = steps(folder)
    with _connected(database_url) as conn, _alone(conn):
        conn.execute(TABLE)
        applied = _applied(conn)
        _refuse_foreign(applied, known)
        done = {row.number for row in applied if row.whole}
        missing = [step for step in known if step.number not in done]
        for step in missing:
            _apply(conn, step)
    return [step.label for step in missing]


def check_schema(database_url: str, folder: Path = FOLDER) -> None:
    """Raises SchemaMismatch unless the database has exactly the schema of this program."""
    known = steps(folder)
    with _connected(database_url) as conn:
        if _scalar(conn, "SELECT to_regclass('public.schema_migrations')") is None:
            raise SchemaMismatch("the database has no schema yet: run `countersign migrate`")
        applied = _applied(conn)
    _refuse_foreign(applied, known)
    for row in applied:
        if not row.whole:
            raise SchemaMismatch(f"{row.number:03}_{row.name} is half applied: run `countersign migrate`")
    done = {row.number for row in applied}
    if missing := [step.label for step in known if step.number not in done]:
        raise SchemaMismatch(f"the schema lacks {', '.join(missing)}: run `countersign migrate`")


def steps(folder: Path) -> list[Step]:
    """All steps in order. Raises SchemaMismatch for a number that is missing, taken twice or not one."""
    packages = [_procrastinate(), _checkpoints(), _store()]
    files = sorted(_files(folder), key=lambda step: (step.number, step.name))
    known = [*packages, *files]
    numbers = [step.number for step in known]
    expected = [*range(1, len(packages) + 1), *range(FIRST_FILE, FIRST_FILE + len(files))]
    if numbers != expected:
        odd = next(step.label for step, number in zip(known, expected, strict=True) if step.number != number)
        raise SchemaMismatch(f"migrations count from {FIRST_FILE:03}, each number once: not so at {odd}")
    return known


def _files(folder: Path) -> Iterator[Step]:
    for path in folder.glob("*.sql"):
        number, _, name = path.stem.partition("_")
        if not number.isdigit() or not name:
            raise SchemaMismatch(f"{path.name} is not named NNN_name.sql")
        yield Step(int(number), name, path.read_text(encoding="utf-8"))


def _procrastinate() -> Step:
    _require("procrastinate", PROCRASTINATE)
    return Step(1, f"procrastinate_{PROCRASTINATE}", SchemaManager.get_schema())


def _checkpoints() -> Step:
    """The saver's own migrations, which build indexes CONCURRENTLY, hence outside any transaction."""
    _require("langgraph-checkpoint-postgres", CHECKPOINTS)
    return Step(2, f"checkpoints_{CHECKPOINTS}", "\n".join(PostgresSaver.MIGRATIONS), _set_up_checkpoints)


def _store() -> Step:
    """The store's own migrations, with an index made CONCURRENTLY as well; its package is the saver's."""
    _require("langgraph-checkpoint-postgres", CHECKPOINTS)
    return Step(3, f"store_{CHECKPOINTS}", "\n".join(PostgresStore.MIGRATIONS), _set_up_store)


def _require(package: str, series: str) -> None:
    installed = version(package)
    if not f"{installed}.".startswith(f"{series}."):
        raise SchemaMismatch(f"this program's schema is for {package} {series}, and {installed} is installed")


def _set_up_checkpoints(conn: Connection[DictRow]) -> None:
    _drop_broken_indexes(conn, "checkpoint%")
    PostgresSaver(conn).setup()


def _set_up_store(conn: Connection[DictRow]) -> None:
    _drop_broken_indexes(conn, "store_prefix_idx")
    PostgresStore(conn).setup()


def _drop_broken_indexes(conn: Connection[DictRow], named: str) -> None:
    """An interrupted CONCURRENTLY leaves an invalid index, which IF NOT EXISTS takes for the real one."""
    broken = conn.execute(
        "SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE NOT i.indisvalid AND c.relname LIKE %(named)s",
        {"named": named},
    ).fetchall()
    for index in broken:
        conn.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index["name"])))


def _refuse_foreign(applied: list[Applied], known: list[Step]) -> None:
    """What is applied must be the beginning of what is known, byte for byte; a package's step may be missing."""
    done = {row.number for row in applied}
    known = [step for step in known if step.number >= FIRST_FILE or step.number in done]
    for row, step in zip(applied, known, strict=False):
        label = f"{row.number:03}_{row.name}"
        if row.number > step.number:
            raise SchemaMismatch(f"{step.label} was added before {label}, which is applied: renumber it")
        if (row.number, row.name) != (step.number, step.name):
            raise SchemaMismatch(f"{label} is applied in the database, but this program has {step.label}")
        if row.sha256 != step.sha256:
            raise SchemaMismatch(f"{label} was edited after it was applied: add a new migration instead")
    if len(applied) > len(known):
        label = f"{applied[-1].number:03}_{applied[-1].name}"
        raise SchemaMismatch(f"the schema is newer than this program, with {label}: update the program")


def _apply(conn: Connection[DictRow], step: Step) -> None:
    try:
        if step.resumable is None:
            with conn.transaction():
                conn.execute(step.text.encode())
                _record(conn, step)
                _complete(conn, step)
        else:
            _record(conn, step)
            step.resumable(conn)
            _complete(conn, step)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as exc:
        raise SchemaMismatch(f"{step.label} could not be applied: {exc}") from exc


def _record(conn: Connection[DictRow], step: Step) -> None:
    conn.execute(
        "INSERT INTO public.schema_migrations (number, name, sha256)"
        " VALUES (%(number)s, %(name)s, %(sha256)s) ON CONFLICT (number) DO NOTHING",
        {"number": step.number, "name": step.name, "sha256": step.sha256},
    )


def _complete(conn: Connection[DictRow], step: Step) -> None:
    conn.execute(
        "UPDATE public.schema_migrations SET applied_at = clock_timestamp() WHERE number = %(number)s",
        {"number": step.number},
    )


def _applied(conn: Connection[DictRow]) -> list[Applied]:
    with conn.cursor(row_factory=class_row(Applied)) as cur:
        return cur.execute(
            "SELECT number, name, sha256, applied_at IS NOT NULL AS whole FROM public.schema_migrations ORDER BY number"
        ).fetchall()


@contextmanager
def _connected(database_url: str) -> Iterator[Connection[DictRow]]:
    with (
        reaching_database(),
        Connection.connect(
            database_url,
            autocommit=True,
            row_factory=dict_row,
            prepare_threshold=None,
            connect_timeout=TIMEOUT_S,
            fallback_application_name="countersign migrate",
        ) as conn,
    ):
        yield conn


@contextmanager
def _alone(conn: Connection[DictRow]) -> Iterator[None]:
    """Asks again and again: waiting inside `pg_advisory_lock` would keep a snapshot, which the saver's
    CREATE INDEX CONCURRENTLY in the lock's holder would wait for: a deadlock."""
    deadline = time.monotonic() + WAIT_S
    while not _scalar(conn, "SELECT pg_try_advisory_lock(%(lock)s)", lock=LOCK):
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(f"another migration has been running for {WAIT_S:.0f} s")
        time.sleep(0.05)
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%(lock)s)", {"lock": LOCK})


def _scalar(conn: Connection[DictRow], query: LiteralString, **parameters: int) -> object:
    return conn.cursor(row_factory=scalar_row).execute(query, parameters).fetchone()
