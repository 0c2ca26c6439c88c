"""A day's loans: found at the bank page by page, and a case started for each."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from db import failpoints
from tools import bank_loans, servicing
from tools.context import Context


async def start_page(context: Context, day: Mapping[str, Any]) -> dict[str, Any]:
    """Starts a case for each loan of the next page that is ours, and says where the page after begins.

    What was started before, by this day's case or another of the same day, is not started again.
    """
    on = date.fromisoformat(day["on"])
    page = await bank_loans.due_page(context.bank, on, day["next_after"])
    ours = await servicing.own_loans(context, page.loan_account_ids)
    await servicing.store_starts(context, on, ours)
    for loan_account_id in ours:
        request = {"loan_account_id": loan_account_id, "as_of": day["on"]}
        await context.start("loan_servicing", servicing.case_id(context.tenant_id, loan_account_id, on), request)
        failpoints.hit("loan_servicing_day.page.after_case")
    return {
        "on": day["on"],
        "next_after": page.next_after,
        "cases": day["cases"] + len(ours),
        "not_ours": day["not_ours"] + len(page.loan_account_ids) - len(ours),
    }
