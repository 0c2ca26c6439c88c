"""`countersign reconcile`: has a worker compare our books with the bank's, and shows what differs."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api import launcher
from api.daily import start_by_system
from api.settings import Settings
from db.errors import CountersignError, InvalidInput, NotFound, Unavailable
from db.migrate import check_schema
from db.pool import Pool, open_pool
from graphs.reconciliation import WORKFLOW, daily
from tools import reconciliation
from tools.reconciliation import StoredDifference

LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Since None: as far back as what starts daily looks."""

    tenant: str
    since: date | None
    grace_s: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class _Compared:
    thread_id: UUID
    counts: dict[str, int]
    differences: list[StoredDifference]


def run_reconciliation(settings: Settings, wanted: Wanted) -> bool:
    """Whether the books agree: differences that an operator has judged before count no more.

    Raises InvalidInput for a day to come, NotFound for a tenant there is none of, Unavailable if nothing was compared
    in time.
    """
    if wanted.since is not None and wanted.since > datetime.now(UTC).date():
        raise InvalidInput("--since", "is in the future")
    with launcher.database(settings) as url:
        check_schema(url)
        compared = asyncio.run(_compare(url, wanted))
    _show(Console(), wanted.tenant, compared)
    return not any(difference.status == "open" for difference in compared.differences)


async def _compare(database_url: str, wanted: Wanted) -> _Compared:
    today = datetime.now(UTC).date()
    since = daily(today) if wanted.since is None else {"since": wanted.since.isoformat()}
    async with open_pool(database_url, max_size=1) as pool:
        thread_id: UUID = uuids.uuid7()
        async with pool.connection() as conn, conn.transaction():
            known = await conn.execute("SELECT 1 FROM tenants WHERE tenant_id = %(id)s", {"id": wanted.tenant})
            if await known.fetchone() is None:
                raise NotFound("tenant", wanted.tenant)
            await start_by_system(conn, WORKFLOW, wanted.tenant, {**since, "grace_s": wanted.grace_s}, thread_id)
        deadline = time.monotonic() + wanted.wait_s
        while True:
            if (counts := await _counts(pool, wanted.tenant, thread_id, deadline)) is not None:
                return _Compared(thread_id, counts, await reconciliation.seen_in(pool, wanted.tenant, thread_id))
            await asyncio.sleep(LOOK_EVERY_S)


async def _counts(pool: Pool, tenant: str, thread_id: UUID, deadline: float) -> dict[str, int] | None:
    """None while the case is under way. Raises Unavailable after the deadline, CountersignError if it failed."""
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT r.status, r.error, c.counts FROM runs r LEFT JOIN reconciliations c USING (thread_id)
            WHERE r.thread_id = %(thread_id)s AND r.tenant_id = %(tenant_id)s ORDER BY r.run_id LIMIT 1
            """,
            {"thread_id": thread_id, "tenant_id": tenant},
        )
        run = await cur.fetchone()
    assert run is not None
    if run["status"] == "success":
        counts: dict[str, int] = run["counts"]
        return counts
    if run["status"] in ("error", "cancelled"):
        raise CountersignError(f"case {thread_id} failed: {(run['error'] or {}).get('detail', run['status'])}")
    if time.monotonic() > deadline:
        raise Unavailable(f"nothing was compared yet: {_why(run)}; case {thread_id} goes on by itself")
    return None


def _why(run: dict[str, Any]) -> str:
    if run["status"] == "pending":
        return "no worker took it up; is `countersign up` or `countersign worker` running?"
    return str((run["error"] or {}).get("detail", "it is still at work"))


def _show(out: Console, tenant: str, compared: _Compared) -> None:
    counts = compared.counts
    out.print(
        f"{tenant}: {counts['effects']} effects, {counts['requests']} requests at the bank and the statements of"
        f" {counts['accounts']} accounts compared"
    )
    resolved = ("done", "failed", "never_sent", "not_sent", "contradicted")
    if any(counts[name] for name in resolved):
        told = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in resolved if counts[name])
        out.print(f"open effects asked for by key: {told}")
    if not compared.differences:
        out.print("[green]no differences[/]")
        return
    table = Table()
    for heading in ("difference", "of", "ours", "the bank's", "status"):
        table.add_column(heading, overflow="fold")  # An id that is cut short would be of no use.
    for one in compared.differences:
        table.add_row(one.kind, escape(one.subject), _said(one.ours), _said(one.bank), one.status)
    out.print(table)
    waiting = sum(one.status == "open" for one in compared.differences)
    out.print(f"{len(compared.differences)} differences, {waiting} wait for an operator (case {compared.thread_id})")


def _said(words: dict[str, Any]) -> str:
    return escape("\n".join(f"{name} {value}" for name, value in words.items())) or "-"
