"""Letters to customers, written from facts alone: the same facts always give the same letter.

What law prescribes is in its own words: Regulation B (12 CFR 1002.9, sample forms C-1 and C-4), the Fair
Credit Reporting Act (15 USC 1681m(a)), and for the cost of the credit Regulation Z (model form H-2).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tools import transfer_letters
from tools.letter_facts import (
    DEMO_CREDITOR,
    AdverseActionFacts,
    CounterOfferFacts,
    Creditor,
    DisbursementFacts,
    LetterFacts,
    LetterKind,
    OfferFacts,
    WithdrawalFacts,
    check_facts,
)
from tools.letter_notices import write_rights
from tools.letter_parts import (
    Block,
    CostBox,
    Figures,
    Heading,
    Letterhead,
    Paragraph,
    Part,
    Points,
    Subject,
    Table,
    plain_text,
)
from tools.letter_words import pluralise, spell_amount, spell_day, spell_figure, spell_loan, spell_rate
from tools.rules.amortisation import Instalment
from tools.rules.pricing import LoanTerms
from tools.servicing_letters import composed as composed_for_borrower
from tools.transfer_letter_facts import TransferReceiptFacts, TransferRefusalFacts, TransferReturnFacts


@dataclass(frozen=True, slots=True)
class Letter:
    """`text` is for a screen; `parts` are the same letter for its PDF, with the table too long for text."""

    kind: LetterKind
    subject: str
    text: str
    dated: str
    reference: str
    parts: tuple[Part, ...]


def write_letter(facts: LetterFacts, creditor: Creditor = DEMO_CREDITOR) -> Letter:
    """ValueError naming the field if a fact cannot be shown: see `check_facts`."""
    check_facts(facts)
    check_facts(creditor)
    subject, body = _composed(facts, creditor)
    case = facts.application
    parts = (
        Letterhead(creditor.name, (*creditor.address, creditor.phone)),
        Block((spell_day(facts.dated),)),
        Block((case.name, *case.address)),
        Block((f"Our reference: {case.reference}",)),
        Subject(subject),
        Paragraph(f"Dear {case.name}:"),
        *body,
        Paragraph(
            f"If you have questions about this letter, write to us or call {creditor.phone}, and give our reference."
        ),
        Block(("Sincerely,", creditor.name)),
    )
    return Letter(facts.kind, subject, plain_text(parts), facts.dated, case.reference, parts)


def _composed(facts: LetterFacts, creditor: Creditor) -> tuple[str, tuple[Part, ...]]:
    match facts:
        case OfferFacts():
            return "Your loan offer", tuple(_offer(facts))
        case CounterOfferFacts():
            return "Notice of action taken and counteroffer", tuple(_counter_offer(facts, creditor))
        case AdverseActionFacts():
            return "Notice of action taken on your loan application", tuple(_adverse_action(facts, creditor))
        case DisbursementFacts():
            return "Your loan has been paid out", tuple(_disbursement(facts))
        case WithdrawalFacts():
            return "Your loan application is closed", tuple(_withdrawal(facts))
        case TransferReceiptFacts() | TransferRefusalFacts() | TransferReturnFacts():
            return transfer_letters.compose(facts)
        case _:
            return composed_for_borrower(facts)


def _offer(facts: OfferFacts) -> Iterator[Part]:
    case = facts.application
    asked = spell_loan(case.requested_minor, case.currency, case.requested_term_months)
    yield Paragraph(
        f"Thank you for your application of {spell_day(case.applied_on)} for a loan of {asked}. We have"
        " approved it and offer you a loan on the terms below."
    )
    yield from _terms(facts, asked)
    yield Heading("How to accept")
    yield Paragraph(
        f"{facts.how_to_accept} The offer is open until the end of {spell_day(facts.expires_on)} (UTC). If we"
        " do not have your acceptance by then, the offer lapses and we close your application. You are not"
        " bound until you accept."
    )


def _counter_offer(facts: CounterOfferFacts, creditor: Creditor) -> Iterator[Part]:
    """Form C-4: denial of what was asked and counteroffer in one, so that no second notice falls due
    (12 CFR 1002.9(a)(1)(iv) and comment 9(a)(1)-6)."""
    offer, case = facts.offer, facts.offer.application
    asked = spell_loan(case.requested_minor, case.currency, case.requested_term_months)
    yield Paragraph(
        f"Thank you for your application of {spell_day(case.applied_on)} for a loan of {asked}. We are unable"
        " to offer you credit on the terms that you requested for the following"
        f" {pluralise(len(facts.reasons), 'reason')}:"
    )
    yield Points(facts.reasons)
    yield Paragraph("We can, however, offer you credit on the following terms:")
    yield from _terms(offer, asked)
    yield Heading("How to accept")
    yield Paragraph(
        f"If this offer is acceptable to you, please notify us by the end of {spell_day(offer.expires_on)}"
        f" (UTC). {offer.how_to_accept} If we do not have your acceptance by then, the offer lapses and we"
        " close your application. This letter is then our notice that we denied credit on the terms that you"
        f" requested, for the {pluralise(len(facts.reasons), 'reason')} given above. You are not bound until"
        " you accept."
    )
    yield from write_rights(facts.bureau, facts.score, creditor)


def _adverse_action(facts: AdverseActionFacts, creditor: Creditor) -> Iterator[Part]:
    """Form C-1: what was asked, what was done, why, and the applicant's rights."""
    case = facts.application
    yield Paragraph(
        "Thank you for applying to us for credit. We have considered your application and are unable to approve it."
    )
    yield Figures(
        (
            ("Credit requested", spell_loan(case.requested_minor, case.currency, case.requested_term_months)),
            ("Application received", spell_day(case.applied_on)),
            ("Action taken", "Application denied"),
            ("Date of action", spell_day(facts.dated)),
        )
    )
    yield Heading(f"Principal {pluralise(len(facts.reasons), 'reason')} for our decision")
    yield Points(facts.reasons)
    yield from write_rights(facts.bureau, facts.score, creditor)


