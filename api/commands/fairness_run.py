"""What `countersign fairness` does: reads the database itself, as the auditor whose key is given, or a file."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from api import launcher
from api.commands import fairness_file, fairness_words
from api.commands.fairness_file import Columns, Fault
from api.settings import Settings
from db import keys
from db.actor import Actor
from db.errors import Forbidden, InvalidInput
from db.migrate import check_schema
from db.pool import Pool, open_pool
from tools import fairness
from tools.fairness import Attribute, Days, Loaded
from tools.rules.fairness_report import Bounds, Fairness, Report


@dataclass(frozen=True, slots=True)
class Asked:
    """As typed; `days` are the first and the last."""

    key: str | None
    file: Path | None
    columns: Columns
    references: list[str]
    days: tuple[date | None, date | None]
    bounds: Bounds


def run_load(settings: Settings, key: str | None, file: Path) -> Loaded:
    """Raises InvalidInput, having changed nothing, for any fault in the file; Forbidden for another's key."""
    sha256, given = fairness_file.read_attributes(file)
    if key is None:
        raise InvalidInput("--key", "is missing: an auditor's")
    with launcher.database(settings) as url:
        check_schema(url)
        return asyncio.run(_load(url, key, file, sha256, given))


def run_report(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    """Raises InvalidInput for what does not go together, Forbidden for a key that is no auditor's."""
    found = _fairness(asked)
    counted: Counter[str] | None = None
    if asked.file is not None:
        counted = _read_file(asked, asked.file, found)
    else:
        _read_stored(settings, asked, found)
    fairness_words.show(_report(found), as_json=as_json, outcomes=counted)


def _fairness(asked: Asked) -> Fairness:
    try:
        return Fairness(fairness.references(asked.references), asked.bounds)
    except ValueError as exc:
        raise InvalidInput("--reference", str(exc)) from exc


def _report(found: Fairness) -> Report:
    try:
        return found.report()
    except ValueError as exc:
        raise InvalidInput("--reference", str(exc)) from exc


def _read_file(asked: Asked, file: Path, found: Fairness) -> Counter[str]:
    if asked.days != (None, None):
        raise InvalidInput("--since", "and --until are of stored applications, not of --file")
    if not (asked.columns.outcome and asked.columns.favourable and asked.columns.groups):
        raise InvalidInput("--file", "needs --outcome, --favourable and --group beside it")
    return fairness_file.read_outcomes(file, asked.columns, found)


def _read_stored(settings: Settings, asked: Asked, found: Fairness) -> None:
    if asked.columns != Columns("", "", [], [], []):
        raise InvalidInput("--file", "is needed with --outcome, --favourable, --group, --segment or --challenger")
    if asked.key is None:
        raise InvalidInput("--key", "is missing: an auditor's, or --file instead")
    span = fairness.days(*asked.days)
    with launcher.database(settings) as url:
        check_schema(url)
        asyncio.run(_gather(url, asked.key, span, found))


async def _gather(database_url: str, key: str, span: Days, found: Fairness) -> None:
    async with open_pool(database_url, max_size=1) as pool:
        await fairness.gather(pool, await _actor(pool, key), span, found)


async def _load(database_url: str, key: str, file: Path, sha256: str, given: list[tuple[int, Attribute]]) -> Loaded:
    async with open_pool(database_url, max_size=1) as pool:
        actor = await _actor(pool, key)
        fairness.require_auditor(actor)
        async with pool.connection() as conn:
            unknown = await fairness.unknown_applicants(conn, actor.tenant_id, [each.applicant_id for _, each in given])
            faults: set[Fault] = {
                (line, "applicant_id", f"{each.applicant_id} never applied for a loan")
                for line, each in given
                if each.applicant_id in unknown
            }
            fairness_file.refuse(file, list(faults))
            return await fairness.load(conn, actor, [each for _, each in given], sha256)


async def _actor(pool: Pool, key: str) -> Actor:
    async with pool.connection() as conn:
        actor = await keys.actor_of(conn, key)
    if actor is None:
        raise Forbidden("this key is unknown or was revoked")
    return actor
