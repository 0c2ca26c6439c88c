"""The HTTP application: routes over one engine, errors as problem JSON, and the worker beside it if asked for."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api import auth, errors
from api.a2a.mounting import mounted
from api.bootstrap import collect_seldom, open_engine
from api.mcp.server import McpEndpoint
from api.protocol import (
    assistants,
    crons,
    info,
    run_control,
    runs,
    store,
    thread_protocol,
    thread_sockets,
    thread_states,
    thread_streams,
)
from api.protocol import threads as sdk_threads
from api.routes import (
    agents,
    bank_events,
    batches,
    clients,
    credentials,
    fairness,
    fraud,
    health,
    intake,
    interactions,
    keys,
    lending,
    loan_decisions,
    loan_notices,
    loan_withdrawals,
    market_events,
    models,
    payments,
    policies,
    policy_oversight,
    portfolios,
    reviews,
    servicing,
    tasks,
    threads,
    webhooks,
    workflows,
)
from api.settings import Settings
from api.strict import LimitedBody

OUR_ROUTES = (
    workflows, batches, threads, reviews, credentials, lending, loan_decisions, loan_notices, loan_withdrawals,
    servicing, payments, fraud, policy_oversight, policies, fairness, agents, bank_events, keys, webhooks, clients,
    tasks, interactions, market_events, portfolios, intake, models,
    health,
)  # fmt: skip
SDK_ROUTES = (runs, sdk_threads, thread_states, run_control, assistants, store, crons, info)
"""The busiest first, for a request is matched with one route after the other."""
STREAM_ROUTES = (thread_streams, thread_protocol, thread_sockets)
READABLE = ("Content-Location", "Location", "X-Pagination-Total", "X-Pagination-Next", "Retry-After")
"""Headers of ours that pages of other origins need to see. Keys travel in headers: there are no cookies to allow."""
DESCRIPTION = """Agents propose, rules decide, people countersign, the ledger moves exactly once.

Start a case under `workflows`, follow it under `threads`, answer what waits for you under `reviews`."""


class Described(FastAPI):
    """Its OpenAPI document has the problems that `errors.responses` refers to, and the keys."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["schemas"].update(errors.schemas())
            document["components"]["securitySchemes"] = auth.SCHEMES
            for route in self.router.routes:
                if not isinstance(route, APIRoute) or not auth.needs_key(route.dependant):
                    continue
                for method in route.methods or ():
                    operation = document["paths"][route.path_format][method.lower()]
                    operation["security"] = [{scheme: []} for scheme in auth.SCHEMES]
        assert self.openapi_schema is not None
        return self.openapi_schema


def create_app(settings: Settings, database_url: str, *, with_worker: bool) -> FastAPI:
    """The engine opens and closes with the application; `with_worker` drives runs in the same process."""
    mcp = McpEndpoint()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_engine(settings, database_url) as engine,
            mcp.open(),
            asyncio.TaskGroup() as group,
        ):
            app.state.engine = engine
            app.state.trusted = {}
            collect_seldom()
            if with_worker:
                worker = group.create_task(engine.worker.work(settings.worker_concurrency, settings.drain_s))
                worker.add_done_callback(_end_process)
            yield
            engine.worker.stop()

    app = Described(
        title="Countersign",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.add_middleware(LimitedBody)
    if origins := settings.allowed_origins():
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=READABLE,
            max_age=600,
        )
    errors.install(app)
    routes = _routes()
    app.state.routes = [route for route in routes if isinstance(route, APIRoute)]
    app.router.routes.extend([*routes, mcp.route, *mounted(settings)])
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Those that are the same in every application. Not by `include_router`: each request would try each router."""
    return tuple(route for part in (*SDK_ROUTES, *STREAM_ROUTES, *OUR_ROUTES) for route in part.router().routes)


def _end_process(worker: asyncio.Task[None]) -> None:
    """A worker that failed takes its process with it: what is left would look alive and only refuse."""
    if not worker.cancelled() and worker.exception() is not None:
        signal.raise_signal(signal.SIGTERM)
