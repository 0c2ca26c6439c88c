"""Double-entry bookkeeping. The database keeps sums and limits; this module asks first, so that a no has a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg.rows import class_row

from api.sandbox.database import Connection
from api.sandbox.problems import Refused


@dataclass(frozen=True, slots=True)
class Account:
    account_id: str
    customer_id: str | None
    currency: str
    kind: Literal["current", "savings", "loan", "custody", "internal"]
    state: Literal["open", "frozen", "closed"]
    overdraft_limit_minor: int
    booked_minor: int
    held_minor: int

    def can_pay(self, amount_minor: int) -> bool:
        return amount_minor <= self.booked_minor + self.overdraft_limit_minor - self.held_minor


@dataclass(frozen=True, slots=True)
class Posting:
    """`amount_minor` is signed: below zero it leaves the account."""

    account_id: str
    amount_minor: int


async def hold_accounts(conn: Connection, account_ids: Sequence[str]) -> dict[str, Account]:
    """The accounts that exist of these, locked until the transaction ends, always in account-id order."""
    async with conn.cursor(row_factory=class_row(Account)) as cur:
        await cur.execute(
            """
            SELECT account_id, customer_id, currency, kind, state, overdraft_limit_minor, booked_minor, held_minor
            FROM accounts WHERE account_id = ANY(%(account_ids)s) ORDER BY account_id FOR NO KEY UPDATE
            """,
            {"account_ids": list(account_ids)},
        )
        return {account.account_id: account for account in await cur.fetchall()}


def customer_account(accounts: Mapping[str, Account], account_id: str, field: str) -> Account:
    """Raises Refused unless it is an open current or savings account of a customer."""
    account = accounts.get(account_id)
    if account is None:
        raise Refused(422, "unknown_account", f"no account {account_id}", field)
    if account.kind not in ("current", "savings"):
        raise Refused(422, "account_kind_not_allowed", f"{account_id} is a {account.kind} account", field)
    if account.state != "open":
        raise Refused(422, f"account_{account.state}", f"account {account_id} is {account.state}", field)
    return account


async def book(conn: Connection, currency: str, reference: str, postings: Sequence[Posting]) -> int:
    """Books one transaction and moves the balances; returns its id.

    The database refuses it at commit unless the postings sum to zero, and at once if an account would break its limit.
    """
    cur = await conn.execute(
        """
        WITH booked AS (
            INSERT INTO transactions (reference) VALUES (%(reference)s) RETURNING transaction_id
        )
        INSERT INTO postings (transaction_id, account_id, currency, amount_minor)
        SELECT booked.transaction_id, posting.account_id, %(currency)s, posting.amount_minor
        FROM booked, unnest(%(account_ids)s::text[], %(amounts)s::bigint[]) AS posting (account_id, amount_minor)
        RETURNING transaction_id
        """,
        {
            "reference": reference,
            "currency": currency,
            "account_ids": [posting.account_id for posting in postings],
            "amounts": [posting.amount_minor for posting in postings],
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return int(row["transaction_id"])


async def check(conn: Connection) -> dict[str, Any]:
    """The whole ledger added up again from its postings, from one snapshot."""
    async with conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        counted = await _rows(conn, b"SELECT count(*) AS transactions FROM transactions")
        unbalanced = await _rows(
            conn,
            b"""
            SELECT DISTINCT transaction_id FROM postings
            GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0 ORDER BY transaction_id
            """,
        )
        sums = await _rows(
            conn,
            b"SELECT currency, sum(amount_minor)::bigint AS sum_minor FROM postings GROUP BY currency",
        )
        accounts = await _rows(
            conn,
            b"""
            SELECT account_id, coalesce(sum(amount_minor), 0) <> booked_minor AS drifted,
                   coalesce(sum(amount_minor), 0) - held_minor < -overdraft_limit_minor AS below_limit,
                   held_minor <> (SELECT coalesce(sum(holds.amount_minor), 0) FROM holds
                                  WHERE holds.account_id = accounts.account_id AND status = 'active')
                                 + (SELECT coalesce(sum(reserved_minor), 0) FROM custody_orders
                                    WHERE cash_account_id = accounts.account_id) AS held_wrong
            FROM accounts LEFT JOIN postings USING (account_id)
            WHERE kind <> 'internal' GROUP BY account_id ORDER BY account_id
            """,
        )
    return {
        "transactions": counted[0]["transactions"],
        "unbalanced": [row["transaction_id"] for row in unbalanced],
        "sum_by_currency": {row["currency"]: row["sum_minor"] for row in sums},
        "limit_breaches": [row["account_id"] for row in accounts if row["below_limit"]],
        "drifted_balances": [row["account_id"] for row in accounts if row["drifted"]],
        "drifted_holds": [row["account_id"] for row in accounts if row["held_wrong"]],
    }


async def _rows(conn: Connection, sql: bytes) -> list[dict[str, Any]]:
    cur = await conn.execute(sql)
    return await cur.fetchall()
