"""`countersign apply` with a file of applicants who differ, as a user runs it: how many are decided a second.

python -m tests.bench.bench_apply [LINES]
"""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg

from api.sandbox.database import prepare
from tests.bench.measure import cpu_of_tree, embedded_postgres

HEAD = (
    "applicant_id,amount,term_months,income,purpose,employment_status,employment_since,housing_status,"
    "housing_monthly_cost"
)
LIKE = "cust_4004"
LINE = "{applicant},15000.00,48,5200.00,debt_consolidation,employed,2021-10-18,rent,1450.00"
COLUMNS = """
    SELECT string_agg(column_name, ', ') FROM information_schema.columns
    WHERE table_schema = 'bank' AND table_name = %s AND is_generated = 'NEVER' AND column_name <> 'customer_id'
"""


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with embedded_postgres() as (url, home):
        asyncio.run(prepare(url))
        seed(url, lines)
        file = home / "applications.csv"
        file.write_text("\n".join([HEAD, *(LINE.format(applicant=applicant(n)) for n in range(lines))]) + "\n")
        began, postgres_before = time.monotonic(), postgres_cpu_s(url)
        cpu_s = applied(file, url, home)
        took = time.monotonic() - began
        postgres_s = postgres_cpu_s(url) - postgres_before
    print(f"{lines} applications in {took:.0f} s: {lines / took:.1f} a second, server's start included")
    print(
        f"CPU of each: {1000 * cpu_s / lines:.1f} ms of client, API, worker and bank, {1000 * postgres_s / lines:.1f}"
    )
    print(f"of PostgreSQL; load at the end {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def applicant(number: int) -> str:
    return f"bench_{number:06d}"


def seed(url: str, count: int) -> None:
    """Customers like one of the bank's, each with a credit file and an account of their own."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET ROLE countersign_bank")
        conn.execute("SET search_path = bank")
        for table in ("customers", "credit_files"):
            ((columns,),) = conn.execute(COLUMNS.encode(), (table,)).fetchall()
            copied = f"""
                INSERT INTO {table} (customer_id, {columns})
                SELECT 'bench_' || lpad((n - 1)::text, 6, '0'), {columns}
                FROM {table}, generate_series(1, %s) n WHERE customer_id = %s
            """
            conn.execute(copied.encode(), (count, LIKE))
        conn.execute(
            "INSERT INTO accounts (account_id, customer_id, currency, kind, state, overdraft_limit_minor)"
            " SELECT 'ACC-' || c.customer_id, c.customer_id, 'USD', 'current', 'open', 0 FROM customers c"
            " WHERE c.customer_id LIKE 'bench%'"
        )
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("ANALYZE")


def applied(file: Path, url: str, home: Path) -> float:
    """Runs the command to its end; the CPU time of it and all that it started."""
    environment = os.environ | {"DATABASE_URL": url, "COUNTERSIGN_HOME": str(home / "served")}
    command = [sys.executable, "-m", "api.cli", "apply", str(file)]
    with subprocess.Popen(command, env=environment) as process:
        spent = 0.0
        while process.poll() is None:
            time.sleep(0.2)
            try:
                spent = max(spent, cpu_of_tree(process.pid))
            except psutil.NoSuchProcess:
                break
    assert process.returncode == 0
    return spent


def postgres_cpu_s(url: str) -> float:
    with psycopg.connect(url) as conn:
        return cpu_of_tree(psutil.Process(conn.info.backend_pid).ppid())


if __name__ == "__main__":
    main()
