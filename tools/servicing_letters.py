"""Letters to borrowers whose loans are behind: reminder, confirmation of new terms, referral to collections."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tools.letter_parts import Figures, Heading, Paragraph, Part, Points, Table
from tools.letter_words import pluralise, spell_amount, spell_day, spell_figure
from tools.rules.plain import from_plain
from tools.rules.servicing_schedules import Line
from tools.servicing_letter_facts import (
    Borrower,
    LateLoan,
    PlanFacts,
    ReAgeFacts,
    ReferralFacts,
    ReminderFacts,
    RestructureFacts,
    ServicingLetterFacts,
)

State = Mapping[str, Any]

CONFIRMATIONS: Mapping[str, type[PlanFacts]] = {
    "payment_plan": PlanFacts,
    "re_age": ReAgeFacts,
    "restructure": RestructureFacts,
}


def reminder(state: State, today: date) -> ReminderFacts:
    return ReminderFacts(today.isoformat(), _borrower(state), _late(state))


def confirmation(state: State, today: date) -> PlanFacts | ReferralFacts:
    """Of what the bank did."""
    recommended, unpaid = state["recommendation"], state["activity"]["unpaid"]
    if recommended["action"] == "refer":
        return ReferralFacts(
            dated=today.isoformat(),
            application=_borrower(state),
            loan=_late(state),
            action_id=state["done"]["action_id"],
            outstanding_principal_minor=state["activity"]["outstanding_principal_minor"],
            reasons=tuple(reason["text"] for reason in recommended["reasons"]),
        )
    return CONFIRMATIONS[recommended["action"]](
        dated=today.isoformat(),
        application=_borrower(state),
        loan=_late(state),
        action_id=state["done"]["action_id"],
        instalment_before_minor=state["activity"]["instalment_minor"],
        last_due_before_on=unpaid[-1]["due_on"],
        interest_before_minor=sum(line["interest_minor"] for line in unpaid),
        instalments=tuple(from_plain(Line, line) for line in recommended["schedule"]),
    )


def composed(facts: ServicingLetterFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
    match facts:
        case ReminderFacts():
            return "Your loan payment is past due", tuple(_reminder(facts))
        case ReferralFacts():
            return "Your loan has been referred to collections", tuple(_referral(facts))
        case ReAgeFacts():
            return "Your loan has been extended", tuple(_arrangement(facts, _extended(facts)))
        case RestructureFacts():
            return "Your loan has been restructured", tuple(_arrangement(facts, _restructured(facts)))
        case _:
            return "Your payment plan", tuple(_arrangement(facts, _planned(facts)))


def _reminder(facts: ReminderFacts) -> Iterator[Part]:
    loan = facts.loan
    yield Paragraph(
        f"On {spell_day(loan.looked_at_on)} a payment on your loan was {loan.days_past_due}"
        f" {pluralise(loan.days_past_due, 'day')} past due. If you have paid since then, thank you, and please"
        " disregard this letter."
    )
    yield Figures(_lateness(loan))
    yield Paragraph(
        "Please pay the amount past due as soon as you can. If you cannot, tell us before your next payment is due:"
        " we can look at your loan with you, and the earlier you call, the more we can do."
    )


def _arrangement(facts: PlanFacts, opening: str) -> Iterator[Part]:
    loan, lines, currency = facts.loan, facts.instalments, facts.loan.currency
    yield Paragraph(opening)
    yield Figures(
        (
            *_lateness(loan),
            ("Arrangement", facts.action_id),
            ("Payment before", spell_amount(facts.instalment_before_minor, currency)),
            ("First payment now", spell_amount(lines[0].amount_minor, currency)),
            ("First payment due", spell_day(lines[0].due_on)),
            ("Payments now", str(len(lines))),
            ("Last payment due before", spell_day(facts.last_due_before_on)),
            ("Last payment due now", spell_day(lines[-1].due_on)),
            ("Principal owed", spell_amount(sum(line.principal_minor for line in lines), currency)),
            ("Interest to pay before", spell_amount(facts.interest_before_minor, currency)),
            ("Interest to pay now", spell_amount(sum(line.interest_minor for line in lines), currency)),
        )
    )
    yield Heading("Your payments")
    yield Paragraph(
        "These payments replace those of your loan's schedule until now. Nothing was added to the principal that you"
        " owe. The payment schedule at the end of the PDF of this letter lists every payment with its interest and"
        " principal."
    )
    yield Paragraph(
        "If you pay as this schedule says, your loan is current. If you miss a payment, it is past due again."
    )
    yield _table(facts)


def _planned(facts: PlanFacts) -> str:
    extra = [line for line in facts.instalments if line.amount_minor > facts.instalment_before_minor]
    return (
        "As agreed with you, what is past due, and what falls due before the plan begins, is spread over your next"
        f" {len(extra)} {pluralise(len(extra), 'payment')}, on top of your regular ones."
    )


def _extended(facts: PlanFacts) -> str:
    return (
        "As agreed with you, every payment that you still owe is due later, beginning with the oldest on"
        f" {spell_day(facts.instalments[0].due_on)}. Interest for the added months is part of your last payment."
    )


def _restructured(facts: PlanFacts) -> str:
    count = len(facts.instalments)
    return (
        f"As agreed with you, you repay what you owe in {count} {pluralise(count, 'payment')} from"
        f" {spell_day(facts.instalments[0].due_on)} on, at the interest rate of your contract. Interest that was owed"
        " already is spread over them and bears no interest."
    )


def _referral(facts: ReferralFacts) -> Iterator[Part]:
    loan = facts.loan
    yield Paragraph(
        "We have referred your loan to our collections department. From now on it is in charge of your loan and will"
        " contact you."
    )
    owed = spell_amount(facts.outstanding_principal_minor, loan.currency)
    yield Figures((*_lateness(loan), ("Principal owed", owed), ("Referral", facts.action_id)))
    yield Heading("Why")
    yield Points(facts.reasons)
    yield Paragraph("You can still pay what is past due at any time, and you can still talk to us about your loan.")


def _lateness(loan: LateLoan) -> tuple[tuple[str, str], ...]:
    return (
        ("Loan account", loan.loan_account_id),
        ("Amount past due", spell_amount(loan.past_due_minor, loan.currency)),
        ("Unpaid since", spell_day(loan.unpaid_since_on)),
        ("As of", spell_day(loan.looked_at_on)),
    )


def _table(facts: PlanFacts) -> Table:
    lines, currency = facts.instalments, facts.loan.currency
    sums = (
        sum(line.amount_minor for line in lines),
        sum(line.interest_minor for line in lines),
        sum(line.principal_minor for line in lines),
    )
    left = sums[2]
    rows = []
    for number, line in enumerate(lines, 1):
        left -= line.principal_minor
        amounts = (line.amount_minor, line.interest_minor, line.principal_minor, left)
        rows.append((str(number), spell_day(line.due_on), *(spell_figure(amount, currency) for amount in amounts)))
    return Table(
        title=f"Payment schedule of loan account {facts.loan.loan_account_id}, amounts in {currency}",
        header=("No.", "Due", "Payment", "Interest", "Principal", "Balance after"),
        rows=tuple(rows),
        total=("", "Total", *(spell_figure(amount, currency) for amount in sums), ""),
    )


def _borrower(state: State) -> Borrower:
    loan = state["loan"]
    return Borrower(loan["reference"], loan["borrower"]["name"], tuple(loan["borrower"]["address"]))


def _late(state: State) -> LateLoan:
    loan, late = state["loan"], state["delinquency"]
    return LateLoan(
        loan_account_id=loan["loan_account_id"],
        currency=loan["currency"],
        looked_at_on=loan["as_of"],
        past_due_minor=late["past_due_minor"],
        days_past_due=late["days_past_due"],
        unpaid_since_on=late["oldest_unpaid_on"],
    )
