"""From a validated request and the bank's records to the facts that the rules of lending judge."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from db.errors import BankUnavailable, InvalidInput, NotFound
from tools import lending, loan_completion, loan_intake
from tools.bank import Bank
from tools.bank_records import Account, Customer
from tools.context import Context
from tools.lending import NewApplication, Standing
from tools.loan_intake import Applicant
from tools.loan_request import LoanApplication, ShortApplication
from tools.rules import application_fraud
from tools.rules.affordability import AffordabilityFacts, Means
from tools.rules.application_fraud import FraudAssessment, FraudFacts
from tools.rules.card_facts import facts_of, score_for
from tools.rules.completeness import Case, Evidence, Person
from tools.rules.dates import add_months, whole_months_between
from tools.rules.findings import CreditFacts
from tools.rules.money import to_minor
from tools.rules.plain import from_plain, to_plain
from tools.rules.policy_document import Policy
from tools.rules.pricing import LoanRequest, dearest
from tools.rules.pricing import affordability_facts as facts_at
from tools.rules.scorecard import Score, ScorecardFacts
from tools.rules.scorecard_document import Scorecard

VELOCITY_DAYS = 30


async def applicant_is_known(application: LoanApplication | ShortApplication, bank: Bank) -> None:
    """Raises InvalidInput for an applicant, or an account to pay out to, that the bank does not know.

    A bank that is away is not asked twice: the case is accepted, and its run waits for the bank at intake.
    """
    with suppress(BankUnavailable):
        try:
            for who in (application, application.co_applicant):
                if who is not None:
                    await bank.customer(who.applicant_id)
            if application.payout_account is not None:
                await bank.account(application.payout_account)
        except NotFound as exc:
            field = "payout_account" if exc.record == "account" else "applicant_id"
            if exc.record == "customer" and exc.record_id != application.applicant_id:
                field = "co_applicant.applicant_id"
            raise InvalidInput(field, f"the bank knows no {exc.record} {exc.record_id}") from exc


async def complete(context: Context, state: Mapping[str, Any]) -> dict[str, Any]:
    """The application in minor units, with the bank's records of the applicants, and stored; what is still to be asked
    about it; and the policy in force when it came in, which decides it whatever comes into force meanwhile.

    What the applicant states counts before what the file says. Raises NotFound and BankUnavailable.
    """
    answers, before = state.get("answers", []), state.get("application")
    asked = loan_completion.completed(state["request"], answers)
    applicants = await loan_intake.known(context.bank, asked)
    account = await _payout_account(context.bank, applicants, asked)
    now, today = context.now(), context.now().date() if before is None else date.fromisoformat(before["applied_on"])
    new = new_application(context.thread_id, asked, state["request"])
    number = await lending.store_new_application(context, new)
    if before is None:
        policy = await context.shelf.in_force(context.pool, context.together, context.tenant_id, today)
    else:
        policy = await policy_of(context, before)
        await lending.correct_application(context, new)
    case = Case(new.amount_minor, new.currency, now.date())
    weighed = await loan_intake.weigh(context.bank, applicants, case, policy.intake, len(answers))
    standing = await lending.standing(context, new.applicant_id, now - timedelta(days=VELOCITY_DAYS))
    people = [_person(each, case, standing) for each in applicants]
    return {
        "application_id": number,
        "reference": str(context.thread_id),
        "jurisdiction": context.creditor.jurisdiction,
        "amount_minor": new.amount_minor,
        "currency": new.currency,
        "term_months": new.term_months,
        "purpose": asked.purpose,
        "applied_on": today.isoformat(),
        "policy_version": policy.version,
        "challengers": [each.name for each in policy.challengers],
        "payout_account": account.account_id,
        "payout_account_owned": any(_is_owned(account, each.customer) for each in applicants),
        "withdrawn": standing.withdrawn,
        **{name: to_plain(getattr(weighed, name)) for name in ("means", "gaps", "evidence")},
        **people[0],
        "co_applicant": people[1] if len(people) > 1 else None,
    }


def new_application(thread_id: UUID, asked: ShortApplication, request: Mapping[str, Any]) -> NewApplication:
    return NewApplication(
        thread_id=thread_id,
        applicant_id=asked.applicant_id,
        amount_minor=to_minor(asked.amount, asked.currency),
        currency=asked.currency,
        term_months=asked.term_months,
        income_monthly_minor=to_minor(asked.income, asked.currency),
        request=request,
    )


def scored(application: Mapping[str, Any], policy: Policy, card: Scorecard) -> tuple[Person, Score]:
    """Whose score counts, and it: of two who apply together the lower, or the applicant's, as policy says.

    Scored is the credit file, or nothing known at all where there is none: that is a low score.
    """
    scores: dict[Person, Score] = {"applicant": _score(application, application, policy, card)}
    if application["co_applicant"] is None or policy.intake.joint_score == "applicant":
        return "applicant", scores["applicant"]
    scores["co_applicant"] = _score(application, application["co_applicant"], policy, card)
    lower: Person = min(scores, key=lambda person: scores[person].points)
    return lower, scores[lower]


def person(application: Mapping[str, Any], who: Person) -> dict[str, Any]:
    """The application as this applicant's: their own file, income and identity where it has the applicant's."""
    return {**application, **(application["co_applicant"] if who == "co_applicant" else {}), "person": who}


def people(application: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same for each who applies, the primarily liable first."""
    both: tuple[Person, ...] = ("applicant", "co_applicant")
    return [person(application, who) for who in both[: 2 if application.get("co_applicant") else 1]]


