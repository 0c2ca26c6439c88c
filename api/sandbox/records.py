"""What can be read at the bank: customers, credit files, accounts, balances, postings."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from api.sandbox.access import needs
from api.sandbox.database import Connection, Pool
from api.sandbox.idempotency import find
from api.sandbox.money import in_major
from api.sandbox.problems import unknown
from api.sandbox.teller import TellerRoute

MAX_ID = 2**63 - 1
CUSTOMER = """
    SELECT customer_id, full_name, date_of_birth, email,
           json_build_object('street', street, 'city', city, 'postcode', postcode, 'country', country) AS address,
           customer_since, kyc_status,
           ARRAY(SELECT account_id FROM accounts
                 WHERE accounts.customer_id = customers.customer_id AND kind NOT IN ('loan', 'custody')
                 ORDER BY kind, account_id) AS accounts,
           currency
    FROM customers WHERE customer_id = %(id)s
"""
CREDIT_FILE = """
    SELECT customer_id, CURRENT_DATE AS as_of,
           json_build_object(
               'status', employment_status,
               'since', coalesce(employment_since,
                                 (CURRENT_DATE - make_interval(months => employment_months))::date)) AS employment,
           json_build_object('status', housing_status, 'monthly_cost_minor', housing_monthly_cost_minor) AS housing,
           obligations, oldest_account_months, accounts_open, delinquencies_24m, worst_days_past_due_24m,
           inquiries_6m, utilisation_bps, public_records, collections, bankruptcies, currency
    FROM credit_files WHERE customer_id = %(id)s
"""

Limit = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[int, Query(ge=0, le=MAX_ID)]

router = APIRouter(route_class=TellerRoute, dependencies=[needs("read")])


@router.get("/customers/{customer_id}")
async def customer(customer_id: str, request: Request) -> dict[str, Any]:
    """Loan accounts and cash in custody are not among `accounts`; they have lists of their own."""
    row = await one(request.state.pool, CUSTOMER, customer_id)
    if row is None:
        raise unknown("customer", customer_id)
    return row


@router.get("/customers/{customer_id}/credit-file")
async def credit_file(customer_id: str, request: Request) -> dict[str, Any]:
    """What the bureau says today. `housing` includes the home loan; it is not among the obligations again."""
    row = await one(request.state.pool, CREDIT_FILE, customer_id)
    if row is None:
        await customer(customer_id, request)
        raise unknown("credit file of", customer_id, code="no_credit_file")
    return row


@router.get("/accounts/{account_id}")
async def account(account_id: str, request: Request) -> dict[str, Any]:
    row = await one(
        request.state.pool,
        """
        SELECT account_id, customer_id, currency, kind, state, overdraft_limit_minor
        FROM accounts WHERE account_id = %(id)s
        """,
        account_id,
    )
    if row is None:
        raise unknown("account", account_id)
    return row


@router.get("/accounts/{account_id}/balance")
async def balance(account_id: str, request: Request) -> dict[str, Any]:
    """`available_minor` is what can be spent: booked, plus the overdraft limit, less what is held."""
    row = await one(
        request.state.pool,
        """
        SELECT account_id, currency, now() AS as_of, overdraft_limit_minor, held_minor,
               CASE kind WHEN 'internal' THEN (
                   SELECT coalesce(sum(amount_minor), 0)::bigint FROM postings
                   WHERE postings.account_id = accounts.account_id
               ) ELSE booked_minor END AS booked_minor
        FROM accounts WHERE account_id = %(id)s
        """,
        account_id,
    )
    if row is None:
        raise unknown("account", account_id)
    available_minor = row["booked_minor"] + row["overdraft_limit_minor"] - row["held_minor"]
    return row | {"balance": in_major(row["booked_minor"], row["currency"]), "available_minor": available_minor}


@router.get("/accounts/{account_id}/postings")
async def postings(account_id: str, request: Request, after: After = 0, limit: Limit = 100) -> dict[str, Any]:
    await account(account_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT posting_id, transaction_id, amount_minor, currency, booked_at, reference
            FROM postings JOIN transactions USING (transaction_id)
            WHERE account_id = %(id)s AND posting_id > %(after)s ORDER BY posting_id LIMIT %(limit)s
            """,
            {"id": account_id, "after": after, "limit": limit},
        )
        return {"postings": await cur.fetchall()}


@router.get("/requests")
async def requests(
    request: Request,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    cursor: After = 0,
    limit: Limit = 100,
) -> dict[str, Any]:
    """What the caller's own API key asked for and got an answer to, received from `since` until before `until`, oldest
    first. `next_cursor` asks for the page after; null on the last one.
    """
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT seq, idempotency_key, method, path, request_sha256, status, response, received_at FROM requests
            WHERE key_id = %(key_id)s AND seq > %(cursor)s
              AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
              AND (%(until)s::timestamptz IS NULL OR received_at < %(until)s)
            ORDER BY seq LIMIT %(most)s
            """,
            {
                "key_id": request.state.caller.key_id,
                "cursor": cursor,
                "since": since,
                "until": until,
                "most": limit + 1,
            },
        )
        rows = await cur.fetchall()
    page, seqs = rows[:limit], [row.pop("seq") for row in rows]
    return {"requests": page, "next_cursor": seqs[limit - 1] if len(rows) > limit else None}


@router.get("/requests/{idempotency_key:path}")
async def request_by_key(idempotency_key: str, request: Request) -> dict[str, Any]:
    """What became of a call whose answer was lost. A key being executed right now is not known yet."""
    pool: Pool = request.state.pool
    async with pool.connection() as conn:
        row = None if "\x00" in idempotency_key else await find(conn, idempotency_key)
    if row is None:
        raise unknown("key", idempotency_key)
    return row


async def one(pool: Pool, sql: str, record_id: str) -> dict[str, Any] | None:
    """The row of `%(id)s`. PostgreSQL keeps no text with a NUL, so there is none under such an id."""
    if "\x00" in record_id:
        return None
    async with pool.connection() as conn:
        return await fetch_one(conn, sql, record_id)


async def fetch_one(conn: Connection, sql: str, record_id: str) -> dict[str, Any] | None:
    cur = await conn.execute(sql.encode(), {"id": record_id})
    return await cur.fetchone()
