"""The facts of each letter of a loan case, from the case's state."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tools.case_records import AnsweredReview
from tools.letter_facts import (
    DEMO_BUREAU,
    AdverseActionFacts,
    Application,
    CounterOfferFacts,
    Creditor,
    CreditScore,
    DisbursementFacts,
    LetterFacts,
    OfferFacts,
    WithdrawalFacts,
)
from tools.rules.amortisation import Instalment
from tools.rules.dates import add_months
from tools.rules.plain import from_plain
from tools.rules.pricing import LoanTerms
from tools.rules.scorecard import SCORE_MAX, SCORE_MIN

KEY_FACTORS = 4
HOW_TO_ACCEPT = (
    "Accept it in the channel through which you applied. If you accept on a later day than this letter's, every payment"
    " falls due as many days later."
)
State = Mapping[str, Any]


def offer(state: State, creditor: Creditor, today: date, expires_on: date) -> OfferFacts | CounterOfferFacts:
    """An offer of what was asked for, or of other terms and why."""
    facts = OfferFacts(
        dated=today.isoformat(),
        application=_application(state),
        terms=_terms(state),
        first_due_on=add_months(today, 1).isoformat(),
        expires_on=expires_on.isoformat(),
        how_to_accept=HOW_TO_ACCEPT,
    )
    application, terms = state["application"], facts.terms
    if (terms.principal_minor, terms.term_months) == (application["amount_minor"], application["term_months"]):
        return facts
    return CounterOfferFacts(
        offer=facts,
        reasons=_reasons(state),
        bureau=DEMO_BUREAU if _has_file(state) else None,
        score=_score(state, creditor),
    )


def offer_dates(letter: LetterFacts) -> dict[str, str]:
    """When an offer was made and until when it stands, as its letter says."""
    made = letter.offer if isinstance(letter, CounterOfferFacts) else letter
    assert isinstance(made, OfferFacts)
    return {"offered_on": made.dated, "expires_on": made.expires_on}


def adverse_action(state: State, creditor: Creditor, today: date) -> AdverseActionFacts:
    return AdverseActionFacts(
        dated=today.isoformat(),
        application=_application(state),
        reasons=_reasons(state),
        bureau=DEMO_BUREAU if _has_file(state) else None,
        score=_score(state, creditor),
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


def withdrawal(state: State, answered: AnsweredReview) -> WithdrawalFacts:
    """The offer was declined by the applicant, or silence declined it."""
    terms, ended_on = _terms(state), answered.answered_at.date().isoformat()
    asked = (state["application"]["amount_minor"], state["application"]["term_months"])
    return WithdrawalFacts(
        dated=ended_on,
        application=_application(state),
        cause="offer_expired" if answered.status == "expired" else "offer_declined",
        ended_on=ended_on,
        offered_on=state["offer"]["offered_on"],
        offered_minor=terms.principal_minor,
        offered_term_months=terms.term_months,
        was_counter_offer=(terms.principal_minor, terms.term_months) != asked,
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


def _score(state: State, creditor: Creditor) -> CreditScore | None:
    """The score disclosed: our own scorecard's over the bureau's file; none without a file."""
    if not _has_file(state):
        return None
    score = state["scorecard"]
    return CreditScore(
        points=score["points"],
        lowest=SCORE_MIN,
        highest=SCORE_MAX,
        scored_on=state["application"]["applied_on"],
        key_factors=tuple(reason["text"] for reason in score["reasons"][:KEY_FACTORS]),
        provider=creditor.name,
    )
