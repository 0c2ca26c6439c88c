"""Market events: whom they concern, found by one query, and the follow-ups that were begun of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import uuid_utils.compat as uuids
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit, failpoints
from db.canonical import sha256_hex
from db.errors import BankUnavailable, InvalidInput, NotFound
from db.mass_start import NewCase
from db.pool import transaction
from tools.bank import Bank
from tools.bank_custody import read_instruments
from tools.client_holdings import MAX_AGE, VALUED_IN
from tools.context import Context
from tools.market_event_request import MarketEvent, RateChange

CHUNK = 250
"""Follow-ups that are begun in one transaction."""
CHUNKS_A_STEP = 4
PRIORITIES = ((5000, -2), (2000, -3), (500, -4), (0, -5))
"""By the share of the portfolio that is exposed, in bps. Below all that a person waits for."""


@dataclass(frozen=True, slots=True)
class EventView:
    """`found` are the clients concerned, `begun` the follow-ups that have a case; `states` counts these: a gate's kind
    while somebody is asked, the outcome once over, else `under_way` or `error`."""

    event_id: str
    thread_id: UUID
    kind: str
    event: dict[str, Any]
    created_by: str
    created_at: datetime
    found_at: datetime | None
    holdings_as_of: datetime | None
    holdings_are_stale: bool
    found: int
    begun: int
    states: dict[str, int]


@dataclass(frozen=True, slots=True)
class Concerned:
    client_id: str
    full_name: str
    exposure: dict[str, Any]
    exposure_bps: int
    event: dict[str, Any]


async def check(request: MarketEvent, bank: Bank) -> None:
    """Raises InvalidInput for an instrument that the bank does not have: nobody would be found, and nobody wonder.
    While the bank is away, an event need not wait for that."""
    if isinstance(request.event, RateChange):
        return
    try:
        known = {one.instrument_id for one in await read_instruments(bank)}
    except BankUnavailable:
        return
    if request.event.instrument_id not in known:
        reason = f"the bank knows no instrument {request.event.instrument_id}"
        raise InvalidInput(f"event.{request.event.kind}.instrument_id", reason)


async def receive(context: Context, request: Mapping[str, Any]) -> str:
    """`new` if the event is this case's, `known` if another case had the very same, `contradicted` if a different
    one under its id."""
    sha256 = sha256_hex(request)
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            WITH inserted AS (
                INSERT INTO market_events (tenant_id, event_id, thread_id, kind, event, event_sha256, created_by)
                VALUES (%(tenant_id)s, %(event_id)s, %(thread_id)s, %(kind)s, %(event)s, %(sha256)s, %(person)s)
                ON CONFLICT (tenant_id, event_id) DO NOTHING RETURNING thread_id, event_sha256
            )
            SELECT thread_id, event_sha256 FROM inserted UNION ALL
            SELECT thread_id, event_sha256 FROM market_events
            WHERE tenant_id = %(tenant_id)s AND event_id = %(event_id)s
            """,
            {
                "tenant_id": context.tenant_id,
                "event_id": request["event_id"],
                "thread_id": context.thread_id,
                "kind": request["event"]["kind"],
                "event": Jsonb(request),
                "sha256": sha256,
                "person": context.person,
            },
        )
        known = await cur.fetchone()
    if known is None or known["event_sha256"] != sha256:
        return "contradicted"
    return "new" if known["thread_id"] == context.thread_id else "known"


async def find(context: Context, request: Mapping[str, Any]) -> int:
    """Who is concerned, by one query over what clients hold, most exposed first; how many. Found once: who buys later
    is not concerned."""
    event = request["event"]
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            _FIND,
            {
                "tenant_id": context.tenant_id,
                "event_id": request["event_id"],
                "instrument_id": event.get("instrument_id"),
                "currency": event.get("currency"),
                "valued_in": VALUED_IN,
            },
        )
        row = await cur.fetchone()
        assert row is not None
        if row["newly"]:
            record = {"event_id": request["event_id"], "clients": row["found"]}
            await audit.record(conn, context.deed("market_event.found", record))
    return int(row["found"])


