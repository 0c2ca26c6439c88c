"""`countersign policy backtest` and `countersign replay`: past decisions, decided again and left as they are."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import get_args
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from api import launcher
from api.commands.backtest_file import Rows, rows
from api.commands.backtest_report import report
from api.commands.policy_words import read_document
from api.settings import Settings
from db.errors import InvalidInput, NotFound
from db.migrate import check_schema
from db.pool import Pool, open_pool
from tools import past_decisions
from tools.past_decisions import PastDecision, Span
from tools.policy_shelf import PolicyShelf
from tools.rules.backtest import Again, Assumptions, Backtest, redecided
from tools.rules.card_facts import fault_of
from tools.rules.credit_policy import Decision
from tools.rules.findings import CreditFacts
from tools.rules.odds import UNIT_BPS
from tools.rules.plain import from_plain
from tools.rules.policy_document import Policy
from tools.rules.policy_forms import read_policy, read_scorecard
from tools.rules.scorecard_document import BANDS, Band, Scorecard

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Policy and scorecard by version or file. No policy: as each case was decided; no scorecard: the policy's own.
    `until` is the last day; `out` is where each case is told."""

    policy: str | None
    scorecard: str | None
    since: date | None
    until: date | None
    assumptions: Assumptions
    out: Path | None = None


def run_backtest(settings: Settings, wanted: Wanted) -> Backtest:
    """Raises InvalidInput for a file that is no such document, NotFound for a version there is none of."""
    span = Span(settings.tenant, _midnight(wanted.since) or LONG_AGO, _after(wanted.until or datetime.now(UTC).date()))
    if span.since >= span.until:
        raise InvalidInput("--since", "is after --until, or in the future")
    with launcher.database(settings) as url, rows(wanted.out, wanted.assumptions.lgd_bps) as told:
        check_schema(url)
        found = asyncio.run(_backtest(url, span, wanted, told))
    report(Console(), found, wanted.policy or "each case's own", wanted.scorecard or "by the policy's own card")
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


def bad_rates(said: str | None, given: Assumptions) -> Assumptions:
    """`card`, or `A=120,B=250,C=500,D=900,E=2000`: bad loans of 10,000 by band. Raises InvalidInput."""
    if said is None or said == "card":
        return replace(given, by_card=said == "card")
    rates: dict[Band, int] = {}
    for each in said.split(","):
        band, _, rate = (part.strip() for part in each.partition("="))
        if band not in get_args(Band) or band in rates or not (rate.isascii() and rate.isdigit()):
            raise InvalidInput(
                "--bad-rates", f"must be card, or A=120,B=250 and so on, each band once, not {each!r:.40}"
            )
        if int(rate) > UNIT_BPS:
            raise InvalidInput("--bad-rates", f"{band} must be 0 to {UNIT_BPS}: bad loans of 10,000, not {rate}")
        rates[next(known for known in BANDS if known == band)] = int(rate)
    if absent := [band for band in BANDS if band not in rates]:
        raise InvalidInput("--bad-rates", f"says nothing of band {', '.join(absent)}")
    return replace(given, by_band=tuple(rates.items()))


async def _replay(database_url: str, tenant: str, thread_id: UUID) -> list[tuple[PastDecision, list[str]]]:
    shelf = PolicyShelf()
    async with open_pool(database_url, max_size=1) as pool:
        found = await past_decisions.of_thread(pool, tenant, thread_id)
        return [(past, await past_decisions.faults_of(pool, shelf, tenant, past)) for past in found]


async def _backtest(database_url: str, span: Span, wanted: Wanted, told: Rows) -> Backtest:
    found, columns = Backtest(wanted.assumptions), (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    async with open_pool(database_url, max_size=2) as pool:
        documents = _Documents(pool, span.tenant_id)
        policy = await documents.policy_named(wanted.policy)
        card = await documents.scorecard_named(wanted.scorecard)
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("", total=await past_decisions.count(pool, span))
            async for past in past_decisions.by_policy(pool, span):
                by = policy or await documents.shelf.policy(pool, span.tenant_id, past.policy_version)
                scoring = card or await documents.champion(by)
                documents.check(by, scoring)
                scored_by = await documents.shelf.scorecard(pool, span.tenant_id, past.decision["scorecard_version"])
                _add(found, told, past, (by, scoring, scored_by))
                progress.advance(bar)
    return found


def _add(found: Backtest, told: Rows, past: PastDecision, by: tuple[Policy, Scorecard, Scorecard]) -> None:
    facts, before = from_plain(CreditFacts, past.facts), from_plain(Decision, past.decision)
    policy, card, scored_by = by
    try:
        score, after = redecided(facts, policy, card)
    except ValueError as exc:
        found.failed.append((str(past.thread_id), str(exc)))
        told.failed(past, str(exc))
        return
    # By its card: the new one's odds, where it has any; they hold for what it swaps in and for what it swaps out.
    judged, scale = (score, card.scale) if found.assumptions.by_card and card.scale else (facts.score, scored_by.scale)
    try:
        bad = found.assumptions.bad_bps(judged, scale)
    except ValueError as exc:
        raise InvalidInput("--bad-rates", f"{exc}; say rates by band instead") from exc
    again = Again(str(past.thread_id), facts, before, score, after, bad)
    found.add(again)
    told.judged(past, again)


class _Documents:
    """Those named and those stored; each pair of policy and card is checked once."""

    def __init__(self, pool: Pool, tenant: str) -> None:
        self.shelf = PolicyShelf()
        self._pool = pool
        self._tenant = tenant
        self._checked: set[tuple[str, str]] = set()

    async def policy_named(self, named: str | None) -> Policy | None:
        if named is None or not _is_file(named):
            return None if named is None else await self.shelf.policy(self._pool, self._tenant, named)
        try:
            return read_policy(read_document(Path(named)))
        except ValueError as exc:
            raise InvalidInput(named, str(exc)) from exc

    async def scorecard_named(self, named: str | None) -> Scorecard | None:
        if named is None or not _is_file(named):
            return None if named is None else await self.shelf.scorecard(self._pool, self._tenant, named)
        try:
            return read_scorecard(read_document(Path(named)))
        except ValueError as exc:
            raise InvalidInput(named, str(exc)) from exc

    async def champion(self, policy: Policy) -> Scorecard:
        try:
            return await self.shelf.scorecard(self._pool, self._tenant, policy.scorecard)
        except NotFound as exc:
            fault = f"policy {policy.version} names {policy.scorecard}, which is not stored; give its file"
            raise InvalidInput("--scorecard", fault) from exc

    def check(self, policy: Policy, card: Scorecard) -> None:
        """Raises InvalidInput where the policy does not say how to read the card."""
        pair = (policy.version, card.version)
        if pair in self._checked:
            return
        if fault := fault_of(policy, card):
            raise InvalidInput("--policy", f"{policy.version}: {fault[0]}: {fault[1]}")
        self._checked.add(pair)


def _is_file(named: str) -> bool:
    return named.endswith(".json") or "/" in named


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, tzinfo=UTC)


def _after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)
