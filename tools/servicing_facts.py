"""From a loan's and its borrower's records at the bank to the facts that the rules of servicing judge."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from db.actor import SYSTEM, Role
from db.errors import NotFound
from db.reviews import REQUESTER
from tools import bank_loans, servicing
from tools.bank_activity import Entry, activity
from tools.bank_loans import Repayment, ScheduleLine, Standing
from tools.bank_records import Customer
from tools.context import Context
from tools.rules.dates import whole_months_between
from tools.rules.delinquency import NEAR_ZERO_BPS, Conduct, Delinquency, Due, assess, bucket_of, days_past_due
from tools.rules.plain import from_plain, to_plain
from tools.rules.servicing_policy import EarlierCase, PastAction, ServicingFacts
from tools.rules.servicing_schedules import Line, Owed
from tools.servicing_request import ServicingRequest

CONDUCT_DAYS = 120
GAVE_BACK = ("returned", "rejected")
State = Mapping[str, Any]


async def loan(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The loan and its borrower. Raises NotFound, also for a loan that is not this tenant's."""
    asked = ServicingRequest.model_validate(request)
    if not await servicing.own_loans(context, [asked.loan_account_id]):
        raise NotFound("loan_account", asked.loan_account_id)
    found = await bank_loans.loan_account(context.bank, asked.loan_account_id)
    borrower = await context.bank.customer(found.customer_id)
    address = borrower.address
    return {
        "reference": str(context.thread_id),
        "loan_account_id": found.loan_account_id,
        "as_of": (asked.as_of or context.now().date()).isoformat(),
        "status": found.status,
        "currency": found.currency,
        "principal_minor": found.principal_minor,
        "annual_rate_bps": found.annual_rate_bps,
        "first_due_on": found.first_due_on.isoformat(),
        "disbursed_on": found.disbursed_at.date().isoformat(),
        "borrower": {
            "customer_id": borrower.customer_id,
            "name": borrower.full_name,
            "address": [address.street, f"{address.city} {address.postcode}", address.country],
        },
        # A case that started by itself has nobody who speaks for the borrower: an operator records their consent.
        "consent_from": Role.OPERATOR.value if context.person == SYSTEM else REQUESTER,
    }


async def account_activity(context: Context, loan: Mapping[str, Any]) -> dict[str, Any]:
    """Schedule, repayments, earlier actions, and how the borrower's accounts were conducted."""
    bank, loan_account_id = context.bank, loan["loan_account_id"]
    as_of = date.fromisoformat(loan["as_of"])
    standing = await bank_loans.standing(bank, loan_account_id, as_of)
    repaid = await bank_loans.repayments(bank, loan_account_id)
    past = await bank_loans.actions(bank, loan_account_id)
    instalment_minor = _instalment_minor(standing, as_of)
    borrower = await bank.customer(loan["borrower"]["customer_id"])
    return {
        "schedule_version": standing.schedule_version,
        "outstanding_principal_minor": standing.outstanding_principal_minor,
        "instalments": [to_plain(_due(line)) for line in standing.instalments],
        "unpaid": [to_plain(_left(line)) for line in standing.instalments if line.paid_minor < line.amount_minor],
        "instalment_minor": instalment_minor,
        "paid_30d_minor": _paid_minor(repaid, as_of, 30),
        "paid_90d_minor": _paid_minor(repaid, as_of, 90),
        "past_actions": [
            {"kind": action.kind, "on": action.created_at.date().isoformat()}
            for action in past
            if action.created_at.date() <= as_of
        ],
        "conduct": to_plain(await _conduct(context, borrower, loan, instalment_minor)),
    }


async def recommendation_facts(context: Context, state: State) -> ServicingFacts:
    loan_account_id, as_of = state["loan"]["loan_account_id"], date.fromisoformat(state["loan"]["as_of"])
    return _servicing_facts(state, await servicing.earlier_cases(context, loan_account_id, as_of))


async def delinquency(context: Context, loan: Mapping[str, Any], found: Mapping[str, Any]) -> Delinquency:
    as_of = date.fromisoformat(loan["as_of"])
    instalments = [from_plain(Due, line) for line in found["instalments"]]
    bucket = bucket_of(days_past_due(instalments, as_of))
    portfolio, own = await servicing.rolls(context, loan["loan_account_id"], bucket, as_of)
    return assess(instalments, as_of, from_plain(Conduct, found["conduct"]), portfolio, own)


def _servicing_facts(state: State, earlier: Sequence[EarlierCase]) -> ServicingFacts:
    loan, found = state["loan"], state["activity"]
    return ServicingFacts(
        as_of=loan["as_of"],
        in_collections=loan["status"] == "in_collections",
        loan_months=whole_months_between(date.fromisoformat(loan["disbursed_on"]), date.fromisoformat(loan["as_of"])),
        instalment_minor=found["instalment_minor"],
        paid_30d_minor=found["paid_30d_minor"],
        paid_90d_minor=found["paid_90d_minor"],
        owed=Owed(
            lines=tuple(from_plain(Line, line) for line in found["unpaid"]),
            annual_rate_bps=loan["annual_rate_bps"],
            counted_from=loan["first_due_on"],
        ),
        conduct=from_plain(Conduct, found["conduct"]),
        delinquency=from_plain(Delinquency, state["delinquency"]),
        past_actions=tuple(from_plain(PastAction, action) for action in found["past_actions"]),
        earlier_cases=tuple(earlier),
    )


