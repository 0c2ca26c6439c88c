"""The facts that the letter about a portfolio review is written from."""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class ReviewedClient:
    """Whose portfolio it is. `reference` is the thread's id. No address: whoever keeps it sends it."""

    reference: str
    name: str
    client_id: str
    address: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortfolioReviewFacts:
    """`actions` are what the rule recommends; the report has all the rest."""

    kind: ClassVar[Literal["portfolio_review"]] = "portfolio_review"

    dated: str
    application: ReviewedClient
    currency: str
    value_minor: int
    from_on: str
    to_on: str
    result_minor: int
    time_weighted_bps: int
    actions: tuple[str, ...]
