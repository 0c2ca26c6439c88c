"""`countersign`: starts the processes, applies migrations, makes keys, runs the demo."""

import asyncio
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import UUID

import typer
import uvicorn
import uvloop
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api import launcher
from api.commands.fairness import fairness_app
from api.commands.fraud import fraud_app
from api.commands.policy import policy_app
from api.commands.records import audit_app, keys_app
from api.commands.scorecard import scorecard_app
from api.commands.servicing import servicing_app
from api.commands.wealth import holdings_app, send_market_events
from api.settings import Settings
from db.errors import CountersignError, InvalidInput
from db.migrate import check_schema, migrate

SSE_GRACE_S = 3
WithParent = Annotated[bool, typer.Option(hidden=True, help="ends when standard input does")]
Config = Annotated[
    Path | None,
    typer.Option(envvar="COUNTERSIGN_CONFIG", help="langgraph.json of graphs to serve beside the workflows"),
]
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Agents propose, rules decide, people countersign, the ledger moves exactly once.",
)
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")
app.add_typer(fairness_app, name="fairness")
app.add_typer(fraud_app, name="fraud")
app.add_typer(holdings_app, name="holdings")
app.add_typer(policy_app, name="policy")
app.add_typer(scorecard_app, name="scorecard")
app.add_typer(servicing_app, name="servicing")
app.command(name="market-event")(send_market_events)
out = Console()


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name or a tick that the terminal cannot show must not end us
    try:
        app()
    except CountersignError as exc:
        _stop(str(exc))
    except ValidationError as exc:
        _stop("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors()))


@app.command()
def up(config: Config = None) -> None:
    """API, worker, database and sandbox bank in one command."""
    settings = _with_graphs(config)
    named = launcher.with_bank(settings)
    with launcher.database(settings) as url:
        migrate(url)
        with launcher.sandbox_beside(settings, named, url):
            _show_keys(settings, url)
            out.print(f"[bold]http://{settings.host}:{settings.port}/docs[/]  (Ctrl-C stops)")
            _serve(named, url, with_worker=True)


@app.command()
def api(config: Config = None, with_parent: WithParent = False) -> None:
    """The API alone; runs are driven by `countersign worker`."""
    settings = _with_graphs(config)
    with launcher.database(settings) as url:
        check_schema(url)
        _serve(launcher.with_bank(settings), url, with_worker=False, with_parent=with_parent)


@app.command()
def worker(config: Config = None, with_parent: WithParent = False) -> None:
    """A worker alone: any number of them, on any machine, share the runs of one DATABASE_URL."""
    settings = _with_graphs(config)
    _log_to_stderr(settings)
    with launcher.database(settings) as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        check_schema(url)
        runner.run(_work(launcher.with_bank(settings), url, with_parent=with_parent))


@app.command()
def sandbox(
    port: Annotated[int | None, typer.Option(help="default: COUNTERSIGN_SANDBOX_PORT, else PORT + 1")] = None,
    world: Annotated[Path | None, typer.Option(help="world to load; default: COUNTERSIGN_SANDBOX_WORLD")] = None,
    with_parent: WithParent = False,
) -> None:
    """The sandbox core bank alone."""
    from api.sandbox.app import create_bank
    from api.sandbox.clock import Pace
    from api.sandbox.world import UnreadableWorld

    settings = Settings()
    named = launcher.with_bank(settings.model_copy(update={"banking_api_base_url": None}))
    assert named.banking_api_key is not None
    with launcher.database(settings) as url:
        pace = Pace.settling_in(settings.sandbox_settlement_s)
        try:
            bank = create_bank(url, named.banking_api_key.get_secret_value(), pace, world or settings.sandbox_world)
        except UnreadableWorld as exc:
            raise CountersignError(str(exc)) from exc
        config = uvicorn.Config(
            bank,
            "127.0.0.1",
            port or named.sandbox_port,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        if with_parent:
            _at_end_of_input(lambda: _end(server))
        server.run()


@app.command(name="migrate")
def apply_migrations() -> None:
    """Applies what the database's schema still lacks."""
    with launcher.database(Settings()) as url:
        applied = migrate(url)
    out.print("\n".join(applied) or "nothing to apply")


@app.command()
def demo(
    yes: Annotated[bool, typer.Option("--yes", help="answers every question with yes; for scripts")] = False,
) -> None:
    """Three real loan applications and two transfers, from request to letter, with everything started for them."""
    from api.commands.demo import run_demo

    if not run_demo(Settings(), yes=yes):
        raise typer.Exit(1)


@app.command(name="apply")
def apply_for_loans(
    file: Annotated[Path | None, typer.Argument(help="CSV, one application a line; see --example")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="default: FILE.result.csv beside it")] = None,
    url: Annotated[str | None, typer.Option(envvar="COUNTERSIGN_URL", help="default: a server of our own")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="COUNTERSIGN_KEY", help="API key for --url", show_envvar=True)
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="prints a file that works, and ends")] = False,
) -> None:
    """Has a file of loan applications decided; ends with 0 if every line was."""
    from api.commands.application_file import EXAMPLE
    from api.commands.apply import run_file
    from api.commands.bulk import Job

    if example:
        print(EXAMPLE, end="")
        return
    if file is None:
        raise InvalidInput("FILE", "is missing; `countersign apply --example` prints one that works")
    if not run_file(Settings(), Job(file, out_file, url, key)):
        raise typer.Exit(1)


