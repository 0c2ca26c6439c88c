"""What a customer's transfers add up to: counted against the limits of their tier, and by payee."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from db.pool import transaction
from tools.bank_payments import Order
from tools.context import Context
from tools.rules import transfer_limits
from tools.rules.plain import to_plain
from tools.rules.transfer_limits import Used


async def count(
    context: Context, customer_id: str, customer_months: int, amount_minor: int, currency: str
) -> dict[str, Any]:
    """What the limits say of this transfer. If they allow it, it counts against them from now on.

    One after the other for each customer, so that two transfers at once cannot both take what is left.
    """
    now = context.now()
    document = transfer_limits.limits_in_force(now.date())
    async with transaction(context.pool) as conn:
        customer = f"{context.tenant_id}/{customer_id}"
        await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 3))", (customer,))
        used, before = await _used(conn, context, customer_id, currency)
        if before is not None:
            return before
        found = transfer_limits.judge(document, document.tier_of(customer_months), amount_minor, currency, used)
        plain: dict[str, Any] = to_plain(found)
        plain["reasons"] = [
            {"code": breach, "text": transfer_limits.describe(found, breach), "disclosed": True}
            for breach in found.breaches
        ]
        await conn.execute(
            """
            UPDATE transfers SET customer_id = %(customer_id)s, limits = %(limits)s, counted_at = %(counted_at)s
            WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s
            """,
            {
                "customer_id": customer_id,
                "limits": Jsonb(plain),
                "counted_at": None if found.breaches else now,
                "thread_id": context.thread_id,
                "tenant_id": context.tenant_id,
            },
        )
    return plain


async def _used(
    conn: AsyncConnection[Any], context: Context, customer_id: str, currency: str
) -> tuple[Used, dict[str, Any] | None]:
    """What counts besides this transfer, and what was found for it before."""
    now = context.now()
    cur = await conn.execute(
        """
        SELECT coalesce(sum(amount_minor) FILTER (WHERE counted_at >= %(day)s), 0)::bigint AS today_minor,
               coalesce(sum(amount_minor), 0)::bigint AS month_minor,
               (SELECT limits FROM transfers WHERE thread_id = %(thread_id)s AND tenant_id = %(tenant_id)s) AS before
        FROM transfers
        WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND currency = %(currency)s
          AND counted_at >= %(month)s AND thread_id <> %(thread_id)s
        """,
        {
            "day": transfer_limits.day_of(now),
            "month": transfer_limits.month_of(now),
            "thread_id": context.thread_id,
            "tenant_id": context.tenant_id,
            "customer_id": customer_id,
            "currency": currency,
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return Used(row["today_minor"], row["month_minor"]), row["before"]


async def paid_to(context: Context, order: Order, cooling_off: timedelta) -> tuple[datetime | None, int]:
    """When this account first paid this payee, and what it sent there within the cooling-off time, this one aside."""
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT min(created_at) FILTER (WHERE status = 'settled') AS first_at,
                   coalesce(sum(amount_minor) FILTER (
                       WHERE created_at >= %(since)s AND status NOT IN ('refused', 'rejected', 'returned')
                   ), 0)::bigint AS lately_minor
            FROM transfers
            WHERE tenant_id = %(tenant_id)s AND source_account = %(source_account)s AND currency = %(currency)s
              AND destination_account IS NOT DISTINCT FROM %(destination_account)s
              AND creditor_iban IS NOT DISTINCT FROM %(creditor_iban)s
              AND creditor_routing_number IS NOT DISTINCT FROM %(creditor_routing_number)s
              AND creditor_account_number IS NOT DISTINCT FROM %(creditor_account_number)s
              AND thread_id <> %(thread_id)s
            """,
            asdict(order)
            | {
                "since": context.now() - cooling_off,
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
            },
        )
        row = await cur.fetchone()
    assert row is not None
    return row["first_at"], row["lately_minor"]
