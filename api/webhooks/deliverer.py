"""Sends what runs' ends left to be told, until each is taken or given up. Any number of processes may."""

import asyncio
import logging
import random
from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime
from typing import Self

import psycopg
from psycopg_pool import PoolTimeout

from api.disclosure import SIGHTS, fault
from api.protocol.run_views import error_view, run_view
from api.protocol.state import encoded
from api.webhooks.destinations import Destinations
from api.webhooks.post import MOST_AT_ONCE, Answer, Poster, signed
from db import failpoints, webhook_secrets, webhooks
from db.packed import unpacked
from db.pool import Pool
from db.run_records import Run
from db.webhooks import Attempt, Claimed

ATTEMPTS = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_ASKED_S = 1.0, 7200.0, 3600.0
"""Between attempts five times as long each time, so that the last one is some three hours after the first."""
CLAIMED_AT_ONCE = 8
MOST_PER_HOST = 8
"""Begun at one time: a receiver that lets us wait must not keep the others waiting."""
_AWAY = (psycopg.OperationalError, PoolTimeout)
_log = logging.getLogger(__name__)


class Deliverer:
    """`async with Deliverer(pool, destinations)`. Sends when it is woken; leaving it waits for what is being sent."""

    def __init__(self, pool: Pool, destinations: Destinations) -> None:
        self._pool = pool
        self._poster = Poster(destinations)
        self._beginning: asyncio.Task[None] | None = None
        self._sending: dict[asyncio.Task[None], str] = {}
        self._woken = False
        self._held_back = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._beginning is not None:
            await self._beginning
        self._held_back = False
        if self._sending:
            await asyncio.wait(self._sending)
        await self._poster.aclose()

    def wake(self) -> None:
        """Something may be due."""
        self._woken = True
        if self._beginning is None or self._beginning.done():
            self._beginning = asyncio.create_task(self._begin())

    async def look(self, now: datetime) -> None:
        """For the janitor, now and then: what is to be tried again, or was left by others; and what is long over."""
        async with self._pool.connection() as conn:
            await webhooks.sweep(conn)
            await webhook_secrets.sweep(conn)
        self.wake()

    async def _begin(self) -> None:
        while self._woken:
            self._woken = False
            under_way = Counter(self._sending.values())
            busy = [host for host, count in under_way.items() if count >= MOST_PER_HOST]
            most = min(CLAIMED_AT_ONCE, MOST_AT_ONCE - len(self._sending))
            self._held_back = bool(busy) or most <= 0
            try:
                claimed = await self._claim(most, busy) if most > 0 else []
            except _AWAY as exc:
                _log.warning("webhooks wait for the database: %s", exc)
                return
            for one in claimed:
                task = asyncio.create_task(self._deliver(one))
                self._sending[task] = one.host
                task.add_done_callback(self._sent)
            self._woken = self._woken or 0 < most == len(claimed)

    async def _claim(self, most: int, busy: list[str]) -> list[Claimed]:
        async with self._pool.connection() as conn:
            return await webhooks.claim(conn, most, busy)

    def _sent(self, task: asyncio.Task[None]) -> None:
        """What was claimed and could not be settled is claimed again when the claim lapses."""
        del self._sending[task]
        if not task.cancelled() and (exc := task.exception()) is not None:
            _log.error("a webhook's attempt is not known: %s", exc, exc_info=None if isinstance(exc, _AWAY) else exc)
        if self._held_back:
            self.wake()

    async def _deliver(self, claimed: Claimed) -> None:
        if claimed.attempts > ATTEMPTS:
            attempt = Attempt("failed", error=f"given up: its last attempts lost their workers ({ATTEMPTS} in all)")
        else:
            attempt = _judged(await self._post(claimed), claimed.attempts)
            failpoints.hit("webhook.sent")
        async with self._pool.connection() as conn:
            await webhooks.settle(conn, claimed, attempt)

    async def _post(self, claimed: Claimed) -> Answer:
        secrets = claimed.secrets
        if not secrets:
            async with self._pool.connection() as conn:
                secrets = [one.secret for one in await webhook_secrets.of_tenant(conn, claimed.tenant_id)]
        now = datetime.now(UTC)
        body = body_of(claimed, now)
        return await self._poster.post(claimed.url, signed(str(claimed.delivery_id), now, body, secrets), body)


def body_of(claimed: Claimed, now: datetime) -> bytes:
    """As LangGraph's server sends it: the run, with the values it came to and the times of its attempt."""
    stored = {field.name: claimed.run[field.name] for field in fields(Run)}
    run = Run(**stored | {"input": unpacked(stored["input"] and bytes.fromhex(stored["input"].removeprefix("\\x")))})
    error = fault(run.error) if run.workflow in SIGHTS else run.error
    told = run_view(run) | {
        "error": error_view({**claimed.run, "error": error}),
        "run_started_at": run.started_at,
        "run_ended_at": run.ended_at,
        "webhook_sent_at": now,
    }
    return encoded(told)[:-1] + b',"values":' + (claimed.run_values or "null").encode() + b"}"


def _judged(answer: Answer, attempts: int) -> Attempt:
    if answer.error is None:
        return Attempt("delivered", answer.status)
    if answer.final or attempts >= ATTEMPTS:
        return Attempt("failed", answer.status, answer.error)
    pause_s = min(FIRST_PAUSE_S * 5 ** (attempts - 1), LONGEST_PAUSE_S) * random.uniform(0.8, 1.2)
    return Attempt("pending", answer.status, answer.error, max(pause_s, min(answer.wait_s, LONGEST_ASKED_S)))
