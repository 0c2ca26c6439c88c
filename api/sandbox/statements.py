"""Statements of an account: what was booked from one day to another, as JSON or as camt.053."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic_core import to_jsonable_python

from api.sandbox.access import needs
from api.sandbox.camt import camt_053
from api.sandbox.database import Connection
from api.sandbox.dates import END_OF_TIME
from api.sandbox.money import in_major
from api.sandbox.problems import Refused, unknown
from api.sandbox.teller import TellerRoute

LONGEST_DAYS = 366
MOST_ENTRIES = 50_000

router = APIRouter(route_class=TellerRoute, dependencies=[needs("read")])


@router.get("/accounts/{account_id}/statement")
async def statement(
    account_id: str,
    request: Request,
    first_day: Annotated[date | None, Query(alias="from")] = None,
    last_day: Annotated[date | None, Query(alias="to", lt=END_OF_TIME)] = None,
    written_as: Annotated[Literal["json", "camt.053"] | None, Query(alias="format")] = None,
) -> Any:
    """Both days are part of it, in UTC; without them this month until today. An `Accept` of XML asks for camt.053."""
    last_day = last_day or datetime.now(UTC).date()
    first_day = first_day or last_day.replace(day=1)
    if not 0 <= (last_day - first_day).days < LONGEST_DAYS:
        raise Refused(422, "invalid_period", f"a statement is of 1 to {LONGEST_DAYS} days, from before to", "from")
    async with request.state.pool.connection() as conn:
        found = await _statement(conn, account_id, first_day, last_day)
    as_xml = written_as is None and "application/xml" in request.headers.get("accept", "")
    if as_xml or written_as == "camt.053":
        return Response(camt_053(found), media_type="application/xml")
    return to_jsonable_python(found)


async def _statement(conn: Connection, account_id: str, first_day: date, last_day: date) -> dict[str, Any]:
    cur = await conn.execute(
        _STATEMENT,
        {
            "account_id": account_id.replace("\x00", ""),
            "since": datetime.combine(first_day, datetime.min.time(), UTC),
            "until": datetime.combine(last_day, datetime.min.time(), UTC) + timedelta(days=1),
            "most": MOST_ENTRIES + 1,
        },
    )
    account = await cur.fetchone()
    if account is None:
        raise unknown("account", account_id)
    rows = account.pop("entries")
    if len(rows) > MOST_ENTRIES:
        raise Refused(422, "statement_too_long", f"more than {MOST_ENTRIES} entries; ask for fewer days", "from")
    opening_minor, closing_minor = account.pop("opening_minor"), account.pop("closing_minor")
    return account | {
        "from": first_day,
        "to": last_day,
        "created_at": datetime.now(UTC),
        "opening_booked_minor": opening_minor,
        "opening_balance": in_major(opening_minor, account["currency"]),
        "closing_booked_minor": closing_minor,
        "closing_balance": in_major(closing_minor, account["currency"]),
        "entries": [_entry(row) for row in rows],
    }


# One statement, so that balances and entries are of one moment. The counterparty is the other account of the transfer
# that an entry belongs to.
_STATEMENT = """
    SELECT account_id, iban, full_name AS owner, accounts.currency, opening_minor, closing_minor, entries
    FROM accounts LEFT JOIN customers USING (customer_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_minor) FILTER (WHERE booked_at < %(since)s), 0)::bigint AS opening_minor,
               coalesce(sum(amount_minor) FILTER (WHERE booked_at < %(until)s), 0)::bigint AS closing_minor
        FROM postings JOIN transactions USING (transaction_id) WHERE postings.account_id = accounts.account_id
    ) AS booked
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(entry ORDER BY posting_id), '[]') AS entries
        FROM (
            SELECT posting_id, postings.amount_minor, postings.currency,
                   (booked_at AT TIME ZONE 'UTC')::date AS booked_on,
                   transactions.reference, transfer.transfer_id, step.status AS transfer_status, step.reason,
                   coalesce(other.account_id, transfer.external_account) AS other_account,
                   coalesce(other.iban, transfer.creditor_iban) AS other_iban,
                   transfer.creditor_routing_number AS other_routing_number,
                   transfer.creditor_account_number AS other_account_number,
                   coalesce(payer.full_name, transfer.creditor_name) AS other_name
            FROM postings JOIN transactions USING (transaction_id)
            LEFT JOIN transfer_steps AS step USING (transaction_id)
            LEFT JOIN transfers AS transfer USING (transfer_id)
            LEFT JOIN accounts AS other ON other.account_id = CASE
                WHEN transfer.source_account = postings.account_id THEN transfer.destination_account
                ELSE transfer.source_account END
            LEFT JOIN customers AS payer ON payer.customer_id = other.customer_id
            WHERE postings.account_id = accounts.account_id AND booked_at >= %(since)s AND booked_at < %(until)s
            ORDER BY posting_id LIMIT %(most)s
        ) AS entry
    ) AS listed
    WHERE account_id = %(account_id)s
"""


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    """Value is given on the day of booking."""
    booked_on = date.fromisoformat(row["booked_on"])
    other = {"account": row["other_account"], "iban": row["other_iban"], "name": row["other_name"]}
    if row["other_routing_number"] is not None:
        other |= {name: row[f"other_{name}"] for name in ("routing_number", "account_number")}
    return {
        "entry_id": row["posting_id"],
        "booking_date": booked_on,
        "value_date": booked_on,
        "direction": "credit" if row["amount_minor"] > 0 else "debit",
        "amount_minor": row["amount_minor"],
        "amount": in_major(row["amount_minor"], row["currency"]),
        "reference": row["reference"],
        "transfer_id": row["transfer_id"],
        "transfer_status": row["transfer_status"],
        "reason": row["reason"],
        "counterparty": other if any(other.values()) else None,
    }
