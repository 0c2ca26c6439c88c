"""What is in custody: accounts, holdings by lot, trades, cash flows and what it all was worth."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime

from api.sandbox.access import needs
from api.sandbox.custody_market import plain
from api.sandbox.custody_records import ACCOUNT, HOLDINGS, OF_ACCOUNT
from api.sandbox.database import Connection, Pool
from api.sandbox.dates import WrittenDate
from api.sandbox.problems import unknown
from api.sandbox.records import After, Limit, customer, fetch_one, one
from api.sandbox.teller import TellerRoute

_ACCOUNT_COLUMNS = "custody_account_id, customer_id, currency, tax_status, state, household_id"
_DAY_ONE = date(1970, 1, 1)
MOST_ACCOUNTS = 50
MOST_TRADES = 1000

router = APIRouter(route_class=TellerRoute, dependencies=[needs("custody")])


@router.get("/customers/{customer_id}/custody-accounts")
async def accounts_of_customer(customer_id: str, request: Request) -> dict[str, Any]:
    found = await _accounts(request.state.pool, "customer_id", customer_id)
    if not found:
        await customer(customer_id, request)
    return {"custody_accounts": found}


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
async def holdings(custody_account_id: str, request: Request) -> Response:
    """From one snapshot. `cash` includes what open buys have reserved, lots what open sells have."""
    sql = f"SELECT {HOLDINGS}::text AS told FROM custody_accounts AS found {OF_ACCOUNT}"
    row = await one(request.state.pool, sql, custody_account_id)
    if row is None:
        raise unknown("custody_account", custody_account_id)
    return Response(row["told"], media_type="application/json")


@router.get("/customers/{customer_id}/custody")
async def custody_of_customer(
    customer_id: str,
    request: Request,
    since: AwareDatetime,
    custody_account_ids: Annotated[tuple[str, ...], Query(alias="custody_account_id", max_length=MOST_ACCOUNTS)] = (),
) -> Response:
    """What a decision about the customer's portfolio takes, from one snapshot: all accounts of the customer and of
    their households with trades, oldest first, and the holdings of those that are named, or else of the customer's own
    that are not closed. `next_cursor` asks /trades for more; null: these are all.
    """
    asked = {"id": customer_id, "since": since, "named": list(custody_account_ids), "most": MOST_TRADES}
    if "\x00" in "".join((customer_id, *custody_account_ids)):
        raise unknown("customer", customer_id)
    async with request.state.pool.connection() as conn:
        row = await (await conn.execute(_CUSTODY.encode(), asked)).fetchone()
    if row is None or not row["is_known"]:
        raise unknown("customer", customer_id)
    return Response(row["told"], media_type="application/json")


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
        """
        + _TRADED_LOTS
        + """ AS lots FROM trades
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


_TRADED_LOTS = """
    (SELECT json_agg(json_build_object('lot_id', lot_id, 'quantity', part.quantity::text,
                                       'cost_minor', part.cost_minor, 'acquired_on', acquired_on)
                     ORDER BY acquired_on, lot_id)
     FROM trade_lots AS part JOIN lots USING (lot_id) WHERE part.trade_id = trades.trade_id)
"""
_CUSTODY = f"""
    WITH found AS (
        SELECT {_ACCOUNT_COLUMNS},
               CASE WHEN %(named)s::text[] = '{{}}' THEN customer_id = %(id)s AND state <> 'closed'
               ELSE custody_account_id = ANY(%(named)s) END AS is_asked_for
        FROM custody_accounts
        WHERE customer_id = %(id)s OR household_id IN (
            SELECT household_id FROM custody_accounts WHERE customer_id = %(id)s AND household_id IS NOT NULL)
    )
    SELECT EXISTS (SELECT FROM customers WHERE customer_id = %(id)s) AS is_known,
           json_build_object('accounts', coalesce(json_agg(json_build_object(
               'account', {ACCOUNT},
               'holdings', CASE WHEN is_asked_for THEN {HOLDINGS} END,
               'trades', coalesce(traded.trades, '[]'),
               'next_cursor', CASE WHEN traded.count = %(most)s THEN traded.last END
           ) ORDER BY customer_id <> %(id)s, custody_account_id), '[]'))::text AS told
    FROM found LEFT JOIN LATERAL (
        SELECT count(*), max(seq) AS last, json_agg(json_build_object(
                   'trade_id', trade_id, 'order_id', order_id, 'side', side, 'instrument_id', instrument_id,
                   'quantity', quantity::text, 'price', price::text, 'amount_minor', amount_minor,
                   'fee_minor', fee_minor, 'currency', trades.currency, 'at', at, 'lots', {_TRADED_LOTS})
               ORDER BY seq) AS trades
        FROM (SELECT * FROM trades WHERE custody_account_id = found.custody_account_id AND at >= %(since)s
              ORDER BY seq LIMIT %(most)s) AS trades
    ) AS traded ON true
"""
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