def _disbursement(facts: DisbursementFacts) -> Iterator[Part]:
    terms, currency = facts.terms, facts.terms.currency
    yield Paragraph(
        f"You accepted our loan offer. On {spell_day(facts.paid_out_on)} we paid"
        f" {spell_amount(facts.paid_out_minor, currency)} to your account {facts.paid_to_account}."
    )
    yield Figures(
        (
            ("Loan account", facts.loan_account_id),
            ("Transfer", facts.transfer_id),
            ("Loan amount", spell_amount(terms.principal_minor, currency)),
            ("Fee withheld", spell_amount(terms.fee_minor, currency)),
            ("Amount paid out", spell_amount(facts.paid_out_minor, currency)),
            ("Interest rate", f"{spell_rate(terms.annual_rate_bps)} a year"),
            ("Annual percentage rate (APR)", spell_rate(terms.apr_bps)),
        )
    )
    yield Heading("Your payments")
    yield Figures(
        (
            ("Payments", _payments(terms)),
            ("First payment due", spell_day(facts.schedule[0].due_on)),
            ("Last payment due", spell_day(facts.schedule[-1].due_on)),
            ("Total of payments", spell_amount(terms.total_payable_minor, currency)),
        )
    )
    yield Paragraph(
        "The payment schedule at the end of the PDF of this letter lists every payment with its interest and principal."
    )
    yield _schedule(facts)


def _withdrawal(facts: WithdrawalFacts) -> Iterator[Part]:
    word = "counteroffer" if facts.was_counter_offer else "offer"
    loan = spell_loan(facts.offered_minor, facts.application.currency, facts.offered_term_months)
    if facts.cause == "offer_declined":
        yield Paragraph(
            f"On {spell_day(facts.ended_on)} you declined our {word} of {spell_day(facts.offered_on)} for a"
            f" loan of {loan}."
        )
    else:
        yield Paragraph(
            f"Our {word} of {spell_day(facts.offered_on)} for a loan of {loan} was open until the end of"
            f" {spell_day(facts.ended_on)} (UTC). We did not receive your acceptance by then, and it has"
            " lapsed."
        )
    yield Paragraph(
        "We have closed your application. No loan was made, no money was paid out, and you owe us nothing"
        " for it. If you want to borrow from us later, please make a new application."
    )
    if facts.was_counter_offer:
        yield Paragraph(
            f"Our letter of {spell_day(facts.offered_on)} remains our notice of the action that we took on"
            " the terms that you requested. It gives our reasons and your rights."
        )


def _terms(facts: OfferFacts, asked: str) -> Iterator[Part]:
    """Regulation Z's four figures in its own words (form H-2), then what they are made of."""
    terms, currency = facts.terms, facts.terms.currency
    financed_minor = terms.principal_minor - terms.fee_minor
    yield CostBox(
        (
            (
                "Annual percentage rate",
                spell_rate(terms.apr_bps),
                "The cost of your credit as a yearly rate.",
            ),
            (
                "Finance charge",
                spell_amount(terms.total_cost_minor, currency),
                "The amount the credit will cost you.",
            ),
            (
                "Amount financed",
                spell_amount(financed_minor, currency),
                "The amount of credit provided to you or on your behalf.",
            ),
            (
                "Total of payments",
                spell_amount(terms.total_payable_minor, currency),
                "The amount you will have paid after you have made all payments as scheduled.",
            ),
        )
    )
    yield Figures(
        (
            ("You requested", asked),
            ("We offer", spell_loan(terms.principal_minor, currency, terms.term_months)),
            ("Interest rate", f"{spell_rate(terms.annual_rate_bps)} a year"),
            ("Fee, withheld when we pay out", spell_amount(terms.fee_minor, currency)),
            ("Paid out to you", spell_amount(financed_minor, currency)),
            ("Payments", _payments(terms)),
            ("First payment due", spell_day(facts.first_due_on)),
        )
    )


def _schedule(facts: DisbursementFacts) -> Table:
    lines, currency = facts.schedule, facts.terms.currency
    sums_minor = (
        sum(line.payment_minor for line in lines),
        sum(line.interest_minor for line in lines),
        sum(line.principal_minor for line in lines),
    )
    return Table(
        title=f"Payment schedule of loan account {facts.loan_account_id}, amounts in {currency}",
        header=("No.", "Due", "Payment", "Interest", "Principal", "Balance after"),
        rows=tuple(_schedule_row(line, currency) for line in lines),
        total=("", "Total", *(spell_figure(amount, currency) for amount in sums_minor), ""),
    )


def _schedule_row(line: Instalment, currency: str) -> tuple[str, ...]:
    amounts = (line.payment_minor, line.interest_minor, line.principal_minor, line.balance_minor)
    return (str(line.number), spell_day(line.due_on), *(spell_figure(amount, currency) for amount in amounts))


def _payments(terms: LoanTerms) -> str:
    """The level payments, and the last where rounding makes it another amount."""
    level, count = spell_amount(terms.instalment_minor, terms.currency), terms.term_months
    last_minor = terms.total_payable_minor - terms.instalment_minor * (count - 1)
    if last_minor == terms.instalment_minor:
        return f"{count} monthly {pluralise(count, 'payment')} of {level}"
    last = spell_amount(last_minor, terms.currency)
    if count == 1:
        return f"1 payment of {last}"
    return f"{count - 1} monthly {pluralise(count - 1, 'payment')} of {level} and a last payment of {last}"