async def queue_chunks(context: Context, request: Mapping[str, Any], after: int) -> int:
    """Starts the follow-ups of the next chunks, each in one transaction; the last place that was queued, or `after` if
    there is none left."""
    for _ in range(CHUNKS_A_STEP):
        last = await _queue_chunk(context, request, after)
        if last == after:
            break
        after = last
        failpoints.hit("market_event.queue.after_chunk")
    return after


async def _queue_chunk(context: Context, request: Mapping[str, Any], after: int) -> int:
    """Ids are written first, and are of event and client, so whoever comes again starts the same."""
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT client_id, place, exposure_bps FROM market_event_clients
            WHERE tenant_id = %(tenant_id)s AND event_id = %(event_id)s AND place > %(after)s
            ORDER BY place LIMIT %(chunk)s
            """,
            {"tenant_id": context.tenant_id, "event_id": request["event_id"], "after": after, "chunk": CHUNK},
        )
        rows = await cur.fetchall()
        ids = [uuid5(context.thread_id, row["client_id"]) for row in rows]
        await conn.execute(
            """
            UPDATE market_event_clients m SET thread_id = n.thread_id
            FROM unnest(%(clients)s::text[], %(ids)s::uuid[]) AS n (client_id, thread_id)
            WHERE m.tenant_id = %(tenant_id)s AND m.event_id = %(event_id)s AND m.client_id = n.client_id
              AND m.thread_id IS NULL
            """,
            {
                "tenant_id": context.tenant_id,
                "event_id": request["event_id"],
                "clients": [row["client_id"] for row in rows],
                "ids": ids,
            },
        )
    starts = [_follow_up(request, thread_id, row) for thread_id, row in zip(ids, rows, strict=True)]
    if starts:
        await context.start_each("client_follow_up", starts)
    return int(rows[-1]["place"]) if rows else after


def _follow_up(request: Mapping[str, Any], thread_id: UUID, row: Mapping[str, Any]) -> NewCase:
    return NewCase(
        thread_id=thread_id,
        run_id=uuids.uuid7(),
        request={"event_id": request["event_id"], "client_id": row["client_id"], "draft_by": request["draft_by"]},
        group=request["event_id"],
        priority=priority_of(row["exposure_bps"]),
    )


def priority_of(exposure_bps: int) -> int:
    return next(priority for least, priority in PRIORITIES if exposure_bps >= least)


async def concerned(context: Context, event_id: str, client_id: str) -> Concerned:
    """Raises NotFound."""
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(Concerned)) as cur:
        await cur.execute(
            """
            SELECT m.client_id, c.full_name, m.exposure, m.exposure_bps, e.event FROM market_event_clients m
            JOIN market_events e USING (tenant_id, event_id) JOIN clients c USING (tenant_id, client_id)
            WHERE m.tenant_id = %(tenant_id)s AND m.event_id = %(event_id)s AND m.client_id = %(client_id)s
            """,
            {"tenant_id": context.tenant_id, "event_id": event_id, "client_id": client_id},
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("client of the event", f"{event_id}/{client_id}")
    return found


async def events(
    conn: AsyncConnection[Any], tenant_id: str, event_id: str | None, limit: int = 100
) -> Sequence[EventView]:
    """The newest first, with counts by state; of one event alone, if it is named."""
    async with conn.cursor(row_factory=class_row(EventView)) as cur:
        await cur.execute(_VIEW, {"tenant_id": tenant_id, "event_id": event_id, "max_age": MAX_AGE, "limit": limit})
        return await cur.fetchall()


_FIND = """
    WITH event AS (
        UPDATE market_events SET found_at = now(), holdings_as_of = (
            SELECT max(as_of) FROM holdings_refreshes WHERE tenant_id = %(tenant_id)s)
        WHERE tenant_id = %(tenant_id)s AND event_id = %(event_id)s AND found_at IS NULL RETURNING event_id
    ), share AS (
        SELECT h.client_id, coalesce(sum(h.value_minor) FILTER (WHERE c.concerned), 0) AS value_minor,
               coalesce(sum(h.value_minor) FILTER (WHERE c.concerned) * 10000
                        / greatest(sum(h.value_minor), 1), 0)::integer AS bps,
               jsonb_agg(jsonb_build_object('instrument_id', h.instrument_id, 'quantity', h.quantity::text,
                                            'value_minor', h.value_minor, 'as_of', h.as_of)
                         ORDER BY h.value_minor DESC, h.instrument_id) FILTER (WHERE c.concerned) AS positions
        FROM client_holdings h CROSS JOIN event, LATERAL (
            SELECT coalesce(h.instrument_id = %(instrument_id)s, false)
                   OR coalesce(h.asset_class = 'bonds' AND h.currency = %(currency)s, false) AS concerned
        ) c
        WHERE h.tenant_id = %(tenant_id)s GROUP BY h.client_id HAVING bool_or(c.concerned)
    ), found AS (
        INSERT INTO market_event_clients (tenant_id, event_id, client_id, place, exposure, exposure_bps)
        SELECT %(tenant_id)s, %(event_id)s, client_id, row_number() OVER (ORDER BY bps DESC, client_id),
               jsonb_build_object('value_minor', value_minor, 'currency', %(valued_in)s::text,
                                  'positions', positions), least(bps, 10000)
        FROM share RETURNING client_id
    )
    SELECT EXISTS (SELECT 1 FROM event) AS newly, (SELECT count(*) FROM found) + (
        SELECT count(*) FROM market_event_clients WHERE tenant_id = %(tenant_id)s AND event_id = %(event_id)s
    ) AS found
