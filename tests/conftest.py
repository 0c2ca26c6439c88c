"""One embedded PostgreSQL for the whole session, and databases and deployments on it."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import randrange
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.sandbox.database import prepare
from db.embedded import Server, start
from db.migrate import migrate
from tests.crash_deployment import Deployment, deployment
from tests.fork_server import ForkServer, fork_server_of_ours
from tests.mortal_postgres import home_of_postgres
from tests.service import Service, service

ROOM_BYTES = 4 * 2**30
# Without STRATEGY each page goes through the server's memory and its log.
COPY = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="of what happens at random; unset: another each time")


def pytest_configure() -> None:
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")
    _keep_files_in_memory()
    # Nothing here speaks TLS, and each client would read all the world's certificates, which takes it 30 ms.
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = os.devnull


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole paths and crashes first: of two processes none is left with the longest file at the end."""
    items.sort(key=lambda item: len(item.path.parents))


def _keep_files_in_memory() -> None:
    """Databases come and go with a thousand files each, which on a disk is most of what they cost."""
    memory = Path("/dev/shm")
    if "TMPDIR" in os.environ or not memory.is_dir() or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(memory)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    given: int | None = request.config.getoption("--seed")
    return randrange(2**32) if given is None else given


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with TemporaryDirectory(prefix="countersign-test-") as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder))
        with psycopg.connect(server.url, autocommit=True) as conn:
            # Nothing here cuts the power, and processes that are killed lose nothing by it.
            conn.execute("ALTER SYSTEM SET fsync = off")
            conn.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
            conn.execute("SELECT pg_reload_conf()")
        yield server
        server.stop()


@pytest.fixture(scope="session")
def migrated(postgres: Server) -> str:
    """Name of a database with the whole schema, to be copied: a copy takes a tenth of the time of a migration."""
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE migrated")
    migrate(make_conninfo(postgres.url, dbname="migrated"))
    return "migrated"


@pytest.fixture(scope="session")
def migrated_with_bank(postgres: Server, migrated: str) -> str:
    """The same with the sandbox bank's schema and world."""
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE migrated_with_bank TEMPLATE {}").format(sql.Identifier(migrated)))
    asyncio.run(prepare(make_conninfo(postgres.url, dbname="migrated_with_bank")))
    return "migrated_with_bank"


@pytest.fixture(scope="session")
def banked(postgres: Server) -> str:
    """Name of a database with the bank's schema and world alone."""
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE banked")
    asyncio.run(prepare(make_conninfo(postgres.url, dbname="banked")))
    return "banked"


def copied(postgres: Server, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute(COPY.format(*map(sql.Identifier, (name, template))))
        yield make_conninfo(postgres.url, dbname=name)
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(postgres: Server, migrated: str) -> Iterator[str]:
    """A database of the test's own, with the whole schema."""
    yield from copied(postgres, migrated)


@pytest.fixture(scope="module")
def module_database_url(postgres: Server, migrated_with_bank: str) -> Iterator[str]:
    """A database of the module's own, with our schema and the bank's."""
    yield from copied(postgres, migrated_with_bank)


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server of the test's own, to be killed."""
    with home_of_postgres() as home:
        server = start(home)
        migrate(server.url)
        yield server
        server.stop()


@pytest.fixture(scope="module")
def countersign(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`countersign up`, shared by a module's tests."""
    with service(module_database_url, tmp_path_factory.mktemp("home")) as served:
        yield served


@pytest.fixture(scope="session")
def forks() -> ForkServer:
    return fork_server_of_ours()


@pytest.fixture(scope="module")
def module_deployment(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer
) -> Iterator[Deployment]:
    with deployment(module_database_url, tmp_path_factory.mktemp("home"), forks) as deployed:
        yield deployed


@pytest.fixture
def deployed(module_deployment: Deployment) -> Iterator[Deployment]:
    """Bank and API, shared by a module's tests; each starts, stalls and kills workers of its own."""
    yield module_deployment
    module_deployment.clear()
