"""The facts that the letter about a suitability profile is written from."""

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