"""
_VIEW = """
    SELECT e.event_id, e.thread_id, e.kind, e.event, e.created_by, e.created_at, e.found_at, e.holdings_as_of,
           e.found_at IS NOT NULL AND coalesce(e.found_at - e.holdings_as_of > %(max_age)s, true) AS holdings_are_stale,
           coalesce(sum(s.clients), 0)::integer AS found,
           coalesce(sum(s.clients) FILTER (WHERE s.state <> 'not_begun'), 0)::integer AS begun,
           coalesce(jsonb_object_agg(s.state, s.clients) FILTER (WHERE s.state IS NOT NULL), '{}') AS states
    FROM (
        SELECT tenant_id, event_id, thread_id, kind, event, created_by, created_at, found_at, holdings_as_of
        FROM market_events
        WHERE tenant_id = %(tenant_id)s AND (%(event_id)s::text IS NULL OR event_id = %(event_id)s)
        ORDER BY created_at DESC LIMIT %(limit)s
    ) e
    LEFT JOIN LATERAL (
        SELECT CASE WHEN t.thread_id IS NULL THEN 'not_begun' WHEN t.outcome IS NOT NULL THEN t.outcome
                    WHEN t.status = 'error' THEN 'error'
                    WHEN t.status = 'interrupted' THEN coalesce(
                        (SELECT v.kind FROM reviews v WHERE v.thread_id = t.thread_id AND v.status = 'open' LIMIT 1),
                        'interrupted')
                    ELSE 'under_way' END AS state, count(*) AS clients
        FROM market_event_clients m LEFT JOIN threads t ON t.thread_id = m.thread_id AND t.tenant_id = m.tenant_id
        WHERE m.tenant_id = e.tenant_id AND m.event_id = e.event_id GROUP BY state
    ) s ON true
    GROUP BY e.event_id, e.thread_id, e.kind, e.event, e.created_by, e.created_at, e.found_at, e.holdings_as_of
    ORDER BY e.created_at DESC
"""
