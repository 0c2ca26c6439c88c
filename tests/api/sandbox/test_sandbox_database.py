"""The bank's place in a PostgreSQL that it shares with Countersign."""

import asyncio

import psycopg
import pytest

from api.sandbox.database import UnknownSchema, prepare
from db.embedded import Server
from tests.served_bank import ServedBank, fresh_database, served_bank


async def test_banks_preparing_at_once_make_one_world(postgres: Server) -> None:
    with fresh_database(postgres.url) as one, fresh_database(postgres.url) as other:
        await asyncio.gather(*(prepare(url) for url in (one, other, one, other)))

        with psycopg.connect(one) as conn:
            row = conn.execute("SELECT count(*) FROM bank.customers").fetchone()

    assert row == (21,)


def test_a_second_start_keeps_what_was_booked(postgres: Server) -> None:
    order = {"source_account": "ACC001", "destination_account": "ACC002", "amount": "125.50"}
    with fresh_database(postgres.url) as database_url:
        with served_bank(database_url) as bank:
            first = bank.post("/transfers", order, key="kept").json()
        with served_bank(database_url) as bank:
            again = bank.post("/transfers", order, key="kept")

            assert again.json() == first
            assert bank.booked_minor("ACC001") == 9_874_50
            assert bank.ledger()["unbalanced"] == []


async def test_a_newer_schema_is_left_alone(postgres: Server) -> None:
    with fresh_database(postgres.url) as database_url:
        await prepare(database_url)
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute("INSERT INTO bank.schema_versions (version, name) VALUES (9000, 'later')")

        with pytest.raises(UnknownSchema, match="version 9000"):
            await prepare(database_url)


def test_the_bank_owns_its_schema_and_sees_nobody_elses(bank: ServedBank) -> None:
    with psycopg.connect(bank.database_url, autocommit=True) as conn:
        conn.execute("CREATE SCHEMA countersign CREATE TABLE threads (thread_id integer)")
    with bank.sql() as conn:
        owners = conn.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'bank'").fetchall()

        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT thread_id FROM countersign.threads")

    assert owners == [("countersign_bank",)]


async def test_a_login_without_superuser_rights_can_prepare_the_bank(postgres: Server) -> None:
    with fresh_database(postgres.url) as database_url:
        with psycopg.connect(postgres.url, autocommit=True) as conn:
            conn.execute("CREATE ROLE landlord LOGIN CREATEROLE")
            conn.execute("GRANT countersign_bank TO landlord WITH ADMIN OPTION")
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(f"GRANT CREATE ON DATABASE {conn.info.dbname} TO landlord".encode())

        await prepare(psycopg.conninfo.make_conninfo(database_url, user="landlord"))

        with psycopg.connect(database_url) as conn:
            row = conn.execute("SELECT count(*) FROM bank.accounts WHERE kind <> 'internal'").fetchone()
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute("REVOKE countersign_bank FROM landlord CASCADE")
        conn.execute("DROP ROLE landlord")

    assert row == (27,)


def test_dropped_connections_to_postgresql_fail_no_call(bank: ServedBank) -> None:
    with psycopg.connect(bank.database_url, autocommit=True) as conn:
        conn.execute(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """
        )

    statuses = [bank.http.get("/accounts/ACC001").status_code for _ in range(10)]

    assert statuses == [200] * 10


def test_a_ledger_that_does_not_answer_is_a_503(bank: ServedBank) -> None:
    with psycopg.connect(bank.database_url) as conn:
        conn.execute("LOCK TABLE bank.transfers IN ACCESS EXCLUSIVE MODE")
        order = {"source_account": "ACC001", "destination_account": "ACC002", "amount": "1.00"}

        answer = bank.post("/transfers", order, key="locked-out")

    assert (answer.status_code, answer.json()["code"]) == (503, "ledger_unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert bank.http.get("/requests/locked-out").status_code == 404
