"""Loans at the sandbox bank that are late to the day, and borrowers with a past."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from tools.rules.dates import add_months

TODAY = datetime.now(UTC).date()


def due_day(days_late: int) -> date:
    """So many days ago, or up to three more: no month is too short for it."""
    day = TODAY - timedelta(days=days_late)
    return day.replace(day=min(day.day, 28))


@dataclass(frozen=True, slots=True)
class Borrower:
    customer_id: str
    account_id: str


@dataclass(slots=True)
class LateLoans:
    """`bank` is the sandbox as its operator sees it; `database_url` has its schema."""

    bank: httpx.Client
    database_url: str
    borrowers: dict[str, Borrower] = field(default_factory=dict)

    def borrower(self, name: str, balance_minor: int = 0) -> Borrower:
        """A customer with one account, which some other customer paid something into just now."""
        borrower = Borrower(f"cust_{uuid4().hex[:12]}", f"ACC{uuid4().hex[:12]}")
        with self._sql() as conn:
            conn.execute(
                """
                INSERT INTO customers VALUES (%s, %s, '1980-01-01', 'a@example.com', '1 Elm Street', 'Dayton', '45402',
                                              'US', '2010-01-01', 'verified', 'USD')
                """,
                (borrower.customer_id, name),
            )
            conn.execute(
                "INSERT INTO accounts (account_id, customer_id, currency, kind) VALUES (%s, %s, 'USD', 'current')",
                (borrower.account_id, borrower.customer_id),
            )
        if balance_minor:
            self.income(borrower, balance_minor, days_ago=0)
        return borrower

    def income(self, borrower: Borrower, amount_minor: int, days_ago: int) -> None:
        """A transfer to them as it was booked on an earlier day, which the bank's own calls cannot make."""
        at, key = datetime.now(UTC) - timedelta(days=days_ago), f"past-{uuid4().hex}"
        with self._sql() as conn, conn.transaction():
            conn.execute("INSERT INTO requests VALUES (%s, 'POST', '/transfers', %s, 201, '{}')", (key, "0" * 64))
            row = conn.execute(
                "INSERT INTO transactions (reference, booked_at) VALUES ('salary', %s) RETURNING transaction_id", (at,)
            ).fetchone()
            assert row is not None
            for account_id, moved in (("BANK-CASH-USD", -amount_minor), (borrower.account_id, amount_minor)):
                conn.execute(
                    "INSERT INTO postings (transaction_id, account_id, currency, amount_minor)"
                    " VALUES (%s, %s, 'USD', %s)",
                    (row[0], account_id, moved),
                )
            transfer_id = f"trf_{uuid4().hex}"
            conn.execute(
                """
                INSERT INTO transfers (transfer_id, transaction_id, idempotency_key, source_account,
                                       destination_account, amount_minor, currency, status, reference, created_at)
                VALUES (%s, %s, %s, 'BANK-CASH-USD', %s, %s, 'USD', 'settled', 'salary', %s)
                """,
                (transfer_id, row[0], key, borrower.account_id, amount_minor, at),
            )
            conn.execute(
                "INSERT INTO transfer_steps (transfer_id, status, transaction_id, at) VALUES (%s, 'settled', %s, %s)",
                (transfer_id, row[0], at),
            )

    def lend(self, borrower: Borrower, days_late: int, *, paid: int = 10, months_old: int = 0) -> str:
        """12,000.00 at 12 % over 24 months, 564.88 a month, of which the first `paid` were paid just now and the next
        was due so many days ago, or up to three more; negative: is due in so many days."""
        order = {
            "customer_id": borrower.customer_id,
            "disburse_to_account": borrower.account_id,
            "principal_minor": 12_000_00,
            "fee_minor": 0,
            "currency": "USD",
            "annual_rate_bps": 1200,
            "term_months": 24,
            "first_due_on": add_months(due_day(days_late), -paid).isoformat(),
        }
        loan = str(self.post("/loan-accounts", order)["loan_account_id"])
        if paid:
            self.repay(loan, borrower, sum(line["amount_minor"] for line in self.schedule(loan)["instalments"][:paid]))
        if months_old:
            with self._sql() as conn:
                conn.execute(
                    "UPDATE loan_accounts SET disbursed_at = disbursed_at - %s * interval '1 month'"
                    " WHERE loan_account_id = %s",
                    (months_old, loan),
                )
        return loan

    def repay(self, loan: str, borrower: Borrower, amount_minor: int) -> None:
        order = {"source_account": borrower.account_id, "amount_minor": amount_minor}
        self.post(f"/loan-accounts/{loan}/repayments", order)

    def schedule(self, loan: str) -> dict[str, Any]:
        return dict(self.bank.get(f"/loan-accounts/{loan}/schedule").raise_for_status().json())

    def actions(self, loan: str) -> list[dict[str, Any]]:
        return list(self.bank.get(f"/loan-accounts/{loan}/actions").raise_for_status().json()["actions"])

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.bank.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.is_success, answer.text
        return dict(answer.json())

    def _sql(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            self.database_url, autocommit=True, options="-c search_path=bank -c role=countersign_bank"
        )
