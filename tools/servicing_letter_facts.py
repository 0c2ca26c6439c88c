"""The facts that letters to borrowers are written from, JSON-plain like those in letter_facts."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tools.rules.servicing_schedules import Line

ServicingLetterKind = Literal[
    "payment_reminder",
    "plan_confirmation",
    "re_age_confirmation",
    "restructure_confirmation",
    "collections_referral",
]


@dataclass(frozen=True, slots=True)
class Borrower:
    """`reference` is the thread's id."""

    reference: str
    name: str
    address: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LateLoan:
    """How late a loan was on a day. Dates, here and below, are ISO 8601."""

    loan_account_id: str
    currency: str
    looked_at_on: str
    past_due_minor: int
    days_past_due: int
    unpaid_since_on: str


@dataclass(frozen=True, slots=True)
class ReminderFacts:
    kind: ClassVar[ServicingLetterKind] = "payment_reminder"

    dated: str
    application: Borrower
    loan: LateLoan


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The whole new schedule, and what it replaces: the instalment and the last due date before."""

    kind: ClassVar[ServicingLetterKind] = "plan_confirmation"

    dated: str
    application: Borrower
    loan: LateLoan
    action_id: str
    instalment_before_minor: int
    last_due_before_on: str
    interest_before_minor: int
    instalments: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class ReAgeFacts(PlanFacts):
    kind: ClassVar[ServicingLetterKind] = "re_age_confirmation"


@dataclass(frozen=True, slots=True)
class RestructureFacts(PlanFacts):
    kind: ClassVar[ServicingLetterKind] = "restructure_confirmation"


@dataclass(frozen=True, slots=True)
class ReferralFacts:
    """`reasons` are printed as given."""

    kind: ClassVar[ServicingLetterKind] = "collections_referral"

    dated: str
    application: Borrower
    loan: LateLoan
    action_id: str
    outstanding_principal_minor: int
    reasons: tuple[str, ...]


ServicingLetterFacts = ReminderFacts | PlanFacts | ReAgeFacts | RestructureFacts | ReferralFacts
SERVICING_FACTS: tuple[type[ServicingLetterFacts], ...] = (
    *(ReminderFacts, PlanFacts, ReAgeFacts, RestructureFacts, ReferralFacts),
)
