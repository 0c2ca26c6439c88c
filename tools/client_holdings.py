"""What clients hold, as custody last said it: a view for finding whom something concerns, and no book of record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from psycopg import AsyncConnection

from db import audit
from db.arrays import columns
from db.errors import BankUnavailable, NeedsReconcile
from db.pool import transaction
from tools.bank import Bank
from tools.bank_custody import Instrument, Price, read_fx, read_instruments, read_prices
from tools.bank_custody_positions import AccountPositions, read_positions
from tools.context import Context

ACCOUNTS_AT_ONCE = 500
MAX_AGE = timedelta(hours=1)
"""An event that finds the view older than this has it read anew first."""
VALUED_IN = "USD"
"""Of whatever currency an instrument is: values serve to compare a client's positions."""
CENTS = 100

Refresh = Mapping[str, Any]
"""How far a refresh is, JSON-plain: `next_after` names the last account that was read, and is None at the end; `as_of`
is when the first was; `accounts` and `positions` are of our clients, of which `unvalued` have no rate to VALUED_IN."""


@dataclass(frozen=True, slots=True)
class View:
    """`as_of` None: it was never read."""

    as_of: datetime | None
    is_stale: bool


async def view(context: Context) -> View:
    async with context.pool.connection() as conn:
        as_of = await _as_of(conn, context.tenant_id)
    return View(as_of, as_of is None or context.now() - as_of > MAX_AGE)


def begin() -> Refresh:
    return {"next_after": "", "as_of": None, "accounts": 0, "positions": 0, "unvalued": 0}


async def refresh_page(context: Context, so_far: Refresh) -> Refresh:
    """Reads the next accounts, and with the last of them takes out what nobody holds any more. A page is one
    transaction; until the last one, what was sold is still there.

    Raises NeedsReconcile for a position in an instrument that the bank does not explain.
    """
    page = await read_positions(context.bank, so_far["next_after"], ACCOUNTS_AT_ONCE)
    rates, instruments, prices = await _market(context.bank, page.custody_positions)
    rows = [row for account in page.custody_positions for row in _rows(account, rates, instruments, prices)]
    began = (
        so_far["as_of"] or (page.custody_positions[0].as_of if page.custody_positions else context.now()).isoformat()
    )
    async with transaction(context.pool) as conn:
        kept = await _store(conn, context.tenant_id, rows)
        progress = {
            "next_after": page.next_after,
            "as_of": began,
            "accounts": so_far["accounts"] + kept["accounts"],
            "positions": so_far["positions"] + kept["positions"],
            "unvalued": so_far["unvalued"] + kept["unvalued"],
        }
        if page.next_after is None:
            await _end(conn, context, progress)
    return progress


async def refresh_page_if_bank_is_there(context: Context, so_far: Refresh, known: View) -> Refresh | None:
    """None: the bank is away, and what it said before must do. Raises BankUnavailable if it never said anything."""
    try:
        return await refresh_page(context, so_far)
    except BankUnavailable:
        if known.as_of is None:
            raise
        return None


_Row = tuple[str, str, str, str, str, str, int | None, datetime]


async def _market(
    bank: Bank, accounts: Sequence[AccountPositions]
) -> tuple[dict[str, Decimal], dict[str, Instrument], dict[str, Price]]:
    """What one unit of each currency is in VALUED_IN, and of each instrument held what it is and costs."""
    held = {position.instrument_id for account in accounts for position in account.positions}
    instruments = {one.instrument_id: one for one in await read_instruments(bank)}
    if unknown := sorted(held - instruments.keys()):
        raise NeedsReconcile(f"custody holds {unknown[0]}, and the bank does not say what that is")
    rates = {VALUED_IN: Decimal(1)}
    for fx in await read_fx(bank):
        if fx.quote == VALUED_IN:
            rates[fx.base] = fx.rate
        elif fx.base == VALUED_IN:
            rates[fx.quote] = 1 / fx.rate
    return rates, instruments, await read_prices(bank, held)


def _rows(
    account: AccountPositions,
    rates: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
    prices: Mapping[str, Price],
) -> list[_Row]:
    return [
        (
            account.customer_id,
            account.custody_account_id,
            position.instrument_id,
            instruments[position.instrument_id].currency,
            instruments[position.instrument_id].asset_class,
            f"{position.quantity:f}",
            _value_minor(position.quantity, prices[position.instrument_id], rates),
            account.as_of,
        )
        for position in account.positions
    ]


