"""The schema: every step once, in order, and nothing but the whole schema of this program is accepted."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db import migrate as migrate_module
from db.embedded import Server
from db.errors import DatabaseUnavailable, SchemaMismatch
from db.migrate import FOLDER, check_schema, migrate, steps


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    name = f"migrate_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(postgres.url, dbname=name)
        conn.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small migrations in place of the program's."""
    (tmp_path / "010_payees.sql").write_text("CREATE TABLE payees (id integer PRIMARY KEY);")
    (tmp_path / "011_names.sql").write_text("ALTER TABLE payees ADD name text;\nCREATE INDEX ON payees (name);")
    return tmp_path


OURS = ["001_procrastinate_3.10", "002_checkpoints_3.2", "003_store_3.2", "010_payees", "011_names"]


def test_the_programs_own_steps_apply_and_pass_the_check(url: str) -> None:
    applied = migrate(url)

    assert applied == [step.label for step in steps(FOLDER)]
    check_schema(url)
    assert {"procrastinate_jobs", "checkpoints", "checkpoint_writes", "store"} <= _tables(url)


def test_a_second_migrate_does_nothing(url: str, folder: Path) -> None:
    first = migrate(url, folder)

    second = migrate(url, folder)

    assert (first, second) == (OURS, [])


def test_parallel_migrates_apply_each_step_once(url: str, folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(url, folder), range(4)))

    assert sorted(applied) == [[], [], [], OURS]
    check_schema(url, folder)


def test_a_later_migrate_applies_only_what_is_new(url: str, folder: Path) -> None:
    migrate(url, folder)
    (folder / "012_more.sql").write_text("CREATE TABLE more (id integer);")

    with pytest.raises(SchemaMismatch, match="lacks 012_more: run `countersign migrate`"):
        check_schema(url, folder)

    assert migrate(url, folder) == ["012_more"]


def test_an_empty_database_is_told_to_migrate(url: str, folder: Path) -> None:
    with pytest.raises(SchemaMismatch, match="no schema yet: run `countersign migrate`"):
        check_schema(url, folder)


def test_an_edited_migration_is_refused(url: str, folder: Path) -> None:
    migrate(url, folder)
    (folder / "010_payees.sql").write_text("CREATE TABLE payees (id bigint PRIMARY KEY);")

    for look in (migrate, check_schema):
        with pytest.raises(SchemaMismatch, match="010_payees was edited after it was applied"):
            look(url, folder)


def test_an_older_program_refuses_a_newer_schema(url: str, folder: Path) -> None:
    migrate(url, folder)
    (folder / "011_names.sql").unlink()

    for look in (migrate, check_schema):
        with pytest.raises(SchemaMismatch, match="newer than this program, with 011_names"):
            look(url, folder)


def test_a_file_that_fails_leaves_nothing_of_itself(url: str, folder: Path) -> None:
    broken = folder / "012_broken.sql"
    broken.write_text("CREATE TABLE half (id integer);\nCREATE TABLE half (id integer);")

    with pytest.raises(SchemaMismatch, match='012_broken could not be applied: relation "half" already exists'):
        migrate(url, folder)

    assert "half" not in _tables(url)
    broken.write_text("CREATE TABLE half (id integer);")
    assert migrate(url, folder) == ["012_broken"]


def test_half_applied_checkpoints_are_refused_and_migrate_completes_them(url: str, tmp_path: Path) -> None:
    migrate(url, tmp_path)
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE schema_migrations SET applied_at = NULL WHERE number = 2")
        conn.execute("DELETE FROM checkpoint_migrations WHERE v >= 7")
        conn.execute("DROP INDEX checkpoint_writes_thread_id_idx")
        conn.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'checkpoint_blobs_thread_id_idx'::regclass"
        )

    with pytest.raises(SchemaMismatch, match=r"002_checkpoints_3\.2 is half applied: run `countersign migrate`"):
        check_schema(url, tmp_path)

    assert migrate(url, tmp_path) == ["002_checkpoints_3.2"]
    assert _valid_indexes(url) >= {"checkpoint_writes_thread_id_idx", "checkpoint_blobs_thread_id_idx"}
    check_schema(url, tmp_path)


def test_a_step_below_a_step_that_is_applied_is_refused(url: str, folder: Path) -> None:
    migrate(url, folder)
    with psycopg.connect(url) as conn:
        conn.execute("DELETE FROM schema_migrations WHERE number = 10")

    with pytest.raises(SchemaMismatch, match="010_payees was added before 011_names"):
        migrate(url, folder)


def test_a_packages_step_that_is_new_comes_after_files_that_are_applied(url: str, folder: Path) -> None:
    migrate(url, folder)
    with psycopg.connect(url) as conn:
        conn.execute("DROP TABLE store, store_migrations")
        conn.execute("DELETE FROM schema_migrations WHERE number = 3")

    with pytest.raises(SchemaMismatch, match=r"lacks 003_store_3\.2: run `countersign migrate`"):
        check_schema(url, folder)

    assert migrate(url, folder) == ["003_store_3.2"]
    check_schema(url, folder)


def test_a_half_applied_store_is_completed(url: str, folder: Path) -> None:
    migrate(url, folder)
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE schema_migrations SET applied_at = NULL WHERE number = 3")
        conn.execute("DELETE FROM store_migrations WHERE v >= 1")
        conn.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'store_prefix_idx'::regclass")

    assert migrate(url, folder) == ["003_store_3.2"]
    assert "store_prefix_idx" in _valid_indexes(url)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("013_gap.sql", "not so at 013_gap"),
        ("011_twice.sql", "not so at 011_twice"),
        ("009_early.sql", "not so at 009_early"),
        ("later.sql", "later.sql is not named NNN_name.sql"),
    ],
)
def test_numbers_out_of_line_are_refused(folder: Path, name: str, reason: str) -> None:
    (folder / name).write_text("SELECT 1;")

    with pytest.raises(SchemaMismatch, match=reason):
        steps(folder)


def test_another_procrastinate_than_the_schemas_is_refused(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "PROCRASTINATE", "3.1")

    with pytest.raises(SchemaMismatch, match=r"schema is for procrastinate 3\.1, and 3\.10\.\d+ is installed"):
        migrate(url, folder)


def test_a_server_that_is_away_is_unavailable(tmp_path: Path, folder: Path) -> None:
    for look in (migrate, check_schema):
        with pytest.raises(DatabaseUnavailable):
            look(f"postgresql://nobody@/nothing?host={tmp_path}", folder)


def _tables(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        return {row[0] for row in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def _valid_indexes(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        return {
            row[0]
            for row in conn.execute(
                "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisvalid"
            )
        }
