"""The tutorials' own way to pay, as small and as honest as theirs: a task row before, the bank, a task row after.

`pay TASK_ID CUSTOMER ACCOUNT`. The bank is called between two commits and with no key that outlives the call, for this
bank demands one. A repeated request starts the task over, as theirs does.
"""

import json
import os
import sys
from uuid import uuid4

import httpx
import psycopg

from db import failpoints

FAILPOINT = "tutorial.after_effect"
SCHEMA = "CREATE TABLE IF NOT EXISTS agent_tasks (task_id text PRIMARY KEY, status text NOT NULL, result text)"


def pay() -> None:
    task_id, customer_id, account_id = sys.argv[2:]
    with psycopg.connect(os.environ["DATABASE_URL"]) as conn:
        conn.execute(
            "INSERT INTO agent_tasks (task_id, status) VALUES (%s, 'processing')"
            " ON CONFLICT (task_id) DO UPDATE SET status = 'processing'",
            (task_id,),
        )
        conn.commit()
        answer = _open_loan_account(task_id, customer_id, account_id)
        failpoints.hit(FAILPOINT)
        conn.execute(
            "UPDATE agent_tasks SET status = 'completed', result = %s WHERE task_id = %s",
            (json.dumps(answer), task_id),
        )
        conn.commit()


def _open_loan_account(task_id: str, customer_id: str, account_id: str) -> dict[str, str]:
    loan = {
        "customer_id": customer_id,
        "disburse_to_account": account_id,
        "principal_minor": 12_000_00,
        "fee_minor": 0,
        "currency": "USD",
        "annual_rate_bps": 900,
        "term_months": 36,
        "first_due_on": "2027-01-15",
        "reference": task_id,
    }
    headers = {"Authorization": f"Bearer {os.environ['BANKING_API_KEY']}", "Idempotency-Key": str(uuid4())}
    url = f"{os.environ['BANKING_API_BASE_URL']}/loan-accounts"
    answer: dict[str, str] = httpx.post(url, json=loan, headers=headers, timeout=30).raise_for_status().json()
    return answer
