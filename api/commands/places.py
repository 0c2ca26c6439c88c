"""Where to look after the demo, and whether the books hold: the audit chain and the bank's ledger."""

import asyncio
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api.commands.records import audit_chain
from api.deployment import Deployment
from api.settings import Settings
from db.errors import CountersignError
from db.postgres_home import postgres_home


@dataclass(frozen=True, slots=True)
class Places:
    lines: dict[str, list[str]]
    sound: bool


def checked(settings: Settings, running: Deployment, folder: Path) -> Places:
    audit_sound, audit = _audit(settings, running)
    ledger_sound, ledger = _ledger(running)
    lines = {
        "docs": [f"{running.url}/docs   (Authorize with a key from above)"],
        "database": [_psql(settings, running)],
        "letters": [f"{folder}/*.pdf"],
        "log": [str(folder / "demo.log")],
        "audit": [audit, f"COUNTERSIGN_TENANT={settings.tenant} countersign audit verify"],
        "ledger": [ledger],
    }
    return Places(lines, audit_sound and ledger_sound)


def _psql(settings: Settings, running: Deployment) -> str:
    if settings.database_url:
        return 'psql "$DATABASE_URL"'
    psql = postgres_home(settings.home.resolve()).binaries / "psql"
    below = psql.is_relative_to(Path.cwd())
    return shlex.join((str(psql.relative_to(Path.cwd()) if below else psql), running.database_url))


def _audit(settings: Settings, running: Deployment) -> tuple[bool, str]:
    try:
        length = asyncio.run(audit_chain(running.database_url, settings.tenant))
    except CountersignError as exc:
        return False, f"BROKEN: {exc}"
    return True, f"the chain of {length} rows holds"


def _ledger(running: Deployment) -> tuple[bool, str]:
    """Every transaction of the sandbox bank sums to zero, and so does each currency."""
    headers = {"Authorization": f"Bearer {running.bank_key}"}
    answer = httpx.get(f"{running.bank_url}/ledger/check", headers=headers, timeout=30, trust_env=False)
    found: dict[str, Any] = answer.raise_for_status().json()
    sums = ", ".join(f"{currency} {minor}" for currency, minor in found["sum_by_currency"].items())
    if found["unbalanced"] or found["limit_breaches"] or any(found["sum_by_currency"].values()):
        return False, f"DOES NOT BALANCE: {found}"
    return True, f"all {found['transactions']} transactions balance; sums by currency: {sums}"
