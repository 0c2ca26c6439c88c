"""The facts that letters about a rebalance are written from."""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class RebalancedClient:
    """Whose accounts, and who hears of it. `reference` is the thread's id. No address: whoever keeps it sends it."""

    reference: str
    name: str
    client_id: str
    address: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilledOrder:
    """`filled` of `quantity` for `amount_minor`, the fee beside it. `status` is in words."""

    side: Literal["buy", "sell"]
    name: str
    custody_account_id: str
    quantity: str
    filled: str
    amount_minor: int
    fee_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class ClassShare:
    """In bps of the portfolio."""

    asset_class: str
    before_bps: int
    after_bps: int
    target_bps: int


@dataclass(frozen=True, slots=True)
class RebalanceFacts:
    """`orders` in the order in which they were sent."""

    kind: ClassVar[Literal["rebalance_confirmation"]] = "rebalance_confirmation"

    dated: str
    application: RebalancedClient
    orders: tuple[FilledOrder, ...]
    shares: tuple[ClassShare, ...]
    tax_minor: int
    tax_currency: str


@dataclass(frozen=True, slots=True)
class NotRebalancedFacts:
    """A case that ended without an order. `because` is a code that rebalance_letters has words for."""

    kind: ClassVar[Literal["rebalance_not_made"]] = "rebalance_not_made"

    dated: str
    application: RebalancedClient
    because: str


RebalanceLetterFacts = RebalanceFacts | NotRebalancedFacts
