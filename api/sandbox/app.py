"""The sandbox core bank as a FastAPI application; only the launcher starts it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict

from fastapi import APIRouter, FastAPI, Query, Request

from api.sandbox import (
    access,
    account_numbers,
    clock,
    custody_accounts,
    custody_cash,
    custody_market,
    custody_orders,
    custody_positions,
    customer_settings,
    files,
    holds,
    ledger,
    loan_actions,
    loans,
    misbehaviour,
    overview,
    pain,
    payees,
    records,
    repayments,
    request_log,
    standing_order_changes,
    standing_orders,
    statements,
    transfers,
    webhook_sender,
    webhooks,
    world,
)
from api.sandbox.access import BearerKey, needs
from api.sandbox.clock import Pace
from api.sandbox.database import Pool, open_pool, prepare
from api.sandbox.misbehaviour import Switches
from api.sandbox.problems import PROBLEMS, answer_problem
from api.sandbox.records import MAX_ID
from api.sandbox.teller import TellerRoute, route_name

_POOL_SIZE = 8
_log = logging.getLogger(__name__)
_PACE = Pace()
_CONTRACT = (
    records.router,
    overview.router,
    transfers.router,
    holds.router,
    loans.router,
    loan_actions.router,
    repayments.router,
    statements.router,
    pain.router,
    payees.router,
    standing_orders.router,
    standing_order_changes.router,
    customer_settings.router,
    webhooks.router,
    custody_market.router,
    custody_accounts.router,
    custody_positions.router,
    custody_orders.router,
    custody_cash.router,
    files.router,
)


def create_bank(database_url: str, api_key: str, pace: Pace = _PACE, world_file: Path | None = None) -> FastAPI:
    """`api_key` may do everything; it makes narrower ones by POST /api-keys.

    On start-up creates role `countersign_bank` and schema `bank` with its world if they are not there yet, and loads
    what `world_file` has. Raises UnreadableWorld for a file that is none.

    The switches to misbehave live in this process, so one database is served by one bank process.
    """
    switches = Switches()
    load = None if world_file is None else partial(world.load, found=world.read_world(world_file))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[_State]:
        await prepare(database_url, load)
        async with open_pool(database_url, _POOL_SIZE) as pool:
            await pool.wait()
            async with pool.connection() as conn:
                account_numbers.leave_out_check_digits(not await world.has_check_digits(conn))
            async with _ticking(pool, switches, pace):
                yield {"pool": pool, "switches": switches}

    app = FastAPI(title="Sandbox core bank", version="1", lifespan=lifespan)
    for router in (*_CONTRACT, access.router, misbehaviour.router, customer_settings.judging, _sandbox_only, _open):
        app.include_router(router)
    for router in _CONTRACT:
        switches.known_routes |= {route_name(route) for route in router.routes if isinstance(route, TellerRoute)}
    for problem in PROBLEMS:
        app.add_exception_handler(problem, answer_problem)
    app.add_middleware(BearerKey, root_key=api_key)
    return app


@asynccontextmanager
async def _ticking(pool: Pool, switches: Switches, pace: Pace) -> AsyncIterator[None]:
    loops = (clock.run(pool, pace), webhook_sender.run(pool, switches, pace.tick_s, pace.webhook_retry_s))
    ticking = asyncio.gather(*loops)
    ticking.add_done_callback(_report)
    try:
        yield
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking


def _report(ticking: asyncio.Future[Any]) -> None:
    """A clock that stopped is said so when it stops, not when the bank ends."""
    stopped = not ticking.cancelled() and ticking.exception()
    if stopped and not isinstance(stopped, asyncio.CancelledError):
        _log.critical("the bank's clock stopped", exc_info=stopped)


class _State(TypedDict):
    pool: Pool
    switches: Switches


_open = APIRouter()
_sandbox_only = APIRouter(tags=["sandbox only"], dependencies=[needs("admin", reading="admin")])


@_open.get("/health")
async def health() -> dict[str, str]:
    told = {"status": "ok", "bank": "sandbox"}
    return told if account_numbers.has_check_digits() else told | {"account_number_checksums": account_numbers.OFF}


@_sandbox_only.get("/ledger/check")
async def check_ledger(request: Request) -> dict[str, Any]:
    async with request.state.pool.connection() as conn:
        return await ledger.check(conn)


@_sandbox_only.get("/log")
async def log(
    request: Request,
    since: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    idempotency_key: Annotated[str | None, Query(pattern=r"^[\x21-\x7e]{1,255}$")] = None,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
) -> dict[str, Any]:
    """Every POST received after line `since`, oldest first."""
    async with request.state.pool.connection() as conn:
        return {"requests": await request_log.read(conn, since, idempotency_key, limit)}
