"""A PostgreSQL server of a module's own, and its sudden end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg

from db.embedded import Server, start
from db.migrate import migrate

SOON_S = 20


@contextmanager
def mortal_server() -> Iterator[Server]:
    with TemporaryDirectory(prefix="countersign-test-") as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder))
        migrate(server.url)
        yield server
        server.stop()


def kill(server: Server) -> None:
    with psycopg.connect(server.url) as conn:
        postmaster = psutil.Process(conn.info.backend_pid).parent()
    assert postmaster is not None
    postmaster.kill()
    psutil.wait_procs([postmaster], timeout=SOON_S)
