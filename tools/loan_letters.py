"""The facts of each letter of a loan case, from the case's state."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tools.case_records import AnsweredReview
from tools.contract_letter_facts import (
    Application,
    CancellationFacts,
    ContractFacts,
    LapsedOffer,
    WithdrawalFacts,
)
from tools.intake_letter_facts import ClosedIncompleteFacts, IncompletenessFacts, Needed
from tools.letter_facts import (
    DEMO_BUREAU,
    AdverseActionFacts,
    CounterOfferFacts,
    Creditor,
    CreditScore,
    DisbursementFacts,
    LetterFacts,
    OfferFacts,
)
from tools.rules.amortisation import Instalment, schedule
from tools.rules.completeness import Asked, Gap
from tools.rules.dates import add_months
from tools.rules.day_counts import interest_minor, year_fraction
from tools.rules.jurisdictions import LAWS, last_day_to_cancel
from tools.rules.plain import from_plain
from tools.rules.pricing import LoanTerms
from tools.rules.reg_b import C1
from tools.rules.scorecard_document import Scorecard, highest_score, lowest_score

KEY_FACTORS = 4
HOW_TO_ACCEPT = (
    "Accept it in the channel through which you applied. If we pay out on a later day than this letter's, every payment"
    " falls due as many days later."
)
NEEDED: Mapping[Asked, str] = {
    "income": "Your monthly income before tax",
    "employment": "Your employment, and since when",
    "housing": "Your housing and its monthly cost",
    "obligations": "Your debts and what each costs a month",
    "proof_of_income": "A document that shows your income",
}
State = Mapping[str, Any]


def offer(
    state: State, creditor: Creditor, card: Scorecard, today: date, expires_on: date
) -> OfferFacts | CounterOfferFacts:
    """An offer of what was asked for, or of other terms and why."""
    terms, first_due_on = _terms(state), add_months(today, 1)
    facts = OfferFacts(
        dated=today.isoformat(),
        application=_application(state),
        terms=terms,
        first_due_on=first_due_on.isoformat(),
        expires_on=expires_on.isoformat(),
        how_to_accept=HOW_TO_ACCEPT,
        schedule=schedule(terms.principal_minor, terms.annual_rate_bps, terms.term_months, first_due_on),
    )
    if not is_counter_offer(state):
        return facts
    return CounterOfferFacts(
        offer=facts,
        reasons=_reasons(state),
        bureau=DEMO_BUREAU if _has_file(state) else None,
        score=_score(state, creditor, card),
    )


def is_counter_offer(state: State) -> bool:
    """Whether what is offered is not the loan that was asked for."""
    application, terms = state["application"], state["decision"]["terms"]
    asked = (application["amount_minor"], application["term_months"])
    return (terms["principal_minor"], terms["term_months"]) != asked


def offer_dates(letter: LetterFacts) -> dict[str, str]:
    """When an offer was made and until when it stands, as its letter says."""
    made = letter.offer if isinstance(letter, CounterOfferFacts) else letter
    assert isinstance(made, OfferFacts)
    return {"offered_on": made.dated, "expires_on": made.expires_on}


def adverse_action(
    state: State, creditor: Creditor, card: Scorecard, today: date, refused: AnsweredReview | None
) -> AdverseActionFacts:
    """`refused` ended the counteroffer that was made instead, if one was."""
    return AdverseActionFacts(
        dated=today.isoformat(),
        application=_application(state),
        reasons=_reasons(state),
        bureau=DEMO_BUREAU if _has_file(state) else None,
        score=_score(state, creditor, card),
        counter_offer=_lapsed(state, refused) if refused else None,
    )


def disbursement(state: State, schedule: Sequence[Mapping[str, Any]]) -> DisbursementFacts:
    loan = state["loan"]
    paid_out_on = datetime.fromisoformat(loan["disbursed_at"]).date().isoformat()
    return DisbursementFacts(
        dated=paid_out_on,
        application=_application(state),
        terms=_terms(state),
        schedule=tuple(Instalment(**line) for line in schedule),
        loan_account_id=loan["loan_account_id"],
        transfer_id=loan["transfer_id"],
        paid_to_account=loan["disburse_to_account"],
        paid_out_minor=loan["paid_out_minor"],
        paid_out_on=paid_out_on,
    )


def withdrawal(state: State, today: date, answered: AnsweredReview | None) -> WithdrawalFacts:
    """The offer was declined by the applicant, or silence declined it; `answered` None: there was none yet."""
    dated = answered.answered_at.date() if answered else today
    lapsed = _lapsed(state, answered) if answered else None
    return WithdrawalFacts(dated=dated.isoformat(), application=_application(state), offer=lapsed)


def incompleteness(state: State, today: date, answer_by: date) -> IncompletenessFacts:
    return IncompletenessFacts(
        dated=today.isoformat(),
        application=_application(state),
        needed=_needed(state),
        answer_by_on=answer_by.isoformat(),
    )


def closed_incomplete(state: State, today: date) -> ClosedIncompleteFacts:
    return ClosedIncompleteFacts(
        dated=today.isoformat(),
        application=_application(state),
        needed=_needed(state),
        asked_on=state["incompleteness"]["asked_on"],
        answer_by_on=state["incompleteness"]["answer_by"],
    )


def contract(state: State, accepted: AnsweredReview) -> ContractFacts:
    terms, accepted_on = _terms(state), accepted.answered_at.date()
    law = LAWS[state["application"]["jurisdiction"]]
    one_day = year_fraction(accepted_on, accepted_on + timedelta(days=1), law.day_count)
    return ContractFacts(
        dated=accepted_on.isoformat(),
        application=_application(state),
        terms=terms,
        accepted_on=accepted_on.isoformat(),
        cancel_until=last_day_to_cancel(accepted_on, terms.cooling_off_days).isoformat(),
        daily_interest_minor=interest_minor(terms.principal_minor - terms.fee_minor, terms.annual_rate_bps, one_day),
    )


def cancellation(state: State, cancelled: AnsweredReview) -> CancellationFacts:
    terms, cancelled_on = _terms(state), cancelled.answered_at.date().isoformat()
    return CancellationFacts(
        dated=cancelled_on,
        application=_application(state),
        accepted_on=state["contract"]["accepted_on"],
        cancelled_on=cancelled_on,
        agreed_minor=terms.principal_minor,
        agreed_term_months=terms.term_months,
    )


def _needed(state: State) -> tuple[Needed, ...]:
    gaps = [from_plain(Gap, gap) for gap in state["application"]["gaps"]]
    reader = state["application"].get("person", "applicant")
    return tuple(
        Needed(NEEDED[gap.asked] + ("" if gap.person == "applicant" else ", as the co-applicant's"), gap.told(reader))
        for gap in gaps
    )


def _lapsed(state: State, answered: AnsweredReview) -> LapsedOffer:
    terms, expired = _terms(state), answered.status == "expired"
    return LapsedOffer(
        cause="offer_expired" if expired else "offer_declined",
        ended_on=state["offer"]["expires_on"] if expired else answered.answered_at.date().isoformat(),
        offered_on=state["offer"]["offered_on"],
        offered_minor=terms.principal_minor,
        offered_term_months=terms.term_months,
    )


def _application(state: State) -> Application:
    application = state["application"]
    return Application(
        reference=state["application"]["reference"],
        name=application["applicant"]["name"],
        address=tuple(application["applicant"]["address"]),
        applied_on=application["applied_on"],
        requested_minor=application["amount_minor"],
        currency=application["currency"],
        requested_term_months=application["term_months"],
    )


def _terms(state: State) -> LoanTerms:
    return from_plain(LoanTerms, state["decision"]["terms"])


def _reasons(state: State) -> tuple[str, ...]:
    return tuple(reason["text"] for reason in state["decision"]["reasons"])


def _has_file(state: State) -> bool:
    return state["application"]["file"] is not None


def _score(state: State, creditor: Creditor, card: Scorecard) -> CreditScore | None:
    """The score disclosed: that of the card that decided, with the card's own range; none without a bureau's file, nor
    of two who apply together to the one whose score did not count.

    Where recent inquiries cost points, they are named whatever their rank (15 USC 1681g(f)(9)).
    """
    is_theirs = state["application"].get("person", "applicant") == state.get("scored_as", "applicant")
    if not _has_file(state) or not is_theirs:
        return None
    score = state["scorecard"]
    costly, less = score["reasons"][:KEY_FACTORS], score["reasons"][KEY_FACTORS:]
    factors = [*costly, *(reason for reason in less if reason["wording"] == C1.RECENT_INQUIRIES)]
    return CreditScore(
        points=score["points"],
        lowest=lowest_score(card),
        highest=highest_score(card),
        scored_on=state["application"]["applied_on"],
        key_factors=tuple(reason["text"] for reason in factors),
        provider=creditor.name,
    )
