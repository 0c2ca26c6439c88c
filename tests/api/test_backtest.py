"""`countersign policy backtest` over stored decisions in the real database, which it only reads."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
import uuid_utils.compat as uuids
from psycopg.types.json import Jsonb

from db import threads
from db.pool import open_pool
from db.threads import NewThread
from graphs.loan_origination import WORKFLOW
from tests.tools.rules.test_backtest import BEFORE, CASES
from tools.rules.plain import to_plain


def countersign_backtest(database_url: str, *arguments: object) -> tuple[int, str]:
    """The exit code and all that was printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "api.cli", "policy", "backtest", *map(str, arguments)],
        env=os.environ | {"COLUMNS": "200", "DATABASE_URL": database_url, "COUNTERSIGN_TENANT": "acme"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout


@pytest.fixture
async def decided(database_url: str) -> str:
    """Two tenants' decisions; `acme` has the three cases."""
    async with open_pool(database_url, max_size=1) as pool, pool.connection() as conn:
        for tenant, count in (("acme", 3), ("other", 1)):
            await conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s)", (tenant,))
            for facts, before in list(zip(CASES, BEFORE, strict=True))[:count]:
                thread_id: UUID = uuids.uuid7()
                new = NewThread(thread_id, tenant, WORKFLOW.name, WORKFLOW.version, "ada", {})
                await threads.create(conn, new)
                await conn.execute(
                    """
                    INSERT INTO credit_decisions (tenant_id, thread_id, decided_by, outcome, policy_version,
                                                  facts_sha256, facts, decision)
                    VALUES (%s, %s, 'policy', %s, '2026-01', '', %s, %s)
                    """,
                    (tenant, thread_id, before.outcome, Jsonb(to_plain(facts)), Jsonb(to_plain(before))),
                )
    return database_url


def test_another_policy_is_compared_with_what_was_decided(decided: str, tmp_path: Path) -> None:
    rows, rates = tmp_path / "rows.csv", "A=1,B=2,C=5,D=9,E=20"

    code, said = countersign_backtest(decided, "--policy", "2025-07", "--bad-rates", rates, "--out", rows)

    assert code == 0, said
    assert "3 applications under policy 2025-07, scorecard 2026-01" in said
    (total,) = [line.split() for line in said.splitlines() if line.startswith("all")]
    # 1 % of 12,000 in band A and 2 % in band B go bad, and 60 % of that is lost.
    assert total[1:] == ["3", "66.7", "%", "66.7", "%", "33.3", "%", "33.3", "%", "0", "0", "216.00", "216.00"]
    with rows.open() as file:
        assert [row["outcome_before"] for row in csv.DictReader(file)] == ["approve", "approve", "refer"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--policy", "v9"), "--policy: no credit policy has version 'v9'"),
        (("--by", "sex"), "--by: must be band"),
        (("--bad-rates", "A=1"), "--bad-rates: must state a percentage for each of A, B, C, D, E"),
        (("--card", "/nowhere.json"), "--card: /nowhere.json"),
        (("--card", "tools/rules/data/scorecard_german.json"), "--card: does not fit the stored applications"),
    ],
)
def test_what_cannot_be_used_is_named(decided: str, options: tuple[str, ...], said: str) -> None:
    code, printed = countersign_backtest(decided, *options)

    assert code == 1
    assert said in printed
