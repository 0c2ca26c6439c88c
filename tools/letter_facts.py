"""The facts letters are written from: plain values, so that they can be stored as JSON and read again."""

import re
import unicodedata
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter

from tools.contract_letter_facts import (
    CONTRACT_FACTS,
    Application,
    ContractLetterFacts,
    ContractLetterKind,
    LapsedOffer,
)
from tools.customer_letter_facts import CUSTOMER_FACTS, CustomerLetterFacts, CustomerLetterKind
from tools.intake_letter_facts import INTAKE_FACTS, IntakeLetterFacts, IntakeLetterKind
from tools.portfolio_letter_facts import PortfolioReviewFacts
from tools.profile_letter_facts import ProfileExpiryFacts, ProfileLetterFacts, ProfileSummaryFacts
from tools.rebalance_letter_facts import NotRebalancedFacts, RebalanceFacts, RebalanceLetterFacts
from tools.rules.amortisation import MAX_TERM_MONTHS, Instalment
from tools.rules.jurisdictions import Jurisdiction
from tools.rules.plain import from_plain
from tools.rules.pricing import LoanTerms
from tools.rules.reg_b import MAX_REASONS
from tools.servicing_letter_facts import SERVICING_FACTS, ServicingLetterFacts, ServicingLetterKind
from tools.transfer_letter_facts import (
    TransferLetterFacts,
    TransferReceiptFacts,
    TransferRefusalFacts,
    TransferReturnFacts,
)

LetterKind = (
    Literal[
        "offer",
        "counter_offer",
        "adverse_action",
        "disbursement_confirmation",
        "transfer_receipt",
        "transfer_refusal",
        "transfer_return",
        "profile_summary",
        "rebalance_confirmation",
        "rebalance_not_made",
        "profile_expiry",
        "portfolio_review",
    ]
    | ContractLetterKind
    | IntakeLetterKind
    | CustomerLetterKind
    | ServicingLetterKind
)

