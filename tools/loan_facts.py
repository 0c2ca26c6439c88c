"""From a validated request and the bank's records to the facts that the rules of lending judge."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from db.errors import BankUnavailable, InvalidInput, NotFound
from tools import lending
from tools.bank import Bank
from tools.bank_records import Account, CreditFile, Customer
from tools.context import Context
from tools.lending import NewApplication
from tools.loan_request import Employment, Housing, LoanApplication, ShortApplication
from tools.rules.affordability import AffordabilityFacts, Means, Obligation, means_of
from tools.rules.application_fraud import FraudAssessment, FraudFacts
from tools.rules.dates import add_months, whole_months_between
from tools.rules.findings import CreditFacts
from tools.rules.money import to_minor
from tools.rules.plain import from_plain, to_plain
from tools.rules.policy_document import Policy
from tools.rules.pricing import LoanRequest, dearest
from tools.rules.pricing import affordability_facts as facts_at
from tools.rules.scorecard import Score, ScorecardFacts

VELOCITY_DAYS = 30


async def applicant_is_known(application: LoanApplication | ShortApplication, bank: Bank) -> None:
    """Raises InvalidInput for an applicant, or an account to pay out to, that the bank does not know.

    A bank that is away is not asked twice: the case is accepted, and its run waits for the bank at intake.
    """
    with suppress(BankUnavailable):
        try:
            await bank.customer(application.applicant_id)
            if application.payout_account is not None:
                await bank.account(application.payout_account)
        except NotFound as exc:
            field = "applicant_id" if exc.record == "customer" else "payout_account"
            raise InvalidInput(field, f"the bank knows no {exc.record} {exc.record_id}") from exc


async def complete(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The application in minor units, with the bank's records of the applicant, and stored; and the policy in force,
    which decides it whatever comes into force while it is under way.

    What the applicant states counts before what the file says. Raises NotFound and BankUnavailable.
    """
    asked = ShortApplication.model_validate(request)
    applicant = await context.bank.customer(asked.applicant_id)
    file = await context.bank.credit_file(asked.applicant_id)
    account = await context.bank.account(asked.payout_account or applicant.accounts[0])
    now = context.now()
    new = NewApplication(
        thread_id=context.thread_id,
        applicant_id=asked.applicant_id,
        amount_minor=to_minor(asked.amount, asked.currency),
        currency=asked.currency,
        term_months=asked.term_months,
        income_monthly_minor=to_minor(asked.income, asked.currency),
        request=request,
    )
    number = await lending.store_new_application(context, new)
    async with context.pool.connection() as conn:
        policy = await context.shelf.in_force(conn, context.tenant_id, now.date())
    since = now - timedelta(days=VELOCITY_DAYS)
    return {
        "application_id": number,
        "reference": str(context.thread_id),
        "jurisdiction": context.creditor.jurisdiction,
        "applicant_id": new.applicant_id,
        "amount_minor": new.amount_minor,
        "currency": new.currency,
        "term_months": new.term_months,
        "income_monthly_minor": new.income_monthly_minor,
        "purpose": asked.purpose,
        "applied_on": now.date().isoformat(),
        "policy_version": policy.version,
        "challengers": [each.name for each in policy.challengers],
        "applicant": _applicant(applicant),
        "customer_months": whole_months_between(applicant.customer_since, now.date()),
        "payout_account": account.account_id,
        "payout_account_owned": _is_owned(account, applicant),
        "applications_30d": await lending.applications_since(context, new.applicant_id, since),
        "file_as_of": file.as_of.isoformat() if file else None,
        **_standing(asked, file, now.date()),
    }


def scored_file(application: Mapping[str, Any]) -> ScorecardFacts:
    """What is scored: the credit file, or nothing known at all where there is none."""
    return from_plain(ScorecardFacts, application["file"]) if application["file"] else ScorecardFacts()


async def policy_of(context: Context, application: Mapping[str, Any]) -> Policy:
    """The policy that was in force when the case was taken in."""
    return await context.shelf.policy(context.pool, context.tenant_id, application["policy_version"])


def affordability_facts(application: Mapping[str, Any], policy: Policy) -> AffordabilityFacts:
    """The loan as requested, at the dearest price of the policy."""
    return facts_at(policy, dearest(policy), _means(application), _loan_request(application))


def fraud_facts(application: Mapping[str, Any]) -> FraudFacts:
    means, file = _means(application), application["file"] or {}
    return FraudFacts(
        currency=application["currency"],
        kyc_status=application["applicant"]["kyc_status"],
        customer_months=application["customer_months"],
        payout_account_owned=application["payout_account_owned"],
        requested_minor=application["amount_minor"],
        stated_income_minor=application["income_monthly_minor"],
        monthly_commitments_minor=means.monthly_obligations_minor + means.monthly_housing_minor,
        applications_30d=application["applications_30d"],
        employment_status=application["employment_status"],
        oldest_account_months=file.get("oldest_account_months"),
        inquiries_6m=file.get("inquiries_6m"),
    )


