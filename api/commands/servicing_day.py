"""`countersign servicing run`: has the loans that are due on a day serviced, and shows how far that is."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import uuid_utils.compat as uuids
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api import launcher
from api.daily import start_by_system
from api.settings import Settings
from db.errors import CountersignError, NotFound, Unavailable
from db.migrate import check_schema
from db.pool import Pool, open_pool
from graphs.loan_servicing_day import WORKFLOW
from tools import servicing
from tools.rules.delinquency import BUCKETS
from tools.servicing import DayCase
from tools.servicing_request import check_day

LOOK_EVERY_S = 0.2
SHOWN = 10
WAITING, UNDER_WAY = "waiting for a person", "under way"


def run_day(settings: Settings, on: date, wait_s: float) -> bool:
    """Raises NotFound for a tenant there is none of, Unavailable if the cases are not there in time."""
    check_day("--on", on)
    console = Console()
    with launcher.database(settings) as url:
        check_schema(url)
        cases = asyncio.run(_Day(settings.tenant, on, console, time.monotonic() + wait_s).service(url))
    _report(console, on, cases)
    return not any(_fate(case) == "error" for case in cases)


@dataclass(frozen=True, slots=True)
class _Day:
    tenant: str
    on: date
    console: Console
    deadline: float

    async def service(self, database_url: str) -> Sequence[DayCase]:
        async with open_pool(database_url, max_size=1) as pool:
            thread_id = await self._start(pool)
            with self.console.status("asking the bank which loans are due"):
                while not await self._has_begun(pool, thread_id):
                    await self._pause(f"case {thread_id} is not through yet; is a worker running?")
            return await self._settled(pool)

    async def _start(self, pool: Pool) -> UUID:
        thread_id: UUID = uuids.uuid7()
        async with pool.connection() as conn, conn.transaction():
            known = await conn.execute("SELECT 1 FROM tenants WHERE tenant_id = %(id)s", {"id": self.tenant})
            if await known.fetchone() is None:
                raise NotFound("tenant", self.tenant)
            await start_by_system(conn, WORKFLOW, self.tenant, {"on": self.on.isoformat()}, thread_id)
        return thread_id

    async def _has_begun(self, pool: Pool, thread_id: UUID) -> bool:
        """Whether a case was started for each loan. Raises CountersignError if that failed."""
        async with pool.connection() as conn:
            cur = await conn.execute(
                """
                SELECT status, error FROM runs WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s
                """,
                {"thread_id": thread_id, "tenant_id": self.tenant},
            )
            run = await cur.fetchone()
        assert run is not None
        if run["status"] in ("error", "cancelled"):
            raise CountersignError(f"case {thread_id} failed: {(run['error'] or {}).get('detail', run['status'])}")
        return bool(run["status"] == "success")

    async def _settled(self, pool: Pool) -> Sequence[DayCase]:
        """The day's cases, once each is at its end or waits for a person. Where there is no terminal, nothing is
        drawn meanwhile."""
        columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            bar = progress.add_task("")
            while True:
                async with pool.connection() as conn:
                    cases = await servicing.cases_of_day(conn, self.tenant, self.on)
                under_way = sum(_fate(case) == UNDER_WAY for case in cases)
                settled = len(cases) - under_way
                progress.update(bar, total=len(cases), completed=settled, description=_told(cases))
                if not under_way:
                    return cases
                await self._pause(f"{under_way} of {len(cases)} cases are under way")

    async def _pause(self, why: str) -> None:
        if time.monotonic() > self.deadline:
            raise Unavailable(f"{why}; what was started goes on by itself")
        await asyncio.sleep(LOOK_EVERY_S)


def _fate(case: DayCase) -> str:
    if case.status == "interrupted":
        return WAITING
    if case.status == "error":
        return "error"
    return case.outcome or UNDER_WAY


def _told(cases: Sequence[DayCase]) -> str:
    counts = Counter(_fate(case) for case in cases)
    return ", ".join(f"{count} {fate.replace('_', ' ')}" for fate, count in sorted(counts.items()))


def _report(console: Console, on: date, cases: Sequence[DayCase]) -> None:
    """By bucket: how many loans, how late at most, and what became of them."""
    if not cases:
        console.print(f"no loan is due on {on}")
        return
    table = Table("days past due", "loans", "at most", "what became of them", title_justify="left")
    for bucket in (*BUCKETS, None):
        if found := [case for case in cases if case.bucket == bucket]:
            latest = max(case.days_past_due or 0 for case in found)
            table.add_row(bucket or "not known", str(len(found)), str(latest), _told(found))
    console.print(table)
    console.print(f"{on}: {len(cases)} loans, {_told(cases)}", highlight=False)
    for case in [case for case in cases if _fate(case) == "error"][:SHOWN]:
        console.print(f"[red]✗[/] {case.loan_account_id}: see case {case.thread_id}", highlight=False)
