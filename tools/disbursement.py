"""Paying a loan out through the bank, once, and the schedule it is repaid by."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from db import effects
from db.effects import Effect, Receiver
from tools import lending
from tools.bank_records import LoanAccountRequest
from tools.context import Context
from tools.rules import amortisation
from tools.rules.dates import add_months

FAILPOINT = "loan_origination.disburse"


async def disburse(context: Context, application: Mapping[str, Any], terms: Mapping[str, Any]) -> dict[str, Any]:
    """The bank's loan account, opened and paid out now or in an earlier attempt.

    Raises BankRefused (final), BankUnavailable (ask again later), NeedsReconcile.
    """
    key = f"{context.thread_id}:disburse:1"
    intended = await effects.intended_request(context.pool, key)
    first_due_on = date.fromisoformat(intended["first_due_on"]) if intended else add_months(context.now().date(), 1)
    request = LoanAccountRequest(
        customer_id=application["applicant_id"],
        disburse_to_account=application["payout_account"],
        principal_minor=terms["principal_minor"],
        fee_minor=terms["fee_minor"],
        currency=terms["currency"],
        annual_rate_bps=terms["annual_rate_bps"],
        term_months=terms["term_months"],
        first_due_on=first_due_on,
        reference=f"Loan {context.thread_id}",
    )
    effect = Effect(key=key, kind="loan_disbursement", request=request.body(), failpoint=FAILPOINT)
    receiver = Receiver(
        send=lambda key: context.bank.open_loan_account(request, key),
        ask=lambda key: context.bank.outcome(key, request.body()),
    )
    return await effects.once(context.pool, context.owner, effect, receiver)


async def book(context: Context, terms: Mapping[str, Any], loan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Stores the loan with the schedule that it is repaid by."""
    schedule = repayment_schedule(terms, loan)
    await lending.store_loan(context, loan, terms, schedule)
    return schedule


def repayment_schedule(terms: Mapping[str, Any], loan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Monthly from a month after the payout; sums exactly to principal and interest."""
    paid_out_on = datetime.fromisoformat(loan["disbursed_at"]).date()
    lines = amortisation.schedule(
        terms["principal_minor"], terms["annual_rate_bps"], terms["term_months"], add_months(paid_out_on, 1)
    )
    return [asdict(line) for line in lines]
