"""Letters to customers, written from facts alone: the same facts always give the same letter.

What law prescribes is in its own words: in the US Regulation B (12 CFR 1002.9, sample forms C-1 and C-4), the Fair
Credit Reporting Act (15 USC 1681m(a)), and for the cost of the credit Regulation Z (model form H-2); in the EU
Directive (EU) 2023/2225.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tools import (
    contract_letters,
    customer_letters,
    intake_letters,
    portfolio_letters,
    profile_letters,
    rebalance_letters,
    transfer_letters,
)
from tools.contract_letter_facts import CancellationFacts, ContractFacts, WithdrawalFacts
from tools.contract_letters import spell_lapse
from tools.customer_letter_facts import SettingsNoticeFacts, StandingOrderNoticeFacts
from tools.intake_letter_facts import ClosedIncompleteFacts, IncompletenessFacts
from tools.letter_facts import (
    DEMO_CREDITOR,
    AdverseActionFacts,
    BankingLetterFacts,
    CounterOfferFacts,
    Creditor,
    DisbursementFacts,
    LetterFacts,
    LetterKind,
    OfferFacts,
    WealthLetterFacts,
    check_facts,
)
from tools.letter_notices import write_rights
from tools.letter_parts import (
    Block,
    Figures,
    Heading,
    Letterhead,
    Paragraph,
    Part,
    Points,
    Subject,
    plain_text,
)
from tools.letter_terms import schedule_table, spell_payments, write_terms
from tools.letter_words import pluralise, spell_amount, spell_day, spell_loan, spell_rate
from tools.portfolio_letter_facts import PortfolioReviewFacts
from tools.profile_letter_facts import ProfileExpiryFacts, ProfileSummaryFacts
from tools.rebalance_letter_facts import NotRebalancedFacts, RebalanceFacts
from tools.servicing_letter_facts import ServicingLetterFacts
from tools.servicing_letters import composed as composed_for_borrower
from tools.transfer_letter_facts import (
    TransferReceiptFacts,
    TransferRefusalFacts,
    TransferReturnFacts,
)


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
            return "Your loan offer", tuple(_offer(facts, creditor))
        case CounterOfferFacts():
            return "Notice of action taken and counteroffer", tuple(_counter_offer(facts, creditor))
        case AdverseActionFacts():
            return "Notice of action taken on your loan application", tuple(_adverse_action(facts, creditor))
        case DisbursementFacts():
            return "Your loan has been paid out", tuple(_disbursement(facts))
        case ContractFacts() | CancellationFacts() | WithdrawalFacts():
            return contract_letters.composed(facts)
        case IncompletenessFacts() | ClosedIncompleteFacts():
            return intake_letters.composed(facts)
        case _:
            return _composed_by_family(facts)


def _composed_by_family(
    facts: ServicingLetterFacts | BankingLetterFacts | WealthLetterFacts,
) -> tuple[str, tuple[Part, ...]]:
    match facts:
        case TransferReceiptFacts() | TransferRefusalFacts() | TransferReturnFacts():
            return transfer_letters.compose(facts)
        case StandingOrderNoticeFacts() | SettingsNoticeFacts():
            return customer_letters.compose(facts)
        case ProfileSummaryFacts() | ProfileExpiryFacts():
            return profile_letters.compose(facts)
        case RebalanceFacts() | NotRebalancedFacts():
            return rebalance_letters.compose(facts)
        case PortfolioReviewFacts():
            return portfolio_letters.compose(facts)
        case _:
            return composed_for_borrower(facts)


def _offer(facts: OfferFacts, creditor: Creditor) -> Iterator[Part]:
    case = facts.application
    asked = spell_loan(case.requested_minor, case.currency, case.requested_term_months)
    yield Paragraph(
        f"Thank you for your application of {spell_day(case.applied_on)} for a loan of {asked}. We have"
        " approved it and offer you a loan on the terms below."
    )
    yield from write_terms(facts.terms, asked, facts.first_due_on, creditor.jurisdiction)
    yield from _explanation(facts.explanation)
    yield Heading("How to accept")
    yield Paragraph(
        f"{facts.how_to_accept} The offer is open until the end of {spell_day(facts.expires_on)} (UTC). If we"
        " do not have your acceptance by then, the offer lapses and we close your application. You are not"
        " bound until you accept."
    )
    yield from _payments(facts)


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
    yield from write_terms(offer.terms, asked, offer.first_due_on, creditor.jurisdiction)
    yield from _explanation(offer.explanation)
    yield Heading("How to accept")
    yield Paragraph(
        f"If this offer is acceptable to you, please notify us by the end of {spell_day(offer.expires_on)}"
        f" (UTC). {offer.how_to_accept} If we do not have your acceptance by then, the offer lapses and we"
        " close your application. This letter is then our notice that we denied credit on the terms that you"
        f" requested, for the {pluralise(len(facts.reasons), 'reason')} given above. You are not bound until"
        " you accept."
    )
    yield from write_rights(facts.bureau, facts.score, creditor)
    yield from _payments(offer)


def _adverse_action(facts: AdverseActionFacts, creditor: Creditor) -> Iterator[Part]:
    """Form C-1: what was asked, what was done, why, and the applicant's rights.

    After a counteroffer that was not accepted, what was requested counts as denied (12 CFR 1002.9(a)(1)(iv)). Our
    counteroffer said so already; this says that it came to it.
    """
    case = facts.application
    yield Paragraph(
        "Thank you for applying to us for credit. We have considered your application and are unable to approve it."
    )
    if facts.counter_offer is not None:
        yield Paragraph(
            f"{spell_lapse(facts.counter_offer, 'counteroffer', case.currency)} We have closed your application. No"
            " loan was made, and you owe us nothing for it."
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
    yield from _explanation(facts.explanation)
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
            ("Payments", spell_payments(terms)),
            ("First payment due", spell_day(facts.schedule[0].due_on)),
            ("Last payment due", spell_day(facts.schedule[-1].due_on)),
            ("Total of payments", spell_amount(terms.total_payable_minor, currency)),
        )
    )
    yield Paragraph(
        "The payment schedule at the end of the PDF of this letter lists every payment with its interest and principal."
    )
    yield schedule_table(facts.schedule, currency, f"loan account {facts.loan_account_id}")


def _explanation(text: str | None) -> Iterator[Part]:
    if text is not None:
        yield Heading("In other words")
        yield Paragraph(text)


def _payments(facts: OfferFacts) -> Iterator[Part]:
    if facts.schedule:
        yield schedule_table(facts.schedule, facts.terms.currency, f"a loan paid out on {spell_day(facts.dated)}")
