"""The words of letters about an offer that was taken, or came to nothing."""

from collections.abc import Iterator

from tools.contract_letter_facts import (
    CancellationFacts,
    ContractFacts,
    ContractLetterFacts,
    LapsedOffer,
    WithdrawalFacts,
)
from tools.letter_parts import Figures, Heading, Paragraph, Part
from tools.letter_terms import spell_payments
from tools.letter_words import spell_amount, spell_day, spell_loan, spell_rate


def composed(facts: ContractLetterFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
    match facts:
        case ContractFacts():
            return "Your loan agreement, and until when you may cancel it", tuple(_contract(facts))
        case CancellationFacts():
            return "Your loan agreement is cancelled", tuple(_cancellation(facts))
        case WithdrawalFacts():
            return "Your loan application is closed", tuple(_withdrawal(facts))


def spell_lapse(offer: LapsedOffer, word: str, currency: str) -> str:
    """How the offer, or whatever `word` calls it, came to nothing."""
    loan = spell_loan(offer.offered_minor, currency, offer.offered_term_months)
    if offer.cause == "offer_declined":
        return (
            f"On {spell_day(offer.ended_on)} you declined our {word} of {spell_day(offer.offered_on)} for a loan of"
            f" {loan}."
        )
    return (
        f"Our {word} of {spell_day(offer.offered_on)} for a loan of {loan} was open until the end of"
        f" {spell_day(offer.ended_on)} (UTC). We did not receive your acceptance by then, and it has lapsed."
    )


def nothing_owed() -> Paragraph:
    return Paragraph(
        "We have closed your application. No loan was made, no money was paid out, and you owe us nothing"
        " for it. If you want to borrow from us later, please make a new application."
    )


def _contract(facts: ContractFacts) -> Iterator[Part]:
    """The right of withdrawal of Directive (EU) 2023/2225, Article 26, and what Article 21 has agreements say of it."""
    terms, currency, until = facts.terms, facts.terms.currency, spell_day(facts.cancel_until)
    payout = spell_amount(terms.principal_minor - terms.fee_minor, currency)
    yield Paragraph(f"On {spell_day(facts.accepted_on)} you accepted our loan offer. This is what we agreed:")
    yield Figures(
        (
            ("Loan amount", spell_amount(terms.principal_minor, currency)),
            ("Fee, withheld when we pay out", spell_amount(terms.fee_minor, currency)),
            ("Paid out to you", payout),
            ("Interest rate", f"{spell_rate(terms.annual_rate_bps)} a year"),
            ("Annual percentage rate", spell_rate(terms.apr_bps)),
            ("Payments", spell_payments(terms)),
            ("Total of payments", spell_amount(terms.total_payable_minor, currency)),
        )
    )
    yield Heading("Your right to cancel")
    yield Paragraph(
        f"You may cancel this agreement until the end of {until} (UTC), without giving any reason, in the channel"
        " through which you applied. We pay out when that time is over. If you cancel before we pay out, you owe us"
        " nothing."
    )
    yield Paragraph(
        "You may ask us there to pay out sooner. Your right to withdraw then lasts no less long: if you write to us"
        f" by the end of {until} (UTC), you repay the {payout} within 30 days, with interest of"
        f" {spell_amount(facts.daily_interest_minor, currency)} for each day from the payout to your repayment, and"
        " nothing else."
    )


def _cancellation(facts: CancellationFacts) -> Iterator[Part]:
    loan = spell_loan(facts.agreed_minor, facts.application.currency, facts.agreed_term_months)
    yield Paragraph(
        f"On {spell_day(facts.cancelled_on)} you cancelled the loan agreement of {spell_day(facts.accepted_on)} for a"
        f" loan of {loan}."
    )
    yield nothing_owed()


def _withdrawal(facts: WithdrawalFacts) -> Iterator[Part]:
    case = facts.application
    if facts.offer is not None:
        yield Paragraph(spell_lapse(facts.offer, "offer", case.currency))
    else:
        asked = spell_loan(case.requested_minor, case.currency, case.requested_term_months)
        yield Paragraph(
            f"On {spell_day(facts.dated)} you withdrew your application of {spell_day(case.applied_on)} for a loan of"
            f" {asked}. We have made no decision on it."
        )
    yield nothing_owed()
