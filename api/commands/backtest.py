"""`countersign policy backtest` and `countersign replay`: past decisions, decided again and left as they are."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from api import launcher
from api.commands.backtest_report import report
from api.commands.policy_words import read_document
from api.settings import Settings
from db.errors import InvalidInput
from db.migrate import check_schema
from db.pool import Pool, open_pool
from tools import past_decisions
from tools.past_decisions import PastDecision, Span
from tools.policy_shelf import PolicyShelf
from tools.rules.backtest import Assumptions, Backtest, redecided
from tools.rules.credit_policy import Decision
from tools.rules.findings import CreditFacts
from tools.rules.plain import from_plain
from tools.rules.policy_document import Policy
from tools.rules.policy_forms import read_policy, read_scorecard
from tools.rules.scorecard_document import Scorecard

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Policy and scorecard by version or file; None: as each case was decided. `until` is the last day."""

    policy: str | None
    scorecard: str | None
    since: date | None
    until: date | None
    assumptions: Assumptions


def run_backtest(settings: Settings, wanted: Wanted) -> Backtest:
    """Raises InvalidInput for a file that is no such document, NotFound for a version there is none of."""
    span = Span(settings.tenant, _midnight(wanted.since) or LONG_AGO, _after(wanted.until or datetime.now(UTC).date()))
    if span.since >= span.until:
        raise InvalidInput("--since", "is after --until, or in the future")
    with launcher.database(settings) as url:
        check_schema(url)
        found = asyncio.run(_backtest(url, span, wanted))
    report(Console(), found, wanted.policy or "each case's own", wanted.scorecard or "as stored")
    return found


def run_replay(settings: Settings, thread_id: UUID) -> bool:
    """Whether every decision of the case comes out again as it is stored. Raises NotFound."""
    with launcher.database(settings) as url:
        check_schema(url)
        found = asyncio.run(_replay(url, settings.tenant, thread_id))
    console = Console()
    for past, faults in found:
        told = "; ".join(faults) or "agrees byte for byte"
        line = f"{past.outcome} by {past.decided_by} under {past.policy_version}, {past.created_at:%Y-%m-%d}: {told}"
        console.print(line, style="red" if faults else "green", highlight=False, markup=False)
    return not any(faults for _, faults in found)


async def _replay(database_url: str, tenant: str, thread_id: UUID) -> list[tuple[PastDecision, list[str]]]:
    shelf = PolicyShelf()
    async with open_pool(database_url, max_size=1) as pool:
        found = await past_decisions.of_thread(pool, tenant, thread_id)
        return [(past, await past_decisions.faults_of(pool, shelf, tenant, past)) for past in found]


async def _backtest(database_url: str, span: Span, wanted: Wanted) -> Backtest:
    found, shelf = Backtest(wanted.assumptions), PolicyShelf()
    columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    async with open_pool(database_url, max_size=2) as pool:
        policy = await _policy(pool, shelf, span.tenant_id, wanted.policy)
        card = await _scorecard(pool, shelf, span.tenant_id, wanted.scorecard)
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("", total=await past_decisions.count(pool, span))
            async for past in past_decisions.by_policy(pool, span):
                by = policy or await shelf.policy(pool, span.tenant_id, past.policy_version)
                _add(found, past, by, card)
                progress.advance(bar)
    return found


def _add(found: Backtest, past: PastDecision, policy: Policy, card: Scorecard | None) -> None:
    facts, before = from_plain(CreditFacts, past.facts), from_plain(Decision, past.decision)
    try:
        after = redecided(facts, policy, card)
    except ValueError as exc:
        found.failed.append((str(past.thread_id), str(exc)))
        return
    found.add(str(past.thread_id), facts, before, after)


async def _policy(pool: Pool, shelf: PolicyShelf, tenant: str, named: str | None) -> Policy | None:
    if named is None or not _is_file(named):
        return None if named is None else await shelf.policy(pool, tenant, named)
    try:
        return read_policy(read_document(Path(named)))
    except ValueError as exc:
        raise InvalidInput(named, str(exc)) from exc


async def _scorecard(pool: Pool, shelf: PolicyShelf, tenant: str, named: str | None) -> Scorecard | None:
    if named is None or not _is_file(named):
        return None if named is None else await shelf.scorecard(pool, tenant, named)
    try:
        return read_scorecard(read_document(Path(named)))
    except ValueError as exc:
        raise InvalidInput(named, str(exc)) from exc


def _is_file(named: str) -> bool:
    return named.endswith(".json") or "/" in named


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, tzinfo=UTC)


def _after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)