def for_reviewer(state: State) -> dict[str, Any]:
    """What happened and why, with the schedule as it stands; the new one is the payload."""
    loan, found, recommended = state["loan"], state["activity"], state["recommendation"]
    return {
        "borrower": loan["borrower"],
        "as_of": loan["as_of"],
        "delinquency": state["delinquency"],
        "reasons": recommended["reasons"],
        "passed_over": recommended["passed_over"],
        "conduct": found["conduct"],
        "past_actions": found["past_actions"],
        "paid_90d_minor": found["paid_90d_minor"],
        "schedule_now": {"version": found["schedule_version"]} | _summary(found["unpaid"]),
        "schedule_proposed": _summary(recommended["schedule"]) if recommended["schedule"] else None,
        "versions": {
            "delinquency": state["delinquency"]["version"],
            "policy": recommended["policy_version"],
        },
    }


def for_borrower(state: State) -> dict[str, Any]:
    """What they are asked to exchange for what; nothing of what was seen in their accounts."""
    found, late = state["activity"], state["delinquency"]
    return {
        "as_of": state["loan"]["as_of"],
        "past_due_minor": late["past_due_minor"],
        "days_past_due": late["days_past_due"],
        "schedule_now": _summary(found["unpaid"]),
        "schedule_proposed": _summary(state["recommendation"]["schedule"]),
    }


def payload(state: State) -> dict[str, Any]:
    """Exactly what the bank is told."""
    loan, recommended = state["loan"], state["recommendation"]
    return {
        "loan_account_id": loan["loan_account_id"],
        "action": recommended["action"],
        "currency": loan["currency"],
        "replaces_version": state["activity"]["schedule_version"],
        "outstanding_principal_minor": state["activity"]["outstanding_principal_minor"],
        "instalments": recommended["schedule"],
    }


def _summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "instalments": list(lines),
        "count": len(lines),
        "last_due_on": lines[-1]["due_on"],
        "interest_minor": sum(line["interest_minor"] for line in lines),
        "principal_minor": sum(line["principal_minor"] for line in lines),
    }


def _due(line: ScheduleLine) -> Due:
    return Due(line.due_on.isoformat(), line.amount_minor, line.paid_minor)


def _left(line: ScheduleLine) -> Line:
    """What of it is unpaid: of what was paid, interest came first."""
    interest_paid = min(line.paid_minor, line.interest_minor)
    principal_left = line.principal_minor - (line.paid_minor - interest_paid)
    return Line(line.due_on.isoformat(), line.interest_minor - interest_paid, principal_left)


def _instalment_minor(standing: Standing, as_of: date) -> int:
    """The next one's, or the last one's after the loan's end."""
    upcoming = [line for line in standing.instalments if line.due_on > as_of]
    return (upcoming or standing.instalments[-1:])[0].amount_minor


def _paid_minor(repaid: Sequence[Repayment], as_of: date, days: int) -> int:
    first = as_of - timedelta(days=days)
    return sum(one.amount_minor for one in repaid if first < one.paid_at.astimezone(UTC).date() <= as_of)


async def _conduct(context: Context, borrower: Customer, loan: Mapping[str, Any], instalment_minor: int) -> Conduct:
    """Of the borrower's accounts in the loan's currency, up to the end of the day."""
    as_of = date.fromisoformat(loan["as_of"])
    since = _start(as_of - timedelta(days=CONDUCT_DAYS - 1))
    entries: list[Entry] = []
    booked_minor, skipped = 0, 0
    for account_id in borrower.accounts:
        balance = await context.bank.balance(account_id)
        if balance.currency != loan["currency"]:
            continue
        booked_minor += balance.booked_minor
        entries += await activity(context.bank, account_id, since, context.now() + timedelta(days=1))
        skipped += await bank_loans.skipped_days(context.bank, account_id, as_of - timedelta(days=89), as_of)
    own = {*borrower.accounts}
    income = [entry for entry in entries if _is_income(entry, own) and _day(entry) <= as_of]
    recent = as_of - timedelta(days=30)
    before_minor = sum(entry.amount_minor for entry in income if _day(entry) <= recent)
    last_90_days = as_of - timedelta(days=90)
    returned = [e for e in entries if e.transfer_status in GAVE_BACK and last_90_days < _day(e) <= as_of]
    return Conduct(
        income_30d_minor=sum(entry.amount_minor for entry in income if _day(entry) > recent),
        income_before_minor=before_minor // 3,
        skipped_90d=skipped,
        returned_90d=len(returned),
        low_days_30d=_low_days(entries, booked_minor, as_of, instalment_minor * NEAR_ZERO_BPS // 10_000),
    )


def _is_income(entry: Entry, own: set[str]) -> bool:
    """Transferred in by somebody else: no loan's payout, no money of their own that moved or came back."""
    other = entry.counterparty
    if entry.amount_minor <= 0 or other is None or entry.transfer_status in GAVE_BACK:
        return False
    return other not in own and not other.startswith("lon_")


def _low_days(entries: Sequence[Entry], booked_minor: int, as_of: date, low_minor: int) -> int:
    """Days of the last 30 that ended with less than that, as far back as the accounts' activity goes: accounts that
    nobody uses say nothing."""
    if not entries:
        return 0
    first = max(as_of - timedelta(days=29), min(_day(entry) for entry in entries))
    days = [first + timedelta(days=number) for number in range((as_of - first).days + 1)]
    return sum(booked_minor - _moved_after(entries, day) < low_minor for day in days)


def _moved_after(entries: Sequence[Entry], day: date) -> int:
    return sum(entry.amount_minor for entry in entries if _day(entry) > day)


def _day(entry: Entry) -> date:
    return entry.at.astimezone(UTC).date()


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
