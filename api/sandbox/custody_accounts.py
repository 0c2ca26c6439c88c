"""What is in custody: accounts, holdings by lot, trades, cash flows and what it all was worth."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from api.sandbox.access import needs
from api.sandbox.custody_market import plain
from api.sandbox.custody_records import OF_ACCOUNT, open_orders
from api.sandbox.database import Connection, Pool
from api.sandbox.dates import WrittenDate
from api.sandbox.problems import unknown
from api.sandbox.records import After, Limit, customer, fetch_one
from api.sandbox.teller import TellerRoute

_ACCOUNT_COLUMNS = "custody_account_id, customer_id, currency, tax_status, state, household_id"
_DAY_ONE = date(1970, 1, 1)

router = APIRouter(route_class=TellerRoute, dependencies=[needs("custody")])


@router.get("/customers/{customer_id}/custody-accounts")
async def accounts_of_customer(customer_id: str, request: Request) -> dict[str, Any]:
    await customer(customer_id, request)
    return {"custody_accounts": await _accounts(request.state.pool, "customer_id", customer_id)}


@router.get("/households/{household_id}/custody-accounts")
async def accounts_of_household(household_id: str, request: Request) -> dict[str, Any]:
    """Of all customers in it."""
    found = await _accounts(request.state.pool, "household_id", household_id)
    if not found:
        raise unknown("household", household_id)
    return {"custody_accounts": found}


@router.get("/custody-accounts/{custody_account_id}")
async def custody_account(custody_account_id: str, request: Request) -> dict[str, Any]:
    async with request.state.pool.connection() as conn:
        return await known_account(conn, custody_account_id)


@router.get("/custody-accounts/{custody_account_id}/holdings")
async def holdings(custody_account_id: str, request: Request) -> dict[str, Any]:
    """From one snapshot. `cash` includes what open buys have reserved, lots what open sells have."""
    async with request.state.pool.connection() as conn, conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        account = await known_account(conn, custody_account_id)
        cur = await conn.execute(
            """
            SELECT currency, booked_minor, held_minor, now() AS as_of FROM accounts
            WHERE custody_account_id = %(id)s ORDER BY currency
            """,
            {"id": custody_account_id},
        )
        cash = await cur.fetchall()
        cur = await conn.execute(
            """
            SELECT lot_id, instrument_id, quantity, cost_minor, currency, acquired_on, reserved_quantity
            FROM lots JOIN instruments USING (instrument_id)
            WHERE custody_account_id = %(id)s AND quantity > 0 ORDER BY instrument_id, acquired_on, lot_id
            """,
            {"id": custody_account_id},
        )
        lots = await cur.fetchall()
        orders = await open_orders(conn, custody_account_id)
    return plain(
        {
            "account": account,
            "cash": {row["currency"]: row["booked_minor"] for row in cash},
            "reserved": {row["currency"]: row["held_minor"] for row in cash},
            "lots": lots,
            "pending_orders": orders,
            "as_of": cash[0]["as_of"],
        }
    )


@router.get("/custody-accounts/{custody_account_id}/trades")
async def trades(
    custody_account_id: str, request: Request, since: AwareDatetime, cursor: After = 0, limit: Limit = 100
) -> dict[str, Any]:
    """Oldest first; each with the lots that it made or took from, and what those had cost."""
    return await _page(
        request,
        "trades",
        """
        SELECT seq, trade_id, order_id, side, instrument_id, quantity, price, amount_minor, fee_minor, currency, at,
               (SELECT json_agg(json_build_object('lot_id', lot_id, 'quantity', part.quantity::text,
                                                  'cost_minor', part.cost_minor, 'acquired_on', acquired_on)
                                ORDER BY acquired_on, lot_id)
                FROM trade_lots AS part JOIN lots USING (lot_id) WHERE part.trade_id = trades.trade_id) AS lots
        FROM trades
        WHERE custody_account_id = %(id)s AND at >= %(since)s AND seq > %(cursor)s ORDER BY seq LIMIT %(most)s
        """,
        {"id": custody_account_id, "since": since, "cursor": cursor, "most": limit + 1},
    )


@router.get("/custody-accounts/{custody_account_id}/cash-flows")
async def cash_flows(
    custody_account_id: str, request: Request, since: AwareDatetime, cursor: After = 0, limit: Limit = 100
) -> dict[str, Any]:
    """Oldest first. What trades paid is not among them."""
    return await _page(
        request,
        "cash_flows",
        """
        SELECT seq, flow_id, kind, amount_minor, currency, instrument_id, at FROM custody_cash_flows
        WHERE custody_account_id = %(id)s AND at >= %(since)s AND seq > %(cursor)s ORDER BY seq LIMIT %(most)s
        """,
        {"id": custody_account_id, "since": since, "cursor": cursor, "most": limit + 1},
    )


@router.get("/custody-accounts/{custody_account_id}/valuations")
async def valuations(
    custody_account_id: str,
    request: Request,
    since: Annotated[WrittenDate, Query()] = _DAY_ONE,
) -> dict[str, Any]:
    """At the end of each weekday since the first flow, in the account's currency, counted from trades, postings and
    closes. `flow_minor` came from outside since the valuation before. What came after the last weekday counts on it.
    """
    async with request.state.pool.connection() as conn:
        account = await known_account(conn, custody_account_id)
        cur = await conn.execute(
            _VALUATIONS.encode(), {"id": custody_account_id, "currency": account["currency"], "since": since}
        )
        return {"valuations": await cur.fetchall()}


async def known_account(conn: Connection, custody_account_id: str, *, locked: bool = False) -> dict[str, Any]:
    """Raises Refused. Whoever changes what is in an account locks it first."""
    lock = "FOR NO KEY UPDATE" if locked else ""
    row = None
    if "\x00" not in custody_account_id:
        row = await fetch_one(
            conn, f"SELECT {_ACCOUNT_COLUMNS} FROM custody_accounts {OF_ACCOUNT} {lock}", custody_account_id
        )
    if row is None:
        raise unknown("custody_account", custody_account_id)
    return row


async def _accounts(pool: Pool, column: str, value: str) -> list[dict[str, Any]]:
    sql = f"SELECT {_ACCOUNT_COLUMNS} FROM custody_accounts WHERE {column} = %(id)s ORDER BY custody_account_id"
    async with pool.connection() as conn:
        cur = await conn.execute(sql.encode(), {"id": value.replace("\x00", "")})
        return await cur.fetchall()


async def _page(request: Request, name: str, sql: str, asked: dict[str, Any]) -> dict[str, Any]:
    """`next_cursor` asks for the page after; null on the last one."""
    async with request.state.pool.connection() as conn:
        await known_account(conn, asked["id"])
        cur = await conn.execute(sql.encode(), asked)
        rows = [plain(row) for row in await cur.fetchall()]
    seqs = [row.pop("seq") for row in rows]
    more = len(rows) == asked["most"]
    return {name: rows[: asked["most"] - 1], "next_cursor": seqs[-2] if more else None}


_VALUATIONS = """
    WITH last AS (SELECT max("on") AS "on" FROM quote_history),
    cash AS (
        SELECT least((booked_at AT TIME ZONE 'UTC')::date, last."on") AS "on", postings.currency,
               sum(amount_minor) AS amount_minor
        FROM accounts JOIN postings USING (account_id) JOIN transactions USING (transaction_id) CROSS JOIN last
        WHERE custody_account_id = %(id)s GROUP BY 1, 2
    ),
    shares AS (
        SELECT least((at AT TIME ZONE 'UTC')::date, last."on") AS "on", instrument_id,
               sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) AS quantity
        FROM trades CROSS JOIN last WHERE custody_account_id = %(id)s GROUP BY 1, 2
    ),
    days AS (
        SELECT DISTINCT "on", lag("on") OVER (ORDER BY "on") AS before FROM quote_history
        WHERE quote_id = (SELECT min(quote_id) FROM quotes)
    ),
    rates AS (
        SELECT days."on", quoted.currency, CASE
            WHEN quoted.currency = %(currency)s THEN 1
            WHEN pair.base = %(currency)s THEN 1 / close
            ELSE close END AS rate
        FROM days CROSS JOIN (SELECT DISTINCT currency FROM accounts WHERE custody_account_id = %(id)s) AS quoted
        LEFT JOIN fx_pairs AS pair
            ON (pair.base, pair.quote) IN ((quoted.currency, %(currency)s), (%(currency)s, quoted.currency))
        LEFT JOIN quote_history ON quote_history.quote_id = pair.quote_id AND quote_history."on" = days."on"
    ),
    worth AS (
        SELECT days."on",
               (SELECT coalesce(round(sum(cash.amount_minor * rate)), 0) FROM cash JOIN rates USING (currency)
                WHERE cash."on" <= days."on" AND rates."on" = days."on")::bigint AS cash_minor,
               (SELECT coalesce(round(sum(shares.quantity * close * rate * 100)), 0)
                FROM shares JOIN instruments USING (instrument_id)
                JOIN quote_history ON quote_id = instrument_id AND quote_history."on" = days."on"
                JOIN rates USING (currency)
                WHERE shares."on" <= days."on" AND rates."on" = days."on")::bigint AS securities_minor,
               (SELECT coalesce(round(sum(flow.amount_minor * rate)), 0)
                FROM custody_cash_flows AS flow CROSS JOIN last JOIN rates USING (currency)
                WHERE custody_account_id = %(id)s AND kind IN ('deposit', 'withdrawal') AND rates."on" = days."on"
                  AND least((at AT TIME ZONE 'UTC')::date, last."on") <= days."on"
                  AND (before IS NULL OR least((at AT TIME ZONE 'UTC')::date, last."on") > before)
               )::bigint AS flow_minor
        FROM days
        WHERE days."on" >= %(since)s AND days."on" >= (SELECT min("on") FROM cash)
    )
    SELECT "on", cash_minor, securities_minor, cash_minor + securities_minor AS total_minor, flow_minor
    FROM worth ORDER BY "on"
"""
"""Correlated by day; each day reads closes by their key."""