def fraud(application: Mapping[str, Any]) -> FraudAssessment:
    """Of each who applies; the worst counts."""
    found = [application_fraud.assess(fraud_facts(each)) for each in people(application)]
    return max(found, key=lambda assessment: assessment.score)


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
    scored_as = state.get("scored_as", "applicant"), from_plain(Score, state["scorecard"])
    return judged(state["application"], scored_as, from_plain(FraudAssessment, state["fraud"]))


def judged(application: Mapping[str, Any], scored_as: tuple[Person, Score], fraud: FraudAssessment) -> CreditFacts:
    who, score = scored_as
    others = [_file(each) for each in people(application) if each["person"] != who]
    return CreditFacts(
        on=date.fromisoformat(application["applied_on"]),
        purpose=application["purpose"],
        request=_loan_request(application),
        means=_means(application),
        file=_file(person(application, who)),
        score=score,
        fraud=fraud,
        evidence=from_plain(Evidence, application["evidence"]),
        other_files=tuple(others),
    )


def for_underwriter(state: Mapping[str, Any]) -> dict[str, Any]:
    """What happened and why: the request, the rules that did not pass, the scores with their reasons and versions."""
    application, decision = state["application"], state["decision"]
    return {
        "applicant": application["applicant"],
        "requested": {key: application[key] for key in ("amount_minor", "currency", "term_months", "purpose")},
        "co_applicant": application["co_applicant"],
        "means": application["means"],
        "evidence": application["evidence"],
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


def _person(applicant: Applicant, case: Case, standing: Standing) -> dict[str, Any]:
    """One of those who apply. Housing that nobody told of costs nothing; such a case is asked about, or has no file."""
    customer, file, stated = applicant.customer, applicant.file, applicant.stated
    address, employment = customer.address, applicant.employment
    housing = stated.housing.status if stated.housing else file.housing.status if file else None
    return {
        "applicant_id": customer.customer_id,
        "applicant": {
            "name": customer.full_name,
            "address": [address.street, f"{address.city} {address.postcode}", address.country],
            "kyc_status": customer.kyc_status,
        },
        "customer_months": whole_months_between(customer.customer_since, case.on),
        "applications_30d": standing.applications if applicant.person == "applicant" else 0,
        "income_monthly_minor": to_minor(stated.income, case.currency),
        "employment_status": employment.status if employment else None,
        "housing_status": housing,
        "file_as_of": file.as_of.isoformat() if file else None,
        "file": to_plain(loan_intake.scored(applicant, case.on)),
    }


def _file(application: Mapping[str, Any]) -> ScorecardFacts | None:
    return from_plain(ScorecardFacts, application["file"]) if application["file"] else None


def _score(application: Mapping[str, Any], whose: Mapping[str, Any], policy: Policy, card: Scorecard) -> Score:
    """By the card, as the policy reads the application with this file for it."""
    facts = facts_of(_file(whose), _loan_request(application), _means(application), application["purpose"])
    return score_for(policy, card, facts)


async def _payout_account(bank: Bank, applicants: Sequence[Applicant], asked: ShortApplication) -> Account:
    """As named, or the applicant's first. Raises NotFound."""
    account_id = asked.payout_account or applicants[0].customer.accounts[0]
    held = {each.account.account_id: each.account for applicant in applicants for each in applicant.seen.accounts}
    return held.get(account_id) or await bank.account(account_id)


def _is_owned(account: Account, applicant: Customer) -> bool:
    return account.customer_id == applicant.customer_id and account.state == "open"


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
