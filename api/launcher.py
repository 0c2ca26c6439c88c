"""What has to run beside a process of ours: the database, its schema, the bank, the first keys."""

import base64
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import httpx
from pydantic import SecretStr

from api.settings import Settings
from db import embedded, keys
from db.actor import Role
from db.errors import BankUnavailable, CountersignError, DatabaseUnavailable
from db.keys import NewKey
from db.pool import open_pool

SANDBOX_START_S = 30.0
REVIVE_EVERY_S = 1.0
_log = logging.getLogger(__name__)


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL of the database: the one that was set, or the embedded one of this home, shared and stopped with us."""
    if settings.database_url:
        yield settings.database_url
        return
    postgres = embedded.start(settings.home)
    try:
        with _kept_alive(postgres):
            yield postgres.url
    finally:
        postgres.stop()


def with_bank(settings: Settings) -> Settings:
    """The settings with a bank in them: the one that was set, or this home's sandbox, wherever that runs."""
    if settings.banking_api_base_url:
        if settings.banking_api_key is None:
            raise CountersignError("BANKING_API_BASE_URL is set but BANKING_API_KEY is not")
        return settings
    port = settings.sandbox_port or settings.port + 1
    return settings.model_copy(
        update={
            "banking_api_base_url": f"http://127.0.0.1:{port}",
            "banking_api_key": SecretStr(_kept(settings.home, "sandbox.key", "bank_" + secrets.token_urlsafe(24))),
            "banking_webhook_secret": SecretStr(_kept(settings.home, "sandbox.webhook", _signing_secret())),
            "return_window_s": settings.return_window_s or 4 * settings.sandbox_settlement_s,
            "sandbox_port": port,
        }
    )


@contextmanager
def sandbox_beside(
    settings: Settings, named: Settings, database_url: str, log: BinaryIO | None = None
) -> Iterator[None]:
    """Runs the sandbox bank as a process of its own for as long as we live, unless a real bank was set.

    It ends when its standard input does, so it cannot outlive us, whatever kills us. In a session of its own it does
    not hear Ctrl-C and is still there while we drain.
    """
    if settings.banking_api_base_url:
        yield
        return
    _refuse_taken(named.sandbox_port)
    command = [sys.executable, "-m", "api.cli", "sandbox", "--with-parent", "--port", str(named.sandbox_port)]
    environment = {"DATABASE_URL": database_url, "COUNTERSIGN_HOME": str(settings.home)}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env=_environment(environment),
        start_new_session=True,
    ) as process:
        try:
            _await_sandbox(process, named)
            _listen_to_sandbox(named)
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=SANDBOX_START_S)


async def first_keys(settings: Settings, database_url: str) -> dict[str, str]:
    """Keys by role, made now because the tenant had none; empty if it had. A bootstrap key is always there."""
    async with open_pool(database_url, max_size=1) as pool, pool.connection() as conn, conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(hashtext('first_keys'))")
        known = await keys.all_of(conn, settings.tenant)
        if settings.bootstrap_key is not None:
            admin = NewKey(settings.tenant, f"admin@{settings.tenant}", ["admin"])
            await keys.create(conn, admin, settings.bootstrap_key.get_secret_value())
        if known:
            return {}
        made: dict[str, str] = {}
        for role in Role:
            if role is Role.ADMIN and settings.bootstrap_key is not None:
                continue
            made[role] = await keys.create(conn, NewKey(settings.tenant, f"{role}@{settings.tenant}", [role]))
        return made


@contextmanager
def _kept_alive(postgres: embedded.Server) -> Iterator[None]:
    """As long as we live a server that was killed is there again within moments; a thread of its own looks after it."""
    done = threading.Event()

    def revive() -> None:
        while not done.wait(REVIVE_EVERY_S):
            try:
                postgres.revive()
            except (DatabaseUnavailable, OSError, subprocess.SubprocessError) as exc:
                _log.warning("PostgreSQL is away and cannot be started, trying again: %s", exc)

    reviver = threading.Thread(target=revive, name="reviver", daemon=True)
    reviver.start()
    try:
        yield
    finally:
        done.set()
        reviver.join()


def _kept(home: Path, name: str, fresh_value: str) -> str:
    """One value per home, readable by its owner only, so that processes started apart find the same bank."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / name
    if not path.exists():
        fresh = home / f"{name}.{secrets.token_hex(4)}"
        fresh.touch(mode=0o600)
        fresh.write_text(fresh_value)
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_text()


def _signing_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _listen_to_sandbox(named: Settings) -> None:
    """Has the sandbox bank tell us what it does by itself."""
    assert named.banking_api_key is not None and named.banking_webhook_secret is not None
    response = httpx.put(
        f"{named.banking_api_base_url}/webhook-endpoint",
        json={
            "url": f"http://127.0.0.1:{named.port}/bank/events",
            "secret": named.banking_webhook_secret.get_secret_value(),
        },
        headers={"Authorization": f"Bearer {named.banking_api_key.get_secret_value()}"},
        timeout=SANDBOX_START_S,
        trust_env=False,
    )
    response.raise_for_status()


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **more}


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise CountersignError(f"port {port} is taken; set PORT or COUNTERSIGN_SANDBOX_PORT to a free one") from exc


def _await_sandbox(process: subprocess.Popen[bytes], named: Settings) -> None:
    deadline = time.monotonic() + SANDBOX_START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BankUnavailable(f"the sandbox bank ended with exit code {process.returncode}")
        try:
            if httpx.get(f"{named.banking_api_base_url}/health", timeout=1, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise BankUnavailable(f"the sandbox bank did not answer within {SANDBOX_START_S:.0f} s")
