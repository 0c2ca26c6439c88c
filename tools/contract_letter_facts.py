"""The facts of letters about an offer that was taken, or came to nothing."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tools.rules.pricing import LoanTerms

ContractLetterKind = Literal["contract", "cancellation", "withdrawal"]


@dataclass(frozen=True, slots=True)
class Application:
    """What was asked for, by whom. `reference` is the thread's id; dates, here and below, are ISO 8601."""

    reference: str
    name: str
    address: tuple[str, ...]
    applied_on: str
    requested_minor: int
    currency: str
    requested_term_months: int


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """The offer was accepted on `accepted_on`, and may be cancelled to the end of `cancel_until`.

    `daily_interest_minor` is a day's interest on what is paid out, owed if the borrower withdraws after the payout.
    """

    kind: ClassVar[ContractLetterKind] = "contract"

    dated: str
    application: Application
    terms: LoanTerms
    accepted_on: str
    cancel_until: str
    daily_interest_minor: int


@dataclass(frozen=True, slots=True)
class CancellationFacts:
    """The borrower cancelled on `cancelled_on` what they had accepted on `accepted_on`; nothing was paid out."""

    kind: ClassVar[ContractLetterKind] = "cancellation"

    dated: str
    application: Application
    accepted_on: str
    cancelled_on: str
    agreed_minor: int
    agreed_term_months: int


@dataclass(frozen=True, slots=True)
class LapsedOffer:
    """The applicant declined it on `ended_on`, or let it expire at the end of that day."""

    cause: Literal["offer_declined", "offer_expired"]
    ended_on: str
    offered_on: str
    offered_minor: int
    offered_term_months: int


@dataclass(frozen=True, slots=True)
class WithdrawalFacts:
    """`offer` None: the application was withdrawn, on the letter's day, before any was made."""

    kind: ClassVar[ContractLetterKind] = "withdrawal"

    dated: str
    application: Application
    offer: LapsedOffer | None


ContractLetterFacts = ContractFacts | CancellationFacts | WithdrawalFacts
CONTRACT_FACTS: tuple[type[ContractLetterFacts], ...] = (ContractFacts, CancellationFacts, WithdrawalFacts)
