"""Sends what is to be told, signed as Standard Webhooks says, until it is taken or given up."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from psycopg import OperationalError
from psycopg.rows import class_row
from psycopg_pool import PoolTimeout

from api.sandbox.database import Pool
from api.sandbox.misbehaviour import Switch, Switches

ATTEMPTS = 8
TIMEOUT_S = 5.0
CLAIMED_AT_ONCE = 16

_AWAY = (OperationalError, PoolTimeout)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Event:
    event_id: str
    type: str
    data: dict[str, Any]
    attempts: int
    created_at: datetime
    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    """`pause_s` is how long a pending event waits for its next attempt."""

    status: str
    error: str | None = None
    pause_s: float = 0.0


async def run(pool: Pool, switches: Switches, tick_s: float, retry_s: float) -> None:
    """Until it is cancelled. The pause after the first attempt is `retry_s`, three times as long after each more."""
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
        while True:
            try:
                claimed = await _claim(pool)
                await asyncio.gather(*(_deliver(pool, http, switches, one, retry_s) for one in claimed))
            except _AWAY as exc:
                _log.warning("webhooks wait for the ledger: %s", exc)
                claimed = []
            if not claimed:
                await asyncio.sleep(tick_s)


async def _claim(pool: Pool) -> list[_Event]:
    """For half a minute nobody else takes them: a bank that died with one sends it again after that."""
    async with pool.connection() as conn, conn.cursor(row_factory=class_row(_Event)) as cur:
        await cur.execute(
            """
            UPDATE webhook_events SET attempts = attempts + 1, next_at = now() + INTERVAL '30 seconds'
            FROM webhook_endpoints
            WHERE webhook_endpoints.key_id = webhook_events.key_id AND event_id IN (
                SELECT event_id FROM webhook_events WHERE status = 'pending' AND next_at <= now()
                ORDER BY next_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
            )
            RETURNING event_id, type, data, attempts, created_at, url, secret
            """,
            {"most": CLAIMED_AT_ONCE},
        )
        return await cur.fetchall()


async def _deliver(pool: Pool, http: httpx.AsyncClient, switches: Switches, event: _Event, retry_s: float) -> None:
    switch = switches.next_webhook() if event.attempts == 1 else None
    outcome = await _sent(http, event, switch, retry_s)
    async with pool.connection() as conn:
        await conn.execute(
            """
            UPDATE webhook_events
            SET status = %(status)s, error = %(error)s, next_at = now() + make_interval(secs => %(pause_s)s)
            WHERE event_id = %(event_id)s
            """,
            {
                "event_id": event.event_id,
                "status": outcome.status,
                "error": outcome.error,
                "pause_s": outcome.pause_s,
            },
        )


async def _sent(http: httpx.AsyncClient, event: _Event, switch: Switch | None, retry_s: float) -> _Outcome:
    mode = "none" if switch is None else switch.mode
    if switch is not None and mode == "webhook_late":
        return _Outcome("pending", "late by a switch", switch.delay_s)
    if mode == "webhook_never":
        return _Outcome("withheld", "withheld by a switch")
    error = await _post(http, event)
    if mode == "webhook_duplicate":
        error = await _post(http, event)
    if error is None:
        return _Outcome("delivered")
    if event.attempts >= ATTEMPTS:
        return _Outcome("failed", error)
    return _Outcome("pending", error, retry_s * 3 ** (event.attempts - 1))


async def _post(http: httpx.AsyncClient, event: _Event) -> str | None:
    """What went wrong, if something did."""
    told = {"type": event.type, "timestamp": event.created_at.isoformat(), "data": event.data}
    body = json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        response = await http.post(event.url, content=body, headers=_signed(event, body, int(time.time())))
    except httpx.RequestError as exc:
        return f"{type(exc).__name__}: {exc}"[:500]
    return None if response.is_success else f"status {response.status_code}"


def _signed(event: _Event, body: bytes, timestamp: int) -> dict[str, str]:
    """https://www.standardwebhooks.com: HMAC-SHA256 over id, timestamp and body."""
    key = base64.b64decode(event.secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{event.event_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": event.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
