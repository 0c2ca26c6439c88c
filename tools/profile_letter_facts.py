"""The facts that letters about a suitability profile are written from."""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class ProfiledClient:
    """Who was profiled, and hears of it. `reference` is the thread's id. No address: whoever keeps it sends it."""

    reference: str
    name: str
    client_id: str
    address: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileSummaryFacts:
    """`reasons` are the questions' in order, `limits` those that hold the profile below what the client would bear."""

    kind: ClassVar[Literal["profile_summary"]] = "profile_summary"

    dated: str
    application: ProfiledClient
    risk_profile: str
    rule_version: str
    reasons: tuple[str, ...]
    limits: tuple[str, ...]
    valid_until_on: str


@dataclass(frozen=True, slots=True)
class ProfileExpiryFacts:
    """Of a profile that ends soon, or has ended."""

    kind: ClassVar[Literal["profile_expiry"]] = "profile_expiry"

    dated: str
    application: ProfiledClient
    risk_profile: str
    assessed_on: str
    valid_until_on: str
    has_ended: bool


ProfileLetterFacts = ProfileSummaryFacts | ProfileExpiryFacts
