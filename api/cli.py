"""`countersign`: starts the processes, applies migrations, makes keys, runs the demo."""

import asyncio
import logging
import signal
import sys
import threading
from typing import Annotated, NoReturn

import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from api import launcher
from api.settings import Settings
from db import audit, keys
from db.actor import Role
from db.errors import CountersignError
from db.keys import NewKey
from db.migrate import migrate
from db.pool import open_pool

SSE_GRACE_S = 3
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Agents propose, rules decide, people countersign, the ledger moves exactly once.",
)
keys_app = typer.Typer(no_args_is_help=True, help="API keys.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")
out = Console()


def main() -> None:
    try:
        app()
    except CountersignError as exc:
        _stop(str(exc))
    except ValidationError as exc:
        _stop("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors()))


@app.command()
def up() -> None:
    """API, worker, database and sandbox bank in one command."""
    settings = Settings()
    named = launcher.with_bank(settings)
    with launcher.database(settings) as url:
        migrate(url)
        with launcher.sandbox_beside(settings, named, url):
            _show_keys(settings, url)
            out.print(f"[bold]http://{settings.host}:{settings.port}/docs[/]  (Ctrl-C stops)")
            _serve(named, url, with_worker=True)


@app.command()
def api() -> None:
    """The API alone; runs are driven by `countersign worker`."""
    settings = Settings()
    with launcher.database(settings) as url:
        _serve(launcher.with_bank(settings), url, with_worker=False)


@app.command()
def worker() -> None:
    """A worker alone: any number of them, on any machine, share the runs of one DATABASE_URL."""
    settings = Settings()
    _log_to_stderr(settings)
    with launcher.database(settings) as url:
        asyncio.run(_work(launcher.with_bank(settings), url))


@app.command()
def sandbox(
    port: Annotated[int | None, typer.Option(help="default: COUNTERSIGN_SANDBOX_PORT, else PORT + 1")] = None,
    with_parent: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """The sandbox core bank alone."""
    from api.sandbox.app import create_bank

    settings = Settings()
    named = launcher.with_bank(settings.model_copy(update={"banking_api_base_url": None}))
    assert named.banking_api_key is not None
    with launcher.database(settings) as url:
        bank = create_bank(url, named.banking_api_key.get_secret_value())
        config = uvicorn.Config(
            bank,
            "127.0.0.1",
            port or named.sandbox_port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        if with_parent:
            threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
        server.run()


@app.command(name="migrate")
def apply_migrations() -> None:
    """Applies what the database's schema still lacks."""
    with launcher.database(Settings()) as url:
        applied = migrate(url)
    out.print("\n".join(applied) or "nothing to apply")


@keys_app.command(name="create")
def create_key(
    role: Annotated[list[Role], typer.Option(help="may be given several times")],
    person: Annotated[str | None, typer.Option(help="who answers for what the key does; default: role@tenant")] = None,
) -> None:
    """Makes a key and prints it; it cannot be read again."""
    settings = Settings()
    new = NewKey(settings.tenant, person or f"{role[0]}@{settings.tenant}", role)

    async def create(url: str) -> str:
        async with open_pool(url, max_size=1) as pool, pool.connection() as conn, conn.transaction():
            return await keys.create(conn, new)

    with launcher.database(settings) as url:
        migrate(url)
        print(asyncio.run(create(url)))


@audit_app.command(name="verify")
def verify_audit() -> None:
    """Proves the tenant's audit chain, or names the first row that is not what was sealed."""
    settings = Settings()

    async def verify(url: str) -> tuple[int | None, int]:
        async with open_pool(url, max_size=1) as pool, pool.connection() as conn:
            while await audit.seal(conn, settings.tenant):
                pass
            return await audit.first_broken(conn, settings.tenant), await audit.length(conn, settings.tenant)

    with launcher.database(settings) as url:
        broken, length = asyncio.run(verify(url))
    if broken is not None:
        _stop(f"audit row {broken} is not what was sealed")
    out.print(f"the chain of {length} rows holds")


def _serve(settings: Settings, url: str, *, with_worker: bool) -> None:
    from api.app import create_app

    _log_to_stderr(settings)
    config = uvicorn.Config(
        create_app(settings, url, with_worker=with_worker),
        settings.host,
        settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SSE_GRACE_S,
    )
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        raise CountersignError(f"the API could not start on {settings.host}:{settings.port}; the log above says why")


async def _work(settings: Settings, url: str) -> None:
    from api.bootstrap import open_engine

    async with open_engine(settings, url) as engine:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.worker.stop)
        await engine.worker.work(settings.worker_concurrency, settings.drain_s)


def _show_keys(settings: Settings, url: str) -> None:
    made = asyncio.run(launcher.first_keys(settings, url))
    if not made:
        out.print("[dim]keys were made before; `countersign keys create --role …` makes more[/]")
        return
    table = Table("role", "key", title="API keys (shown this once)", title_justify="left")
    for role, key in made.items():
        table.add_row(role, key)
    out.print(table)


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    server.should_exit = True


def _log_to_stderr(settings: Settings) -> None:
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("procrastinate", "httpx", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _stop(reason: str) -> NoReturn:
    Console(stderr=True).print(f"[bold red]countersign:[/] {reason}", highlight=False)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
