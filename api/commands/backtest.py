"""`countersign policy backtest`: stored applications decided again, compared by segment; the database is only read."""

import asyncio
import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from rich.console import Console
from rich.table import Table

from api import launcher
from api.settings import Settings
from db.errors import CountersignError, InvalidInput
from db.migrate import check_schema
from db.pool import open_pool
from tools.loan_backtest import StoredDecision, stored_decisions
from tools.rules.backtest import SEGMENTS, UNIT_BPS, Compared, Redecided, compared, redecide
from tools.rules.policies import policy_in_force, policy_version
from tools.rules.policy_document import Policy
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import BANDS, Scorecard
from tools.rules.scorecard_json import TrainedScorecard, bad_bps, load

PERCENT = 100
HEADER = ("thread_id", "segment", "outcome_before", "outcome_after", "principal_before_minor", "principal_after_minor")


@dataclass(frozen=True, slots=True)
class Job:
    policy: str | None
    card_file: Path | None
    by: str
    bad_rates: str | None
    loss_percent: int
    out_file: Path | None


def run_backtest(settings: Settings, job: Job) -> None:
    """Raises InvalidInput for a policy, card or rate that cannot be used, CountersignError for a stored case."""
    if job.by not in SEGMENTS:
        raise InvalidInput("--by", f"must be {', '.join(SEGMENTS)}, not {job.by!r:.40}")
    policy, trained = _policy(job.policy), _trained(job.card_file)
    card = trained.card if trained else SCORECARD_2026_01
    loss_bps = _loss_bps(job, trained)
    stored = _stored(settings)
    if not stored:
        raise CountersignError("no application was decided yet")
    cases = _redecided(stored, policy, card)
    _print(policy, card, job, compared(cases, SEGMENTS[job.by], loss_bps))
    if job.out_file is not None:
        _write(job.out_file, job.by, zip(stored, cases, strict=True))


def _policy(version: str | None) -> Policy:
    try:
        return policy_in_force(datetime.now(UTC).date()) if version is None else policy_version(version)
    except ValueError as exc:
        raise InvalidInput("--policy", str(exc)) from exc


def _trained(file: Path | None) -> TrainedScorecard | None:
    if file is None:
        return None
    try:
        return load(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise InvalidInput("--card", f"{file}: {exc.strerror}") from exc
    except ValueError as exc:
        raise InvalidInput("--card", f"{file}: {exc}") from exc


def _loss_bps(job: Job, trained: TrainedScorecard | None) -> Callable[[Redecided], int] | None:
    """By the band's stated rate, else by the card's own odds; None if neither is known."""
    if job.bad_rates is not None:
        rates = _rates(job.bad_rates)
        return lambda case: round(rates[case.band] * job.loss_percent / PERCENT)
    if trained is not None:
        scale = trained.document.scale
        return lambda case: round(bad_bps(case.points, scale) * job.loss_percent / PERCENT)
    return None


def _rates(said: str) -> dict[str, int]:
    rates = {}
    for each in said.split(","):
        band, _, percent = each.partition("=")
        try:
            rates[band.strip()] = int(Decimal(percent) * PERCENT)
        except (InvalidOperation, ValueError) as exc:
            raise InvalidInput("--bad-rates", f"{each!r:.40} is no BAND=PERCENT") from exc
    if set(rates) != set(BANDS) or not all(0 <= rate <= UNIT_BPS for rate in rates.values()):
        raise InvalidInput("--bad-rates", f"must state a percentage for each of {', '.join(BANDS)}")
    return rates


def _stored(settings: Settings) -> list[StoredDecision]:
    async def read(url: str) -> list[StoredDecision]:
        async with open_pool(url, max_size=1) as pool, pool.connection() as conn:
            return await stored_decisions(conn, settings.tenant)

    with launcher.database(settings) as url:
        check_schema(url)
        try:
            return asyncio.run(read(url))
        except ValueError as exc:
            raise CountersignError(str(exc)) from exc


def _redecided(stored: Iterable[StoredDecision], policy: Policy, card: Scorecard) -> list[Redecided]:
    try:
        return [redecide(each.facts, each.decision, policy, card) for each in stored]
    except ValueError as exc:
        raise InvalidInput("--card", f"does not fit the stored applications: {exc}") from exc


def _print(policy: Policy, card: Scorecard, job: Job, rows: list[Compared]) -> None:
    console = Console()
    console.print(f"{rows[-1].applications:,} applications under policy {policy.version}, scorecard {card.version}")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    headings = (job.by, "applications", "lent", "→", "referred", "→", "swapped in", "out", "expected loss", "→")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        lent = (_share(row.lent_before, row), _share(row.lent_after, row))
        referred = (_share(row.referred_before, row), _share(row.referred_after, row))
        lost = (_amount(row.loss_before_minor), _amount(row.loss_after_minor))
        swaps = (str(row.swapped_in), str(row.swapped_out))
        table.add_row(row.segment, str(row.applications), *lent, *referred, *swaps, *lost)
    console.print(table)


def _share(count: int, row: Compared) -> str:
    return f"{count * PERCENT / row.applications:.1f} %"


def _amount(minor: int | None) -> str:
    return "–" if minor is None else f"{minor // PERCENT:,}.{minor % PERCENT:02}"


def _write(file: Path, by: str, cases: Iterable[tuple[StoredDecision, Redecided]]) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.writer(opened, lineterminator="\n")
            writer.writerow(HEADER)
            for stored, case in cases:
                terms = (case.before.terms, case.after.terms)
                principals = [each.principal_minor if each else "" for each in terms]
                outcomes = (case.before.outcome, case.after.outcome)
                writer.writerow((stored.thread_id, SEGMENTS[by](case.facts), *outcomes, *principals))
    except OSError as exc:
        raise InvalidInput("--out", f"{file} cannot be written: {exc.strerror}") from exc
