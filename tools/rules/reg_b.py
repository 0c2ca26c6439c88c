"""The principal reasons of Regulation B's sample form C-1, and the reasons we give."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_REASONS = 4
"""Comment 9(b)(2)-1 to 12 CFR 1002.9: more than four reasons are not likely to help the applicant."""


class C1(StrEnum):
    """12 CFR Part 1002 (Regulation B), Appendix C, Sample Form C-1, Part I, in the form's order and words."""

    INCOMPLETE_APPLICATION = "Credit application incomplete"
    FEW_REFERENCES = "Insufficient number of credit references provided"
    UNACCEPTABLE_REFERENCES = "Unacceptable type of credit references provided"
    UNVERIFIED_REFERENCES = "Unable to verify credit references"
    IRREGULAR_EMPLOYMENT = "Temporary or irregular employment"
    UNVERIFIED_EMPLOYMENT = "Unable to verify employment"
    LENGTH_OF_EMPLOYMENT = "Length of employment"
    INSUFFICIENT_INCOME = "Income insufficient for amount of credit requested"
    EXCESSIVE_OBLIGATIONS = "Excessive obligations in relation to income"
    UNVERIFIED_INCOME = "Unable to verify income"
    LENGTH_OF_RESIDENCE = "Length of residence"
    TEMPORARY_RESIDENCE = "Temporary residence"
    UNVERIFIED_RESIDENCE = "Unable to verify residence"
    NO_CREDIT_FILE = "No credit file"
    LIMITED_EXPERIENCE = "Limited credit experience"
    POOR_PERFORMANCE_WITH_US = "Poor credit performance with us"
    DELINQUENT_OBLIGATIONS = "Delinquent past or present credit obligations with others"
    COLLECTION_OR_JUDGMENT = "Collection action or judgment"
    GARNISHMENT = "Garnishment or attachment"
    FORECLOSURE = "Foreclosure or repossession"
    BANKRUPTCY = "Bankruptcy"
    RECENT_INQUIRIES = "Number of recent inquiries on credit bureau report"
    COLLATERAL = "Value or type of collateral not sufficient"
    OTHER = "Other, specify"


SPECIFIC = tuple(phrase for phrase in C1 if phrase is not C1.OTHER)
"""The form's phrases that say enough by themselves: those that a person chooses from."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, to the applicant: `wording` is the C-1 phrase, `text` what a letter prints (specified where Other)."""

    code: str
    wording: str
    text: str


def reason(code: str, phrase: C1, specified: str = "") -> Reason:
    """A reason under our code. `specified` completes C1.OTHER, which alone tells the applicant nothing.

    ValueError if OTHER is not specified, or another phrase is.
    """
    if (phrase is C1.OTHER) != bool(specified):
        raise ValueError(f"{code}: exactly the phrase 'Other, specify' must be specified")
    return Reason(code, phrase.value, specified or phrase.value)


def principal(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """The first MAX_REASONS that say different things, in the order given."""
    by_text: dict[str, Reason] = {}
    for each in reasons:
        by_text.setdefault(each.text, each)
    return tuple(by_text.values())[:MAX_REASONS]
