"""The HTTP application: routes over one engine, errors as problem JSON, and the worker beside it if asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import errors
from api.bootstrap import open_engine
from api.routes import agents, health, keys, lending, reviews, threads, workflows
from api.settings import Settings

MAX_BODY_BYTES = 256 * 1024
DESCRIPTION = """Agents propose, rules decide, people countersign, the ledger moves exactly once.

Start a case under `workflows`, follow it under `threads`, answer what waits for you under `reviews`."""


def create_app(settings: Settings, database_url: str, *, with_worker: bool) -> FastAPI:
    """The engine opens and closes with the application; `with_worker` drives runs in the same process."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_engine(settings, database_url) as engine, asyncio.TaskGroup() as group:
            app.state.engine = engine
            app.state.trusted = {}
            if with_worker:
                group.create_task(engine.worker.work(settings.worker_concurrency, settings.drain_s))
            yield
            engine.worker.stop()

    app = FastAPI(
        title="Countersign",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        max_body_size=MAX_BODY_BYTES,
    )
    errors.install(app)
    for routes in (workflows, threads, reviews, lending, agents, keys, health):
        app.include_router(routes.router())
    return app
