"""Customers of the sandbox bank made for one test: what they paid before, and their limits, are nobody else's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg

from tests.service import Service


@contextmanager
def bank_sql(served: Service) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the sandbox bank has them."""
    with psycopg.connect(served.database_url, autocommit=True) as conn:
        conn.execute("SET ROLE countersign_bank")
        conn.execute("SET search_path = bank")
        yield conn


def new_payer(served: Service, balance: int = 50_000, years: int = 10, **person: str) -> str:
    """The account of a customer who has been with the bank for so long, with so much in it for longer than a year.

    `person`: their `full_name`, `born` and `kyc_status`.
    """
    customer_id, account_id = f"cust_{uuid4().hex[:12]}", f"A{uuid4().hex[:12]}"
    with bank_sql(served) as conn, conn.transaction():
        conn.execute(
            """
            INSERT INTO customers (customer_id, full_name, date_of_birth, email, street, city, postcode, country,
                                   customer_since, kyc_status, currency)
            VALUES (%s, %s, %s, 'ada@example.com', '1 Elm Street', 'Salem', '97301', 'US',
                    CURRENT_DATE - make_interval(years => %s), %s, 'USD')
            """,
            (
                customer_id,
                person.get("full_name", "Ada Moor"),
                person.get("born", "1980-01-01"),
                years,
                person.get("kyc_status", "verified"),
            ),
        )
        conn.execute(
            "INSERT INTO accounts (account_id, customer_id, currency, kind) VALUES (%s, %s, 'USD', 'current')",
            (account_id, customer_id),
        )
        book(conn, "BANK-CASH-USD", account_id, balance * 100, "400 days")
    return account_id


def salaried(served: Service, monthly_minor: int) -> str:
    """A customer without a credit file whose employer paid so much in each of the last three months."""
    account = new_payer(served)
    with bank_sql(served) as conn:
        for days in (10, 40, 70):
            book(conn, "BANK-CASH-USD", account, monthly_minor, f"{days} days")
        found = conn.execute("SELECT customer_id FROM accounts WHERE account_id = %s", (account,)).fetchall()
    return str(found[0][0])


def book(conn: psycopg.Connection[Any], payer: str, payee: str, amount_minor: int, ago: str) -> None:
    conn.execute(
        """
        WITH booked AS (
            INSERT INTO transactions (reference, booked_at) VALUES ('earlier', now() - %(ago)s::interval)
            RETURNING transaction_id
        )
        INSERT INTO postings (transaction_id, account_id, currency, amount_minor)
        SELECT transaction_id, account_id, 'USD', amount FROM booked,
            (VALUES (%(payer)s, -%(amount)s::bigint), (%(payee)s, %(amount)s::bigint)) AS side (account_id, amount)
        """,
        {"ago": ago, "payer": payer, "payee": payee, "amount": amount_minor},
    )
