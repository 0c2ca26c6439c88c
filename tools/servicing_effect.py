"""What the bank does about a late loan, once."""

from collections.abc import Mapping
from typing import Any

from db import effects
from db.effects import Effect, Receiver
from tools import bank_loans
from tools.bank_loans import ActionRequest
from tools.context import Context
from tools.rules.plain import from_plain
from tools.rules.servicing_policy import ActionAtBank
from tools.rules.servicing_schedules import Line

FAILPOINT = "loan_servicing.bank_action"
KINDS: Mapping[str, ActionAtBank] = {
    "payment_plan": "payment_plan",
    "re_age": "re_age",
    "restructure": "restructure",
    "refer": "referral",
}


async def act(context: Context, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The bank's action of exactly what was approved, now or in an earlier attempt.

    Raises BankRefused (final), BankUnavailable (ask again later), NeedsReconcile.
    """
    request = ActionRequest(
        loan_account_id=payload["loan_account_id"],
        kind=KINDS[payload["action"]],
        reason=f"Case {context.thread_id}",
        schedule_version=payload["replaces_version"],
        outstanding_principal_minor=payload["outstanding_principal_minor"],
        instalments=tuple(from_plain(Line, line) for line in payload["instalments"]),
    )
    effect = Effect(f"{context.thread_id}:action:1", "loan_action", request.body(), FAILPOINT)
    receiver = Receiver(
        send=lambda key: bank_loans.act(context.bank, request, key),
        ask=lambda key: context.bank.outcome(key, request.body()),
    )
    return await effects.once(context.pool, context.owner, effect, receiver)