@app.command()
def mcp(
    url: Annotated[str, typer.Option(envvar="COUNTERSIGN_URL", help="of the API")] = "http://127.0.0.1:8000",
    key: Annotated[str, typer.Option(envvar="COUNTERSIGN_KEY", help="API key: the agent acts with its rights")] = "",
) -> None:
    """Offers the API to an MCP client that starts commands, on standard input and output."""
    from api.commands.mcp import serve

    asyncio.run(serve(url, key))


@app.command()
def replay(thread: Annotated[UUID, typer.Argument(help="the loan application's thread")]) -> None:
    """Decides a case again from its stored facts and versions; ends with 0 if all comes out byte for byte."""
    from api.commands.backtest import run_replay

    if not run_replay(Settings(), thread):
        raise typer.Exit(1)


@app.command()
def reconcile(
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="default: a week ago")] = None,
    tenant: Annotated[str | None, typer.Option(help="default: COUNTERSIGN_TENANT")] = None,
    grace_s: Annotated[
        int, typer.Option("--grace", min=0, max=86_400, help="seconds that what was begun may be under way")
    ] = 60,
    wait_s: Annotated[float, typer.Option("--wait", min=1, help="seconds to wait for a worker to compare")] = 300,
) -> None:
    """Compares our books with the bank's; ends with 0 if they agree, 1 if not, 2 if that could not be found out."""
    from api.commands.reconcile import Wanted, run_reconciliation

    settings = Settings()
    wanted = Wanted(tenant or settings.tenant, None if since is None else since.date(), grace_s, wait_s)
    try:
        agree = run_reconciliation(settings, wanted)
    except CountersignError as exc:
        _stop(str(exc), 2)
    if not agree:
        raise typer.Exit(1)


def _with_graphs(config: Path | None) -> Settings:
    """Imports the graphs before anything is started, so that a fault in them is the first and only thing said."""
    from api.catalogue import own_graphs

    settings = Settings() if config is None else Settings(COUNTERSIGN_CONFIG=config)
    own_graphs(settings.config)
    return settings


def _serve(settings: Settings, url: str, *, with_worker: bool, with_parent: bool = False) -> None:
    from api.app import create_app
    from api.strict import MAX_BODY_BYTES

    _log_to_stderr(settings)
    config = uvicorn.Config(
        create_app(settings, url, with_worker=with_worker),
        settings.host,
        settings.port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SSE_GRACE_S,
        ws_max_size=MAX_BODY_BYTES,
    )
    server = uvicorn.Server(config)
    if with_parent:
        _at_end_of_input(lambda: _end(server))
    # uvicorn gives itself the signal again when it has ended; what was started beside it is to be ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server.run()
    if not server.started:
        raise CountersignError(f"the API could not start on {settings.host}:{settings.port}; the log above says why")


async def _work(settings: Settings, url: str, *, with_parent: bool) -> None:
    from api.bootstrap import collect_seldom, open_engine

    async with open_engine(settings, url) as engine:
        collect_seldom()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.worker.stop)
        if with_parent:
            _at_end_of_input(lambda: loop.call_soon_threadsafe(engine.worker.stop))
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


def _at_end_of_input(stop: Callable[[], object]) -> None:
    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop()

    threading.Thread(target=wait, daemon=True).start()


def _end(server: uvicorn.Server) -> None:
    server.should_exit = True


def _log_to_stderr(settings: Settings) -> None:
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("procrastinate", "httpx", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _stop(reason: str, code: int = 1) -> NoReturn:
    Console(stderr=True).print(f"[bold red]countersign:[/] {escape(reason)}", highlight=False)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