def credit_facts(state: Mapping[str, Any]) -> CreditFacts:
    """All that the credit decision rests on, once the three risk agents have spoken."""
    score = from_plain(Score, state["scorecard"])
    return judged(state["application"], score, from_plain(FraudAssessment, state["fraud"]))


def judged(application: Mapping[str, Any], score: Score, fraud: FraudAssessment) -> CreditFacts:
    return CreditFacts(
        on=date.fromisoformat(application["applied_on"]),
        purpose=application["purpose"],
        request=_loan_request(application),
        means=_means(application),
        file=scored_file(application) if application["file"] else None,
        score=score,
        fraud=fraud,
    )


def for_underwriter(state: Mapping[str, Any]) -> dict[str, Any]:
    """What happened and why: the request, the rules that did not pass, the scores with their reasons and versions."""
    application, decision = state["application"], state["decision"]
    return {
        "applicant": application["applicant"],
        "requested": {key: application[key] for key in ("amount_minor", "currency", "term_months", "purpose")},
        "means": application["means"],
        "income_monthly_minor": application["income_monthly_minor"],
        "refer_reasons": decision["refer_reasons"],
        "rules_not_passed": [rule for rule in state["findings"]["rules"] if not rule["passed"]],
        "scorecard": state["scorecard"],
        "affordability": decision["affordability"],
        "fraud": state["fraud"],
        "versions": {key: decision[key] for key in ("policy_version", "scorecard_version", "fraud_version")},
    }


def end_of_day(day: date) -> datetime:
    """The first moment after the day, in UTC."""
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)


def _applicant(customer: Customer) -> dict[str, Any]:
    address = customer.address
    return {
        "name": customer.full_name,
        "address": [address.street, f"{address.city} {address.postcode}", address.country],
        "kyc_status": customer.kyc_status,
    }


def _is_owned(account: Account, applicant: Customer) -> bool:
    return account.customer_id == applicant.customer_id and account.state == "open"


def _standing(asked: ShortApplication, file: CreditFile | None, today: date) -> dict[str, Any]:
    """Employment, housing, obligations and credit file. Housing that nobody told of costs nothing here; such a
    case has no file either, and policy refers it."""
    employment = asked.employment or (file and Employment.model_validate(file.employment, from_attributes=True))
    since = employment.since if employment else None
    months = whole_months_between(since, today) if since else None
    housing_status, housing_cost = _housing(asked.housing, file, asked.currency)
    owed = [Obligation(o.kind, o.balance_minor, o.monthly_payment_minor) for o in file.obligations] if file else []
    status = employment.status if employment else None
    return {
        "employment_status": status,
        "housing_status": housing_status,
        "means": to_plain(means_of(to_minor(asked.income, asked.currency), owed, housing_status, housing_cost)),
        "file": to_plain(_scored(file, status, months, housing_status)) if file else None,
    }


def _housing(stated: Housing | None, file: CreditFile | None, currency: str) -> tuple[Any, int]:
    if stated is not None:
        return stated.status, to_minor(Decimal(stated.monthly_cost), currency)
    return (file.housing.status, file.housing.monthly_cost_minor) if file else (None, 0)


def _scored(file: CreditFile, employment: str | None, months: int | None, housing: str | None) -> ScorecardFacts:
    return ScorecardFacts(
        delinquencies_24m=file.delinquencies_24m,
        worst_days_past_due_24m=file.worst_days_past_due_24m,
        utilisation_bps=file.utilisation_bps,
        inquiries_6m=file.inquiries_6m,
        oldest_account_months=file.oldest_account_months,
        accounts_open=file.accounts_open,
        public_records=file.public_records,
        collections=file.collections,
        bankruptcies=file.bankruptcies,
        employment_status=employment,
        employment_months=months,
        housing_status=housing,
    )


def _means(application: Mapping[str, Any]) -> Means:
    return from_plain(Means, application["means"])


def _loan_request(application: Mapping[str, Any]) -> LoanRequest:
    """Paid out on the day it was applied for and first repaid a month later: one regular unit period, whenever the
    payout really is, since the schedule moves with it."""
    applied_on = date.fromisoformat(application["applied_on"])
    return LoanRequest(
        principal_minor=application["amount_minor"],
        currency=application["currency"],
        term_months=application["term_months"],
        disburse_on=applied_on,
        first_due_on=add_months(applied_on, 1),
        jurisdiction=application["jurisdiction"],
    )