def _value_minor(quantity: Decimal, price: Price, rates: Mapping[str, Decimal]) -> int | None:
    """Half up; None without a rate."""
    if price.currency not in rates:
        return None
    return int((quantity * price.price * rates[price.currency] * CENTS).quantize(Decimal(1), ROUND_HALF_UP))


async def _store(conn: AsyncConnection[Any], tenant_id: str, rows: Sequence[_Row]) -> Mapping[str, int]:
    """Those of our clients, unless somebody stored later ones meanwhile."""
    if not rows:
        return {"accounts": 0, "positions": 0, "unvalued": 0}
    kinds = ("text", "text", "text", "text", "text", "text", "bigint", "timestamptz")
    names = ("clients", "accounts", "instruments", "currencies", "classes", "quantities", "values", "times")
    cur = await conn.execute(
        """
        WITH told AS (
            SELECT c.client_id, n.account_id, n.instrument_id, n.currency, n.asset_class, n.quantity::numeric,
                   n.value_minor, n.as_of
            FROM unnest(%(clients)s::text[], %(accounts)s::text[], %(instruments)s::text[], %(currencies)s::text[],
                        %(classes)s::text[], %(quantities)s::text[], %(values)s::bigint[], %(times)s::timestamptz[])
                AS n (client_id, account_id, instrument_id, currency, asset_class, quantity, value_minor, as_of)
            JOIN clients c ON c.tenant_id = %(tenant_id)s AND c.client_id = n.client_id
        ), stored AS (
            INSERT INTO client_holdings AS h (tenant_id, client_id, custody_account_id, instrument_id, currency,
                                              asset_class, quantity, value_minor, as_of)
            SELECT %(tenant_id)s, client_id, account_id, instrument_id, currency, asset_class, quantity, value_minor,
                   as_of
            FROM told ORDER BY client_id, account_id, instrument_id
            ON CONFLICT (tenant_id, client_id, custody_account_id, instrument_id) DO UPDATE
            SET currency = EXCLUDED.currency, asset_class = EXCLUDED.asset_class, quantity = EXCLUDED.quantity,
                value_minor = EXCLUDED.value_minor, as_of = EXCLUDED.as_of
            WHERE h.as_of <= EXCLUDED.as_of
        )
        SELECT count(DISTINCT account_id)::integer AS accounts, count(*)::integer AS positions,
               count(*) FILTER (WHERE value_minor IS NULL)::integer AS unvalued FROM told
        """,
        {"tenant_id": tenant_id, **dict(zip(names, columns(rows, kinds), strict=True))},
    )
    kept = await cur.fetchone()
    assert kept is not None
    return dict(kept)


async def _end(conn: AsyncConnection[Any], context: Context, progress: Refresh) -> None:
    values = {
        "tenant_id": context.tenant_id,
        "thread_id": context.thread_id,
        "as_of": progress["as_of"],
        "accounts": progress["accounts"],
        "positions": progress["positions"],
        "unvalued": progress["unvalued"],
    }
    await conn.execute(
        "DELETE FROM client_holdings WHERE tenant_id = %(tenant_id)s AND as_of < %(as_of)s::timestamptz", values
    )
    cur = await conn.execute(
        """
        INSERT INTO holdings_refreshes (tenant_id, thread_id, as_of, accounts, positions, unvalued)
        VALUES (%(tenant_id)s, %(thread_id)s, %(as_of)s::timestamptz, %(accounts)s, %(positions)s, %(unvalued)s)
        ON CONFLICT (thread_id) DO NOTHING RETURNING thread_id
        """,
        values,
    )
    if await cur.fetchone() is not None:
        record = {name: progress[name] for name in ("as_of", "accounts", "positions", "unvalued")}
        await audit.record(conn, context.deed("holdings.refreshed", record))


async def _as_of(conn: AsyncConnection[Any], tenant_id: str) -> datetime | None:
    cur = await conn.execute(
        "SELECT max(as_of) AS as_of FROM holdings_refreshes WHERE tenant_id = %(tenant_id)s", {"tenant_id": tenant_id}
    )
    row = await cur.fetchone()
    return None if row is None else row["as_of"]
