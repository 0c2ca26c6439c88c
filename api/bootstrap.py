"""The one composition root: app, worker, command line and tests all stand on what is put together here."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from api.catalogue import all_served
from api.daily import Daily
from api.desk import exposed_of, offers
from api.driver import Driver, Surroundings
from api.expiry import Expiry, Texts
from api.graph_factory import Backing
from api.language_model import opened_model
from api.notices import Notices
from api.protocol.cron_runs import Clockwork
from api.results import Results
from api.serving import Served
from api.settings import Settings
from api.settlement import Settlements
from api.tracing import keep_to_ourselves
from api.webhooks.deliverer import Deliverer
from api.webhooks.destinations import Destinations
from api.worker import Worker, drive
from db import runs, threads
from db.changes import Changes
from db.errors import CountersignError
from db.events import EventFeed
from db.grouping import Grouped
from db.journal import Journal
from db.migrate import check_schema
from db.pool import Pool, open_pool
from db.queue import Queue
from db.runs import Begun, NewRun
from db.store import Store
from db.tenant_checkpoints import TenantCheckpoints
from db.threads import NewThread, Thread
from db.together import Together
from tools.bank import Bank
from tools.letter_facts import DEMO_CREDITOR, DEMO_CREDITOR_EU
from tools.model import Model
from tools.rules import account_numbers
from tools.rules import fraud_model as fraud_models
from tools.rules.fraud_model import FraudModel
from tools.screening import screening_index

EDITS_AT_ONCE = 2
"""States written by hand at one time: each takes two connections."""
GARBAGE = 50_000
"""New objects until some are looked through: a run makes thousands, which nearly all go by themselves."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What a process of Countersign has open."""

    settings: Settings
    pool: Pool
    queue: Queue
    feed: EventFeed
    changes: Changes
    bank: Bank
    store: Store
    served: dict[str, Served]
    worker: Worker
    saver: TenantCheckpoints
    editing: asyncio.Semaphore
    results: Results
    destinations: Destinations
    settlements: Settlements
    model: Model | None
    new_threads: Grouped[NewThread, Thread | None]
    new_runs: Grouped[NewRun, datetime | None]


@asynccontextmanager
async def open_engine(settings: Settings, database_url: str) -> AsyncIterator[Engine]:
    """Raises SchemaMismatch if the database is not this program's, DatabaseUnavailable if it is away."""
    keep_to_ourselves(allowed=settings.allow_tracing)
    check_schema(database_url)
    account_numbers.leave_out_check_digits(not settings.account_checksums)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(database_url, max_size=settings.pool_size))
        feed = await stack.enter_async_context(EventFeed(pool, database_url))
        changes = await stack.enter_async_context(Changes(pool, feed))
        journal = await stack.enter_async_context(Journal(pool))
        journal.on_events(feed.publish)
        bank = _bank(settings)
        stack.push_async_callback(bank.aclose)
        language_model = opened_model(settings)
        if language_model is not None:
            stack.push_async_callback(language_model.client.aclose)
        saver = TenantCheckpoints(pool, journal)
        store = Store(pool)
        results = Results()
        destinations = Destinations.allowing(settings.webhook_allow)
        deliverer = await stack.enter_async_context(Deliverer(pool, destinations))
        served = all_served(settings.config, Backing(saver, store))

        async def create_each(news: Sequence[NewThread]) -> Sequence[Thread | None]:
            async with pool.connection() as conn:
                return await threads.create_each(conn, news)

        async def accept_each(news: Sequence[NewRun]) -> Sequence[datetime | None]:
            async with pool.connection() as conn:
                return await runs.accept_each(conn, news)

        async def drive_run(run_id: UUID, begun: Begun | None) -> None:
            await drive(driver, run_id, begun)

        queue = Queue(database_url, drive_run, stalled_after_s=settings.stalled_after_s)
        await stack.enter_async_context(queue)
        screening, model, home = screening_index(settings.sanctions_list), fraud_model(settings), settings.tenant
        creditor = DEMO_CREDITOR_EU if settings.jurisdiction == "EU" else DEMO_CREDITOR
        around = Surroundings(
            pool,
            journal,
            saver,
            queue,
            bank,
            creditor,
            served,
            results,
            deliverer,
            home,
            screening,
            model,
            model=language_model,
            grouped=Together(pool),
            exposed=exposed_of(settings.copilot_tools, offers(served)),
        )
        stack.callback(around.optimiser.close)
        driver = Driver(around)
        settlements = Settlements(pool, bank, settings.return_window_s)
        yield Engine(
            settings=settings,
            pool=pool,
            queue=queue,
            feed=feed,
            changes=changes,
            bank=bank,
            store=store,
            served=served,
            worker=_worker(settings, around, driver, settlements),
            saver=saver,
            editing=asyncio.Semaphore(EDITS_AT_ONCE),
            results=results,
            destinations=destinations,
            settlements=settlements,
            model=language_model,
            new_threads=Grouped(create_each),
            new_runs=Grouped(accept_each),
        )


def collect_seldom() -> None:
    """For a process that has all it needs: what is there for good is not looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _worker(settings: Settings, around: Surroundings, driver: Driver, settlements: Settlements) -> Worker:
    """With the chores that every worker does now and then."""
    pool, queue, served = around.pool, around.queue, around.served
    chores = (
        Clockwork(pool, queue, served).start_due,
        Daily(pool, served, settings.daily_at).start_due,
        Expiry(pool, around.saver, served).sweep,
        Texts(pool, settings.model_texts_days, settings.intake_drafts_days).sweep,
        around.deliverer.look,
        settlements.look,
        Notices(pool).look,
    )
    return Worker(pool, queue, driver, chores, settings.stalled_after_s / 6)


def fraud_model(settings: Settings) -> FraudModel | None:
    """Raises CountersignError if what is configured is no model."""
    path = settings.fraud_model
    if path is None or str(path) == "off":
        return None if path else fraud_models.shipped()
    try:
        return fraud_models.load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise CountersignError(f"COUNTERSIGN_FRAUD_MODEL: {path} is no model: {exc}") from exc


def _bank(settings: Settings) -> Bank:
    assert settings.banking_api_base_url is not None and settings.banking_api_key is not None
    return Bank(settings.banking_api_base_url, settings.banking_api_key.get_secret_value())