MAX_KEY_FACTORS = 5
"""Four, and the number of inquiries as a fifth where it counted (15 USC 1681g(f)(1)(C) and (9))."""


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who lends and writes. `agency` enforces the law of consumer credit against it, in the US the Equal Credit
    Opportunity Act (12 CFR 1002 App. A)."""

    name: str
    address: tuple[str, ...]
    phone: str
    agency: str
    agency_address: str
    jurisdiction: Jurisdiction = "US"


@dataclass(frozen=True, slots=True)
class CreditBureau:
    """The consumer reporting agency that the credit file came from."""

    name: str
    address: tuple[str, ...]
    phone: str


DEMO_CREDITOR = Creditor(
    name="Countersign Demo Bank, N.A.",
    address=("100 Ledger Street", "Wilmington, DE 19801"),
    phone="(800) 555-0100",
    agency="Office of the Comptroller of the Currency, Customer Assistance Group",
    agency_address="P.O. Box 53570, Houston, TX 77052",
)
DEMO_CREDITOR_EU = Creditor(
    name="Countersign Demo Bank SE",
    address=("1 Rue du Grand-Livre", "1000 Brussels"),
    phone="+32 2 555 01 00",
    agency="Federal Public Service Economy, Directorate-General Economic Inspection",
    agency_address="Rue du Progrès 50, 1210 Brussels",
    jurisdiction="EU",
)
DEMO_BUREAU = CreditBureau(
    name="Demo Credit Bureau, Inc.", address=("P.O. Box 1000", "Wilmington, DE 19899"), phone="(800) 555-0199"
)


@dataclass(frozen=True, slots=True)
class CreditScore:
    """The score used; `provider` made it: the bureau, or the creditor itself. Costliest factor first."""

    points: int
    lowest: int
    highest: int
    scored_on: str
    key_factors: tuple[str, ...]
    provider: str


@dataclass(frozen=True, slots=True)
class OfferFacts:
    """`how_to_accept` is a sentence or two; the offer stands to the end of `expires_on`. `schedule` is that of a payout
    on the letter's day. `explanation`, here and below, is a paragraph over the letter's own facts."""

    kind: ClassVar[LetterKind] = "offer"

    dated: str
    application: Application
    terms: LoanTerms
    first_due_on: str
    expires_on: str
    how_to_accept: str
    schedule: tuple[Instalment, ...] = ()
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class CounterOfferFacts:
    """An offer of other terms than requested, and why. `bureau` or `score` is None if none was used."""

    kind: ClassVar[LetterKind] = "counter_offer"

    offer: OfferFacts
    reasons: tuple[str, ...]
    bureau: CreditBureau | None
    score: CreditScore | None

    @property
    def dated(self) -> str:
        return self.offer.dated

    @property
    def application(self) -> Application:
        return self.offer.application


@dataclass(frozen=True, slots=True)
class AdverseActionFacts:
    """`reasons` are printed as given, most important first. `bureau` or `score` is None if none was used.
    `counter_offer` is what the applicant was offered instead and did not accept."""

    kind: ClassVar[LetterKind] = "adverse_action"

    dated: str
    application: Application
    reasons: tuple[str, ...]
    bureau: CreditBureau | None
    score: CreditScore | None
    counter_offer: LapsedOffer | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class DisbursementFacts:
    kind: ClassVar[LetterKind] = "disbursement_confirmation"

    dated: str
    application: Application
    terms: LoanTerms
    schedule: tuple[Instalment, ...]
    loan_account_id: str
    transfer_id: str
    paid_to_account: str
    paid_out_minor: int
    paid_out_on: str


LoanLetterFacts = OfferFacts | CounterOfferFacts | AdverseActionFacts | DisbursementFacts | ContractLetterFacts
WealthLetterFacts = ProfileLetterFacts | RebalanceLetterFacts | PortfolioReviewFacts
BankingLetterFacts = TransferLetterFacts | CustomerLetterFacts
LetterFacts = LoanLetterFacts | IntakeLetterFacts | ServicingLetterFacts | BankingLetterFacts | WealthLetterFacts

_FACTS: tuple[type[LetterFacts], ...] = (
    *(OfferFacts, CounterOfferFacts, AdverseActionFacts, DisbursementFacts),
    *CONTRACT_FACTS,
    *INTAKE_FACTS,
    *(TransferReceiptFacts, TransferRefusalFacts, TransferReturnFacts),
    *SERVICING_FACTS,
    *CUSTOMER_FACTS,
    *(ProfileSummaryFacts, ProfileExpiryFacts, RebalanceFacts, NotRebalancedFacts, PortfolioReviewFacts),
)

# Seen as nothing though neither control nor format characters: fillers, joiners, variation selectors, tags.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def read_facts(kind: str, stored: dict[str, Any]) -> LetterFacts:
    """The facts from what `asdict` made of them. ValueError names the field that does not fit the kind."""
    facts_type: type[LetterFacts] | None = next((each for each in _FACTS if each.kind == kind), None)
    if facts_type is None:
        raise ValueError(f"{kind!r:.30} is no kind of letter")
    return from_plain(facts_type, stored)


def read_creditor(stored: dict[str, Any]) -> Creditor:
    """Who wrote a letter, from what `dataclasses.asdict` made of them."""
    creditor: Creditor = TypeAdapter(Creditor).validate_python(stored)
    return creditor


def hidden_in(text: str) -> str | None:
    """The first character that a reader cannot see or that reorders what is read."""
    for character in text:
        if unicodedata.category(character) in _HIDDEN_CATEGORIES or _BLANK.match(character):
            return character
    return None


def check_facts(facts: LetterFacts | Creditor) -> None:
    """ValueError naming the first field that no letter may show.

    Refused are empty texts, characters that a reader cannot see or that reorder what is read (control,
    zero-width, bidirectional, private use), dates that are none, and more than four reasons or none.
    """
    _check(facts, "")
    if isinstance(facts, CounterOfferFacts | AdverseActionFacts):
        _check_count("reasons", facts.reasons, 1, MAX_REASONS)
    if isinstance(facts, DisbursementFacts):
        _check_count("schedule", facts.schedule, 1, MAX_TERM_MONTHS)


def _check(value: object, path: str) -> None:
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            _check(item, f"{path}[{number}]")
    elif is_dataclass(value):
        for field in fields(value):
            _check(getattr(value, field.name), f"{path}.{field.name}".removeprefix("."))
        if isinstance(value, CreditScore):
            _check_score(value, path)


def _check_text(text: str, path: str) -> None:
    if not text.strip():
        raise ValueError(f"{path}: is empty")
    if (hidden := hidden_in(text)) is not None:
        raise ValueError(f"{path}: holds U+{ord(hidden):04X}, which a reader cannot see")
    if path.endswith(("dated", "_on")):
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{path}: {text!r:.20} is no ISO 8601 date") from None


def _check_score(score: CreditScore, path: str) -> None:
    if not score.lowest <= score.points <= score.highest:
        raise ValueError(f"{path}.points: {score.points} is outside {score.lowest} to {score.highest}")
    _check_count(f"{path}.key_factors", score.key_factors, 0, MAX_KEY_FACTORS)


def _check_count(path: str, items: tuple[object, ...], least: int, most: int) -> None:
    if not least <= len(items) <= most:
        raise ValueError(f"{path}: {least} to {most} of them, not {len(items)}")
