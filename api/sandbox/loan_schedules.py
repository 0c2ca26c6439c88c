"""A loan's schedules: the contract's own, and the versions that replaced it."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg.rows import class_row

from api.sandbox.amortisation import Instalment, schedule
from api.sandbox.database import Connection

CONTRACTS = 1
"""The version that is calculated from the contract."""


@dataclass(frozen=True, slots=True)
class SchedulePart:
    """The version that stood on a day, and what was paid on it by then."""

    version: int
    paid_minor: int


async def instalments(conn: Connection, loan: dict[str, Any], version: int) -> list[Instalment]:
    if version == CONTRACTS:
        return schedule(loan["principal_minor"], loan["annual_rate_bps"], loan["term_months"], loan["first_due_on"])
    async with conn.cursor(row_factory=class_row(Instalment)) as cur:
        await cur.execute(
            """
            SELECT number, due_on, interest_minor, principal_minor FROM loan_instalments
            WHERE loan_account_id = %(id)s AND schedule_version = %(version)s ORDER BY number
            """,
            {"id": loan["loan_account_id"], "version": version},
        )
        return await cur.fetchall()


async def part_on(conn: Connection, loan_account_id: str, day: date) -> SchedulePart:
    """At the end of the day, in UTC."""
    async with conn.cursor(row_factory=class_row(SchedulePart)) as cur:
        await cur.execute(
            """
            WITH stood AS (
                SELECT coalesce(max(schedule_version), 1) AS version FROM loan_actions
                WHERE loan_account_id = %(id)s AND (created_at AT TIME ZONE 'UTC')::date <= %(day)s
            )
            SELECT version, (
                SELECT coalesce(sum(amount_minor), 0)::bigint FROM loan_repayments
                WHERE loan_account_id = %(id)s AND schedule_version = stood.version
                  AND (paid_at AT TIME ZONE 'UTC')::date <= %(day)s
            ) AS paid_minor FROM stood
            """,
            {"id": loan_account_id, "day": day},
        )
        (part,) = await cur.fetchall()
    return part
